//! Runs scenarios and prints a table: `cargo run -p chaos-tests -- --all -n 50`.

use std::{process::ExitCode, time::Instant};

use chaos_tests::{
    catalogue::{ALL, page},
    sabotage::Sabotage,
    scenario::Scenario,
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
    /// Seeds per scenario
    #[arg(short = 'n', long, default_value_t = 50)]
    iterations: u64,
    /// The first seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
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

#[allow(clippy::print_stdout)] // the table is what this program is for
fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.page {
        print!("{}", page());
        return ExitCode::SUCCESS;
    }
    // What fails says so in the table; the panics' own words would only be in its way.
    std::panic::set_hook(Box::new(|_| {}));
    let wanted =
        |scenario: &&&Scenario| arguments.all || arguments.id.iter().any(|id| scenario.id.starts_with(id.as_str()));
    let mut failed = 0;
    println!("id         tier    runs  failed   seconds  title");
    for scenario in ALL.iter().filter(wanted) {
        let twins: Vec<Option<Sabotage>> = match (&arguments.without, arguments.sabotage) {
            (Some(name), _) => scenario.broken_by.iter().copied().filter(|it| it.name() == *name).map(Some).collect(),
            (None, true) => scenario.broken_by.iter().copied().map(Some).collect(),
            (None, false) => vec![None],
        };
        for twin in twins {
            failed += run(scenario, twin, &arguments);
        }
    }
    println!("{failed} not as they should be, 0 skipped");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs one scenario with all seeds. Gives 1 when it is not as it should be.
#[allow(clippy::print_stdout)]
fn run(scenario: &Scenario, twin: Option<Sabotage>, arguments: &Arguments) -> u32 {
    let begun = Instant::now();
    let said: Vec<String> = (arguments.seed..arguments.seed + arguments.iterations)
        .filter_map(|seed| scenario.check(seed, twin).err())
        .collect();
    let title = twin.map_or(scenario.title.to_owned(), |twin| format!("{} without {}", scenario.title, twin.name()));
    let (id, tier, seconds) = (scenario.id, scenario.tier.to_string(), begun.elapsed().as_secs_f64());
    println!("{id:<10} {tier:<5} {:>6} {:>7} {seconds:>9.1}  {title}", arguments.iterations, said.len());
    match twin {
        None => {
            for said in said.iter().take(3) {
                println!("    {said}");
            }
            u32::from(!said.is_empty())
        }
        // Under its sabotage a scenario must fail.
        Some(_) => u32::from(said.is_empty()),
    }
}
