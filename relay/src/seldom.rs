//! How often something is said that can come upon every request: once a second, so that what goes wrong shows in the log and
//! does not fill it.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Between two.
const PAUSE: Duration = Duration::from_secs(1);

/// When it was last said.
pub(crate) struct Seldom(Mutex<Option<Instant>>);

impl Seldom {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Whether it is to be said now. It then counts as said.
    pub(crate) fn is_due(&self) -> bool {
        self.is_due_at(Instant::now())
    }

    fn is_due_at(&self, now: Instant) -> bool {
        // Nobody panics while holding it.
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = said.is_none_or(|said| now.saturating_duration_since(said) >= PAUSE);
        if is_due {
            *said = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_at_once_and_then_once_a_second() {
        let (seldom, start) = (Seldom::new(), Instant::now());
        let said: Vec<u64> = (0..3_000).filter(|ms| seldom.is_due_at(start + Duration::from_millis(*ms))).collect();
        assert_eq!(said, [0, 1_000, 2_000]);
    }
}
