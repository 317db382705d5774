//! Records of an open session, and messages over them.
//!
//! ```text
//! record = counter u64 · ciphertext of (place u8 · piece) · tag 16
//! place  = 0 the whole message · 1 its first piece · 2 one in between · 3 its last
//! ```
//! The counter is the nonce: it is in the record so that a lost one does not cost the session, and a window of the last
//! [`REPLAY_WINDOW`] refuses what was opened before. A message larger than a record is cut; its pieces have consecutive
//! counters. Integers are big-endian.
//!
//! Invariant: a message arrives whole and once, or not at all. That is why a piece says where it belongs: if only the last
//! one were marked, the rest of a message whose beginning was dropped on the way would pass for a whole one.

use std::fmt;

use caro_schema::limits::{NOISE_RECORD_BYTES_MAX, RELAY_MESSAGE_BYTES_MAX, REPLAY_WINDOW, SESSION_RECORDS_MAX};
use snow::StatelessTransportState;
use zeroize::Zeroizing;

use crate::cipher::TAG_BYTES;

const COUNTER_BYTES: usize = 8;

/// Bytes of the largest record, with its counter.
pub const RECORD_BYTES_MAX: usize = COUNTER_BYTES + NOISE_RECORD_BYTES_MAX;

/// Bytes of a message that one record carries.
const PIECE_BYTES_MAX: usize = NOISE_RECORD_BYTES_MAX - TAG_BYTES - 1;

/// Where a piece belongs in its message.
mod place {
    pub(super) const WHOLE: u8 = 0;
    pub(super) const FIRST: u8 = 1;
    pub(super) const BETWEEN: u8 = 2;
    pub(super) const LAST: u8 = 3;
}

/// Why a record was not sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// The message is above its limit.
    #[error("a message above {RELAY_MESSAGE_BYTES_MAX} bytes")]
    TooLarge,
    /// The session has carried all that one key may protect. Time for a new handshake.
    #[error("the session is used up")]
    Spent,
    /// Not a record: of no possible size, or an unknown place inside.
    #[error("not a record")]
    Malformed,
    /// Opened before, or too old to tell.
    #[error("a record that came before")]
    Replayed,
    /// Made by something else, for another place, or altered on the way.
    #[error("a record that was not made for this session")]
    Forged,
    /// A piece of a message is missing.
    #[error("a piece of a message is missing")]
    Gap,
    /// On a line that keeps the order, another message began before this one had ended.
    #[error("a message that another one interrupts")]
    Interrupted,
}

/// One end of an open session.
pub struct Transport {
    keys: StatelessTransportState,
    next: u64,
    window: Window,
    partial: Option<Partial>,
    in_order: bool,
}

/// A message of which not all pieces have come.
struct Partial {
    bytes: Zeroizing<Vec<u8>>,
    next: u64,
}

impl Transport {
    pub(crate) fn new(keys: StatelessTransportState) -> Self {
        Self { keys, next: 0, window: Window::default(), partial: None, in_order: false }
    }

    /// For a line that keeps the order of what it carries: there nothing comes between the pieces of a message, and whoever
    /// begins another one means to leave the first half-sent.
    #[must_use]
    pub fn in_order(self) -> Self {
        Self { in_order: true, ..self }
    }

    /// Bytes that are held for a message of which not all pieces have come.
    pub fn held_bytes(&self) -> usize {
        self.partial.as_ref().map_or(0, |partial| partial.bytes.capacity())
    }

    /// Lets go of them: the message is not waited for any more.
    pub fn give_up_held(&mut self) {
        self.partial = None;
    }

    /// Seals a message into as few records as it fits.
    ///
    /// # Errors
    /// When it is above its limit or the session is used up. Nothing was sealed then.
    pub fn seal(&mut self, message: &[u8]) -> Result<Vec<Vec<u8>>, TransportError> {
        if message.len() > RELAY_MESSAGE_BYTES_MAX {
            return Err(TransportError::TooLarge);
        }
        // An empty message is one empty piece.
        let pieces: Vec<&[u8]> =
            if message.is_empty() { vec![message] } else { message.chunks(PIECE_BYTES_MAX).collect() };
        if self.next + pieces.len() as u64 > SESSION_RECORDS_MAX {
            return Err(TransportError::Spent);
        }
        let last = pieces.len() - 1;
        pieces.iter().enumerate().map(|(at, piece)| self.seal_piece(place_of(at, last), piece)).collect()
    }

    fn seal_piece(&mut self, place: u8, piece: &[u8]) -> Result<Vec<u8>, TransportError> {
        let mut plain = Zeroizing::new(Vec::with_capacity(1 + piece.len()));
        plain.push(place);
        plain.extend_from_slice(piece);
        let mut record = vec![0; COUNTER_BYTES + plain.len() + TAG_BYTES];
        let (counter, sealed) = record.split_at_mut(COUNTER_BYTES);
        counter.copy_from_slice(&self.next.to_be_bytes());
        self.keys.write_message(self.next, &plain, sealed).map_err(|_| TransportError::Forged)?;
        self.next += 1;
        Ok(record)
    }

    /// Opens a record. Gives a message when its last piece has come.
    ///
    /// # Errors
    /// When the record is not of this session, came before, or does not continue the message that has begun. A forged,
    /// malformed or repeated record changes nothing.
    pub fn open(&mut self, record: &[u8]) -> Result<Option<Vec<u8>>, TransportError> {
        let (counter, sealed) = record.split_first_chunk::<COUNTER_BYTES>().ok_or(TransportError::Malformed)?;
        if sealed.len() <= TAG_BYTES || sealed.len() > NOISE_RECORD_BYTES_MAX {
            return Err(TransportError::Malformed);
        }
        let counter = u64::from_be_bytes(*counter);
        if counter >= SESSION_RECORDS_MAX {
            return Err(TransportError::Spent);
        }
        if self.window.has(counter) {
            return Err(TransportError::Replayed);
        }
        let mut plain = Zeroizing::new(vec![0; sealed.len()]);
        let len = self.keys.read_message(counter, sealed, &mut plain).map_err(|_| TransportError::Forged)?;
        // Only what was proved moves the window.
        self.window.note(counter);
        let (place, piece) = plain.get(..len).and_then(<[u8]>::split_first).ok_or(TransportError::Malformed)?;
        self.take(counter, *place, piece)
    }

    /// Puts a piece where it belongs. Gives the message when this was the last one that it needed.
    fn take(&mut self, counter: u64, place: u8, piece: &[u8]) -> Result<Option<Vec<u8>>, TransportError> {
        match place {
            place::WHOLE | place::FIRST if self.in_order && self.partial.is_some() => {
                self.partial = None;
                Err(TransportError::Interrupted)
            }
            // One that was sent before or after the pieces that are waiting says nothing about them.
            place::WHOLE => Ok(Some(piece.to_vec())),
            place::FIRST => {
                self.partial = Some(Partial { bytes: Zeroizing::new(piece.to_vec()), next: counter + 1 });
                Ok(None)
            }
            place::BETWEEN => {
                self.partial = Some(self.join(counter, piece)?);
                Ok(None)
            }
            place::LAST => {
                let mut whole = self.join(counter, piece)?;
                Ok(Some(std::mem::take(&mut *whole.bytes)))
            }
            _ => Err(TransportError::Malformed),
        }
    }

    /// Adds a piece to those before it. A piece that does not follow them ends their message: the sender is past it.
    fn join(&mut self, counter: u64, piece: &[u8]) -> Result<Partial, TransportError> {
        let mut partial = self.partial.take().filter(|partial| partial.next == counter).ok_or(TransportError::Gap)?;
        if partial.bytes.len() + piece.len() > RELAY_MESSAGE_BYTES_MAX {
            return Err(TransportError::TooLarge);
        }
        partial.bytes.extend_from_slice(piece);
        partial.next += 1;
        Ok(partial)
    }

    /// Whether either direction is near what one key may protect: time for a new handshake while this session still works.
    pub fn is_spent(&self) -> bool {
        self.next.max(self.window.newest()) >= SESSION_RECORDS_MAX - SPENT_MARGIN
    }
}

/// Records left when a session calls itself spent: enough to finish what is being said.
const SPENT_MARGIN: u64 = 4096;

/// What only a peer without manners does, and what would take a million records to reach.
#[cfg(test)]
impl Transport {
    pub(crate) fn seal_as(&mut self, place: u8, piece: &[u8]) -> Vec<u8> {
        self.seal_piece(place, piece).unwrap()
    }

    pub(crate) fn skip_to(&mut self, counter: u64) {
        self.next = counter;
    }

    pub(crate) fn waiting_bytes(&self) -> usize {
        self.partial.as_ref().map_or(0, |partial| partial.bytes.len())
    }
}

fn place_of(at: usize, last: usize) -> u8 {
    match at {
        0 if last == 0 => place::WHOLE,
        0 => place::FIRST,
        _ if at < last => place::BETWEEN,
        _ => place::LAST,
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { keys: _, next: _, window: _, partial: _, in_order: _ } = self;
        f.debug_struct("Transport").finish_non_exhaustive()
    }
}

const WORDS: usize = (REPLAY_WINDOW / 64) as usize;

/// Which of the last [`REPLAY_WINDOW`] counters were opened (RFC 6479's idea, as a ring of bits).
struct Window {
    /// One more than the greatest that was opened.
    end: u64,
    bits: [u64; WORDS],
}

impl Default for Window {
    fn default() -> Self {
        Self { end: 0, bits: [0; WORDS] }
    }
}

impl Window {
    fn newest(&self) -> u64 {
        self.end
    }

    /// Whether a counter was opened, or is too old to tell.
    fn has(&self, counter: u64) -> bool {
        if counter >= self.end {
            return false;
        }
        self.end - counter > REPLAY_WINDOW || self.bits[word(counter)] & bit(counter) != 0
    }

    fn note(&mut self, counter: u64) {
        if counter >= self.end {
            let skipped = (counter - self.end).min(REPLAY_WINDOW);
            for gone in counter - skipped..=counter {
                self.bits[word(gone)] &= !bit(gone);
            }
            self.end = counter + 1;
        }
        self.bits[word(counter)] |= bit(counter);
    }
}

fn word(counter: u64) -> usize {
    (counter % REPLAY_WINDOW / 64) as usize
}

fn bit(counter: u64) -> u64 {
    1 << (counter % 64)
}
