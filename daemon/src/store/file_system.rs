//! Where the data folder is. SQLite's log needs memory that all its readers share, which a network does not give, and
//! deleting its journal is what a network does best; so on one the older kind of journal is used.

use std::path::Path;

/// The name of the network file system that a folder is on, if it is on one.
#[cfg(target_os = "linux")]
pub fn network_file_system(folder: &Path) -> Option<&'static str> {
    // Kinds are 32 bits; the type that holds them is wider on some machines, and signed.
    name_of(rustix::fs::statfs(folder).ok()?.f_type as u32)
}

/// The name of the network file system that a folder is on, if it is on one. Not known on this system.
#[cfg(not(target_os = "linux"))]
pub fn network_file_system(_: &Path) -> Option<&'static str> {
    None
}

/// From linux/magic.h and the file systems' own sources.
#[cfg(target_os = "linux")]
fn name_of(kind: u32) -> Option<&'static str> {
    let name = match kind {
        0x6969 => "NFS",
        0x517b => "SMB",
        0xff53_4d42 => "CIFS",
        0xfe53_4d42 => "SMB2",
        0x5346_414f => "AFS",
        0x7375_7245 => "Coda",
        0x00c3_6400 => "Ceph",
        0x0102_1997 => "9P",
        _ => return None,
    };
    Some(name)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn trap_31_network_file_systems_are_recognised_and_local_ones_are_not() {
        assert_eq!(name_of(0x6969), Some("NFS"));
        assert_eq!(name_of(0xfe53_4d42), Some("SMB2"));
        // ext4, tmpfs, btrfs, xfs.
        for local in [0xef53, 0x0102_1994, 0x9123_683e, 0x5846_5342] {
            assert_eq!(name_of(local), None);
        }
        assert_eq!(network_file_system(Path::new("/proc")), None);
    }
}
