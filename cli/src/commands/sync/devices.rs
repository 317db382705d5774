//! `caro sync devices` and `rename`: who is in the account, who was, and what they are called.

use caro_schema::{
    body::device::Reason,
    ipc::{
        Request,
        sync::{Device, DeviceName, RevokedDevice},
    },
};
use clap::{Args, Subcommand};
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::{choose, join::checked_name, status};
use crate::{
    client::Client,
    error::Outcome,
    output::{Out, time, visible},
};

/// List the account's devices
///
/// Says of each by whom it was added and when, how far it is behind, and of those that were taken off when and why. After
/// this caro sync status no longer says who joined and who was taken off.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Devices {
    #[command(subcommand)]
    command: Option<Command>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    Rename(RenameOne),
}

/// Call a device something else, this one or another one
///
/// Example: caro sync devices rename 5f3a laptop
#[derive(Args)]
struct RenameOne {
    /// The beginning of its id, or its whole name, as caro sync devices shows them
    #[arg(value_name = "DEVICE")]
    device: String,
    /// The new name
    #[arg(value_name = "NAME")]
    name: String,
}

/// Call this device something else
#[derive(Args)]
pub(crate) struct Rename {
    /// The new name
    #[arg(value_name = "NAME")]
    name: String,
}

impl Devices {
    pub(crate) fn run(self) -> Outcome {
        if let Some(Command::Rename(rename)) = self.command {
            return rename.run();
        }
        let mut client = Client::open()?;
        let devices = status::devices(&mut client)?;
        let mut out = Out::new();
        for device in &devices {
            if self.json {
                out.json(&device_json(device))?;
            } else {
                for line in lines(device, &TimeZone::system()) {
                    out.line(&line)?;
                }
            }
        }
        out.finish()?;
        // They were listed, and whoever looked need not be told again who joined. That is said last: a list that could not
        // be written was not seen.
        client.ask(Request::SyncSeen).map(drop)
    }
}

impl RenameOne {
    fn run(self) -> Outcome {
        let name = checked_name(&self.name)?;
        let mut client = Client::open()?;
        let devices = status::devices(&mut client)?;
        let device = choose::device(&devices, &self.device)?.device;
        client.ask(Request::SyncRenameDevice { device, name })?;
        renamed()
    }
}

impl Rename {
    pub(crate) fn run(self) -> Outcome {
        let name = checked_name(&self.name)?;
        Client::open()?.ask(Request::SyncRename { name })?;
        renamed()
    }
}

fn renamed() -> Outcome {
    let mut out = Out::new();
    out.line("renamed")?;
    out.finish()
}

/// A device for a person: who it is, then how it stands.
fn lines(device: &Device, zone: &TimeZone) -> [String; 2] {
    let Device { id, name, platform, added_ms, added_by, this, revoked, .. } = device;
    let shown = |text: &str| visible::line(text.as_bytes());
    let mark = match (revoked, this) {
        (Some(_), _) => "  (taken off)",
        (None, true) => "  (this device)",
        (None, false) => "",
    };
    let by = match added_by {
        Some(by) => format!("by {}", named(by)),
        None => "with the phrase".to_owned(),
    };
    let added = time::local_ms(*added_ms, zone);
    [
        format!("{}  {:<20}  {}{mark}", shown(id), shown(name), shown(platform)).trim_end().to_owned(),
        format!("          added {added} {by}; {}", standing(device, zone)),
    ]
}

/// How a device stands, in a few words.
pub(super) fn standing(device: &Device, zone: &TimeZone) -> String {
    if let Some(revoked) = &device.revoked {
        return taken_off(revoked, zone);
    }
    let at = time::local_ms(device.last_sync_ms, zone);
    match (device.this, device.behind) {
        (true, Some(0) | None) => format!("up to date, last in step {at}"),
        (true, Some(left)) => format!("{} to send or fetch, last in step {at}", changes(left)),
        (false, None) => format!("last heard of {at}; has not said yet what it has"),
        (false, Some(0)) => format!("up to date when last heard of, {at}"),
        (false, Some(behind)) => format!("{} behind when last heard of, {at}", changes(behind)),
    }
}

fn taken_off(revoked: &RevokedDevice, zone: &TimeZone) -> String {
    let RevokedDevice { at_ms, why, by, with_another } = revoked;
    let at = time::local_ms(*at_ms, zone);
    if *with_another {
        return "does not count: it was let in by a device that had been taken off".to_owned();
    }
    let why = why.map(|why| format!(" as {}", reason_code(why))).unwrap_or_default();
    let by = by.as_ref().map(|by| format!(" on {}", named(by))).unwrap_or_default();
    format!("taken off{why} {at}{by}")
}

fn named(device: &DeviceName) -> String {
    match visible::line(device.name.as_bytes()) {
        name if name.is_empty() => visible::line(device.id.as_bytes()),
        name => format!("\"{name}\""),
    }
}

fn changes(count: u64) -> String {
    if count == 1 { "1 change".to_owned() } else { format!("{count} changes") }
}

/// Why a device was taken off, as the option says it.
pub(super) fn reason_code(why: Reason) -> &'static str {
    match why {
        Reason::Lost => "lost",
        Reason::Retired => "retired",
        Reason::Compromised => "compromised",
    }
}

/// For scripts.
pub(super) fn device_json(device: &Device) -> Value {
    let Device { id, name, platform, added_ms, last_seen_ms, this, device, added_by, last_sync_ms, behind, revoked } =
        device;
    let by = |by: &DeviceName| json!({ "id": by.id, "name": by.name });
    let revoked = revoked.as_ref().map(|revoked| {
        json!({
            "at_ms": revoked.at_ms, "why": revoked.why.map(reason_code), "by": revoked.by.as_ref().map(by),
            "with_another": revoked.with_another,
        })
    });
    json!({
        "id": id, "device": device.hex(), "name": name, "platform": platform, "added_ms": added_ms,
        "added_by": added_by.as_ref().map(by), "last_seen_ms": last_seen_ms, "last_sync_ms": last_sync_ms,
        "behind": behind, "this": this, "revoked": revoked,
    })
}

#[cfg(test)]
mod tests {
    use super::{super::choose::tests::some, *};

    fn said(device: &Device) -> String {
        lines(device, &TimeZone::UTC).join("\n")
    }

    #[test]
    fn ds005_each_device_says_who_added_it_and_how_it_stands() {
        let mut device = some(0xab, "desk");
        device.this = true;
        assert_eq!(
            said(&device),
            "ab070707  desk                  linux  (this device)\n          \
             added 2023-11-14 22:13:20 with the phrase; up to date, last in step 2023-11-14 22:15:00"
        );
        device.this = false;
        device.behind = Some(1);
        device.added_by = Some(DeviceName { id: "c0".into(), name: "lap\x1b[2Jtop".into() });
        let text = said(&device);
        assert!(text.contains("by \"lap^[[2Jtop\"; 1 change behind when last heard of"), "{text}");
        device.behind = None;
        assert!(said(&device).contains("has not said yet what it has"));
    }

    #[test]
    fn of_a_device_that_was_taken_off_it_is_said_why_when_and_on_which() {
        let by = Some(DeviceName { id: "c0".into(), name: String::new() });
        let mut device = some(0xab, "desk");
        let revoked = RevokedDevice { at_ms: 1_700_000_000_000, why: Some(Reason::Lost), by, with_another: false };
        device.revoked = Some(revoked.clone());
        assert!(said(&device).ends_with("taken off as lost 2023-11-14 22:13:20 on c0"), "{}", said(&device));
        let json = device_json(&device);
        assert_eq!(
            (&json["revoked"]["why"], &json["revoked"]["at_ms"]),
            (&json!("lost"), &json!(1_700_000_000_000_u64))
        );
        device.revoked = Some(RevokedDevice { with_another: true, ..revoked });
        assert!(said(&device).contains("let in by a device that had been taken off"));
    }
}
