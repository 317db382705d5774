//! Where the person and the task meet: how it stands, what the person said, and when they last looked.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use caro_schema::ipc::pair::{Invitation, Pairing};
use tokio::sync::Notify;

/// How long a person may seem to be gone: the program that shows the code looks several times a second. Shorter would
/// end a joining on a machine that slept for a moment; longer would leave a code open with nobody there.
const GONE_AFTER: Duration = Duration::from_secs(30);

/// What both look at.
pub struct Table {
    inner: Mutex<Inner>,
    said: Notify,
}

struct Inner {
    shown: Pairing,
    /// When the code that is shown ends.
    until: Option<Instant>,
    same: Option<bool>,
    cancelled: bool,
    /// The other device may be in from now on, whatever the person wants.
    handing_over: bool,
    looked: Instant,
}

/// What a person said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Whether the words are the same.
    Same(bool),
    /// That they want no more, or nothing for too long.
    Cancel,
}

impl Table {
    /// With nothing said yet.
    pub fn new() -> Arc<Self> {
        let inner = Inner {
            shown: Pairing::Connecting,
            until: None,
            same: None,
            cancelled: false,
            handing_over: false,
            looked: Instant::now(),
        };
        Arc::new(Self { inner: Mutex::new(inner), said: Notify::new() })
    }

    /// How it stands, for the person, who is there.
    pub fn look(&self) -> Pairing {
        let mut inner = self.lock();
        inner.looked = Instant::now();
        let mut shown = inner.shown.clone();
        if let (Pairing::Waiting(Invitation { left_ms, .. }), Some(until)) = (&mut shown, inner.until) {
            let left = until.saturating_duration_since(Instant::now());
            *left_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        }
        shown
    }

    /// Whether it is over.
    pub fn is_over(&self) -> bool {
        matches!(self.lock().shown, Pairing::Done { .. } | Pairing::Failed(_))
    }

    /// Whether nobody looks any more.
    pub fn is_left(&self) -> bool {
        self.lock().looked.elapsed() > GONE_AFTER
    }

    /// Shows how it stands now.
    pub fn show(&self, shown: Pairing) {
        self.lock().shown = shown;
    }

    /// Shows a code that ends at a time.
    pub(super) fn show_code(&self, invitation: Invitation, until: Instant) {
        let mut inner = self.lock();
        inner.until = Some(until);
        inner.shown = Pairing::Waiting(invitation);
    }

    /// The person has compared the words. False when there are none to compare.
    pub fn say_same(&self, same: bool) -> bool {
        let mut inner = self.lock();
        if !matches!(inner.shown, Pairing::Compare { .. }) {
            return false;
        }
        inner.same = Some(same);
        inner.shown = Pairing::Agreed;
        drop(inner);
        self.said.notify_one();
        true
    }

    /// The person wants no more. False when that comes too late to keep the other device out.
    pub fn cancel(&self) -> bool {
        let mut inner = self.lock();
        inner.cancelled = true;
        let in_time = !inner.handing_over;
        drop(inner);
        self.said.notify_one();
        in_time
    }

    /// Whether the person wants no more.
    pub(super) fn is_cancelled(&self) -> bool {
        self.lock().cancelled
    }

    /// The point from which there is no way back. False when the person wants no more: then nothing may be handed over.
    pub(super) fn begin_hand_over(&self) -> bool {
        let mut inner = self.lock();
        inner.handing_over = !inner.cancelled;
        inner.handing_over
    }

    /// Waits for what the person says, or until they are gone. Cancel safe: what was said is said once.
    pub(super) async fn said(&self) -> Said {
        loop {
            if let Some(said) = self.take() {
                return said;
            }
            // Looks again by itself: that nobody looks is said by nobody.
            drop(tokio::time::timeout(Duration::from_secs(1), self.said.notified()).await);
        }
    }

    fn take(&self) -> Option<Said> {
        let mut inner = self.lock();
        if inner.cancelled || inner.looked.elapsed() > GONE_AFTER {
            return Some(Said::Cancel);
        }
        inner.same.take().map(Said::Same)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing that holds it can panic half-way.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_answered_once_and_only_when_there_are_some() {
        let table = Table::new();
        assert!(!table.say_same(true));
        table.show(Pairing::Compare { words: vec!["zoo".into()], name: "desk".into(), contested: false });
        assert!(table.say_same(true));
        assert!(!table.say_same(true));
        assert_eq!((table.take(), table.take()), (Some(Said::Same(true)), None));
        table.cancel();
        assert_eq!(table.take(), Some(Said::Cancel));
    }

    #[test]
    fn trap_09_who_wants_no_more_is_obeyed_or_told_that_it_is_too_late() {
        let table = Table::new();
        assert!(table.cancel() && table.is_cancelled());
        assert!(!table.begin_hand_over(), "nothing goes after that");
        let table = Table::new();
        assert!(table.begin_hand_over());
        assert!(!table.cancel(), "it may be in");
    }

    #[test]
    fn what_nobody_looks_at_any_more_is_cancelled() {
        let table = Table::new();
        assert_eq!((table.is_left(), table.take()), (false, None));
        table.lock().looked = Instant::now().checked_sub(GONE_AFTER + Duration::from_secs(1)).expect("up for longer");
        assert_eq!((table.is_left(), table.take()), (true, Some(Said::Cancel)));
    }
}
