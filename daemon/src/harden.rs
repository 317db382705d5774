//! Closes this process to every other one. Must be the first thing that it does: what follows holds keys.

use rustix::process::{Resource, Rlimit};

/// Nothing of this process's memory is for others, and no file that the umask of whoever started it would open to them
/// (`docs/security.md`, other local users).
///
/// The limit alone is not enough: where the system hands a dead process's memory to a program (`core_pattern` with a
/// pipe, as systemd does), it is not asked for. A process that is not dumpable is not handed over either, and its
/// `/proc` files belong to root, so no debugger of the same user can read its keys.
pub fn close_to_others() {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if rustix::process::setrlimit(Resource::Core, none).is_err() {
        tracing::warn!("core dumps could not be switched off");
    }
    #[cfg(target_os = "linux")]
    if rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable).is_err() {
        tracing::warn!("the process could not be closed to readers of its memory");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test runner gives each test a process of its own; the umask and the limit stay in it.
    #[test]
    fn trap_18_the_process_is_closed_to_others() {
        close_to_others();
        let core = rustix::process::getrlimit(Resource::Core);
        assert_eq!((core.current, core.maximum), (Some(0), Some(0)));
        let umask = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
        assert_eq!(umask.as_raw_mode(), 0o077);
        #[cfg(target_os = "linux")]
        assert_eq!(rustix::process::dumpable_behavior(), Ok(rustix::process::DumpableBehavior::NotDumpable),);
    }
}
