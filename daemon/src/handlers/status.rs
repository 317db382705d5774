//! How the daemon is, in figures.

use std::{fs, path::Path};

use caro_schema::ipc::status::DaemonStatus;

use crate::{ipc::BUILD, state::State};

/// How the daemon is.
pub(crate) fn status(state: &State) -> DaemonStatus {
    let database = state.places.database();
    let history = state.shared.history();
    DaemonStatus {
        pid: std::process::id(),
        build: BUILD.to_owned(),
        uptime_s: state.started.elapsed().as_secs(),
        records: history.len() as u64,
        distinct: history.distinct() as u64,
        resident_bytes: resident_bytes(),
        database_bytes: database_bytes(&database),
        database: shown(&database),
        spool: shown(state.spool.folder()),
        socket: shown(&state.socket),
        complete: state.is_loaded(),
        recording: super::recording::recording(state),
    }
}

/// A path for a person to read.
pub(super) fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// The database with its companions.
pub(super) fn database_bytes(database: &Path) -> u64 {
    let companion = |suffix: &str| {
        let mut name = database.as_os_str().to_owned();
        name.push(suffix);
        fs::metadata(name).map_or(0, |meta| meta.len())
    };
    ["", "-wal", "-shm"].into_iter().map(companion).sum()
}

/// Memory in use, zero where the system does not tell.
fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kibibytes: Option<u64> = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.split_ascii_whitespace().next()?.parse().ok());
    kibibytes.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_come_from_the_system() {
        if cfg!(target_os = "linux") {
            assert!(resident_bytes() > 100_000);
        }
        let folder = tempfile::tempdir().expect("a folder");
        let database = folder.path().join("caro.db");
        fs::write(&database, [0; 10]).expect("written");
        fs::write(folder.path().join("caro.db-wal"), [0; 5]).expect("written");
        assert_eq!(database_bytes(&database), 15);
    }
}
