//! What is recorded and what was not, for people and for scripts. Numbers and names of sessions only.

use caro_schema::ipc::status::{Paused, Recording, Withheld};

use crate::output::{time, visible};

/// Whether commands are recorded, a line for each pause.
pub(super) fn pauses(recording: &Recording, now_us: i64) -> Vec<String> {
    if recording.paused.is_empty() {
        return vec!["commands are recorded".to_owned()];
    }
    let line = |paused: &Paused| {
        let left = |until_us: i64| u64::try_from(until_us.saturating_sub(now_us)).unwrap_or(0);
        let until = match (paused.until_us, &paused.session) {
            (Some(until_us), _) => format!("for {} more", time::duration(left(until_us))),
            (None, None) => "until caro resume".to_owned(),
            (None, Some(_)) => "until it ends or caro resume --session".to_owned(),
        };
        match &paused.session {
            None => format!("nothing is recorded on this machine, {until}"),
            Some(session) if crate::session::own().as_ref() == Some(session) => {
                format!("nothing is recorded in this shell, {until}")
            }
            Some(session) => format!("nothing is recorded in session {}, {until}", visible::line(session.as_bytes())),
        }
    };
    recording.paused.iter().map(line).collect()
}

/// The same with what was withheld, for a status.
pub(crate) fn lines(recording: &Recording, now_us: i64) -> Vec<String> {
    let mut lines: Vec<String> =
        pauses(recording, now_us).into_iter().map(|line| format!("recording {line}")).collect();
    let Withheld { since_us: _, secrets, masked, phrases, commands, directories, spaces, paused } = recording.withheld;
    let counts = [
        (secrets, "held a secret"),
        (phrases, "carried a recovery phrase"),
        (commands, "matched a pattern"),
        (directories, "in an ignored directory"),
        (spaces, "began with a blank"),
        (paused, "while paused"),
    ];
    let said: Vec<String> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, why)| format!("{count} {why}")).collect();
    if !said.is_empty() {
        lines.push(format!("withheld  {}", said.join(", ")));
    }
    if masked > 0 {
        lines.push(format!("masked    {masked} with a secret in them"));
    }
    lines
}

/// For scripts.
pub(crate) fn json(recording: &Recording) -> serde_json::Value {
    let Recording { paused, withheld } = recording;
    let one = |Paused { session, since_us, until_us }: &Paused| {
        serde_json::json!({
            "session": session, "since": time::rfc3339(*since_us), "until": until_us.map(time::rfc3339),
        })
    };
    let Withheld { since_us: _, secrets, masked, phrases, commands, directories, spaces, paused: while_paused } =
        withheld;
    serde_json::json!({
        "recording": paused.iter().all(|paused| paused.session.is_some()),
        "paused": paused.iter().map(one).collect::<Vec<_>>(),
        "withheld": {
            "secrets": secrets, "masked": masked, "phrases": phrases, "commands": commands,
            "directories": directories, "spaces": spaces, "paused": while_paused,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ds004_pauses_and_counts_are_said_and_never_what_was_withheld() {
        let mut recording = Recording::default();
        assert_eq!(pauses(&recording, 0), ["commands are recorded"]);
        assert_eq!(lines(&recording, 0), ["recording commands are recorded"]);
        recording.paused = vec![
            Paused { session: None, since_us: 0, until_us: Some(90_000_000) },
            Paused { session: Some("s\x1b1".into()), since_us: 0, until_us: None },
        ];
        recording.withheld = Withheld { secrets: 2, spaces: 1, masked: 4, ..Withheld::default() };
        let said = lines(&recording, 0);
        assert_eq!(said[0], "recording nothing is recorded on this machine, for 1m30 more");
        assert!(said[1].contains("session s^[1, until it ends"), "{said:?}");
        assert_eq!(said[2..], ["withheld  2 held a secret, 1 began with a blank", "masked    4 with a secret in them"]);
        assert_eq!(json(&recording)["recording"], false);
        assert_eq!(json(&recording)["withheld"]["secrets"], 2);
    }
}
