//! Writes the folder: beside its place and under a name that nobody knows, and puts it there when it is whole.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, BufWriter, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::{ABOUT, CONFIG, FORM, MANIFEST, Manifest, Part, README, SUMS, VERSION};
use crate::{
    error::{Failure, Outcome, system},
    exit,
    output::{json, time},
};

/// A folder that is being written. Gone again when it does not come to its end.
pub(crate) struct Folder {
    path: PathBuf,
    written: PathBuf,
    parts: Vec<Part>,
    is_done: bool,
}

/// A file of it.
pub(crate) struct Lines {
    name: &'static str,
    path: PathBuf,
    file: BufWriter<File>,
    hash: Sha256,
    count: u64,
}

/// Large enough that a million commands cost few writes.
const BUFFER_BYTES: usize = 256 * 1024;

impl Folder {
    /// Begins one. What is there already is not touched.
    pub(crate) fn create(path: &Path) -> Outcome<Self> {
        refuse_what_is_there(path)?;
        let written = beside(path)?;
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&written)
            .map_err(|error| Failure::new(exit::CANNOT_CREATE, format!("{}: {}", path.display(), system(&error))))?;
        Ok(Self { path: path.to_owned(), written, parts: Vec::new(), is_done: false })
    }

    /// Begins a file of it.
    pub(crate) fn lines(&self, name: &'static str) -> Outcome<Lines> {
        let path = self.written.join(name);
        let file = new_file(&path)?;
        Ok(Lines { name, path, file: BufWriter::with_capacity(BUFFER_BYTES, file), hash: Sha256::new(), count: 0 })
    }

    /// Puts a file that is done to the others. Gives how many lines it has.
    pub(crate) fn add(&mut self, lines: Lines) -> Outcome<u64> {
        let Lines { name, path, file, hash, count } = lines;
        let at = |error: io::Error| Failure::at(&path, &error);
        let file = file.into_inner().map_err(|error| at(error.into_error()))?;
        file.sync_all().map_err(at)?;
        self.parts.push(Part { name: name.to_owned(), lines: count, sha256: hex::encode(hash.finalize()) });
        Ok(count)
    }

    /// Puts the machine's own configuration to the others.
    pub(crate) fn add_config(&mut self, text: &str) -> Outcome {
        let mut lines = self.lines(CONFIG)?;
        for line in text.split_inclusive('\n') {
            lines.add(line.as_bytes())?;
        }
        self.add(lines).map(drop)
    }

    /// Writes what is said of all files, and gives the folder its name.
    pub(crate) fn finish(mut self) -> Outcome {
        let manifest = Manifest {
            form: FORM.to_owned(),
            version: VERSION,
            made_by: format!("caro {}", env!("CARGO_PKG_VERSION")),
            made: time::rfc3339(time::now_us()),
            files: std::mem::take(&mut self.parts),
        };
        let mut sums: Vec<(String, String)> =
            manifest.files.iter().map(|part| (part.name.clone(), part.sha256.clone())).collect();
        for (name, bytes) in [(MANIFEST, json::line(&manifest)), (README, ABOUT.as_bytes().to_vec())] {
            write_whole(&self.written.join(name), &bytes)?;
            sums.push((name.to_owned(), hex::encode(Sha256::digest(&bytes))));
        }
        sums.sort();
        let sums: String = sums.iter().map(|(name, sum)| format!("{sum}  {name}\n")).collect();
        write_whole(&self.written.join(SUMS), sums.as_bytes())?;
        let at = |error: io::Error| Failure::at(&self.path, &error);
        refuse_what_is_there(&self.path)?;
        fs::rename(&self.written, &self.path).map_err(at)?;
        self.is_done = true;
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(parent).and_then(|parent| parent.sync_all()).map_err(at)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.is_done {
            // A part of a history, under a name that nobody looks for; there is nobody to tell.
            drop(fs::remove_dir_all(&self.written));
        }
    }
}

impl Lines {
    /// Adds a line, with its end.
    pub(crate) fn add(&mut self, line: &[u8]) -> Outcome {
        self.hash.update(line);
        self.count += 1;
        self.file.write_all(line).map_err(|error| Failure::at(&self.path, &error))
    }
}

/// An empty folder may be filled; anything else stays as it is.
fn refuse_what_is_there(path: &Path) -> Outcome {
    let is_free = match fs::symlink_metadata(path) {
        Err(error) => error.kind() == io::ErrorKind::NotFound,
        Ok(meta) => meta.is_dir() && fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none()),
    };
    if is_free {
        return Ok(());
    }
    Err(Failure::new(exit::CANNOT_CREATE, format!("{} is there already", path.display()))
        .hint("name another folder; an export never replaces one"))
}

fn new_file(path: &Path) -> Outcome<File> {
    let file = File::options().write(true).create_new(true).mode(0o600).open(path);
    file.map_err(|error| Failure::at(path, &error))
}

fn write_whole(path: &Path, bytes: &[u8]) -> Outcome {
    let mut file = new_file(path)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|error| Failure::at(path, &error))
}

/// A name in the same folder that nobody can know.
fn beside(path: &Path) -> Outcome<PathBuf> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|_| Failure::new(exit::INTERNAL, "the system gives no randomness"))?;
    let name = path
        .file_name()
        .ok_or_else(|| Failure::new(exit::USAGE, format!("{} is no name of a folder", path.display())))?;
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}", hex::encode(random)));
    Ok(path.with_file_name(hidden))
}
