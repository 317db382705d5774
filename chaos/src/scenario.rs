//! What a scenario is, and how one is run.
//!
//! A scenario is one row of the specification: its words, and a body for each tier that serves it here. Knows nothing of
//! what is broken or how; that is in the tiers ([`crate::world`], [`crate::pipe`]). Next: [`crate::catalogue`].

use std::{any::Any, cell::RefCell, collections::VecDeque, fmt, panic};

use crate::{sabotage::Sabotage, world::World};

/// Where a body runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// A whole account in one thread, with virtual time.
    Sim,
    /// Two ends and somebody in between, without sockets.
    Pipe,
    /// Storage that fails, tears and forgets.
    Store,
    /// Real programs, killed and stopped.
    Proc,
    /// Real programs over a disk that is full or damaged.
    Disk,
    /// Real programs with a proxy between them that breaks connections.
    Proxy,
    /// Real programs in networks of their own, with links that are slow and lose packets.
    Net,
}

impl Tier {
    /// Whether all of it happens inside of this process, without time passing.
    pub fn is_virtual(self) -> bool {
        matches!(self, Self::Sim | Self::Pipe)
    }

    /// Whether it breaks what lies between programs. These runs take real seconds.
    pub fn is_link(self) -> bool {
        matches!(self, Self::Proxy | Self::Net)
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sim => "SIM",
            Self::Pipe => "PIPE",
            Self::Store => "STORE",
            Self::Proc => "PROC",
            Self::Disk => "DISK",
            Self::Proxy => "PROXY",
            Self::Net => "NET",
        })
    }
}

/// A row of the specification: what is broken, and what must still be true.
pub struct Scenario {
    /// Its id.
    pub id: &'static str,
    /// What it is called.
    pub title: &'static str,
    /// What is broken, in the row's words.
    pub injection: &'static str,
    /// What must be true all the same, in the row's words.
    pub outcome: &'static str,
    /// How it is run: one body for each tier.
    pub bodies: &'static [Body],
}

/// A scenario on one tier.
pub struct Body {
    /// Where it runs.
    pub tier: Tier,
    /// Without any one of these it must fail.
    pub broken_by: &'static [Sabotage],
    /// Panics when something that must be true is not.
    pub run: fn(&mut Run),
}

/// One run of a body.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// Decides everything in it.
    pub seed: u64,
    /// What is left out, when something is.
    pub sabotage: Option<Sabotage>,
    /// Whether large numbers are to be small ones: for the tests that everybody runs.
    pub brief: bool,
}

/// Why a body did not come to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Something that must be true was not. Says what, and the line that repeats it.
    Failed(String),
    /// It cannot run here: what it needs. Never counted as passed.
    Skipped(String),
}

thread_local! {
    /// The last things that happened in the world of the body that failed last on this thread.
    static TIMELINE: RefCell<VecDeque<String>> = const { RefCell::new(VecDeque::new()) };
}

/// Keeps what led to a failure.
pub(crate) fn keep_timeline(timeline: VecDeque<String>) {
    TIMELINE.set(timeline);
}

/// What led to the last failure on this thread, oldest first.
pub fn take_timeline() -> VecDeque<String> {
    TIMELINE.take()
}

impl Verdict {
    /// Whether something that must be true was not, by what a body looked at. A command of the body's own that fails says
    /// nothing of that: a twin in which one does would be noticed in any body.
    pub fn is_of_outcome(&self) -> bool {
        matches!(self, Self::Failed(said) if !said.starts_with("caro "))
    }
}

/// What a body panics with when it cannot run here.
struct Needs(String);

impl Run {
    /// A world of so many devices in one account, with nothing left to say.
    pub fn world(&self, devices: usize) -> World {
        World::joined(devices, self.seed, self.sabotage)
    }

    /// A world of so many devices in one account at so many relays, with nothing left to say.
    pub fn world_at(&self, devices: usize, relays: usize) -> World {
        World::joined_at(devices, relays, self.seed, self.sabotage)
    }

    /// A number of the specification, or a smaller one in a brief run.
    pub fn sized(&self, full: usize, brief: usize) -> usize {
        if self.brief { brief } else { full }
    }

    /// As [`Self::sized`], for what takes long: the full number in one of fifty seeds, the usual one in the others.
    pub fn sized_once(&self, full: usize, usual: usize, brief: usize) -> usize {
        self.sized(if self.seed % 50 == 1 { full } else { usual }, brief)
    }

    /// Whether a protection is missing.
    pub fn lacks(&self, protection: Sabotage) -> bool {
        self.sabotage == Some(protection)
    }

    /// Ends a run that cannot be done here. It is reported as skipped, with what it needs.
    pub fn skip(&self, needs: &str) -> ! {
        panic::panic_any(Needs(needs.to_owned()))
    }
}

impl Scenario {
    /// Runs one of its bodies.
    ///
    /// # Errors
    /// When something that must be true was not, or it cannot run here.
    pub fn check(&self, body: &Body, seed: u64, sabotage: Option<Sabotage>) -> Result<(), Verdict> {
        self.check_run(body, Run { seed, sabotage, brief: false })
    }

    /// As [`Self::check`], with small numbers in the place of large ones.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn check_briefly(&self, body: &Body, seed: u64, sabotage: Option<Sabotage>) -> Result<(), Verdict> {
        self.check_run(body, Run { seed, sabotage, brief: true })
    }

    fn check_run(&self, body: &Body, run: Run) -> Result<(), Verdict> {
        let (act, mut own) = (body.run, run);
        let Err(cause) = panic::catch_unwind(move || act(&mut own)) else { return Ok(()) };
        if let Some(Needs(needs)) = cause.downcast_ref() {
            return Err(Verdict::Skipped(needs.clone()));
        }
        let Run { seed, sabotage, brief } = run;
        let twin = sabotage.map(|missing| format!(" --without {}", missing.name())).unwrap_or_default();
        let brief = if brief { " --brief" } else { "" };
        Err(Verdict::Failed(format!(
            "{}\n  again: cargo run -p chaos-tests -- --id {} --tier {} --seed {seed} -n 1{twin}{brief}",
            words(&*cause),
            self.id,
            body.tier
        )))
    }
}

pub(crate) fn words(cause: &(dyn Any + Send)) -> &str {
    cause.downcast_ref::<String>().map(String::as_str).or(cause.downcast_ref::<&str>().copied()).unwrap_or("panicked")
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREE: Scenario = Scenario {
        id: "X",
        title: "x",
        injection: "",
        outcome: "",
        bodies: &[
            Body { tier: Tier::Sim, broken_by: &[], run: |_| {} },
            Body { tier: Tier::Pipe, broken_by: &[], run: |run| assert!(run.seed != 7, "seven") },
            Body { tier: Tier::Proc, broken_by: &[], run: |run| run.skip("a moon") },
        ],
    };

    #[test]
    fn a_command_that_fails_is_no_outcome() {
        let failed = |said: &str| Verdict::Failed(said.to_owned()).is_of_outcome();
        assert!(failed("not in time: 1 of 2, without [\"echo last\"]"));
        let home = caro_tests::Home::new();
        let refused = panic::catch_unwind(panic::AssertUnwindSafe(|| home.caro_ok(&["sync", "now"])));
        assert!(!failed(words(&*refused.expect_err("there is no account"))));
        assert!(!Verdict::Skipped("a moon".to_owned()).is_of_outcome());
    }

    #[test]
    fn a_run_passes_fails_with_the_line_that_repeats_it_or_says_what_it_needs() {
        let [passes, fails, skips] = THREE.bodies else { panic!("three bodies") };
        assert_eq!(THREE.check(passes, 7, None), Ok(()));
        let Err(Verdict::Failed(said)) = THREE.check(fails, 7, Some(Sabotage::SkipRetry)) else { panic!("it passed") };
        assert!(said.starts_with("seven"), "{said}");
        assert!(said.ends_with("--id X --tier PIPE --seed 7 -n 1 --without skip_retry"), "{said}");
        assert_eq!(THREE.check(skips, 7, None), Err(Verdict::Skipped("a moon".to_owned())));
    }
}
