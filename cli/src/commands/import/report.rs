//! What an import did, in words or as JSON. Of what was passed over it tells where and why, and no more of the text than is
//! needed to find it.

use std::path::PathBuf;

use caro_schema::ipc::history::Imported;
use serde_json::json;

use crate::{
    error::Outcome,
    import::{Found, Input, Odd, Source},
    output::{Out, visible},
};

/// What was passed over and is told one by one.
const ODD_SHOWN: usize = 5;

/// Of one file.
pub(super) struct Report {
    source: Source,
    path: PathBuf,
    is_dry_run: bool,
    /// The first that were passed over.
    odd: Vec<Odd>,
    /// How many of what.
    pub(super) figures: Figures,
}

/// What was read and what became of it.
#[derive(Default)]
pub(super) struct Figures {
    /// Commands in the file.
    pub(super) read: u64,
    /// What made no sense.
    pub(super) odd: u64,
    /// What the daemon did with the commands.
    pub(super) done: Imported,
}

impl Report {
    pub(super) fn new(input: &Input, is_dry_run: bool) -> Self {
        let (source, path) = (input.source, input.path.clone());
        Self { source, path, is_dry_run, odd: Vec::new(), figures: Figures::default() }
    }

    /// Keeps it if it is one of the first that make no sense.
    pub(super) fn note_odd(&mut self, found: &Found) {
        if let Found::Odd(odd) = found
            && self.odd.len() < ODD_SHOWN
        {
            self.odd.push(odd.clone());
        }
    }

    pub(super) fn print(&self, as_json: bool, out: &mut Out) -> Outcome {
        if as_json { self.json(out) } else { self.words(out) }
    }

    fn json(&self, out: &mut Out) -> Outcome {
        let Figures { read, odd, done: Imported { added, known, deleted } } = &self.figures;
        let passed_over: Vec<_> = self
            .odd
            .iter()
            .map(|Odd { at, why, begins }| json!({"at": at, "why": why.words(), "begins": visible::line(begins)}))
            .collect();
        out.json(&json!({
            "source": self.source.name(), "file": self.path.to_string_lossy(), "dry_run": self.is_dry_run,
            "read": read, "odd": odd, "added": added, "known": known, "deleted": deleted, "passed_over": passed_over,
        }))
    }

    fn words(&self, out: &mut Out) -> Outcome {
        let Figures { read, odd, done: Imported { added, known, deleted } } = &self.figures;
        let path = visible::line(self.path.as_os_str().as_encoded_bytes());
        let mut line = format!("{read} commands in {path}");
        if !self.is_dry_run {
            line += &format!(": {added} new, {known} known");
            let kept_out = read.saturating_sub(added + known + deleted);
            for (count, what) in
                [(*deleted, "were deleted earlier and stay so"), (kept_out, "are left out by the rules of recording")]
            {
                if count > 0 {
                    line += &format!(", {count} {what}");
                }
            }
        }
        out.line(&line)?;
        if *odd > 0 {
            let name = self.source.name();
            out.line(&format!("{odd} lines make no sense in a history of {name} and were passed over"))?;
            for Odd { at, why, begins } in &self.odd {
                let begins = if begins.is_empty() { String::new() } else { format!(": {}…", visible::line(begins)) };
                out.line(&format!("  {at}: {}{begins}", why.words()))?;
            }
        }
        Ok(())
    }
}
