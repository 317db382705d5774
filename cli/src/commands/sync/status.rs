//! `caro sync status`: everything about syncing on one screen.

use caro_schema::ipc::{
    Reply, Request,
    sync::{Device, RemoteState, RemoteStatus, StopReason, SyncStatus, Warning},
};
use clap::Args;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::sync_status;
use crate::{
    client::Client,
    commands::unexpected,
    error::Outcome,
    output::{Out, time, visible},
};

/// Say how syncing is
#[derive(Args)]
pub(crate) struct Status {
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl Status {
    pub(crate) fn run(self) -> Outcome {
        let mut client = Client::open()?;
        let status = sync_status(client.ask(Request::SyncStatus)?)?;
        let devices = if status.joined { devices(&mut client)? } else { Vec::new() };
        let mut out = Out::new();
        if self.json {
            out.json(&json(&status, &devices))?;
        } else {
            for line in lines(&status, &devices, &TimeZone::system()) {
                out.line(&line)?;
            }
        }
        out.finish()
    }
}

pub(super) fn devices(client: &mut Client) -> Outcome<Vec<Device>> {
    match client.ask(Request::SyncDevices)? {
        Reply::Devices(devices) => Ok(devices),
        _ => Err(unexpected()),
    }
}

/// For a person.
pub(super) fn lines(status: &SyncStatus, devices: &[Device], zone: &TimeZone) -> Vec<String> {
    if !status.joined {
        return vec![
            "not in an account: history stays on this machine".to_owned(),
            "make one: caro sync init --relay ADDRESS; join one: caro sync restore --relay ADDRESS".to_owned(),
        ];
    }
    let name = visible::line(status.device_name.as_bytes());
    let mut lines = vec![format!("account {}, this device is \"{name}\"", visible::line(status.account.as_bytes()))];
    if !status.enabled {
        lines.push("the network is off: caro sync on".to_owned());
    }
    if status.remotes.is_empty() {
        lines.push(
            "no relay is used: nothing leaves this device, and nothing comes; caro sync remote add ADDRESS".to_owned(),
        );
    }
    for remote in &status.remotes {
        lines.extend(remote_lines(remote, zone));
    }
    lines.extend(counts(status));
    let standing = devices.iter().filter(|device| device.revoked.is_none());
    lines.extend(standing.map(|device| device_line(device, zone)));
    lines.extend(status.warnings.iter().map(warning));
    lines
}

/// What is not as it should be, in numbers.
fn counts(status: &SyncStatus) -> impl Iterator<Item = String> {
    // One and many need other verbs as well.
    let of = |count: u64, one: &str, many: &str| {
        (count > 0).then(|| format!("{count} {}", if count == 1 { one } else { many }))
    };
    let too_large = "on this device because too large to sync";
    let outside = "on this device: sync.window_days and sync.window_commands say how much of what was here before \
                   joining is synced";
    let refused = "refused: not signed by a device of the account, or damaged";
    [
        of(
            status.waiting,
            "change waits for an earlier one or for a key",
            "changes wait for earlier ones or for a key",
        ),
        of(status.refused, &format!("change was {refused}"), &format!("changes were {refused}")),
        of(status.kept_here, &format!("command stays {too_large}"), &format!("commands stay {too_large}")),
        of(status.outside_window, &format!("older command stays {outside}"), &format!("older commands stay {outside}")),
    ]
    .into_iter()
    .flatten()
}

pub(super) fn remote_lines(remote: &RemoteStatus, zone: &TimeZone) -> Vec<String> {
    let RemoteStatus { address, state, pending_up, pending_down, last_sync_ms, others_online, quota_bytes, used_bytes } =
        remote;
    let mut lines = vec![
        format!("relay {}: {}", visible::line(address.as_bytes()), state_words(state, zone)),
        format!(
            "  {pending_up} to send, {pending_down} to fetch, last in step {}, {}",
            time::local_ms(*last_sync_ms, zone),
            match others_online {
                0 => "no other device connected".to_owned(),
                1 => "1 other device connected".to_owned(),
                many => format!("{many} other devices connected"),
            }
        ),
    ];
    if *quota_bytes > 0 {
        // What the relay said when it last said anything.
        let when = if *state == RemoteState::Connected { "" } else { " when it was last connected" };
        lines.push(format!("  {} of {} used{when}", size(*used_bytes), size(*quota_bytes)));
    }
    lines
}

/// Why a try failed, without the system's number.
pub(super) fn shown_reason(reason: &str) -> String {
    visible::line(reason.split(" (os error ").next().unwrap_or(reason).as_bytes())
}

pub(super) fn state_words(state: &RemoteState, zone: &TimeZone) -> String {
    match state {
        RemoteState::Off => "off".to_owned(),
        RemoteState::Connected => "connected".to_owned(),
        RemoteState::Connecting => "connecting".to_owned(),
        RemoteState::Waiting { reason, retry_ms } => {
            let reason = shown_reason(reason);
            format!("not connected ({reason}); tried again at {}", time::local_ms(*retry_ms, zone))
        }
        RemoteState::Stopped { reason } => format!("stopped: {}", stop_words(*reason)),
    }
}

/// What happened, and what to do.
fn stop_words(reason: StopReason) -> &'static str {
    match reason {
        StopReason::KeyChanged => {
            "it has another key than before, and somebody may be in between; ask whoever runs it, and when the key is the \
             old one again: caro sync on"
        }
        StopReason::RolledBack => {
            "it shows an older history than before; whoever restored it should run caro-relay renew, then: caro sync on"
        }
        StopReason::Revoked => {
            "this device was revoked; to join again: caro sync restore; what is here stays and is recorded on"
        }
        StopReason::KeysMissing => {
            "the account has a new key that this device was not given; what is here stays; to get it, join again: caro sync \
             restore"
        }
        StopReason::NoAccount => {
            "the account is gone there, or does not have this device; nothing here is gone; if it was moved to a new phrase, \
             or the relay restored from a backup that is older than this device: caro sync restore; if not, ask whoever \
             runs it, then: caro sync on; or use another relay: caro sync remote add"
        }
        StopReason::TwoLogs => {
            "it showed this device another history than it showed to another one, which only a dishonest relay does; \
             proof is in `caro doctor --verify`; use another relay, or to go on regardless: caro sync on"
        }
        StopReason::Misbehaved => "it does not keep to the protocol and may need an upgrade; then: caro sync on",
    }
}

fn stop_code(reason: StopReason) -> &'static str {
    match reason {
        StopReason::KeyChanged => "key_changed",
        StopReason::RolledBack => "rolled_back",
        StopReason::Revoked => "revoked",
        StopReason::NoAccount => "no_account",
        StopReason::TwoLogs => "two_logs",
        StopReason::Misbehaved => "misbehaved",
        StopReason::KeysMissing => "keys_missing",
    }
}

pub(super) fn warning(warning: &Warning) -> String {
    match warning {
        Warning::Revoked { at_ms } => format!(
            "note: this device was taken off the account {}, as the account's own key says. Nothing is sent or fetched any \
             more; what is here stays, and commands are recorded on. To join again as a new device: caro sync restore",
            time::local_ms(*at_ms, &TimeZone::system())
        ),
        Warning::DeviceRevoked { name } => format!(
            "note: \"{}\" was taken off the account; see why: caro sync devices",
            visible::line(name.as_bytes())
        ),
        Warning::Unfinished { address, by_itself: true } => format!(
            "note: the relay {} still lists a device that was taken off; it is told as soon as it can be reached",
            visible::line(address.as_bytes())
        ),
        Warning::Unfinished { address, by_itself: false } => format!(
            "note: the relay {} still lists a device that was taken off, and its list has changed meanwhile; to finish it, \
             with the phrase: caro sync rotate",
            visible::line(address.as_bytes())
        ),
        Warning::Moved { name } => format!(
            "note: \"{}\" says that the account was moved to a new phrase. If that was you: caro sync restore with the new \
             phrase, and history goes along. If it was not, somebody else may know the old one",
            visible::line(name.as_bytes())
        ),
        Warning::NotEmptied { address } => format!(
            "note: the account that was left is not emptied yet at {}; that goes on by itself",
            visible::line(address.as_bytes())
        ),
        Warning::KeyExposed => {
            "note: a device that was taken off has the newest key all the same, because two were taken \
                                off at the same moment; give the others a new one: caro sync rotate"
                .to_owned()
        }
        Warning::Resealing { left: 1 } => "note: what the relays hold is sealed anew; 1 change is left".to_owned(),
        Warning::Resealing { left } => {
            format!("note: what the relays hold is sealed anew; {left} changes are left")
        }
        Warning::DeviceJoined { name } => {
            format!(
                "note: \"{}\" joined the account; if that was not you: caro sync devices",
                visible::line(name.as_bytes())
            )
        }
        Warning::UpgradeDue => "note: another device runs a newer caro; upgrade this one to see everything".to_owned(),
        Warning::RelayRestored { address } => format!(
            "note: the relay {} was restored from a backup; what it lost was sent again",
            visible::line(address.as_bytes())
        ),
        Warning::Cloned => "note: another machine writes as this device, because its home was copied or an old backup \
                            was put back. Nothing is lost; to make this one a device of its own: caro sync restore; if \
                            the copy is gone: caro sync on"
            .to_owned(),
        Warning::OtherCloned { name } => format!(
            "note: \"{}\" is in use twice, because its home was copied; on one of the two: caro sync restore",
            visible::line(name.as_bytes())
        ),
        Warning::Withheld { name, count } => format!(
            "note: the relay holds back {count} of what \"{}\" wrote, or has lost it; ask whoever runs it, or add another: \
             caro sync remote add",
            visible::line(name.as_bytes())
        ),
        Warning::Missed { address } => format!(
            "note: the relay {} keeps commands for a while only and no longer had all that came while this machine was away; \
             the other machines bring it when they are online",
            visible::line(address.as_bytes())
        ),
        Warning::ClockAhead { seconds } => {
            format!("note: this machine's clock is {seconds} s away from the other devices'; set it")
        }
    }
}

pub(super) fn device_line(device: &Device, zone: &TimeZone) -> String {
    let Device { id, name, platform, added_ms, last_seen_ms, this, .. } = device;
    let shown = |text: &str| visible::line(text.as_bytes());
    let mark = if *this { "this device" } else { "" };
    let line = format!(
        "device {}  {:<20}  {:<16}  added {}  last wrote {}  {mark}",
        shown(id),
        shown(name),
        shown(platform),
        time::local_ms(*added_ms, zone),
        time::local_ms(*last_seen_ms, zone)
    );
    line.trim_end().to_owned()
}

/// For scripts.
pub(super) fn json(status: &SyncStatus, devices: &[Device]) -> Value {
    let SyncStatus {
        joined,
        enabled,
        account,
        device_name,
        remotes,
        waiting,
        refused,
        kept_here,
        outside_window,
        warnings,
        exchanged: _,
    } = status;
    json!({
        "joined": joined, "enabled": enabled, "account": account, "device_name": device_name,
        "remotes": remotes.iter().map(remote_json).collect::<Vec<_>>(),
        "waiting": waiting, "refused": refused, "kept_here": kept_here,
        "outside_window": outside_window, "warnings": warnings.iter().map(warning_json).collect::<Vec<_>>(),
        "devices": devices.iter().map(super::devices::device_json).collect::<Vec<_>>(),
    })
}

fn remote_json(remote: &RemoteStatus) -> Value {
    let (state, reason, retry_ms) = match &remote.state {
        RemoteState::Off => ("off", None, None),
        RemoteState::Connected => ("connected", None, None),
        RemoteState::Connecting => ("connecting", None, None),
        RemoteState::Waiting { reason, retry_ms } => ("waiting", Some(reason.as_str()), Some(retry_ms)),
        RemoteState::Stopped { reason } => ("stopped", Some(stop_code(*reason)), None),
    };
    json!({
        "address": remote.address, "state": state, "reason": reason, "retry_ms": retry_ms,
        "pending_up": remote.pending_up, "pending_down": remote.pending_down, "last_sync_ms": remote.last_sync_ms,
        "others_online": remote.others_online, "quota_bytes": remote.quota_bytes, "used_bytes": remote.used_bytes,
    })
}

fn warning_json(warning: &Warning) -> Value {
    match warning {
        Warning::DeviceJoined { name } => json!({ "warning": "device_joined", "name": name }),
        Warning::Revoked { at_ms } => json!({ "warning": "revoked", "at_ms": at_ms }),
        Warning::DeviceRevoked { name } => json!({ "warning": "device_revoked", "name": name }),
        Warning::Unfinished { address, by_itself } => {
            json!({ "warning": "unfinished", "address": address, "by_itself": by_itself })
        }
        Warning::Moved { name } => json!({ "warning": "moved", "name": name }),
        Warning::NotEmptied { address } => json!({ "warning": "not_emptied", "address": address }),
        Warning::KeyExposed => json!({ "warning": "key_exposed" }),
        Warning::Resealing { left } => json!({ "warning": "resealing", "left": left }),
        Warning::UpgradeDue => json!({ "warning": "upgrade_due" }),
        Warning::RelayRestored { address } => json!({ "warning": "relay_restored", "address": address }),
        Warning::Cloned => json!({ "warning": "cloned" }),
        Warning::OtherCloned { name } => json!({ "warning": "other_cloned", "name": name }),
        Warning::Withheld { name, count } => json!({ "warning": "withheld", "name": name, "count": count }),
        Warning::Missed { address } => json!({ "warning": "missed", "address": address }),
        Warning::ClockAhead { seconds } => json!({ "warning": "clock_ahead", "seconds": seconds }),
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{} KiB", bytes / 1024),
        1_048_576..1_073_741_824 => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
        _ => format!("{:.1} GiB", bytes as f64 / 1_073_741_824.0),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::choose::tests::some, *};

    fn joined(state: RemoteState) -> SyncStatus {
        let remote = RemoteStatus {
            address: "wss://desk:7490".into(),
            state,
            pending_up: 2,
            pending_down: 0,
            last_sync_ms: 1_700_000_000_000,
            others_online: 1,
            quota_bytes: 0,
            used_bytes: 0,
        };
        let names = ("ab12".into(), "laptop".into());
        SyncStatus {
            joined: true,
            enabled: true,
            account: names.0,
            device_name: names.1,
            remotes: vec![remote],
            ..SyncStatus::default()
        }
    }

    #[test]
    fn ds005_one_screen_says_it_all() {
        let device = Device {
            id: "d1".into(),
            platform: "linux x86_64".into(),
            added_ms: 0,
            last_seen_ms: 1_700_000_000_000,
            ..some(1, "desk\u{202e}top\x1b[2J")
        };
        let lines = lines(&joined(RemoteState::Connected), &[device], &TimeZone::UTC).join("\n");
        assert_eq!(
            lines,
            "account ab12, this device is \"laptop\"\n\
             relay wss://desk:7490: connected\n  \
             2 to send, 0 to fetch, last in step 2023-11-14 22:13:20, 1 other device connected\n\
             device d1  desk<U+202E>top^[[2J  linux x86_64      added never  last wrote 2023-11-14 22:13:20"
        );
    }

    #[test]
    fn every_reason_to_stop_says_what_to_do_and_has_a_code() {
        let reasons = [
            StopReason::KeyChanged,
            StopReason::RolledBack,
            StopReason::Revoked,
            StopReason::NoAccount,
            StopReason::TwoLogs,
            StopReason::Misbehaved,
            StopReason::KeysMissing,
        ];
        let mut codes: Vec<Value> = Vec::new();
        for reason in reasons {
            let status = joined(RemoteState::Stopped { reason });
            assert!(lines(&status, &[], &TimeZone::UTC)[1].contains("stopped: "));
            codes.push(json(&status, &[])["remotes"][0]["reason"].clone());
        }
        codes.dedup();
        assert_eq!(codes.len(), reasons.len());
    }

    #[test]
    fn one_is_said_as_one() {
        let status = SyncStatus { waiting: 1, refused: 2, ..joined(RemoteState::Connected) };
        let said = counts(&status).collect::<Vec<_>>();
        assert_eq!(said[0], "1 change waits for an earlier one or for a key");
        assert!(said[1].starts_with("2 changes were refused: ") && said.len() == 2, "{said:?}");
    }

    #[test]
    fn pc001_no_account_is_said_plainly() {
        let lines = lines(&SyncStatus::default(), &[], &TimeZone::UTC);
        assert!(lines[0].starts_with("not in an account"));
        assert_eq!(json(&SyncStatus::default(), &[])["joined"], false);
    }
}
