//! What a disk may hold after the power went: the files as they were before, with what was flushed, and of the rest
//! whatever the seed leaves.
//!
//! The model is that of a disk and a journaling file system which promise no more than they must. What was written to a
//! file since its last flush survives in any selection, each piece whole, torn at a sector or at a page, or not at all,
//! in any order. What was under way when a flush failed is never safe any more, for the system takes it for written: a
//! later flush goes well and does not bring it. Names survive in the order in which they were given, at least up to the last flush of their folder.
//! A flushed file has its bytes, and its name with it.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt, path::Path};

use super::recording::Change;
use crate::seed::Seed;

/// What the disk does with the flushes that it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flushes {
    /// Carries them out.
    Honest,
    /// Says so, and does not.
    Ignored,
}

/// Bytes of the units at which a write tears: a sector, and a page.
const TEARS: [usize; 2] = [512, 4096];

/// A file's bytes on the disk, and what is still on its way there.
#[derive(Clone, Debug, Default)]
struct File {
    /// What there was at first.
    bytes: Vec<u8>,
    /// What was done to it since and is settled, in order.
    settled: Vec<Settled>,
    pending: Vec<Piece>,
}

/// A piece that no later flush makes a difference to.
#[derive(Clone, Debug)]
enum Settled {
    /// It is on the disk.
    Safe(Piece),
    /// The flush that had it under way failed. It is there in part, or not at all.
    Doubtful(Piece),
}

#[derive(Clone, Debug)]
enum Piece {
    Bytes { at: usize, bytes: Vec<u8> },
    Length(usize),
}

/// A change of the folder that is not safe yet.
#[derive(Clone, Debug)]
enum Named {
    Make(String, usize),
    Rename(String, String),
    Remove(String),
}

/// A disk, as the changes of a recording reach it.
pub struct Disk {
    files: Vec<File>,
    /// Names as the program sees them.
    names: BTreeMap<String, usize>,
    /// Names as the disk has them.
    safe_names: BTreeMap<String, usize>,
    unsafe_names: Vec<Named>,
    flushes: Flushes,
}

impl Disk {
    /// A disk that holds what is in a folder.
    pub fn of(folder: &Path, flushes: Flushes) -> Self {
        let mut disk = Self {
            files: Vec::new(),
            names: BTreeMap::new(),
            safe_names: BTreeMap::new(),
            unsafe_names: Vec::new(),
            flushes,
        };
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            if path.is_file() && !name.ends_with("-shm") {
                disk.names.insert(name.to_owned(), disk.files.len());
                disk.files.push(File { bytes: fs::read(&path).expect("readable"), ..File::default() });
            }
        }
        disk.safe_names = disk.names.clone();
        disk
    }

    /// The next change of the recording.
    pub fn take(&mut self, change: &Change) {
        match change {
            Change::Make(name) => {
                if self.names.contains_key(name) {
                    return;
                }
                let number = self.files.len();
                self.files.push(File::default());
                self.names.insert(name.clone(), number);
                self.unsafe_names.push(Named::Make(name.clone(), number));
            }
            Change::Write { file, at, bytes } => {
                let piece = Piece::Bytes { at: usize::try_from(*at).expect("small"), bytes: bytes.clone() };
                self.add(file, piece);
            }
            Change::Resize(file, length) => self.add(file, Piece::Length(usize::try_from(*length).expect("small"))),
            Change::Flush(file) => self.flush(file),
            Change::FlushFailed(file) => {
                if let Some(number) = self.names.get(file) {
                    self.files[*number].settle(Settled::Doubtful);
                }
            }
            Change::FlushFolder => self.flush_names(self.unsafe_names.len()),
            Change::Rename(from, to) => {
                if let Some(number) = self.names.remove(from) {
                    self.names.insert(to.clone(), number);
                    self.unsafe_names.push(Named::Rename(from.clone(), to.clone()));
                }
            }
            Change::Remove(name) => {
                if self.names.remove(name).is_some() {
                    self.unsafe_names.push(Named::Remove(name.clone()));
                }
            }
        }
    }

    fn add(&mut self, file: &str, piece: Piece) {
        let number = *self.names.get(file).unwrap_or_else(|| panic!("{file} was never made"));
        self.files[number].pending.push(piece);
    }

    fn flush(&mut self, name: &str) {
        if self.flushes == Flushes::Ignored {
            return;
        }
        let Some(number) = self.names.get(name).copied() else { return };
        self.files[number].settle(Settled::Safe);
        // With a file its name is safe, and with the name all that were given before.
        let given = |named: &Named| {
            matches!(named, Named::Make(_, made) if *made == number)
                || matches!(named, Named::Rename(_, to) if to == name)
        };
        if let Some(at) = self.unsafe_names.iter().rposition(given) {
            self.flush_names(at + 1);
        }
    }

    fn flush_names(&mut self, count: usize) {
        if self.flushes == Flushes::Ignored {
            return;
        }
        for named in self.unsafe_names.drain(..count) {
            named.reach(&mut self.safe_names);
        }
    }

    /// Writes what the disk holds when the power goes now, as the seed has it.
    pub fn write(&self, seed: &mut Seed, folder: &Path) {
        let mut names = self.safe_names.clone();
        let survive = seed.below(self.unsafe_names.len() as u64 + 1) as usize;
        for named in &self.unsafe_names[..survive] {
            named.reach(&mut names);
        }
        fs::create_dir_all(folder).expect("made");
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).expect("closed");
        for (name, number) in names {
            let path = folder.join(name);
            fs::write(&path, self.files[number].after_the_cut(seed)).expect("written");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("closed");
        }
    }

    /// Whether the power could go now and take something with it.
    pub fn has_unsafe(&self) -> bool {
        !self.unsafe_names.is_empty() || self.files.iter().any(|file| !file.pending.is_empty())
    }
}

impl Named {
    fn reach(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Make(name, number) => drop(names.insert(name.clone(), *number)),
            Self::Rename(from, to) => {
                if let Some(number) = names.remove(from) {
                    names.insert(to.clone(), number);
                }
            }
            Self::Remove(name) => drop(names.remove(name)),
        }
    }
}

impl Piece {
    fn reach(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Bytes { at, bytes: written } => {
                if bytes.len() < at + written.len() {
                    bytes.resize(at + written.len(), 0);
                }
                bytes[*at..at + written.len()].copy_from_slice(written);
            }
            Self::Length(length) => bytes.resize(*length, 0),
        }
    }

    /// What is left of it: all, nothing, or the sectors or pages that were under way.
    fn remains(&self, seed: &mut Seed) -> Vec<Self> {
        let Self::Bytes { at, bytes } = self else {
            return if seed.percent(50) { vec![self.clone()] } else { Vec::new() };
        };
        match seed.below(3) {
            0 => Vec::new(),
            1 => vec![self.clone()],
            _ => {
                let unit = TEARS[seed.below(2) as usize];
                // Units lie on the disk, not in the write.
                let mut pieces = Vec::new();
                let mut from = 0;
                while from < bytes.len() {
                    let to = bytes.len().min(from + unit - (at + from) % unit);
                    if seed.percent(50) {
                        pieces.push(Self::Bytes { at: at + from, bytes: bytes[from..to].to_vec() });
                    }
                    from = to;
                }
                pieces
            }
        }
    }
}

impl File {
    fn settle(&mut self, how: fn(Piece) -> Settled) {
        self.settled.extend(self.pending.drain(..).map(how));
    }

    fn after_the_cut(&self, seed: &mut Seed) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        // Some systems write nothing at all of what a failed flush had under way.
        let all_lost = seed.percent(50);
        for settled in &self.settled {
            match settled {
                Settled::Safe(piece) => piece.reach(&mut bytes),
                Settled::Doubtful(_) if all_lost => {}
                Settled::Doubtful(piece) => piece.remains(seed).iter().for_each(|piece| piece.reach(&mut bytes)),
            }
        }
        let mut pieces: Vec<Piece> = self.pending.iter().flat_map(|piece| piece.remains(seed)).collect();
        // A disk writes in the order that suits it.
        if seed.percent(50) {
            for at in (1..pieces.len()).rev() {
                pieces.swap(at, seed.below(at as u64 + 1) as usize);
            }
        }
        for piece in pieces {
            piece.reach(&mut bytes);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(at: u64, bytes: &[u8]) -> Change {
        Change::Write { file: "a".into(), at, bytes: bytes.to_vec() }
    }

    fn images(changes: &[Change], flushes: Flushes) -> Vec<Option<Vec<u8>>> {
        let empty = tempfile::tempdir().expect("a folder");
        let mut disk = Disk::of(empty.path(), flushes);
        changes.iter().for_each(|change| disk.take(change));
        let image = |seed| {
            let folder = tempfile::tempdir().expect("a folder");
            disk.write(&mut Seed::new(seed), folder.path());
            fs::read(folder.path().join("a")).ok()
        };
        (0..240).map(image).collect()
    }

    #[test]
    fn what_was_flushed_is_always_there_and_the_rest_in_every_way() {
        let changes = [Change::Make("a".into()), write(0, b"safe"), Change::Flush("a".into()), write(4, &[7; 1024])];
        let found = images(&changes, Flushes::Honest);
        assert!(found.iter().all(|bytes| bytes.as_ref().is_some_and(|bytes| bytes.starts_with(b"safe"))));
        let lengths: std::collections::BTreeSet<usize> = found.iter().flatten().map(Vec::len).collect();
        assert!(lengths.contains(&4) && lengths.contains(&1028) && lengths.contains(&512), "{lengths:?}");
    }

    #[test]
    fn a_disk_that_ignores_flushes_can_lose_everything() {
        let changes = [Change::Make("a".into()), write(0, b"safe"), Change::Flush("a".into()), Change::FlushFolder];
        let found = images(&changes, Flushes::Ignored);
        assert!(found.contains(&None) && found.contains(&Some(Vec::new())) && found.contains(&Some(b"safe".to_vec())));
        assert!(images(&changes, Flushes::Honest).iter().all(|bytes| bytes.as_deref() == Some(b"safe")));
    }

    #[test]
    fn what_a_failed_flush_took_no_later_one_brings_back() {
        let changes = [
            Change::Make("a".into()),
            Change::Flush("a".into()),
            write(0, &[7; 1024]),
            Change::FlushFailed("a".into()),
            Change::Flush("a".into()),
            write(2, b"safe"),
            Change::Flush("a".into()),
        ];
        let found = images(&changes, Flushes::Honest);
        assert!(found.iter().flatten().all(|bytes| bytes[2..6] == *b"safe"));
        let lengths: std::collections::BTreeSet<usize> = found.iter().flatten().map(Vec::len).collect();
        assert!(lengths.contains(&6) && lengths.contains(&512) && lengths.contains(&1024), "{lengths:?}");
    }

    #[test]
    fn names_survive_in_their_order() {
        let changes = [
            Change::Make("a".into()),
            Change::Flush("a".into()),
            Change::Make("b".into()),
            Change::Rename("b".into(), "a".into()),
            Change::Write { file: "a".into(), at: 0, bytes: b"new".to_vec() },
            Change::Flush("a".into()),
        ];
        // The flush of the renamed file makes its name safe, too.
        assert!(images(&changes, Flushes::Honest).iter().all(|bytes| bytes.as_deref() == Some(b"new")));
    }
}
