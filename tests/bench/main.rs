//! What caro costs: hook, cold start, search, filters, statistics, time to the other device, first sync, memory. Figures as a table and as JSON lines.
//!
//! `cargo bench -p caro-tests` measures everything; names of parts as arguments measure those. Where `atuin` (and
//! `atuin-server`) are on the PATH, the same is measured for them, in turns with caro, because this machine is never
//! alone. Nothing here fails because something was slow.

mod atuin;
mod cold;
mod corpus;
mod figures;
mod filters;
mod hook;
mod import;
mod join;
mod person;
mod screen;
mod search;
mod sync;

use figures::Figures;

/// A part, by the name that a person gives.
type Part = (&'static str, fn(&mut Figures));

const PARTS: [Part; 10] = [
    ("hook", hook::measure),
    ("cold", cold::measure),
    ("screen", screen::measure),
    ("search", search::measure),
    ("filters", filters::measure),
    ("import", import::measure),
    ("latency", sync::latency),
    ("first-sync", sync::first),
    ("join", join::measure),
    ("person", person::measure),
];

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let mut figures = Figures::default();
    for (name, measure) in PARTS {
        if wanted.is_empty() || wanted.iter().any(|it| it == name) {
            measure(&mut figures);
        }
    }
    figures.finish();
}
