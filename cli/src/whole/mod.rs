//! An export of everything, as a folder of readable files: which files there are, what a line of each says, and how it is
//! known that they are as they were written. Knows files and lines, nothing of the daemon; `commands/export/` and
//! `commands/import/` ask it and tell it.
//!
//! The invariant: what was written is read back as it was, or nothing is read at all. A folder is there whole or not, and
//! one in which a byte is another, or a line is missing, is refused before anything is taken in.

mod read;
mod write;

use caro_schema::{
    ipc::items::{CountOf, Item, ItemChange},
    items::SETTING,
};
use serde::{Deserialize, Serialize};

pub(crate) use self::{
    read::Whole,
    write::{Folder, Lines},
};

/// The version of the folder's form. A newer one is refused: what it holds besides would be lost without a word.
const VERSION: u32 = 1;

/// What the manifest says it is.
const FORM: &str = "caro export of everything";

/// Every command, as `caro export jsonl` writes it.
pub(crate) const HISTORY: &str = "history.jsonl";

/// Settings that hold on every machine.
pub(crate) const SETTINGS: &str = "settings.jsonl";

/// Values, aliases, variables and scripts.
pub(crate) const ITEMS: &str = "items.jsonl";

/// What each device has counted.
pub(crate) const COUNTS: &str = "counts.jsonl";

/// The account's devices, for the record.
pub(crate) const DEVICES: &str = "devices.jsonl";

/// The configuration file of the machine, where there was one.
pub(crate) const CONFIG: &str = "config.toml";

/// Says what is in the folder, for programs.
const MANIFEST: &str = "manifest.json";

/// Says it for people.
const README: &str = "README.md";

/// The hash of every other file, as `sha256sum` reads it.
const SUMS: &str = "SHA256SUMS";

/// The files that must be there.
const REQUIRED: [&str; 7] = [COUNTS, DEVICES, HISTORY, ITEMS, SETTINGS, MANIFEST, README];

/// What is in the folder.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Manifest {
    /// [`FORM`].
    form: String,
    /// [`VERSION`].
    version: u32,
    /// Which program wrote it.
    made_by: String,
    /// When, in UTC.
    made: String,
    /// The files with lines.
    files: Vec<Part>,
}

/// One of them.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Part {
    name: String,
    lines: u64,
    sha256: String,
}

const ABOUT: &str = "# An export of everything that caro keeps

Readable text, for keeping and for moving. Nobody else should read it: it is your history, in clear. No key and no recovery
phrase is in it.

| file | a line is |
|---|---|
| `history.jsonl` | a command, oldest first: id, command, directory, host, user, shell, session, start, duration, exit; more where an assistant made it |
| `settings.jsonl` | a setting that holds on every machine: name, value (as in the configuration file) |
| `items.jsonl` | a value, alias, variable or script: category (kv, alias, env, script), name, value |
| `counts.jsonl` | what one device has counted: key, device, total |
| `devices.jsonl` | a device of the account. For the record: it is not taken in, because devices are let in and not copied |
| `config.toml` | (the whole file) this machine's own settings, where it had any |
| `manifest.json` | (the whole file) what wrote this, when, and what is in it |
| `SHA256SUMS` | the hash of every other file: `sha256sum -c SHA256SUMS` |

Text that is not UTF-8 is in hexadecimal as well, under the same name with `_hex`.

To take it in, on any machine and as often as you like: `caro import --all FOLDER`. What was deleted in caro stays deleted.
";

/// A setting or an item as a line.
#[derive(Serialize, Deserialize)]
struct ItemLine {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    category: Option<String>,
    name: String,
    value: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value_hex: Option<String>,
}

/// A count as a line.
#[derive(Serialize, Deserialize)]
struct CountLine {
    key: String,
    device: String,
    total: u64,
}

/// The line of a setting or an item. When and where it was changed is not in it: whoever takes it in changes it then.
pub(crate) fn item_line(item: &Item) -> Vec<u8> {
    let Item { category, key, value, changed_ms: _, device: _ } = item;
    let is_text = std::str::from_utf8(value).is_ok();
    crate::output::json::line(&ItemLine {
        category: (category != SETTING).then(|| category.clone()),
        name: key.clone(),
        value: String::from_utf8_lossy(value).into_owned(),
        value_hex: (!is_text).then(|| hex::encode(value)),
    })
}

fn item(line: &[u8]) -> Option<ItemChange> {
    let ItemLine { category, name, value, value_hex } = serde_json::from_slice(line).ok()?;
    let value = match value_hex {
        Some(hex) => hex::decode(hex).ok()?,
        None => value.into_bytes(),
    };
    Some(ItemChange { category: category.unwrap_or_else(|| SETTING.to_owned()), key: name, value: Some(value.into()) })
}

/// The line of a count. What the device is called is in the file of devices.
pub(crate) fn count_line(count: &CountOf) -> Vec<u8> {
    let CountOf { key, device, name: _, total } = count;
    crate::output::json::line(&CountLine { key: key.clone(), device: device.clone(), total: *total })
}

fn count(line: &[u8]) -> Option<CountOf> {
    let CountLine { key, device, total } = serde_json::from_slice(line).ok()?;
    Some(CountOf { key, device, name: String::new(), total })
}

#[cfg(test)]
mod tests;
