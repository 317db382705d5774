//! What a real program did to its files, in order and with the bytes, from the trace of its system calls.
//!
//! A call counts from its end: a flush that has not returned has flushed nothing. Paths are relative to the folder that
//! was watched; everything else that the program touched is left out. Next: [`super::image`].

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// One change of a file, or of the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A file is there, empty, that was not.
    Make(String),
    /// Bytes at a place.
    Write {
        /// The file.
        file: String,
        /// Where.
        at: u64,
        /// What.
        bytes: Vec<u8>,
    },
    /// The file has this length.
    Resize(String, u64),
    /// What was done to the file before is safe.
    Flush(String),
    /// The system said that it could not make it safe. What was under way is lost, and a later flush does not bring it
    /// back: the system takes it for written.
    FlushFailed(String),
    /// What was done to the folder before is safe.
    FlushFolder,
    /// A file has another name.
    Rename(String, String),
    /// A file is gone.
    Remove(String),
}

/// Reads the trace so far. What is not yet a whole line is left for the next time.
///
/// # Panics
/// When the trace has something in it that cannot be understood, which would make the images wrong.
pub fn read(trace: &Path, folder: &Path) -> Vec<Change> {
    let text = fs::read_to_string(trace).expect("a trace");
    let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
    let mut reader = Reader { folder, unfinished: BTreeMap::new(), ends: BTreeMap::new(), known: BTreeMap::new() };
    whole.lines().filter_map(|line| reader.line(line)).collect()
}

struct Reader<'a> {
    folder: &'a Path,
    /// The beginnings of calls that were interrupted in the trace by another thread's.
    unfinished: BTreeMap<String, String>,
    /// Where each file ends, for writes that go on there.
    ends: BTreeMap<String, u64>,
    /// Files that are known to be there.
    known: BTreeMap<String, ()>,
}

impl Reader<'_> {
    fn line(&mut self, line: &str) -> Option<Change> {
        let (thread, rest) = line.split_once(' ')?;
        let rest = rest.trim_start();
        if rest.starts_with(['+', '-']) {
            return None;
        }
        if let Some(begun) = rest.strip_suffix("<unfinished ...>") {
            self.unfinished.insert(thread.to_owned(), begun.trim_end().to_owned());
            return None;
        }
        let whole = match rest.strip_prefix("<... ") {
            Some(resumed) => {
                let (_, end) = resumed.split_once(" resumed>")?;
                self.unfinished.remove(thread)? + end
            }
            None => rest.to_owned(),
        };
        let (call, outcome) = whole.rsplit_once(" = ")?;
        let returned: i64 = outcome.split(['<', ' ']).next()?.parse().ok()?;
        let (name, arguments) = call.split_once('(')?;
        if returned < 0 && matches!(name, "fsync" | "fdatasync") {
            return self.described(arguments).map(Change::FlushFailed);
        }
        (returned >= 0).then(|| self.change(name, arguments, returned))?
    }

    fn change(&mut self, name: &str, arguments: &str, returned: i64) -> Option<Change> {
        match name {
            "openat" => {
                let file = self.inside(&quoted(arguments, 0)?)?;
                let is_new = arguments.contains("O_CREAT") && self.known.insert(file.clone(), ()).is_none();
                if arguments.contains("O_TRUNC") {
                    self.ends.insert(file.clone(), 0);
                    return Some(if is_new { Change::Make(file) } else { Change::Resize(file, 0) });
                }
                is_new.then_some(Change::Make(file))
            }
            "pwrite64" | "write" => {
                let file = self.described(arguments)?;
                let bytes = quoted(arguments, 0)?;
                assert_eq!(bytes.len() as i64, returned, "a write that was cut, in the trace or by the system");
                let end = self.ends.entry(file.clone()).or_default();
                let at = match name {
                    "write" => *end,
                    _ => arguments.trim_end_matches(')').rsplit_once(", ")?.1.parse().ok()?,
                };
                *end = (*end).max(at + bytes.len() as u64);
                Some(Change::Write { file, at, bytes })
            }
            "ftruncate" => {
                let file = self.described(arguments)?;
                let length = arguments.trim_end_matches(')').rsplit_once(", ")?.1.parse().ok()?;
                self.ends.insert(file.clone(), length);
                Some(Change::Resize(file, length))
            }
            "fsync" | "fdatasync" => {
                let path = described_path(arguments)?;
                if path == self.folder { Some(Change::FlushFolder) } else { self.inside_path(&path).map(Change::Flush) }
            }
            "rename" | "renameat" | "renameat2" => {
                let (from, to) = (self.inside(&quoted(arguments, 0)?)?, self.inside(&quoted(arguments, 1)?)?);
                let end = self.ends.remove(&from).unwrap_or_default();
                self.ends.insert(to.clone(), end);
                self.known.remove(&from);
                self.known.insert(to.clone(), ());
                Some(Change::Rename(from, to))
            }
            "unlink" | "unlinkat" => {
                let file = self.inside(&quoted(arguments, 0)?)?;
                self.known.remove(&file);
                self.ends.remove(&file);
                Some(Change::Remove(file))
            }
            _ => None,
        }
    }

    fn described(&self, arguments: &str) -> Option<String> {
        self.inside_path(&described_path(arguments)?)
    }

    fn inside(&self, path: &[u8]) -> Option<String> {
        self.inside_path(Path::new(std::str::from_utf8(path).ok()?))
    }

    /// The index of a write-ahead log is left out: it is shared memory, which nobody reads after a power cut.
    fn inside_path(&self, path: &Path) -> Option<String> {
        let name = path.strip_prefix(self.folder).ok()?.to_str()?;
        (!name.is_empty() && !name.ends_with("-shm")).then(|| name.to_owned())
    }
}

/// The path of the descriptor that a call begins with.
fn described_path(arguments: &str) -> Option<PathBuf> {
    let (_, rest) = arguments.split_once('<')?;
    let path = unescape(rest.split_once('>')?.0)?;
    Some(PathBuf::from(String::from_utf8(path).ok()?))
}

/// The n-th string among the arguments.
fn quoted(arguments: &str, n: usize) -> Option<Vec<u8>> {
    let text = arguments.split('"').nth(1 + 2 * n)?;
    unescape(text)
}

/// `strace -xx` writes every byte of a string as `\x` and two digits.
fn unescape(text: &str) -> Option<Vec<u8>> {
    let digit = |at: usize| (*text.as_bytes().get(at)? as char).to_digit(16);
    (0..text.len()).step_by(4).map(|at| u8::try_from(digit(at + 2)? * 16 + digit(at + 3)?).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> String {
        text.bytes().map(|byte| format!("\\x{byte:02x}")).collect()
    }

    #[test]
    fn a_trace_is_read_with_its_interruptions_and_without_what_lies_elsewhere() {
        let [file, other, folder] = [hex("/d/a"), hex("/e/a"), hex("/d")];
        let lines = [
            format!("7  openat(AT_FDCWD<{folder}>, \"{file}\", O_RDWR|O_CREAT|O_CLOEXEC, 0600) = 3<{file}>"),
            format!(
                "7  openat(AT_FDCWD<{folder}>, \"{}\", O_RDONLY|O_CLOEXEC) = -1 ENOENT (No such file or directory)",
                hex("/d/b")
            ),
            format!("7  pwrite64(3<{file}>, \"{}\", 2, 4096 <unfinished ...>", hex("hi")),
            format!("8  write(4<{other}>, \"{}\", 1) = 1", hex("x")),
            "7  <... pwrite64 resumed>) = 2".to_owned(),
            format!("7  fdatasync(3<{file}>) = -1 EIO (Input/output error) (INJECTED)"),
            format!("7  fsync(5<{folder}>) = 0"),
            format!("7  rename(\"{file}\", \"{}\") = 0", hex("/d/c")),
            "7  +++ exited with 0 +++".to_owned(),
            format!("7  unlink(\"{}\"", hex("/d/c")),
        ];
        let trace = tempfile::NamedTempFile::new().expect("made");
        fs::write(trace.path(), lines.join("\n")).expect("written");
        let expected = [
            Change::Make("a".into()),
            Change::Write { file: "a".into(), at: 4096, bytes: b"hi".to_vec() },
            Change::FlushFailed("a".into()),
            Change::FlushFolder,
            Change::Rename("a".into(), "c".into()),
        ];
        assert_eq!(read(trace.path(), Path::new("/d")), expected);
    }
}
