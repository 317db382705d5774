//! How much memory something takes at most, as the system counts it. Only means something where nothing else runs in the
//! same process.

use std::fs;

/// Runs something and says by how many bytes the most that the process ever held went above what it held before. None
/// where the system does not tell.
pub fn grown_by(work: impl FnOnce()) -> Option<u64> {
    // Makes the kernel forget the most so far (proc(5), clear_refs).
    let reset = fs::write("/proc/self/clear_refs", "5");
    let before = field("VmRSS:");
    work();
    reset.ok()?;
    Some(field("VmHWM:")?.saturating_sub(before?))
}

/// A figure of this process, in bytes.
fn field(name: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_and_given_back_is_seen() {
        let size = 64 * 1024 * 1024;
        let Some(grown) = grown_by(|| drop(std::hint::black_box(vec![1u8; size]))) else { return };
        assert!(grown >= size as u64 / 2, "{grown}");
    }
}
