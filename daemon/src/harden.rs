//! Closes this process to every other one, and keeps its keys off the disk. Must be the first thing that it does: what
//! follows holds keys.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

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

/// Asks the system to keep the pages on which keys are out of swap and out of core dumps. As far as it allows: an
/// ordinary user may lock a few megabytes, which is a thousand times what keys take.
pub fn keep_keys_in_memory() {
    caro_core::vault::keep_secrets_with(keep);
}

/// Bytes of a page. Where pages are larger, locking one of these locks what is around it.
const PAGE_BYTES: usize = 4096;

/// Keeps the page of a secret. Asking twice for one would cost a call for each cell that is opened, so pages are
/// remembered; they stay locked when their secret is gone, because others may be beside it.
fn keep(secret: &[u8]) {
    static KEPT: Mutex<BTreeSet<usize>> = Mutex::new(BTreeSet::new());
    let first = secret.as_ptr() as usize / PAGE_BYTES;
    let last = (secret.as_ptr() as usize + secret.len().max(1) - 1) / PAGE_BYTES;
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    for page in first..=last {
        if kept.len() < PAGES_MAX && kept.insert(page) {
            keep_page(page * PAGE_BYTES);
        }
    }
}

/// Pages that are asked for. More would be cells' keys, which live for a moment.
const PAGES_MAX: usize = 1024;

#[cfg(target_os = "linux")]
fn keep_page(address: usize) {
    let page = std::ptr::with_exposed_provenance_mut::<std::ffi::c_void>(address);
    // SAFETY: neither call changes what is in memory; at worst an address that is none is refused. The page holds a living
    // allocation of this process.
    #[allow(unsafe_code)]
    unsafe {
        // Refused above a limit of the system's: then keys are as safe from swap as everything else.
        let _ = rustix::mm::mlock(page, PAGE_BYTES);
        let _ = rustix::mm::madvise(page, PAGE_BYTES, rustix::mm::Advice::LinuxDontDump);
    }
}

#[cfg(not(target_os = "linux"))]
fn keep_page(address: usize) {
    let page = std::ptr::with_exposed_provenance_mut::<std::ffi::c_void>(address);
    // SAFETY: as above.
    #[allow(unsafe_code)]
    unsafe {
        let _ = rustix::mm::mlock(page, PAGE_BYTES);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The flags of the mapping that an address is in, as the system shows them.
    #[cfg(target_os = "linux")]
    fn flags_of(address: usize) -> String {
        let maps = std::fs::read_to_string("/proc/self/smaps").expect("readable");
        let mut is_ours = false;
        for line in maps.lines() {
            let range = line.split(' ').next().and_then(|range| range.split_once('-'));
            let number = |text: &str| usize::from_str_radix(text, 16).ok();
            if let Some((Some(from), Some(to))) = range.map(|(from, to)| (number(from), number(to))) {
                is_ours = (from..to).contains(&address);
            } else if is_ours && let Some(flags) = line.strip_prefix("VmFlags:") {
                return flags.to_owned();
            }
        }
        String::new()
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn de003_the_memory_of_a_key_is_kept_out_of_swap_and_of_dumps() {
        let before = Box::new([7u8; 32]);
        assert!(!flags_of(before.as_ptr() as usize).contains(" dd"), "nothing is asked for unless it is");
        keep_keys_in_memory();
        let key = caro_core::vault::at_rest::DeviceMasterKey::from_bytes(&[7; 32]);
        let flags = flags_of(key.expose_secret().as_ptr() as usize);
        assert!(flags.contains(" dd"), "out of dumps: {flags}");
        // Refused where nothing may be locked at all.
        if rustix::process::getrlimit(Resource::Memlock).current.is_none_or(|bytes| bytes >= 65_536) {
            assert!(flags.contains(" lo"), "out of swap: {flags}");
        }
    }

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
