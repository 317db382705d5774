//! The person's editor: `$VISUAL`, then `$EDITOR`, then `vi`. It works on a file that is nobody else's to read, because an
//! editor puts copies beside it.

use std::{
    fs, io,
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    error::{Failure, Outcome, system},
    exit,
    output::visible,
};

/// Opens a file in the editor, and waits until that ends well.
///
/// # Errors
/// It cannot be started, or says that it failed: what was saved is not wanted.
pub(crate) fn open(path: &Path) -> Outcome {
    let named = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    let editor = named("VISUAL").or_else(|| named("EDITOR")).unwrap_or_else(|| "vi".to_owned());
    // The variable may hold options, so a shell reads it; the path is an argument and is read by nobody.
    let status = Command::new("sh").arg("-c").arg(format!("{editor} \"$1\"")).arg("sh").arg(path).status();
    let status = status.map_err(|error| {
        let message = format!("the editor cannot be started: {}", system(&error));
        Failure::new(exit::UNAVAILABLE, message).hint("set VISUAL or EDITOR")
    })?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::new(exit::FAILURE, format!("the editor {} failed", visible::line(editor.as_bytes()))))
}

/// A file in a folder of its own that nobody else may enter. Both go when it is dropped, with whatever an editor left there.
pub(crate) struct Private {
    folder: PathBuf,
    path: PathBuf,
    is_kept: bool,
}

impl Private {
    /// Makes one of this name below a folder of the person's own.
    pub(crate) fn create(below: &Path, name: &str, bytes: &[u8]) -> Outcome<Self> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|_| Failure::new(exit::INTERNAL, "the system gives no randomness"))?;
        let folder = below.join(format!("tmp-{}", hex::encode(random)));
        let path = folder.join(name);
        let made = fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(below)
            .and_then(|()| fs::DirBuilder::new().mode(0o700).create(&folder));
        made.map_err(|error| Failure::at(&folder, &error))?;
        let private = Self { folder, path, is_kept: false };
        private.write(bytes).map_err(|error| Failure::at(&private.path, &error))?;
        Ok(private)
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let mut file = fs::File::options().write(true).create_new(true).mode(0o600).open(&self.path)?;
        file.write_all(bytes)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What is in it now.
    pub(crate) fn read(&self) -> Outcome<Vec<u8>> {
        fs::read(&self.path).map_err(|error| Failure::at(&self.path, &error))
    }

    /// Leaves it where it is, because nothing else has what is in it. Says where that is.
    pub(crate) fn keep(mut self) -> String {
        self.is_kept = true;
        format!("what you wrote is in {}", self.path.display())
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        if !self.is_kept {
            // In a folder that nobody else may enter; there is nobody to tell.
            drop(fs::remove_dir_all(&self.folder));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn a_private_file_is_its_owners_alone_and_goes_with_what_an_editor_left() {
        let folder = tempfile::tempdir().expect("a folder");
        let private = Private::create(&folder.path().join("run"), "a.sh", b"one").expect("made");
        let mode = |path: &Path| fs::metadata(path).expect("there").mode() & 0o777;
        let (path, inside) = (private.path().to_owned(), private.path().parent().expect("a folder").to_owned());
        assert_eq!((mode(&path), mode(&inside)), (0o600, 0o700));
        assert_eq!(private.read().expect("read"), b"one");
        fs::write(inside.join(".a.sh.swp"), b"one").expect("written");
        drop(private);
        assert!(!inside.exists());
        let kept = Private::create(folder.path(), "b", b"two").expect("made");
        let path = kept.path().to_owned();
        assert!(kept.keep().contains(path.to_str().expect("text")));
        assert_eq!(fs::read(path).expect("there"), b"two");
    }
}
