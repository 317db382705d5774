//! Whether the shell that writes a spool file still runs. A process number alone can belong to another program by
//! now, so a shell is its number and the moment it started.

use std::fs;

/// What the system says of a process number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// There is no such process, or only its remains.
    Gone,
    /// It runs, and started so many clock ticks after the system; zero where the system does not tell.
    Runs(u64),
}

/// Clock ticks in a second, as `/proc` counts them: 100 on every Linux that Rust runs on (`USER_HZ`).
pub(super) const TICKS_PER_SECOND: i64 = 100;

/// Looks at a process.
#[cfg(target_os = "linux")]
pub(super) fn look(pid: u32) -> Seen {
    match fs::read(format!("/proc/{pid}/stat")) {
        Ok(stat) => started(&stat).map_or(Seen::Gone, Seen::Runs),
        Err(error)
            if error.kind() == std::io::ErrorKind::NotFound && fs::exists("/proc/self/stat").unwrap_or(false) =>
        {
            Seen::Gone
        }
        // The system does not show it to us. Taking it for alive only leaves a file longer.
        Err(_) => Seen::Runs(0),
    }
}

/// Looks at a process. Here the system tells no starting time without privileges.
#[cfg(not(target_os = "linux"))]
pub(super) fn look(pid: u32) -> Seen {
    let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) else { return Seen::Gone };
    match rustix::process::test_kill_process(pid) {
        Err(rustix::io::Errno::SRCH) => Seen::Gone,
        _ => Seen::Runs(0),
    }
}

/// The starting time out of `/proc/<pid>/stat`, none for a process that has ended and only waits to be collected. The
/// second field, the program's name, may hold blanks and parentheses: fields are counted after its last one.
#[cfg(target_os = "linux")]
fn started(stat: &[u8]) -> Option<u64> {
    let after = stat.iter().rposition(|byte| *byte == b')')? + 1;
    let mut fields = std::str::from_utf8(&stat[after..]).ok()?.split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X" | "x") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// Whether a process holds this file open. Only where the system tells; false elsewhere.
pub(super) fn holds_open(pid: u32, device: u64, inode: u64) -> bool {
    use std::os::unix::fs::MetadataExt;
    let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    descriptors
        .flatten()
        .filter_map(|entry| fs::metadata(entry.path()).ok())
        .any(|file| file.dev() == device && file.ino() == inode)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn a_name_with_blanks_and_parentheses_does_not_shift_the_fields() {
        let stat = b"77 (a b) c) S 1 77 77 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 1 1";
        assert_eq!(started(stat), Some(4711));
        assert_eq!(started(b"77 (sh) Z 1 77 77 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 1 1"), None);
        assert_eq!(started(b"nonsense"), None);
    }

    #[test]
    fn this_process_runs_and_a_collected_child_is_gone() {
        let own = std::process::id();
        assert!(matches!(look(own), Seen::Runs(ticks) if ticks > 0));
        let mut child = std::process::Command::new("true").spawn().expect("true starts");
        let pid = child.id();
        child.wait().expect("true ends");
        assert_eq!(look(pid), Seen::Gone);
    }

    #[test]
    fn an_open_file_is_found_and_a_closed_one_is_not() {
        let file = tempfile::tempfile().expect("a file");
        let meta = file.metadata().expect("its metadata");
        assert!(holds_open(std::process::id(), meta.dev(), meta.ino()));
        drop(file);
        assert!(!holds_open(std::process::id(), meta.dev(), meta.ino()));
    }
}
