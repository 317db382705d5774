//! What several tests of this crate need.

use std::{fs::File, io::Write};

use caro_schema::{body::history::Record, id::RecordId, ipc::history::Hit};

/// A record of this command.
pub(crate) fn record(command: &str) -> Record {
    Record {
        id: RecordId([7; 16]),
        command: command.as_bytes().to_vec().into(),
        directory: b"/tmp".to_vec().into(),
        host: "laptop".into(),
        user: "ada".into(),
        shell: "zsh 5.9".into(),
        session: "s1".into(),
        start_us: 1_700_000_000_000_000,
        duration_us: None,
        exit: None,
        assistant: None,
    }
}

/// A row of a result with this command.
pub(crate) fn hit(command: &str) -> Hit {
    Hit { record: record(command), runs: 1, matched: Vec::new() }
}

/// Says that a test could not run here, and why, where the runner counts it.
pub(crate) fn skip(name: &str, needs: &str) {
    let Some(path) = std::env::var_os("CARO_TEST_SKIPS") else { return };
    let mut file = File::options().append(true).create(true).open(path).expect("the list of skipped tests opens");
    writeln!(file, "{name}: needs {needs}").expect("a line is added");
}
