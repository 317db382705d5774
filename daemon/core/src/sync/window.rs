//! How many bytes of cells are sent before the relay has acknowledged any: little at first, twice as much each time that
//! all of it was acknowledged, and half of what was on its way when a connection broke.
//!
//! Knows no clock. What makes it needed is that systems and boxes in between take in at once what a narrow line carries in
//! minutes: a device that sent all of that would hear nothing meanwhile, take the relay for gone, and begin again, for ever.
//! Invariant: what is allowed never falls below [`LEAST`], which even a line of 56 kbit/s carries in half of the time in which
//! a device wants to hear something.

/// Bytes that may always be on their way: as many as the first page that a relay sends, and for the same reason.
const LEAST: usize = 64 * 1024;

/// A connection that broke under no more than this broke for another reason than that: a push is half of it, and is
/// acknowledged in time by the narrowest line that there is.
const HARMLESS: usize = 2 * LEAST;

/// Bytes beyond which no line gets faster by more of them: half a second at 64 Mbit/s.
const MOST: usize = 4 * 1024 * 1024;

/// How often all of a window must be acknowledged before more than what once broke is tried again.
const CALM: u32 = 16;

/// What may be on its way on the present connection, and what is known of those before it.
pub(super) struct Window {
    bytes: usize,
    /// More than this broke.
    ceiling: usize,
    /// Bytes acknowledged since the window became what it is.
    acknowledged: usize,
    /// How often all of it was, at the ceiling.
    calm: u32,
}

impl Window {
    /// Of a remote of which nothing is known.
    pub(super) fn new() -> Self {
        Self { bytes: LEAST, ceiling: MOST, acknowledged: 0, calm: 0 }
    }

    /// How many bytes may be sent now in one push. Half of what fits in all, so that one is always under way while another is
    /// stored.
    pub(super) fn room(&self, in_flight: usize) -> usize {
        self.bytes.saturating_sub(in_flight).min(self.bytes / 2)
    }

    /// So many bytes were acknowledged.
    pub(super) fn acknowledged(&mut self, bytes: usize) {
        self.acknowledged += bytes;
        if self.acknowledged < self.bytes {
            return;
        }
        self.acknowledged = 0;
        if self.bytes >= self.ceiling {
            self.calm += 1;
            if self.calm >= CALM {
                (self.calm, self.ceiling) = (0, (self.ceiling * 2).min(MOST));
            }
        }
        self.bytes = (self.bytes * 2).min(self.ceiling);
    }

    /// The connection is gone, or new, with so many bytes on their way.
    pub(super) fn broken(&mut self, in_flight: usize) {
        if in_flight > HARMLESS {
            (self.ceiling, self.calm) = ((in_flight / 2).max(HARMLESS), 0);
        }
        (self.bytes, self.acknowledged) = (LEAST, 0);
    }
}

impl Default for Window {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_bw_01_it_widens_while_all_is_acknowledged_and_not_beyond_what_is_of_use() {
        let mut window = Window::new();
        let mut sent = 0;
        while window.bytes < MOST {
            assert!(sent < 2 * MOST, "{} after {sent} bytes", window.bytes);
            let room = window.room(0);
            window.acknowledged(room);
            sent += room;
        }
        for _ in 0..100 {
            window.acknowledged(MOST);
        }
        assert_eq!((window.room(0), window.room(MOST - 5), window.room(MOST)), (MOST / 2, 5, 0));
    }

    #[test]
    fn t_bw_01_a_line_that_breaks_under_more_is_given_less_for_long_and_never_too_little() {
        let mut window = Window::new();
        window.acknowledged(LEAST);
        assert_eq!(window.bytes, HARMLESS);
        window.broken(2 * HARMLESS);
        window.acknowledged(LEAST);
        for _ in 0..CALM {
            assert_eq!((window.bytes, window.room(0)), (HARMLESS, HARMLESS / 2));
            window.acknowledged(HARMLESS);
        }
        assert_eq!(window.bytes, 2 * HARMLESS, "it is tried again");
    }

    #[test]
    fn e_enc_04_a_cut_with_little_on_its_way_says_nothing_of_the_line() {
        let mut window = Window::new();
        window.acknowledged(LEAST);
        window.broken(HARMLESS);
        for bytes in [LEAST, HARMLESS, 2 * HARMLESS] {
            assert_eq!(window.bytes, bytes);
            window.acknowledged(bytes);
        }
    }
}
