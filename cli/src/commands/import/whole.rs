//! `caro import --all`: what an export of everything holds, taken in. First all of it is looked at; then settings and items,
//! counts, and at last the commands, for which the settings may say what is recorded. Doing it again adds nothing.

use std::{collections::BTreeSet, fs, io, path::Path};

use caro_schema::ipc::{
    Reply, Request,
    items::{CountOf, ItemChange, ItemUnfit, ItemsChange, ItemsChanged},
};
use serde_json::json;

use super::{Import, Report, Sender, Source};
use crate::{
    client::{Client, places},
    commands::{
        config::{self, keep},
        items, unexpected,
    },
    error::{Failure, Outcome, sort_of},
    import::Input,
    output::{Out, counted, say, visible},
    whole::{COUNTS, DEVICES, HISTORY, ITEMS, SETTINGS, Whole},
};

/// Bytes of one request, far below what a message may have.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// Changes of one request, and counts.
const BATCH: usize = 5000;

/// What became of the machine's own configuration.
enum Config {
    /// There is none in the export.
    None,
    /// It is in force here now.
    Taken,
    /// It is the same here.
    Same,
    /// There is another one here, which stays.
    Kept,
}

/// Takes everything in.
pub(super) fn import(command: &Import, folder: &Path) -> Outcome {
    let mut whole = Whole::open(folder)?;
    let input = Input::open(Source::Caro, &whole.history());
    let mut out = Out::new();
    if command.dry_run {
        return said(command, &whole, &mut out).and_then(|()| out.finish());
    }
    let mut client = Client::open()?;
    let (settings, kept) = (std::mem::take(&mut whole.settings), std::mem::take(&mut whole.items));
    let (limits, settings): (Vec<_>, Vec<_>) =
        settings.into_iter().partition(|setting| keep::NAMES.contains(&setting.key.as_str()));
    let mut left_out: BTreeSet<&str> =
        keep::NAMES.into_iter().filter(|name| limits.iter().any(|limit| limit.key == *name)).collect();
    let settings = take_items(&mut client, settings, command.replace)?;
    let config = take_config(whole.config.as_deref(), &mut left_out)?;
    let kept = take_items(&mut client, kept, command.replace)?;
    let counts = take_counts(&mut client, std::mem::take(&mut whole.counts))?;
    let history = match input {
        Ok(input) => Some(command.take(&input, Some(&mut Sender::new(client)))?),
        // An empty file is no history.
        Err(_) if whole.lines(HISTORY) == 0 => None,
        Err(failure) => return Err(failure),
    };
    if command.json {
        out.json(&json!({
            "folder": folder.to_string_lossy(), "dry_run": false, "made": whole.origin(),
            "settings": figures(&settings), "items": figures(&kept), "counts": { "new": counts },
            "config": config.word(), "left_out": left_out,
        }))?;
    }
    if let Some(report) = &history {
        print(report, command, &mut out)?;
    }
    out.finish()?;
    if !command.json {
        tell("settings", &settings);
        tell("items", &kept);
        say(&format!("counts: {counts} new, {} known", whole.lines(COUNTS).saturating_sub(counts)));
        config.tell();
        for name in left_out {
            say(&format!(
                "{name}: left out, because it deletes commands; caro config set {name} says how many, and asks"
            ));
        }
        if whole.lines(DEVICES) > 0 {
            say(&format!("devices: {} for the record, which are not taken in", whole.lines(DEVICES)));
        }
    }
    Ok(())
}

fn print(report: &Report, command: &Import, out: &mut Out) -> Outcome {
    report.print(command.json, out)
}

/// What is there, without taking any of it.
fn said(command: &Import, whole: &Whole, out: &mut Out) -> Outcome {
    let count = |name: &str| whole.lines(name);
    if command.json {
        return out.json(&json!({
            "dry_run": true, "made": whole.origin(), "commands": count(HISTORY), "settings": count(SETTINGS),
            "items": count(ITEMS), "counts": count(COUNTS), "devices": count(DEVICES),
            "config": whole.config.is_some(),
        }));
    }
    out.line(&format!(
        "{}, {}, {}, {} and {}, whole and as {} wrote them",
        counted(count(HISTORY), "command"),
        counted(count(SETTINGS), "setting"),
        counted(count(ITEMS), "item"),
        counted(count(COUNTS), "count"),
        counted(count(DEVICES), "device"),
        whole.origin()
    ))
}

fn take_items(client: &mut Client, all: Vec<ItemChange>, replace: bool) -> Outcome<ItemsChanged> {
    let mut sum = ItemsChanged::default();
    let mut batch = Vec::new();
    let mut bytes = 0;
    let mut send = |batch: Vec<ItemChange>| -> Outcome {
        let changes = ItemsChange { changes: batch, keep_known: !replace, leave_unfit: true, ..ItemsChange::default() };
        let ItemsChanged { changed, same, kept, unfit, joined, secrets: _ } = items::change(client, changes)?;
        sum = ItemsChanged {
            changed: sum.changed + changed,
            same: sum.same + same,
            kept: sum.kept + kept,
            unfit: [std::mem::take(&mut sum.unfit), unfit].concat(),
            joined,
            secrets: Vec::new(),
        };
        Ok(())
    };
    for change in all {
        bytes += change.key.len() + change.value.as_ref().map_or(0, |value| value.len());
        batch.push(change);
        if bytes >= BATCH_BYTES || batch.len() >= BATCH {
            send(std::mem::take(&mut batch))?;
            bytes = 0;
        }
    }
    if !batch.is_empty() {
        send(batch)?;
    }
    Ok(sum)
}

fn take_counts(client: &mut Client, counts: Vec<CountOf>) -> Outcome<u64> {
    let mut news = 0;
    for batch in counts.chunks(BATCH) {
        match client.ask(Request::CountsTake(batch.to_vec()))? {
            Reply::Count(count) => news += count,
            _ => return Err(unexpected()),
        }
    }
    Ok(news)
}

/// Puts the configuration where none is. One that is there is the person's. A limit on what history keeps is left out of it:
/// it would delete commands, also of those that are about to be taken in, before anybody was asked.
fn take_config(text: Option<&str>, left_out: &mut BTreeSet<&str>) -> Outcome<Config> {
    let Some(text) = text else { return Ok(Config::None) };
    let (safe, limits) = keep::without_limits(text);
    let path = places()?.config;
    match fs::read(&path) {
        Ok(there) if there == text.as_bytes() || there == safe.as_bytes() => Ok(Config::Same),
        Ok(_) => Ok(Config::Kept),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            left_out.extend(limits);
            config::put(&path, &safe).map(|()| Config::Taken)
        }
        Err(error) => Err(Failure::at(&path, &error)),
    }
}

impl Config {
    const fn word(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Taken => "taken",
            Self::Same => "same",
            Self::Kept => "kept",
        }
    }

    fn tell(&self) {
        match self {
            Self::None => {}
            Self::Taken => say("config.toml: put in its place"),
            Self::Same => say("config.toml: known"),
            Self::Kept => say("config.toml: left out, because this machine has one of its own"),
        }
    }
}

fn figures(changed: &ItemsChanged) -> serde_json::Value {
    let unfit: Vec<serde_json::Value> = changed
        .unfit
        .iter()
        .map(|ItemUnfit { category, key, reason }| json!({ "category": category, "name": key, "reason": reason }))
        .collect();
    json!({ "new": changed.changed, "known": changed.same, "kept": changed.kept, "unfit": unfit })
}

fn tell(what: &str, changed: &ItemsChanged) {
    let mut line = format!("{what}: {} new, {} known", changed.changed, changed.same);
    if changed.kept > 0 {
        line += &format!(", {} left as they are here, which is otherwise (--replace takes them)", changed.kept);
    }
    say(&line);
    for ItemUnfit { category, key, reason } in &changed.unfit {
        say(&format!("{} {}: left out: {reason}", sort_of(category), visible::line(key.as_bytes())));
    }
}
