//! `caro export --all`: everything that is kept, asked of the daemon and written into a folder. How the folder is made, and
//! what a line of it says, is in [`crate::whole`].

use std::path::Path;

use caro_schema::{
    ipc::{Fault, Reply, Request, history::Query, sync::Device},
    items::SETTING,
};

use super::{
    config,
    history::{
        pages::{self, Reader},
        settle,
    },
    items, unexpected,
};
use crate::{
    client::{Client, places},
    error::Outcome,
    export::Format,
    output::{counted, json, say, time},
    whole::{COUNTS, DEVICES, Folder, HISTORY, ITEMS, Lines, SETTINGS, count_line, item_line},
};

/// How long the daemon may take to tell of its devices.
const ANSWER_WITHIN: std::time::Duration = std::time::Duration::from_secs(60);

/// Writes everything into a new folder.
pub(super) fn export(path: &Path) -> Outcome {
    let mut folder = Folder::create(path)?;
    let mut client = Client::open()?;
    settle(&mut client)?;
    let all = items::all(&mut client, None, "")?;
    let (settings, kept): (Vec<_>, Vec<_>) = all.iter().partition(|item| item.category == SETTING);
    let settings = write(&mut folder, SETTINGS, settings.into_iter().map(item_line))?;
    let kept = write(&mut folder, ITEMS, kept.into_iter().map(item_line))?;
    let Reply::Counts(counts) = client.ask(Request::Counts)? else { return Err(unexpected()) };
    let counts = write(&mut folder, COUNTS, counts.counts.iter().map(count_line))?;
    let devices = devices(&mut client)?;
    let devices = write(&mut folder, DEVICES, devices.iter().map(device_line))?;
    if let Some(text) = config::to_keep(&places()?)? {
        folder.add_config(&text)?;
    }
    let mut lines = folder.lines(HISTORY)?;
    let commands = history(client, &mut lines)?;
    folder.add(lines)?;
    folder.finish()?;
    say(&format!(
        "{}, {}, {}, {} and {} in {}",
        counted(commands, "command"),
        counted(settings, "setting"),
        counted(kept, "item"),
        counted(counts, "count"),
        counted(devices, "device"),
        path.display()
    ));
    Ok(())
}

fn write(folder: &mut Folder, name: &'static str, lines: impl Iterator<Item = Vec<u8>>) -> Outcome<u64> {
    let mut file = folder.lines(name)?;
    for line in lines {
        file.add(&line)?;
    }
    folder.add(file)
}

fn history(client: Client, lines: &mut Lines) -> Outcome<u64> {
    pages::oldest_first(&mut Reader::of_all(client), Query::default(), None, &mut |hit| {
        let mut line = Vec::new();
        // This format can say every command.
        if Format::Jsonl.write(&hit.record, &mut line).is_ok() {
            lines.add(&line)?;
        }
        Ok(())
    })
}

/// The account's devices; none in no account.
fn devices(client: &mut Client) -> Outcome<Vec<Device>> {
    match client.try_ask(Request::SyncDevices, ANSWER_WITHIN)? {
        Ok(Reply::Devices(devices)) => Ok(devices),
        Ok(_) => Err(unexpected()),
        Err(Fault::NotSynced) => Ok(Vec::new()),
        Err(fault) => Err(fault.into()),
    }
}

fn device_line(device: &Device) -> Vec<u8> {
    let at = |ms: u64| i64::try_from(ms).map(|ms| time::rfc3339(ms.saturating_mul(1000))).unwrap_or_default();
    let Device { name, platform, added_ms, last_seen_ms, this, device: id, revoked, .. } = device;
    json::line(&serde_json::json!({
        "id": id.hex(), "name": name, "platform": platform, "added": at(*added_ms), "last_seen": at(*last_seen_ms),
        "this": this, "revoked": revoked.as_ref().map(|revoked| at(revoked.at_ms)),
    }))
}
