//! Runs scenarios and prints a table: `cargo run -p chaos-tests -- --all -n 50`.

use std::{process::ExitCode, time::Instant};

use chaos_tests::{
    catalogue::{ALL, page},
    sabotage::Sabotage,
    scenario::{Body, Scenario, Verdict},
};
use clap::Parser;

/// Break things, and see what is still true
#[derive(Parser)]
struct Arguments {
    /// Every scenario
    #[arg(long)]
    all: bool,
    /// Only the scenarios whose id begins with this (can be repeated)
    #[arg(long)]
    id: Vec<String>,
    /// Only on these tiers: sim, pipe, store, proc, disk (can be repeated)
    #[arg(long)]
    tier: Vec<String>,
    /// Seeds per scenario
    #[arg(short = 'n', long, default_value_t = 50)]
    iterations: u64,
    /// The first seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Small numbers in the place of large ones, as the tests do
    #[arg(long)]
    brief: bool,
    /// Run each scenario without each of its protections: every one must fail
    #[arg(long)]
    sabotage: bool,
    /// Leave this one protection out
    #[arg(long)]
    without: Option<String>,
    /// Print the page of all scenarios
    #[arg(long)]
    page: bool,
}

/// What has come out so far.
#[derive(Default)]
struct Tally {
    wrong: u32,
    skipped: u32,
}

#[allow(clippy::print_stdout)] // the table is what this program is for
fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.page {
        print!("{}", page());
        return ExitCode::SUCCESS;
    }
    // What fails says so in the table; the panics' own words would only be in its way.
    std::panic::set_hook(Box::new(|_| {}));
    let mut tally = Tally::default();
    println!("id         tier    runs  failed   seconds  title");
    for scenario in ALL.iter().filter(|scenario| arguments.wants(scenario)) {
        for body in scenario.bodies.iter().filter(|body| arguments.wants_tier(body)) {
            for twin in arguments.twins(body) {
                run(scenario, body, twin, &arguments, &mut tally);
            }
        }
    }
    println!("{} not as they should be, {} skipped", tally.wrong, tally.skipped);
    let may_skip = std::env::var_os("CHAOS_ALLOW_SKIP").is_some_and(|value| value == "1");
    if tally.wrong == 0 && (tally.skipped == 0 || may_skip) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

impl Arguments {
    fn wants(&self, scenario: &Scenario) -> bool {
        self.all || self.id.iter().any(|id| scenario.id.starts_with(id.as_str()))
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
}

/// Runs one body with all seeds.
#[allow(clippy::print_stdout)]
fn run(scenario: &Scenario, body: &Body, twin: Option<Sabotage>, arguments: &Arguments, tally: &mut Tally) {
    let begun = Instant::now();
    let mut failed = Vec::new();
    let mut needs = None;
    for seed in arguments.seed..arguments.seed + arguments.iterations {
        let verdict =
            if arguments.brief { scenario.check_briefly(body, seed, twin) } else { scenario.check(body, seed, twin) };
        match verdict {
            Ok(()) => {}
            Err(Verdict::Failed(said)) => failed.push(said),
            Err(Verdict::Skipped(what)) => needs = Some(what),
        }
    }
    let title = twin.map_or(scenario.title.to_owned(), |twin| format!("{} without {}", scenario.title, twin.name()));
    let (id, tier, seconds) = (scenario.id, body.tier.to_string(), begun.elapsed().as_secs_f64());
    if let Some(needs) = needs {
        println!("{id:<10} {tier:<5} SKIPPED, needs {needs}: {title}");
        tally.skipped += 1;
        return;
    }
    println!("{id:<10} {tier:<5} {:>6} {:>7} {seconds:>9.1}  {title}", arguments.iterations, failed.len());
    let wrong = match twin {
        None => {
            for said in failed.iter().take(3) {
                println!("    {said}");
            }
            !failed.is_empty()
        }
        // Under its sabotage a scenario must fail.
        Some(_) => failed.is_empty(),
    };
    tally.wrong += u32::from(wrong);
}
