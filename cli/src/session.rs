//! Which run of a shell this program was started from, so that "this session" means something.
//!
//! The hook keeps one spool file for each run of a shell, named `<session>.<pid>`. A parent process with such a file is
//! that shell; nothing has to be exported into the environment of everything that the shell starts.

use std::{fs, path::Path};

use crate::{client::places, error::Outcome};

/// The environment's word for it, where a program between the shell and this one hides the shell.
const SESSION_VARIABLE: &str = "CARO_SESSION";

/// The session of the shell that started this program.
pub(crate) fn own() -> Option<String> {
    if let Ok(named) = std::env::var(SESSION_VARIABLE)
        && !named.is_empty()
    {
        return Some(named);
    }
    let parent = rustix::process::getppid()?.as_raw_nonzero().get();
    of_shell(&places().ok()?.spool, parent)
}

/// As [`own`], for a command that cannot do without.
pub(crate) fn required() -> Outcome<String> {
    own().ok_or_else(|| {
        crate::error::Failure::new(crate::exit::STATE, "this was not started from a shell with caro's hook")
            .hint("name the session: --session ID; caro history list --json shows each command's")
    })
}

fn of_shell(spool: &Path, pid: i32) -> Option<String> {
    let suffix = format!(".{pid}");
    let files = fs::read_dir(spool).ok()?.filter_map(|entry| {
        let entry = entry.ok()?;
        let session = entry.file_name().to_str()?.strip_suffix(&suffix)?.to_owned();
        Some((entry.metadata().ok()?.modified().ok()?, session))
    });
    // A number is used again in time: the file that was written last is the living shell's.
    files.max().map(|(_, session)| session)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_known_by_the_shell_that_writes_its_file() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["one.17", "two.170", "stray"] {
            fs::write(folder.path().join(name), b"").expect("written");
        }
        assert_eq!(of_shell(folder.path(), 17).as_deref(), Some("one"));
        assert_eq!(of_shell(folder.path(), 170).as_deref(), Some("two"));
        assert_eq!(of_shell(folder.path(), 7), None);
        assert_eq!(of_shell(&folder.path().join("none"), 17), None);
    }
}
