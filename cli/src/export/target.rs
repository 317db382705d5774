//! The file that an export goes to: nobody else's to read, never one that was there before unless that was asked for, and
//! gone again when the export does not come to its end.

use std::{
    ffi::OsString,
    fs::{self, File},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use crate::{
    error::{Failure, Outcome, system},
    exit,
};

/// A file that is being written.
pub(crate) struct Target {
    path: PathBuf,
    /// What is written: the file itself where none may be replaced, otherwise one beside it.
    written: PathBuf,
    is_done: bool,
}

impl Target {
    /// Makes the file, empty.
    pub(crate) fn create(path: &Path, may_replace: bool) -> Outcome<(Self, File)> {
        let written = if may_replace { beside(path)? } else { path.to_owned() };
        let file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&written)
            .map_err(|error| cannot_create(path, &error))?;
        Ok((Self { path: path.to_owned(), written, is_done: false }, file))
    }

    /// Where it is written to.
    pub(crate) fn written(&self) -> &Path {
        &self.written
    }

    /// Makes it durable and gives it its name.
    pub(crate) fn finish(mut self) -> Outcome {
        let at = |error: io::Error| Failure::at(&self.path, &error);
        File::open(&self.written).and_then(|file| file.sync_all()).map_err(at)?;
        if self.written != self.path {
            fs::rename(&self.written, &self.path).map_err(at)?;
        }
        self.is_done = true;
        Ok(())
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if !self.is_done {
            // What is left is a part of a history, and its name says that it is; there is nobody to tell.
            drop(fs::remove_file(&self.written));
        }
    }
}

/// A name in the same folder that nobody can know.
fn beside(path: &Path) -> Outcome<PathBuf> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|_| Failure::new(exit::INTERNAL, "the system gives no randomness"))?;
    let name = path
        .file_name()
        .ok_or_else(|| Failure::new(exit::USAGE, format!("{} is no name of a file", path.display())))?;
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}", hex::encode(random)));
    Ok(path.with_file_name(hidden))
}

fn cannot_create(path: &Path, error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::AlreadyExists => {
            Failure::new(exit::CANNOT_CREATE, format!("{} is there already", path.display()))
                .hint("name another file, or replace it with --force")
        }
        _ => Failure::new(exit::CANNOT_CREATE, format!("{}: {}", path.display(), system(error))),
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn a_file_that_is_there_stays_unless_it_may_be_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("out");
        let names = || fs::read_dir(folder.path()).expect("read").count();
        let (target, mut file) = Target::create(&path, false).expect("made");
        file.write_all(b"one").expect("written");
        target.finish().expect("done");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        assert_eq!(Target::create(&path, false).err().expect("refused").code, exit::CANNOT_CREATE);
        let (target, mut file) = Target::create(&path, true).expect("made");
        file.write_all(b"two").expect("written");
        assert_eq!(fs::read(&path).expect("there"), b"one", "until the other is whole");
        target.finish().expect("done");
        assert_eq!((fs::read(&path).expect("there"), names()), (b"two".to_vec(), 1));
    }

    #[test]
    fn an_export_that_fails_leaves_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        for may_replace in [false, true] {
            drop(Target::create(&folder.path().join("out"), may_replace).expect("made"));
            assert_eq!(fs::read_dir(folder.path()).expect("read").count(), 0);
        }
    }

    #[test]
    fn a_link_is_not_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, aim) = (folder.path().join("out"), folder.path().join("aim"));
        std::os::unix::fs::symlink(&aim, &path).expect("linked");
        assert!(Target::create(&path, false).is_err());
        let (target, _file) = Target::create(&path, true).expect("made");
        target.finish().expect("done");
        assert!(!aim.exists() && !path.is_symlink());
    }
}
