//! `caro stats --all-devices`: what all machines have counted, each for itself, as commands ended. Counts are beside history:
//! what was deleted, or is too old to be synced, is in them, and what was imported is not.

use std::collections::BTreeMap;

use caro_schema::{
    ipc::{
        Reply, Request,
        items::{CountOf, Counts},
        stats::Counted,
    },
    uses,
};

use super::{
    draw::Canvas,
    tables::{grouped, hours, table},
};
use crate::{
    client::Client,
    commands::{history::settle_newest, unexpected},
    error::{Failure, Outcome},
    exit,
    output::{Out, counted},
};

/// Prints them.
pub(super) fn print(json: bool, top: usize) -> Outcome {
    let mut client = Client::open()?;
    // What was typed just now is among it.
    settle_newest(&mut client)?;
    let Reply::Counts(counts) = client.ask(Request::Counts)? else { return Err(unexpected()) };
    let figures = Figures::of(&counts);
    let mut out = Out::new();
    if json {
        out.json(&figures.json())?;
        return out.finish();
    }
    if figures.runs == 0 {
        out.finish()?;
        let failure = Failure::new(exit::FAILURE, "nothing was counted yet");
        return Err(match counts.counting {
            true => failure.hint("commands are counted as they end, in shells that have the hook"),
            false => failure.hint("counting is switched off: caro config set stats.count true"),
        });
    }
    let canvas = Canvas::of(&out);
    for line in figures.report(&canvas, top) {
        out.line(&line)?;
    }
    out.finish()
}

/// The counts, put together.
#[derive(Default)]
struct Figures {
    runs: u64,
    failed: u64,
    unknown: u64,
    /// By category or model: how often, and how often it failed.
    categories: BTreeMap<String, (u64, u64)>,
    models: BTreeMap<String, (u64, u64)>,
    hours: Vec<u64>,
    /// Id, name, whether it is this one, how often.
    devices: Vec<(String, String, bool, u64)>,
    joined: bool,
}

impl Figures {
    fn of(counts: &Counts) -> Self {
        let mut figures = Self { hours: vec![0; 24], joined: counts.joined, ..Self::default() };
        for CountOf { key, device, name, total } in &counts.counts {
            if key == uses::RUNS {
                figures.runs = figures.runs.saturating_add(*total);
                figures.devices.push((device.clone(), name.clone(), *device == counts.own, *total));
            } else if let Some(outcome) = key.strip_prefix(uses::OUTCOME) {
                match outcome {
                    "failed" => figures.failed = figures.failed.saturating_add(*total),
                    "unknown" => figures.unknown = figures.unknown.saturating_add(*total),
                    _ => {}
                }
            } else if let Some(hour) = key.strip_prefix(uses::HOUR).and_then(|hour| hour.parse::<usize>().ok()) {
                if let Some(sum) = figures.hours.get_mut(hour) {
                    *sum = sum.saturating_add(*total);
                }
            } else if let Some(category) = key.strip_prefix(uses::CATEGORY) {
                add(&mut figures.categories, category, *total);
            } else if let Some(model) = key.strip_prefix(uses::MODEL) {
                add(&mut figures.models, model, *total);
            }
        }
        figures.devices.sort_by_key(|(_, _, _, runs)| std::cmp::Reverse(*runs));
        figures
    }

    fn report(&self, canvas: &Canvas, top: usize) -> Vec<String> {
        let known = self.runs.saturating_sub(self.unknown);
        // What was counted before joining an account stands under a name of its own.
        let machines = self.devices.iter().filter(|(_, name, this, _)| *this || !name.is_empty()).count();
        let mut lines = vec![match machines {
            0 | 1 => counted(self.runs, "command"),
            several => format!("{} on {several} machines", counted(self.runs, "command")),
        }];
        if known > 0 {
            let percent = self.failed as f64 / known as f64 * 100.0;
            lines.push(format!("{percent:.1} % failed, of {} with a known status", grouped(known)));
        }
        let mut section = |title: &str, rows: Vec<String>| {
            if !rows.is_empty() {
                lines.push(String::new());
                lines.push(canvas.heading(title));
                lines.extend(rows);
            }
        };
        section("Categories", self.table(&self.categories, canvas, top));
        section("Models", self.table(&self.models, canvas, top));
        section("By hour", hours(&self.hours, canvas));
        let name = |(id, name, this, runs): &(String, String, bool, u64)| {
            let short = id.get(..8).unwrap_or_default();
            let text = match (this, name.as_str()) {
                (true, "") => "this one".to_owned(),
                (true, name) => format!("{name} (this one)"),
                (false, "") => format!("before joining ({short})"),
                (false, name) => name.to_owned(),
            };
            Counted { text: text.into_bytes().into(), runs: *runs, ..Counted::default() }
        };
        let devices: Vec<Counted> = self.devices.iter().map(name).collect();
        section("Machines", if devices.len() > 1 { table(&devices, self.runs, canvas) } else { Vec::new() });
        lines
    }

    fn table(&self, sums: &BTreeMap<String, (u64, u64)>, canvas: &Canvas, top: usize) -> Vec<String> {
        table(&rows(sums).into_iter().take(top).collect::<Vec<_>>(), self.runs, canvas)
    }

    fn json(&self) -> serde_json::Value {
        let list = |name: &str, sums: &BTreeMap<String, (u64, u64)>| -> serde_json::Value {
            let row = |row: &Counted| {
                let text = String::from_utf8_lossy(&row.text);
                serde_json::json!({ name: text, "runs": row.runs, "failed": row.failed })
            };
            rows(sums).iter().map(row).collect()
        };
        let devices: Vec<_> = self
            .devices
            .iter()
            .map(|(id, name, this, runs)| serde_json::json!({ "id": id, "name": name, "this": this, "runs": runs }))
            .collect();
        let ok = self.runs.saturating_sub(self.failed).saturating_sub(self.unknown);
        serde_json::json!({
            "runs": self.runs, "outcomes": { "ok": ok, "failed": self.failed, "unknown": self.unknown },
            "categories": list("category", &self.categories), "models": list("model", &self.models),
            "hours": self.hours, "devices": devices, "joined": self.joined,
        })
    }
}

fn add(sums: &mut BTreeMap<String, (u64, u64)>, key: &str, total: u64) {
    let (name, failed) = match key.strip_suffix(uses::FAILED) {
        Some(name) => (name, true),
        None => (key, false),
    };
    let (runs, failures) = sums.entry(name.to_owned()).or_default();
    let sum = if failed { failures } else { runs };
    *sum = sum.saturating_add(total);
}

/// Most used first.
fn rows(sums: &BTreeMap<String, (u64, u64)>) -> Vec<Counted> {
    let row = |(name, (runs, failed)): (&String, &(u64, u64))| Counted {
        text: name.clone().into_bytes().into(),
        runs: *runs,
        failed: *failed,
        time_us: 0,
    };
    let mut rows: Vec<Counted> = sums.iter().map(row).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.runs));
    rows
}

#[cfg(test)]
mod tests {
    use super::{super::draw::PLAIN, *};

    fn counts() -> Counts {
        let count = |key: &str, device: &str, total| CountOf {
            key: key.into(),
            device: device.repeat(32),
            name: if device == "aa" { "laptop".into() } else { String::new() },
            total,
        };
        let counts = vec![
            count("runs", "aa", 7),
            count("runs", "bb", 3),
            count("outcome/ok", "aa", 5),
            count("outcome/failed", "bb", 2),
            count("outcome/unknown", "aa", 2),
            count("category/files", "aa", 4),
            count("category/files", "bb", 3),
            count("category/files/failed", "bb", 2),
            count("category/build", "aa", 3),
            count("model/m-1", "bb", 1),
            count("hour/07", "aa", 10),
            count("hour/99", "aa", 10),
            count("tomorrow/x", "aa", 10),
        ];
        Counts { counts, own: "bb".repeat(32), joined: true, counting: true }
    }

    #[test]
    fn ds003_counts_of_all_machines_are_put_together() {
        let shown = Figures::of(&counts()).report(&PLAIN, 10).join("\n");
        assert!(shown.starts_with("10 commands on 2 machines\n25.0 % failed, of 8 with a known status\n"), "{shown}");
        for part in ["  files", "  build", "  m-1", "By hour", "  laptop", "  this one"] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        let json = Figures::of(&counts()).json();
        assert_eq!(json["categories"][0], serde_json::json!({ "category": "files", "runs": 7, "failed": 2 }));
        assert_eq!(json["outcomes"], serde_json::json!({ "ok": 6, "failed": 2, "unknown": 2 }));
        assert_eq!((&json["hours"][7], &json["devices"][1]["this"]), (&10.into(), &true.into()));
    }
}
