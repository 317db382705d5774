//! An export of everything as it is taken in again: a folder of somebody's, each file of which may be any bytes.

use std::{fs, path::Path, sync::OnceLock};

use caro_schema::ipc::items::{CountOf, Item};
use chaos_tests::fuzzing::{
    Target,
    input::{Input, raw_or_edited, seeds_around},
};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::scratch;

pub(crate) const TARGETS: &[Target] = &[Target {
    name: "export_all",
    what: "the folder of an export of everything, one file of it any bytes, with sums that fit or do not: it is read as it \
           was written, or refused in words, and no more comes out of it than there is; where the sums do not fit nothing does",
    run: export,
    seeds,
}];

const FILES: [&str; 9] = [
    "settings.jsonl",
    "items.jsonl",
    "counts.jsonl",
    "devices.jsonl",
    "history.jsonl",
    "config.toml",
    "manifest.json",
    "README.md",
    "SHA256SUMS",
];

/// Each file as it was written, in the order of [`FILES`].
fn genuine() -> &'static [Vec<u8>] {
    static GENUINE: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    GENUINE.get_or_init(|| {
        let folder = scratch::empty("export-genuine").join("all");
        let item = |category: &str, key: &str, value: &[u8]| Item {
            category: category.into(),
            key: key.into(),
            value: value.to_vec().into(),
            changed_ms: 5,
            device: "laptop".into(),
        };
        let items =
            [item("", "screen.enter", b"\"run\""), item("alias", "ll", b"ls -l"), item("kv", "k\u{1b}", b"\x1b\xff\n")];
        let counts = [CountOf { key: "runs".into(), device: "aa".repeat(32), total: 7, ..CountOf::default() }];
        caro::fuzzing::write_export(&folder, &items, &counts, &[b"{\"command\":\"ls\"}\n".to_vec()]);
        FILES.iter().map(|name| fs::read(folder.join(name)).expect("it was written")).collect()
    })
}

fn export(data: &[u8]) {
    let mut input = Input::new(data);
    let (which, fits) = (input.below(FILES.len()), input.byte() == 1);
    let mut files = genuine().to_vec();
    files[which] = raw_or_edited(input.rest(), &files[which]);
    if fits {
        make_fit(&mut files);
    }
    let folder = scratch::empty("export");
    for (name, bytes) in FILES.iter().zip(&files) {
        scratch::file(&folder, name, bytes);
    }
    let read = caro::fuzzing::export(&folder);
    let is_genuine = files == genuine();
    match read {
        Ok(read) => {
            assert!(fits || is_genuine, "an altered export was read");
            let text: usize = files.iter().map(Vec::len).sum();
            let values =
                read.items.iter().map(|item| item.key.len() + item.value.as_ref().map_or(0, |value| value.len()));
            let counted = read.counts.iter().map(|count| count.key.len());
            let config = read.config.as_ref().map_or(0, String::len);
            assert!(values.chain(counted).sum::<usize>() + config <= text, "more came out than there is");
            assert!(!read.origin.contains(char::is_control), "a terminal would obey where it comes from");
        }
        Err(why) => {
            assert!(!is_genuine, "what was written is not read back: {why}");
            assert!(!why.is_empty() && !why.contains(char::is_control), "a terminal would obey why");
        }
    }
    is_untouched(&folder, &files);
}

/// Reading changes nothing.
fn is_untouched(folder: &Path, files: &[Vec<u8>]) {
    for (name, bytes) in FILES.iter().zip(files) {
        assert!(fs::read(folder.join(name)).expect("it is there") == *bytes);
    }
}

/// Makes what is said of the files true of them, as somebody would who wants them to be taken in.
fn make_fit(files: &mut [Vec<u8>]) {
    let at = |name: &str| FILES.iter().position(|known| *known == name).expect("one of the files");
    let (manifest, sums) = (at("manifest.json"), at("SHA256SUMS"));
    if let Ok(mut said) = serde_json::from_slice::<Value>(&files[manifest])
        && let Some(parts) = said.get_mut("files").and_then(Value::as_array_mut)
    {
        for part in parts {
            let Some(named) = FILES.iter().position(|name| part["name"] == **name) else { continue };
            if part.is_object() {
                part["sha256"] = sum(&files[named]).into();
                part["lines"] = files[named].iter().filter(|byte| **byte == b'\n').count().into();
            }
        }
        files[manifest] = format!("{said}\n").into_bytes();
    }
    let lines = FILES.iter().zip(files.iter()).filter(|(name, _)| **name != "SHA256SUMS");
    files[sums] = lines.map(|(name, bytes)| format!("{}  {name}\n", sum(bytes))).collect::<String>().into_bytes();
}

fn sum(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (which, file) in genuine().iter().enumerate() {
        let edits = seeds_around(file);
        // Raw and with one edit, each with sums that fit and that do not.
        for edit in [&edits[0], &edits[2]] {
            seeds.extend((0..2).map(|fits| [&[which as u8, fits][..], edit].concat()));
        }
    }
    seeds
}
