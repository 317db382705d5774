//! Messages of which a part has come: how many bytes are held for them, on all connections together.
//!
//! A message may take its time, so half of one is held for as long as that, and a stranger can make as many devices as it
//! likes. Beyond the bound the message that began first is given up: most others are nearly whole, and this one had the most
//! time. Refusing those that begin would let whoever stops half-way keep everybody else out.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

/// All of them.
#[derive(Default)]
pub struct Arriving {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    bytes: u64,
    next: u64,
    /// By the order in which they began.
    begun: BTreeMap<u64, Begun>,
}

struct Begun {
    bytes: u64,
    given_up: Arc<Notify>,
}

impl Arriving {
    /// A message begins. It counts until what this gives is dropped.
    pub fn begin(self: &Arc<Self>) -> Half {
        let given_up = Arc::new(Notify::new());
        let mut inner = self.lock();
        let number = inner.next;
        inner.next += 1;
        inner.begun.insert(number, Begun { bytes: 0, given_up: given_up.clone() });
        drop(inner);
        Half { arriving: self.clone(), number, given_up }
    }

    /// Bytes that are held for them.
    pub fn bytes(&self) -> u64 {
        self.lock().bytes
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Counting cannot panic half-way.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A message of which a part has come.
pub struct Half {
    arriving: Arc<Arriving>,
    number: u64,
    given_up: Arc<Notify>,
}

impl Half {
    /// So many bytes are held for it now. Where all together are then more than `max`, those that began first are given up,
    /// this one among them if need be.
    pub fn holds(&self, bytes: u64, max: u64) {
        let mut inner = self.arriving.lock();
        let inner = &mut *inner;
        let Some(begun) = inner.begun.get_mut(&self.number) else { return };
        inner.bytes = inner.bytes - begun.bytes + bytes;
        begun.bytes = bytes;
        while inner.bytes > max
            && let Some((_, first)) = inner.begun.pop_first()
        {
            inner.bytes -= first.bytes;
            first.given_up.notify_one();
        }
    }

    /// Ends when it is given up.
    pub async fn given_up(&self) {
        self.given_up.notified().await;
    }
}

impl Drop for Half {
    fn drop(&mut self) {
        let mut inner = self.arriving.lock();
        if let Some(begun) = inner.begun.remove(&self.number) {
            inner.bytes -= begun.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn a_res_02_those_that_began_first_are_given_up_and_nothing_stays_counted() {
        let arriving = Arc::new(Arriving::default());
        let halves: Vec<Half> = (0..3).map(|_| arriving.begin()).collect();
        for half in &halves {
            half.holds(40, 100);
        }
        let given_up = |half: &Half| half.given_up().now_or_never().is_some();
        assert_eq!(halves.iter().map(given_up).collect::<Vec<_>>(), [true, false, false]);
        assert_eq!(arriving.bytes(), 80);
        // The second one goes on growing, and is now the one that began first.
        halves[1].holds(61, 100);
        assert_eq!(halves.iter().map(given_up).collect::<Vec<_>>(), [false, true, false]);
        assert_eq!(arriving.bytes(), 40);
        // What was given up counts no more, whatever comes of it.
        halves[0].holds(1_000, 100);
        assert_eq!(arriving.bytes(), 40);
        drop(halves);
        assert_eq!(arriving.bytes(), 0);
        assert!(arriving.lock().begun.is_empty());
    }
}
