//! What a scenario is, and how one is run.

use std::{fmt, panic};

use crate::{sabotage::Sabotage, world::World};

/// Where a scenario runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// A whole account in one thread, with virtual time.
    Sim,
    /// Two ends of a session with somebody in between.
    Pipe,
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sim => "SIM",
            Self::Pipe => "PIPE",
        })
    }
}

/// A scenario: what is broken, and what must still be true.
pub struct Scenario {
    /// Its id in the specification.
    pub id: &'static str,
    /// What it is called there.
    pub title: &'static str,
    /// Where it runs.
    pub tier: Tier,
    /// Without any one of these it must fail.
    pub broken_by: &'static [Sabotage],
    /// The body. Panics when something that must be true is not.
    pub run: fn(&mut Run),
}

/// One run of a scenario.
pub struct Run {
    /// Decides everything in it.
    pub seed: u64,
    /// What is left out, when something is.
    pub sabotage: Option<Sabotage>,
}

impl Run {
    /// A world of so many devices in one account, with nothing left to say.
    pub fn world(&self, devices: usize) -> World {
        World::joined(devices, self.seed, self.sabotage)
    }

    /// Whether a protection is missing.
    pub fn lacks(&self, protection: Sabotage) -> bool {
        self.sabotage == Some(protection)
    }
}

impl Scenario {
    /// Runs it. The error says what was not true, and how to see it again.
    ///
    /// # Errors
    /// When something that must be true was not.
    pub fn check(&self, seed: u64, sabotage: Option<Sabotage>) -> Result<(), String> {
        let body = self.run;
        panic::catch_unwind(move || body(&mut Run { seed, sabotage })).map_err(|cause| {
            let said = cause.downcast_ref::<String>().map(String::as_str).or(cause.downcast_ref::<&str>().copied());
            let twin = sabotage.map(|missing| format!(" --without {}", missing.name())).unwrap_or_default();
            format!(
                "{}\n  again: cargo run -p chaos-tests -- --id {} --seed {seed}{twin}",
                said.unwrap_or("panicked"),
                self.id
            )
        })
    }
}
