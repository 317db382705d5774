//! A session of xonsh, as JSON: all commands in one.

use caro_schema::body::history::Record;
use serde_json::json;

use super::Cannot;
use crate::output::json;

pub(super) const BEGIN: &[u8] = b"{\"data\": {\"sessionid\": \"caro\", \"cmds\": [\n";
pub(super) const END: &[u8] = b"\n]}}\n";

pub(super) fn write(record: &Record, bytes: &mut Vec<u8>) -> Result<(), Cannot> {
    let text = std::str::from_utf8(&record.command).map_err(|_| Cannot::NotText)?;
    let directory = std::str::from_utf8(&record.directory).unwrap_or_default();
    if text.ends_with('\n') {
        return Err(Cannot::EmptyEnds);
    }
    let end_us = record.start_us.saturating_add_unsigned(record.duration_us.unwrap_or_default());
    let seconds = |us: i64| us as f64 / 1e6;
    // xonsh keeps the new line that was typed.
    let command = json!({
        "inp": format!("{text}\n"), "rtn": record.exit, "ts": [seconds(record.start_us), seconds(end_us)], "cwd": directory,
    });
    let line = json::line(&command);
    bytes.extend_from_slice(line.trim_ascii_end());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::record;

    #[test]
    fn a_command_is_an_object() {
        let mut record = record("ls\n-l");
        (record.duration_us, record.exit) = (Some(1_500_000), Some(2));
        let mut bytes = Vec::new();
        assert_eq!(write(&record, &mut bytes), Ok(()));
        let value: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
        let expected = json!({"inp": "ls\n-l\n", "rtn": 2, "ts": [1_700_000_000.0, 1_700_000_001.5], "cwd": "/tmp"});
        assert_eq!(value, expected);
        assert_eq!(write(&crate::testing::record("ls\n"), &mut bytes), Err(Cannot::EmptyEnds));
    }
}
