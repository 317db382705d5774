//! Reads the folder back: first every byte is compared with what was written down of it, then every line is looked at, and
//! only then is anything given out.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use caro_schema::ipc::items::{CountOf, ItemChange};
use sha2::{Digest, Sha256};

use super::{
    CONFIG, COUNTS, DEVICES, FORM, HISTORY, ITEMS, MANIFEST, Manifest, REQUIRED, SETTINGS, SUMS, VERSION, count, item,
};
use crate::{
    error::{Failure, Outcome},
    exit,
    output::visible,
};

/// A folder that is as it was written.
pub(crate) struct Whole {
    folder: PathBuf,
    manifest: Manifest,
    /// Settings, then items.
    pub(crate) settings: Vec<ItemChange>,
    /// Values, aliases, variables, scripts, and what a newer caro may have had besides.
    pub(crate) items: Vec<ItemChange>,
    /// What devices have counted.
    pub(crate) counts: Vec<CountOf>,
    /// The machine's own configuration, where there was one.
    pub(crate) config: Option<String>,
}

/// Bytes of a file that is read whole: all items, each byte of which may be six as JSON has it.
const FILE_BYTES_MAX: u64 = 128 * 1024 * 1024;

/// Bytes of the list of hashes, of a dozen files.
const SUMS_BYTES_MAX: u64 = 64 * 1024;

impl Whole {
    /// Looks at all of it.
    ///
    /// # Errors
    /// It is not there, or not as it was written: which file, and what is wrong with it.
    pub(crate) fn open(folder: &Path) -> Outcome<Self> {
        let meta = fs::metadata(folder).map_err(|error| Failure::at(folder, &error))?;
        if !meta.is_dir() {
            return Err(Failure::new(exit::NO_INPUT, format!("{} is no folder", folder.display()))
                .hint("name the folder that caro export --all made"));
        }
        let sums = sums(folder)?;
        for name in REQUIRED {
            if !sums.contains_key(name) {
                return Err(altered(SUMS, &format!("it does not name {name}")));
            }
        }
        let mut counted = BTreeMap::new();
        for (name, sum) in &sums {
            let (now, lines) = hash(&folder.join(name), name)?;
            if now != *sum {
                return Err(altered(name, "its SHA-256 is another than when it was written"));
            }
            counted.insert(name.as_str(), lines);
        }
        let manifest = manifest(folder, &sums, &counted)?;
        let lines = |name: &str| -> Outcome<Vec<Vec<u8>>> {
            let bytes = read(&folder.join(name), name)?;
            Ok(bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect())
        };
        let settings = parsed(SETTINGS, lines(SETTINGS)?, item)?;
        let items = parsed(ITEMS, lines(ITEMS)?, item)?;
        let counts = parsed(COUNTS, lines(COUNTS)?, count)?;
        let config = match sums.contains_key(CONFIG) {
            true => Some(
                String::from_utf8(read(&folder.join(CONFIG), CONFIG)?)
                    .map_err(|_| altered(CONFIG, "it is not text"))?,
            ),
            false => None,
        };
        Ok(Self { folder: folder.to_owned(), manifest, settings, items, counts, config })
    }

    /// Where the commands are.
    pub(crate) fn history(&self) -> PathBuf {
        self.folder.join(HISTORY)
    }

    /// How many lines a file has.
    pub(crate) fn lines(&self, name: &str) -> u64 {
        self.manifest.files.iter().find(|part| part.name == name).map_or(0, |part| part.lines)
    }

    /// What wrote it, and when.
    pub(crate) fn origin(&self) -> String {
        let made = visible::line(self.manifest.made.as_bytes());
        format!("{}, {made}", visible::line(self.manifest.made_by.as_bytes()))
    }
}

fn altered(name: &str, what: &str) -> Failure {
    let message = format!("{}: {what}", visible::line(name.as_bytes()));
    Failure::new(exit::DATA, message).hint("the export was changed or cut off; nothing was taken in")
}

/// The hashes by the names of their files, as `sha256sum` writes them. No name leads out of the folder.
fn sums(folder: &Path) -> Outcome<BTreeMap<String, String>> {
    let path = folder.join(SUMS);
    let bytes = read_at_most(&path, SUMS, SUMS_BYTES_MAX)?;
    let text = String::from_utf8(bytes).map_err(|_| altered(SUMS, "it is not text"))?;
    let mut sums = BTreeMap::new();
    for line in text.split_inclusive('\n') {
        let pair = line.strip_suffix('\n').and_then(|line| line.split_once("  "));
        let Some((sum, name)) = pair.filter(|(sum, _)| sum.len() == 64) else {
            return Err(altered(SUMS, "a line of it is cut off or another"));
        };
        let is_known = REQUIRED.contains(&name) || name == CONFIG;
        if !is_known || sums.insert(name.to_owned(), sum.to_owned()).is_some() {
            return Err(altered(SUMS, &format!("it names {}", visible::line(name.as_bytes()))));
        }
    }
    Ok(sums)
}

fn manifest(folder: &Path, sums: &BTreeMap<String, String>, counted: &BTreeMap<&str, u64>) -> Outcome<Manifest> {
    let bytes = read(&folder.join(MANIFEST), MANIFEST)?;
    let said: serde_json::Value = serde_json::from_slice(&bytes).map_err(|_| altered(MANIFEST, "it is not JSON"))?;
    if said["form"] != FORM {
        return Err(altered(MANIFEST, "it is that of something else"));
    }
    if said["version"] != VERSION {
        let message = format!("the export is of form {}, this caro reads form {VERSION}", said["version"]);
        return Err(Failure::new(exit::DATA, message).hint("install the newest caro; nothing was taken in"));
    }
    let manifest: Manifest = serde_json::from_value(said).map_err(|_| altered(MANIFEST, "it lacks something"))?;
    for part in &manifest.files {
        if sums.get(&part.name) != Some(&part.sha256) {
            return Err(altered(MANIFEST, &format!("it says another hash of {}", visible::line(part.name.as_bytes()))));
        }
    }
    for name in [COUNTS, DEVICES, HISTORY, ITEMS, SETTINGS] {
        let Some(part) = manifest.files.iter().find(|part| part.name == name) else {
            return Err(altered(MANIFEST, &format!("it does not name {name}")));
        };
        if counted.get(name) != Some(&part.lines) {
            return Err(altered(name, &format!("it does not have the {} lines that it had", part.lines)));
        }
    }
    Ok(manifest)
}

/// The hash of a file and how many lines it has, read piece by piece.
fn hash(path: &Path, name: &str) -> Outcome<(String, u64)> {
    let mut file = open(path, name)?;
    let (mut hash, mut lines, mut buffer) = (Sha256::new(), 0, vec![0; 256 * 1024]);
    loop {
        let read = file.read(&mut buffer).map_err(|error| Failure::at(path, &error))?;
        if read == 0 {
            return Ok((hex::encode(hash.finalize()), lines));
        }
        hash.update(&buffer[..read]);
        lines += buffer[..read].iter().filter(|byte| **byte == b'\n').count() as u64;
    }
}

fn open(path: &Path, name: &str) -> Outcome<File> {
    File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => altered(name, "it is missing"),
        _ => Failure::at(path, &error),
    })
}

fn read(path: &Path, name: &str) -> Outcome<Vec<u8>> {
    read_at_most(path, name, FILE_BYTES_MAX)
}

fn read_at_most(path: &Path, name: &str, most: u64) -> Outcome<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = open(path, name)?;
    file.take(most + 1).read_to_end(&mut bytes).map_err(|error| Failure::at(path, &error))?;
    if bytes.len() as u64 > most {
        return Err(altered(name, &format!("it is over {most} bytes")));
    }
    Ok(bytes)
}

fn parsed<T>(name: &str, lines: Vec<Vec<u8>>, parse: impl Fn(&[u8]) -> Option<T>) -> Outcome<Vec<T>> {
    let read = |(number, line): (usize, Vec<u8>)| {
        parse(&line).ok_or_else(|| altered(name, &format!("line {} makes no sense", number + 1)))
    };
    lines.into_iter().enumerate().map(read).collect()
}
