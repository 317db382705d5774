//! The only place that carries out a [`Step`]: one transaction, then the sends, then the notices.
//!
//! When writing fails, the step waits here, sends and all, and is tried again; nothing else is decided meanwhile
//! ([`Applier::is_stuck`]), so what waits is one step and memory is bounded. The shells' files are the safety: what
//! was not committed is read from them again, whatever happens to this process.

use std::time::{Duration, Instant};

use caro_core::step::{Notice, RemoteNumber, Step, Write};
use caro_schema::{ipc::Fault, relay::ToRelay};

use crate::store::{Store, StoreError};

/// What follows once a step is durable.
#[derive(Default)]
#[must_use = "what is not sent is not heard"]
pub struct Follows {
    /// To be sent now.
    pub sends: Vec<(RemoteNumber, ToRelay)>,
    /// To be told to readers now.
    pub notices: Vec<Notice>,
}

/// The store, and the step that could not be written to it.
pub struct Applier {
    store: Store,
    stuck: Option<Stuck>,
}

struct Stuck {
    writes: Vec<Write>,
    follows: Follows,
    reason: String,
    advice: &'static str,
    pause: Duration,
    retry_at: Instant,
}

/// The first pause after a failed write; each further one is twice as long.
const PAUSE_MIN: Duration = Duration::from_millis(100);

/// The longest pause. A disk that has room again should show within seconds.
const PAUSE_MAX: Duration = Duration::from_secs(5);

impl Applier {
    /// Over an open store.
    pub fn new(store: Store) -> Self {
        Self { store, stuck: None }
    }

    /// The store, to read from.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Keeps the files of the store small while nothing else is to do, and leaves them in one piece at the end.
    pub fn checkpoint(&mut self) {
        if let Err(error) = self.store.checkpoint() {
            tracing::warn!(%error, "the database could not be put in order; it is whole all the same");
        }
    }

    /// Whether a step waits to be written. Then nothing else may be decided.
    pub fn is_stuck(&self) -> bool {
        self.stuck.is_some()
    }

    /// What the system said when writing failed, while it does.
    pub fn stuck_reason(&self) -> Option<&str> {
        self.stuck.as_ref().map(|stuck| stuck.reason.as_str())
    }

    /// What a person can do about it; empty when there is nothing.
    pub fn stuck_advice(&self) -> &'static str {
        self.stuck.as_ref().map_or("", |stuck| stuck.advice)
    }

    /// When to try again.
    pub fn retry_at(&self) -> Option<Instant> {
        self.stuck.as_ref().map(|stuck| stuck.retry_at)
    }

    /// Carries out a step. When it cannot be written it is kept and tried again; the fault says so to whoever asked.
    ///
    /// # Errors
    /// [`Fault::Storage`] when the step waits.
    pub fn apply(&mut self, step: Step) -> Result<Follows, Fault> {
        let Step { writes, sends, notices } = step;
        let follows = Follows { sends, notices };
        match &mut self.stuck {
            None if writes.is_empty() => Ok(follows),
            None => self.write(writes, follows, PAUSE_MIN),
            // Decided before anyone could know; it goes into the same transaction.
            Some(stuck) => {
                stuck.writes.extend(writes);
                stuck.follows.sends.extend(follows.sends);
                stuck.follows.notices.extend(follows.notices);
                Err(Fault::Storage { reason: stuck.reason.clone() })
            }
        }
    }

    /// Tries again to write what waits, if it is time to or `now` is asked for. Gives what follows when it went well.
    ///
    /// # Errors
    /// [`Fault::Storage`] when it still waits.
    pub fn retry(&mut self, at_once: bool) -> Result<Follows, Fault> {
        match self.stuck.take() {
            None => Ok(Follows::default()),
            Some(stuck) if at_once || stuck.retry_at <= Instant::now() => {
                self.write(stuck.writes, stuck.follows, (stuck.pause * 2).min(PAUSE_MAX))
            }
            Some(stuck) => {
                let reason = stuck.reason.clone();
                self.stuck = Some(stuck);
                Err(Fault::Storage { reason })
            }
        }
    }

    fn write(&mut self, writes: Vec<Write>, follows: Follows, pause: Duration) -> Result<Follows, Fault> {
        match self.store.commit(&writes) {
            Ok(()) => Ok(follows),
            Err(error) => {
                let reason = self.note_failure(&error, pause);
                let retry_at = Instant::now() + pause;
                let advice = error.advice();
                self.stuck = Some(Stuck { writes, follows, reason: reason.clone(), advice, pause, retry_at });
                Err(Fault::Storage { reason })
            }
        }
    }

    fn note_failure(&self, error: &StoreError, pause: Duration) -> String {
        // Once, not at each try.
        if pause == PAUSE_MIN {
            tracing::error!(%error, "writing failed; it is tried again");
        }
        error.to_string()
    }
}
