//! One body with its seeds: what is run, here or by another process, and the line that comes of it.

use std::{ops::Range, path::Path, time::Instant};

use chaos_tests::{
    report::{Line, Results},
    sabotage::Sabotage,
    scenario::{Body, Scenario, Verdict, take_timeline},
};
use serde::{Deserialize, Serialize};

/// A body, without one of its protections or with all, and the seeds that it runs with.
#[derive(Clone)]
pub(crate) struct Work {
    pub(crate) scenario: &'static Scenario,
    pub(crate) body: &'static Body,
    pub(crate) twin: Option<Sabotage>,
    pub(crate) seeds: Range<u64>,
    /// Small numbers in the place of large ones.
    pub(crate) brief: bool,
}

/// What came of some seeds of a body.
#[derive(Default, Deserialize, Serialize)]
pub(crate) struct Outcome {
    /// What failed, each with the line that repeats it.
    pub(crate) failed: Vec<String>,
    /// What it would have needed, when it could not run.
    pub(crate) needs: Option<String>,
    /// Seconds in all.
    pub(crate) seconds: f64,
}

/// Failures of one body of which is kept what led to them.
const KEPT_MAX: usize = 3;

impl Work {
    /// Runs it here, one seed after the other. Keeps below `results` what led to failures.
    pub(crate) fn run(&self, results: &Path) -> Outcome {
        let begun = Instant::now();
        let (scenario, body) = (self.scenario, self.body);
        let mut outcome = Outcome::default();
        for seed in self.seeds.clone() {
            let check = if self.brief { Scenario::check_briefly } else { Scenario::check };
            match check(scenario, body, seed, self.twin) {
                Ok(()) => {}
                Err(Verdict::Failed(said)) => {
                    let is_kept = self.twin.is_none() && outcome.failed.len() < KEPT_MAX;
                    let name = format!("{}-{}-{seed}", scenario.id, body.tier);
                    outcome.failed.push(if is_kept { keep(results, &name, said) } else { said });
                }
                Err(Verdict::Skipped(what)) => outcome.needs = Some(what),
            }
        }
        outcome.seconds = begun.elapsed().as_secs_f64();
        outcome
    }

    /// What the table says of it.
    pub(crate) fn line(&self, outcome: Outcome) -> Line {
        let Outcome { failed, needs, seconds } = outcome;
        // Under its sabotage a scenario must fail.
        let right = needs.is_some() || failed.is_empty() == self.twin.is_none();
        let place = format!("{}{}", self.body.tier, self.without());
        Line { id: self.scenario.id, place, runs: self.seeds.end - self.seeds.start, failed, needs, seconds, right }
    }

    fn without(&self) -> String {
        self.twin.map(|twin| format!(" without {}", twin.name())).unwrap_or_default()
    }

    /// Prints it as a row of the table, with what failed.
    #[allow(clippy::print_stdout)] // the table is what this program is for
    pub(crate) fn print(&self, line: &Line) {
        let Line { id, runs, failed, needs, seconds, .. } = line;
        let (tier, title, without) = (self.body.tier.to_string(), self.scenario.title, self.without());
        match needs {
            Some(needs) => println!("{id:<10} {tier:<5} SKIPPED, needs {needs}: {title}{without}"),
            None => println!("{id:<10} {tier:<5} {runs:>6} {:>7} {seconds:>9.1}  {title}{without}", failed.len()),
        }
        if self.twin.is_none() {
            failed.iter().take(KEPT_MAX).for_each(|said| println!("    {said}"));
        }
    }
}

/// Keeps what led to a failure, and adds where.
pub(crate) fn keep(results: &Path, name: &str, said: String) -> String {
    match Results::new(results).and_then(|results| results.keep(name, &said, take_timeline())) {
        Ok(file) => format!("{said}\n  what led to it: {}", file.display()),
        Err(error) => format!("{said}\n  what led to it could not be kept: {error}"),
    }
}
