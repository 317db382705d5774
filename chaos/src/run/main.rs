//! Runs scenarios and prints a table: `cargo run -p chaos-tests -- --all -n 50`.
//!
//! [`work`] is one body with its seeds; [`jobs`] has several processes do it.

mod jobs;
mod work;

use std::{
    path::PathBuf,
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

use chaos_tests::{
    catalogue::{ALL, LONG, page},
    report::{Line, Results},
    sabotage::Sabotage,
    scenario::{Body, Scenario},
    whole,
};
use clap::{Parser, value_parser};

use crate::work::{Work, keep};

/// Break things, and see what is still true
#[derive(Parser)]
struct Arguments {
    /// Every scenario
    #[arg(long)]
    all: bool,
    /// The scenarios that take long, once each
    #[arg(long)]
    long: bool,
    /// Only the scenarios whose id begins with this (can be repeated)
    #[arg(long)]
    id: Vec<String>,
    /// Only on these tiers: sim, pipe, store, proc, disk, proxy, net (can be repeated)
    #[arg(long)]
    tier: Vec<String>,
    /// Seeds per scenario
    #[arg(short = 'n', long, default_value_t = 50)]
    iterations: u64,
    /// The first seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Lives of a whole account, one for each of so many seeds
    #[arg(long)]
    seeds: Option<u64>,
    /// Processes at once; bodies that compare times want a processor each
    #[arg(short, long, default_value_t = 1, value_parser = value_parser!(u64).range(1..=64))]
    jobs: u64,
    /// A line of JSON for each body, in the place of the table
    #[arg(long, conflicts_with = "jobs")]
    json: bool,
    /// Small numbers in the place of large ones, as the tests do
    #[arg(long)]
    brief: bool,
    /// Run each scenario without each of its protections: every one must fail
    #[arg(long)]
    sabotage: bool,
    /// Leave this one protection out
    #[arg(long)]
    without: Option<String>,
    /// Where to keep what led to failures, and a JUnit file
    #[arg(long, value_name = "FOLDER", default_value = "chaos-results")]
    results: PathBuf,
    /// Print the page of all scenarios
    #[arg(long)]
    page: bool,
}

#[allow(clippy::print_stdout, clippy::print_stderr)] // the table is what this program is for
fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.page {
        print!("{}", page());
        return ExitCode::SUCCESS;
    }
    // What fails says so in the table; the panics' own words would only be in its way.
    std::panic::set_hook(Box::new(|_| {}));
    if let Some(count) = arguments.seeds {
        return lives(&arguments, count);
    }
    let work = arguments.work();
    let lines = if arguments.json { as_json(&work, &arguments) } else { as_table(&work, &arguments) };
    let wrong = lines.iter().filter(|line| !line.right).count();
    let skipped = lines.iter().filter(|line| line.needs.is_some()).count();
    if !arguments.json {
        println!("{} bodies, {wrong} not as they should be, {skipped} skipped", lines.len());
    }
    if wrong > 0
        && !arguments.json
        && let Err(error) = Results::new(&arguments.results).and_then(|results| results.junit(&lines))
    {
        eprintln!("the results could not be kept: {error}");
    }
    let may_skip = std::env::var_os("CHAOS_ALLOW_SKIP").is_some_and(|value| value == "1");
    if wrong == 0 && !lines.is_empty() && (skipped == 0 || may_skip) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[allow(clippy::print_stdout)]
fn as_table(work: &[Work], arguments: &Arguments) -> Vec<Line> {
    println!("id         tier    runs  failed   seconds  title");
    if arguments.jobs > 1 {
        return jobs::run(work, arguments.jobs as usize, &arguments.results, Work::print);
    }
    let run = |work: &Work| {
        let line = work.line(work.run(&arguments.results));
        work.print(&line);
        line
    };
    work.iter().map(run).collect()
}

#[allow(clippy::print_stdout)]
fn as_json(work: &[Work], arguments: &Arguments) -> Vec<Line> {
    let run = |work: &Work| {
        let outcome = work.run(&arguments.results);
        println!("{}", serde_json::json!(outcome));
        work.line(outcome)
    };
    work.iter().map(run).collect()
}

impl Arguments {
    fn work(&self) -> Vec<Work> {
        let mut work = Vec::new();
        for scenario in self.scenarios() {
            let seeds = self.seed..self.seed + self.runs_of(scenario);
            for body in scenario.bodies.iter().filter(|body| self.wants_tier(body)) {
                for twin in self.twins(body) {
                    work.push(Work { scenario, body, twin, seeds: seeds.clone(), brief: self.brief });
                }
            }
        }
        work
    }

    fn scenarios(&self) -> Vec<&'static Scenario> {
        let named = |scenario: &&&Scenario| self.id.iter().any(|id| scenario.id.starts_with(id.as_str()));
        let usual = ALL.iter().filter(|scenario| self.all || named(scenario));
        let long = LONG.iter().filter(|scenario| self.long || named(scenario));
        usual.chain(long).copied().collect()
    }

    fn wants_tier(&self, body: &Body) -> bool {
        let name = body.tier.to_string();
        self.tier.is_empty() || self.tier.iter().any(|tier| tier.eq_ignore_ascii_case(&name))
    }

    fn twins(&self, body: &Body) -> Vec<Option<Sabotage>> {
        match (&self.without, self.sabotage) {
            (Some(name), _) => body.broken_by.iter().copied().filter(|it| it.name() == *name).map(Some).collect(),
            (None, true) => body.broken_by.iter().copied().map(Some).collect(),
            (None, false) => vec![None],
        }
    }

    /// What takes long runs once, unless somebody asks for it by its id.
    fn runs_of(&self, scenario: &Scenario) -> u64 {
        let once = LONG.iter().any(|long| long.id == scenario.id) && self.id.is_empty();
        if once { 1 } else { self.iterations }
    }
}

/// Whole lives, on all processors.
#[allow(clippy::print_stdout)]
fn lives(arguments: &Arguments, count: u64) -> ExitCode {
    let begun = Instant::now();
    let twin = arguments.without.as_ref().and_then(|name| {
        let known = ALL.iter().flat_map(|scenario| scenario.bodies).flat_map(|body| body.broken_by);
        known.copied().find(|sabotage| sabotage.name() == *name)
    });
    let (next, failed) = (AtomicU64::new(arguments.seed), Mutex::new(Vec::new()));
    let end = arguments.seed + count;
    let workers = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    thread::scope(|scope| {
        for _ in 0..workers.min(usize::try_from(count).unwrap_or(workers)) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    if let Err(said) = whole::live(seed, twin) {
                        println!("seed {seed}: {}", keep(&arguments.results, &format!("life-{seed}"), said));
                        failed.lock().unwrap_or_else(PoisonError::into_inner).push(seed);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner).len();
    println!("{count} lives of a whole account, {failed} failed, {:.1} s", begun.elapsed().as_secs_f64());
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
