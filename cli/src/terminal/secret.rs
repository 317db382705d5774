//! What must not be seen by others: a phrase from a program's pipe, and this process's own memory while it holds one.

use std::io::Read;

use zeroize::Zeroizing;

use super::ask::{ANSWER_BYTES_MAX, text};
use crate::{
    error::{Failure, Outcome},
    exit,
};

/// Reads standard input to its end.
pub(crate) fn from_stdin(what: &str) -> Outcome<Zeroizing<String>> {
    // With its full size from the start, so that growing leaves no copy behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(ANSWER_BYTES_MAX + 1));
    let limit = u64::try_from(ANSWER_BYTES_MAX + 1).unwrap_or(u64::MAX);
    std::io::stdin()
        .lock()
        .take(limit)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::at("standard input".as_ref(), &error))?;
    if bytes.len() > ANSWER_BYTES_MAX {
        return Err(Failure::new(exit::DATA, format!("standard input is too long for {what}")));
    }
    text(&bytes)
}

/// No core dump of this process, and no reading of its memory by others. Where the system refuses, the phrase is as
/// safe as in any other program.
pub(crate) fn close_to_others() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}
