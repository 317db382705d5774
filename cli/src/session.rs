//! Which run of a shell this program was started from, so that "this session" means something.
//!
//! The hook keeps one spool file for each run of a shell, named `<session>.<pid>`. A parent process with such a file is
//! that shell; nothing has to be exported into the environment of everything that the shell starts.

use std::{collections::HashMap, fs, path::Path, time::SystemTime};

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

/// The session of the shell around this program, however many programs are between: the nearest of its parents that is
/// one. Where the system does not tell a parent's parent, only the next one is looked at.
pub(crate) fn around() -> Option<String> {
    let spool = places().ok()?.spool;
    let files = recorded_by_pid(&spool);
    let mut pid = rustix::process::getppid()?.as_raw_nonzero().get();
    own().or_else(|| {
        for _ in 0..PARENTS_MAX {
            if let Some(session) = files.get(&pid) {
                return Some(session.clone());
            }
            pid = parent_of(pid).filter(|parent| *parent > 1)?;
        }
        None
    })
}

/// Parents that are looked at. A deeper tree is no shell's.
const PARENTS_MAX: usize = 32;

/// The newest session of each process that has a file.
fn recorded_by_pid(spool: &Path) -> HashMap<i32, String> {
    let mut newest: HashMap<i32, (SystemTime, String)> = HashMap::new();
    for entry in fs::read_dir(spool).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some((session, pid)) = name.to_str().and_then(|name| name.rsplit_once('.')) else { continue };
        let (Ok(pid), Ok(written)) = (pid.parse(), entry.metadata().and_then(|meta| meta.modified())) else { continue };
        let found = (written, session.to_owned());
        newest.entry(pid).and_modify(|known| *known = known.clone().max(found.clone())).or_insert(found);
    }
    newest.into_iter().map(|(pid, (_, session))| (pid, session)).collect()
}

/// The parent of a process: the second field behind its name, which may hold blanks and parentheses.
fn parent_of(pid: i32) -> Option<i32> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let after = stat.iter().rposition(|byte| *byte == b')')? + 1;
    std::str::from_utf8(&stat[after..]).ok()?.split_ascii_whitespace().nth(1)?.parse().ok()
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
    fn a_process_is_known_by_its_newest_file_and_its_parents_by_number() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["one.17", "two.170", "stray", "x.y"] {
            fs::write(folder.path().join(name), b"").expect("written");
        }
        let known = recorded_by_pid(folder.path());
        assert_eq!((known.len(), known.get(&17).map(String::as_str)), (2, Some("one")));
        #[cfg(target_os = "linux")]
        assert_eq!(
            parent_of(std::process::id().try_into().expect("a number")),
            rustix::process::getppid().map(|parent| parent.as_raw_nonzero().get())
        );
    }

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
