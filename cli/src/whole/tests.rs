//! A folder is read back as it was written, or not at all.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use super::*;
use crate::{error::Outcome, exit};

fn item_of(category: &str, key: &str, value: &[u8]) -> Item {
    Item {
        category: category.into(),
        key: key.into(),
        value: value.to_vec().into(),
        changed_ms: 5,
        device: "laptop".into(),
    }
}

fn written(path: &Path) -> Outcome {
    let mut folder = Folder::create(path)?;
    for (name, lines) in [
        (SETTINGS, vec![item_line(&item_of("", "screen.enter", b"\"run\""))]),
        (ITEMS, vec![item_line(&item_of("alias", "ll", b"ls -l")), item_line(&item_of("kv", "k", b"\x1b\xff\n"))]),
        (
            COUNTS,
            vec![count_line(&CountOf { key: "runs".into(), device: "aa".repeat(32), total: 7, ..CountOf::default() })],
        ),
        (DEVICES, vec![b"{\"id\":\"aa\"}\n".to_vec()]),
        (HISTORY, vec![b"{\"command\":\"ls\"}\n".to_vec(), b"{\"command\":\"cd\"}\n".to_vec()]),
    ] {
        let mut file = folder.lines(name)?;
        lines.iter().try_for_each(|line| file.add(line))?;
        folder.add(file)?;
    }
    folder.add_config("log = \"off\"\n")?;
    folder.finish()
}

#[test]
fn pc005_what_was_written_is_read_back_and_is_its_owners_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("all");
    written(&path).expect("written");
    let whole = Whole::open(&path).expect("whole");
    let pair = |change: &ItemChange| {
        (change.category.clone(), change.key.clone(), change.value.clone().map(serde_bytes::ByteBuf::into_vec))
    };
    let of = |category: &str, key: &str, value: &[u8]| (category.to_owned(), key.to_owned(), Some(value.to_vec()));
    assert_eq!(whole.settings.iter().map(pair).collect::<Vec<_>>(), [of("", "screen.enter", b"\"run\"")]);
    let items: Vec<_> = whole.items.iter().map(pair).collect();
    assert_eq!(items, [of("alias", "ll", b"ls -l"), of("kv", "k", b"\x1b\xff\n")]);
    assert_eq!((whole.counts[0].key.as_str(), whole.counts[0].total), ("runs", 7));
    assert_eq!((whole.config.as_deref(), whole.lines(HISTORY)), (Some("log = \"off\"\n"), 2));
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    let names: Vec<_> = fs::read_dir(&path).expect("listed").map(|entry| entry.expect("an entry").path()).collect();
    assert_eq!(names.len(), 9);
    assert!(names.iter().all(|name| mode(name) == 0o600));
    assert!(!fs::read_to_string(path.join(ITEMS)).expect("text").contains('\u{1b}'), "a look at it is safe");
    let again = written(&path).expect_err("it is there");
    assert_eq!(again.code, exit::CANNOT_CREATE);
    assert_eq!(fs::read_dir(folder.path()).expect("listed").count(), 1, "nothing is left beside it");
}

#[test]
fn pc005_an_export_that_is_cut_off_or_altered_anywhere_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("all");
    written(&path).expect("written");
    for entry in fs::read_dir(&path).expect("listed") {
        let file = entry.expect("an entry").path();
        let before = fs::read(&file).expect("read");
        let flips = (0..before.len()).step_by(1 + before.len() / 40);
        let mut changed: Vec<Vec<u8>> = flips
            .map(|at| {
                let mut bytes = before.clone();
                bytes[at] ^= 1;
                bytes
            })
            .collect();
        changed.extend([before[..before.len() - 1].to_vec(), before[..before.len() / 2].to_vec(), Vec::new()]);
        changed.push([&before[..], b"\n"].concat());
        for bytes in changed {
            fs::write(&file, &bytes).expect("written");
            let refused = Whole::open(&path).err().expect("refused");
            assert_eq!(refused.code, exit::DATA, "{}: {refused}", file.display());
        }
        fs::remove_file(&file).expect("removed");
        let refused = Whole::open(&path).err().expect("refused");
        assert!(refused.message.contains("missing"), "{refused}");
        fs::write(&file, &before).expect("written");
    }
    Whole::open(&path).expect("as it was");
}

#[test]
fn pc005_a_line_too_many_or_a_newer_form_is_refused_though_its_hash_is_right() {
    use sha2::{Digest, Sha256};
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("all");
    written(&path).expect("written");
    let sums = fs::read_to_string(path.join(SUMS)).expect("text");
    let rewrite = |name: &str, text: &str| {
        let old = hex::encode(Sha256::digest(fs::read(path.join(name)).expect("read")));
        fs::write(path.join(name), text).expect("written");
        fs::write(path.join(SUMS), sums.replace(&old, &hex::encode(Sha256::digest(text)))).expect("written");
    };
    let manifest = fs::read_to_string(path.join(MANIFEST)).expect("text");
    rewrite(MANIFEST, &manifest.replace("\"version\":1", "\"version\":2"));
    let refused = Whole::open(&path).err().expect("refused");
    assert!(refused.message.contains("form 2"), "{refused}");
    rewrite(MANIFEST, &manifest);
    Whole::open(&path).expect("as it was");
    let out = format!("{}  ../outside\n", "0".repeat(64));
    fs::write(path.join(SUMS), sums.clone() + &out).expect("written");
    assert!(Whole::open(&path).err().expect("refused").message.contains("../outside"));
}
