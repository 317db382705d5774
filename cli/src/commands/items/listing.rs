//! How items are listed: a line each for people, JSON for scripts.

use caro_schema::{ipc::items::Item, items::Sort};
use clap::Args;
use jiff::tz::TimeZone;

use super::all;
use crate::{
    client::Client,
    error::{Failure, Outcome},
    exit,
    output::{Out, time, visible},
};

/// How items are printed.
#[derive(Args)]
struct Listing {
    /// One JSON object a line: name, value (and value_hex where it is no text), changed and device
    #[arg(long)]
    json: bool,
    /// Also when each was changed, and on which machine
    #[arg(long, short = 'l', conflicts_with = "json")]
    long: bool,
    /// Only the names
    #[arg(long, conflicts_with_all = ["json", "long"])]
    names: bool,
}

/// Which items, and how they are printed.
#[derive(Args)]
pub(crate) struct List {
    /// Only names that begin so
    #[arg(value_name = "PREFIX", default_value = "", hide_default_value = true)]
    prefix: String,
    #[command(flatten)]
    listing: Listing,
}

impl List {
    /// Prints those of one sort, each value as `shown` makes it for people.
    pub(crate) fn run(&self, sort: Sort, shown: impl Fn(&Item) -> String) -> Outcome {
        let items = all(&mut Client::open()?, Some(sort.category()), &self.prefix)?;
        self.listing.print(&items, shown)
    }
}

impl Listing {
    /// Prints items, each value as `shown` makes it for people. Without any, the exit code says so.
    fn print(&self, items: &[Item], shown: impl Fn(&Item) -> String) -> Outcome {
        let mut out = Out::new();
        let zone = TimeZone::system();
        let width =
            items.iter().map(|item| visible::line(item.key.as_bytes()).chars().count()).max().unwrap_or(0).min(24);
        for item in items {
            let name = visible::line(item.key.as_bytes());
            if self.json {
                out.json(&json(item))?;
            } else if self.names {
                out.line(&name)?;
            } else if self.long {
                let device = visible::line(item.device.as_bytes());
                let when = time::local_ms(item.changed_ms, &zone);
                out.line(&format!("{name:width$}  {when}  {device:12}  {}", shown(item)))?;
            } else {
                out.line(&format!("{name:width$}  {}", shown(item)))?;
            }
        }
        out.finish()?;
        if items.is_empty() { Err(Failure::silent(exit::FAILURE)) } else { Ok(()) }
    }
}

fn json(item: &Item) -> serde_json::Value {
    let Item { category: _, key, value, changed_ms, device } = item;
    let changed = i64::try_from(*changed_ms).map(|ms| time::rfc3339(ms.saturating_mul(1000))).unwrap_or_default();
    let mut object = serde_json::json!({
        "name": key, "value": String::from_utf8_lossy(value), "changed": changed, "device": device,
    });
    if std::str::from_utf8(value).is_err() {
        object["value_hex"] = hex::encode(value).into();
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_has_these_fields() {
        let item = |value: &[u8]| Item {
            category: "kv".into(),
            key: "k".into(),
            value: value.to_vec().into(),
            changed_ms: 1_700_000_000_000,
            device: "laptop".into(),
        };
        let expected =
            serde_json::json!({ "name": "k", "value": "v", "changed": "2023-11-14T22:13:20Z", "device": "laptop" });
        assert_eq!(json(&item(b"v")), expected);
        assert_eq!(json(&item(b"\xff"))["value_hex"], "ff");
    }
}
