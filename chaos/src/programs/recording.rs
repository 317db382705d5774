//! What a real program did to its files, in order and with the bytes, from the trace of its system calls.
//!
//! A call counts from its end: a flush that has not returned has flushed nothing. Paths are relative to the folder that
//! was watched; everything else that the program touched is left out. Invariant: a call in that folder which is not
//! understood ends the reading, for an image that lacks one write says that the program lost it. Next: [`super::image`].

use std::{
    collections::{BTreeMap, BTreeSet},
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
    let mut reader = Reader { folder, unfinished: BTreeMap::new(), ends: BTreeMap::new(), known: BTreeSet::new() };
    whole.lines().filter_map(|line| reader.line(line)).collect()
}

struct Reader<'a> {
    folder: &'a Path,
    /// The beginnings of calls that were interrupted in the trace by another thread's.
    unfinished: BTreeMap<String, String>,
    /// Where each file ends, for writes that go on there.
    ends: BTreeMap<String, u64>,
    /// Files that are known to be there.
    known: BTreeSet<String>,
}

impl Reader<'_> {
    fn line(&mut self, line: &str) -> Option<Change> {
        let (thread, rest) = line.split_once(' ')?;
        let rest = rest.trim_start();
        // Of threads, and a call of one that was killed in it.
        if rest.starts_with(['+', '-']) || rest.ends_with("<detached ...>") {
            return None;
        }
        if let Some(begun) = rest.strip_suffix("<unfinished ...>") {
            self.unfinished.insert(thread.to_owned(), begun.trim_end().to_owned());
            return None;
        }
        let whole = match rest.strip_prefix("<... ") {
            Some(resumed) => {
                let begun = self.unfinished.remove(thread);
                let end = resumed.split_once(" resumed>").map(|(_, end)| end);
                begun.zip(end).map(|(begun, end)| begun + end).unwrap_or_else(|| panic!("it never began: {line}"))
            }
            None => rest.to_owned(),
        };
        self.call(&whole).unwrap_or_else(|| panic!("a call that cannot be understood: {whole}"))
    }

    /// None when it cannot be understood. A call that changes nothing in the folder is understood, and none.
    fn call(&mut self, whole: &str) -> Option<Option<Change>> {
        // The outcomes stand below each other, with spaces before them.
        let (call, outcome) = whole.rsplit_once(" = ")?;
        let (name, arguments) = call.trim_end().strip_suffix(')')?.split_once('(')?;
        let returned = outcome.split(['<', ' ']).next()?;
        if returned == "?" {
            // The program died in it.
            return Some(None);
        }
        let returned: i64 = returned.parse().ok()?;
        if returned < 0 {
            let failed = matches!(name, "fsync" | "fdatasync").then(|| self.described(arguments)).flatten();
            return Some(failed.map(Change::FlushFailed));
        }
        match name {
            "openat" => Some(self.opened(&quoted(arguments, 0)?, arguments)),
            "rename" | "renameat" | "renameat2" => Some(self.renamed(&quoted(arguments, 0)?, &quoted(arguments, 1)?)),
            "unlink" | "unlinkat" => Some(self.inside(&quoted(arguments, 0)?).map(|file| self.removed(file))),
            "mkdir" | "mkdirat" => Some(None),
            "fsync" | "fdatasync" if described_path(arguments)? == self.folder => Some(Some(Change::FlushFolder)),
            _ => match self.inside_path(&described_path(arguments)?) {
                Some(file) => self.changed(name, file, arguments, returned).map(Some),
                None => Some(None),
            },
        }
    }

    fn opened(&mut self, path: &[u8], arguments: &str) -> Option<Change> {
        let file = self.inside(path)?;
        let is_new = arguments.contains("O_CREAT") && self.known.insert(file.clone());
        if arguments.contains("O_TRUNC") {
            self.ends.insert(file.clone(), 0);
            return Some(if is_new { Change::Make(file) } else { Change::Resize(file, 0) });
        }
        is_new.then_some(Change::Make(file))
    }

    fn renamed(&mut self, from: &[u8], to: &[u8]) -> Option<Change> {
        let (from, to) = (self.inside(from)?, self.inside(to)?);
        let end = self.ends.remove(&from).unwrap_or_default();
        self.ends.insert(to.clone(), end);
        self.known.remove(&from);
        self.known.insert(to.clone());
        Some(Change::Rename(from, to))
    }

    fn removed(&mut self, file: String) -> Change {
        self.known.remove(&file);
        self.ends.remove(&file);
        Change::Remove(file)
    }

    /// What was done to a file that is open. None for a call that this does not know.
    fn changed(&mut self, name: &str, file: String, arguments: &str, returned: i64) -> Option<Change> {
        let last = || arguments.rsplit_once(", ")?.1.parse::<u64>().ok();
        match name {
            "pwrite64" | "write" => {
                let bytes = quoted(arguments, 0)?;
                assert_eq!(bytes.len() as i64, returned, "a write that was cut, in the trace or by the system");
                let end = self.ends.entry(file.clone()).or_default();
                let at = if name == "write" { *end } else { last()? };
                *end = (*end).max(at + bytes.len() as u64);
                Some(Change::Write { file, at, bytes })
            }
            "ftruncate" => {
                let length = last()?;
                self.ends.insert(file.clone(), length);
                Some(Change::Resize(file, length))
            }
            "fsync" | "fdatasync" => Some(Change::Flush(file)),
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
            "7  <... pwrite64 resumed>)           = 2".to_owned(),
            format!("7  ftruncate(3<{file}>, 4098 <unfinished ...>"),
            format!("8  write(4<{other}>, \"{}\", 1 <unfinished ...>", hex("y")),
            "7  <... ftruncate resumed>)          = 0".to_owned(),
            "8  <... write resumed>)              = ?".to_owned(),
            format!("7  fdatasync(3<{file}>) = -1 EIO (Input/output error) (INJECTED)"),
            format!("7  fsync(5<{folder}>) = 0"),
            format!("7  rename(\"{file}\", \"{}\") = 0", hex("/d/c")),
            "7  ???( <detached ...>".to_owned(),
            "7  +++ killed by SIGKILL +++".to_owned(),
            format!("7  unlink(\"{}\"", hex("/d/c")),
        ];
        let trace = tempfile::NamedTempFile::new().expect("made");
        fs::write(trace.path(), lines.join("\n")).expect("written");
        let expected = [
            Change::Make("a".into()),
            Change::Write { file: "a".into(), at: 4096, bytes: b"hi".to_vec() },
            Change::Resize("a".into(), 4098),
            Change::FlushFailed("a".into()),
            Change::FlushFolder,
            Change::Rename("a".into(), "c".into()),
        ];
        assert_eq!(read(trace.path(), Path::new("/d")), expected);
    }

    #[test]
    #[should_panic(expected = "cannot be understood")]
    fn a_change_that_is_not_understood_is_not_left_out() {
        let trace = tempfile::NamedTempFile::new().expect("made");
        fs::write(trace.path(), format!("7  fallocate(3<{}>, 0, 0, 4096) = 0\n", hex("/d/a"))).expect("written");
        read(trace.path(), Path::new("/d"));
    }
}
