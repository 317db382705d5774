//! What a relay says, and what follows from it.
//!
//! The cursor moves only by a page that was checked against the chain of heads, never by an acknowledgement, and is
//! saved in the same step as what the page brought. A relay that shows another past than before is stopped, not followed.

use caro_link::proof;
use caro_schema::{
    id::{CellId, Hash},
    ipc::sync::StopReason,
    limits::{PAGE_CELL_BYTES_MAX, PAGE_CELLS_MAX},
    relay::{Accepted, Entry, ErrorCode, Page, Position, ToDevice, ToRelay},
};

use super::{Remote, State};
use crate::sync::{arrivals::Arrivals, heads::Heads, promises::Promises};

/// What follows from a message.
#[derive(Default)]
#[must_use]
pub struct Reaction {
    /// Cells to apply, in order, before `save`.
    pub cells: Vec<Vec<u8>>,
    /// The queue's numbers that were acknowledged.
    pub acknowledged: Vec<u64>,
    /// The row of ids that the relay has forgotten, by its number.
    pub purged: Option<u64>,
    /// Whether [`Remote::record`] has to be written.
    pub save: bool,
    /// To be sent after everything above is durable.
    pub send: Option<ToRelay>,
    /// The relay started a new life: it may lack what it had acknowledged.
    pub reborn: bool,
    /// The end of the log was reached, for the first time in this session.
    pub caught_up: bool,
    /// The relay has forgotten what this device had not fetched.
    pub missed: bool,
    /// Close the connection and try again, not before this many milliseconds when the relay said so.
    pub close: Option<Option<u64>>,
}

impl Reaction {
    /// Whether the message led to nothing at all.
    fn is_nothing(&self) -> bool {
        let Self { cells, acknowledged, purged, save, send, reborn, caught_up, missed, close } = self;
        let took_nothing = cells.is_empty() && acknowledged.is_empty() && purged.is_none();
        took_nothing && !save && send.is_none() && !reborn && !caught_up && !missed && close.is_none()
    }
}

impl Remote {
    /// What follows from a message of the relay.
    pub fn handle(&mut self, message: ToDevice) -> Reaction {
        match self.state {
            // What was on its way when it stopped is no reason to stop for.
            State::Stopped(_) => return Reaction { close: Some(None), ..Reaction::default() },
            // Of a session that has ended here.
            State::Down => return Reaction::default(),
            State::Opening | State::CatchingUp | State::Live => {}
        }
        let reaction = self.hear(message);
        if self.promises.talks_idly(reaction.is_nothing()) { self.stopped(StopReason::Misbehaved) } else { reaction }
    }

    fn hear(&mut self, message: ToDevice) -> Reaction {
        match message {
            ToDevice::Welcome { position, signer, quota_bytes, used_bytes, list } => {
                self.quota_bytes = quota_bytes;
                self.used_bytes = used_bytes;
                let reaction = self.welcome(position, signer);
                if self.state == State::CatchingUp {
                    self.record.shown_list(list);
                }
                reaction
            }
            ToDevice::Page(page) => self.page(page),
            ToDevice::Ack { cells } => self.acknowledged(&cells),
            // Before the welcome nobody is there to be counted, and a relay could talk for ever without opening the session.
            ToDevice::Presence { .. } if self.state == State::Opening => self.stopped(StopReason::Misbehaved),
            ToDevice::Presence { others } => {
                self.others_online = others;
                Reaction::default()
            }
            ToDevice::Error { code, retry_ms } => self.refused(code, retry_ms),
            ToDevice::Purged { .. } => Reaction { purged: self.purges.answered(), ..Reaction::default() },
            ToDevice::ListAccepted { version } => {
                Reaction { save: self.record.list_taken(version), ..Reaction::default() }
            }
            ToDevice::Pong { .. } => Reaction::default(),
            // Answers to what is done beside this session, never within it.
            ToDevice::Admitted { .. }
            | ToDevice::Invited { .. }
            | ToDevice::Claimed { .. }
            | ToDevice::Left
            | ToDevice::Contested
            | ToDevice::Mail { .. } => self.stopped(StopReason::Misbehaved),
            ToDevice::Closed => self.stopped(StopReason::NoAccount),
        }
    }

    /// Takes cells out of the queue. Only those that were sent count, with their cursors: others are a relay's talk.
    fn acknowledged(&mut self, cells: &[Accepted]) -> Reaction {
        let mut numbers = Vec::new();
        for accepted in cells {
            let before = numbers.len();
            numbers.extend(self.queue.acknowledged(std::iter::once(accepted.cell)));
            if numbers.len() > before && accepted.cursor > self.record.cursor {
                self.promises.note(accepted.cursor, accepted.cell);
                self.record.acknowledged = self.record.acknowledged.max(accepted.cursor);
                self.end = self.end.max(accepted.cursor);
            }
        }
        self.refusal = None;
        Reaction { save: !numbers.is_empty(), acknowledged: numbers, ..Reaction::default() }
    }

    fn welcome(&mut self, position: Position, signer: Hash) -> Reaction {
        if self.state != State::Opening {
            return self.stopped(StopReason::Misbehaved);
        }
        let pinned = *self.record.signer.get_or_insert(signer);
        if pinned != signer {
            return self.stopped(StopReason::KeyChanged);
        }
        if proof::verify_position(&pinned, &self.account_handle(), &position).is_err() {
            return self.stopped(StopReason::Misbehaved);
        }
        let reborn = self.record.generation.is_some_and(|known| known != position.generation);
        if reborn {
            self.record.cursor = 0;
            self.record.head = Hash([0; 32]);
            self.record.acknowledged = 0;
            self.record.has.clear();
            self.record.has_entries.clear();
            self.record.comparing = true;
            self.heads = Heads::default();
            self.arrivals = Arrivals::default();
        } else if position.cursor < self.record.cursor.max(self.record.acknowledged)
            || (position.cursor == self.record.cursor && position.head != self.record.head)
        {
            return self.stopped(StopReason::RolledBack);
        }
        self.record.generation = Some(position.generation);
        self.promises = Promises::default();
        self.end = position.cursor;
        self.state = State::CatchingUp;
        Reaction { save: true, reborn, send: Some(ToRelay::Pull { after: self.record.cursor }), ..Reaction::default() }
    }

    fn page(&mut self, page: Page) -> Reaction {
        if !matches!(self.state, State::CatchingUp | State::Live) {
            return self.stopped(StopReason::Misbehaved);
        }
        let Some((head, cells)) = self.fold(&page) else { return self.stopped(StopReason::Misbehaved) };
        let signed = match &self.record.signer {
            Some(signer) => proof::verify_position(signer, &self.account_handle(), &page.position).is_ok(),
            None => false,
        };
        let last = page.after + page.entries.len() as u64;
        if !signed || Some(page.position.generation) != self.record.generation || page.position.cursor != last {
            return self.stopped(StopReason::Misbehaved);
        }
        if page.position.head != head || self.promises.are_broken_by(&page) {
            return self.stopped(StopReason::RolledBack);
        }
        let caught_up = !page.more && self.state == State::CatchingUp;
        if caught_up && last < self.end {
            // It signed a longer log than it has.
            return self.stopped(StopReason::Misbehaved);
        }
        self.record.cursor = last;
        self.record.head = head;
        self.record.position = Some(page.position);
        self.end = if page.more { self.end.max(last + 1) } else { self.end.max(last) };
        if caught_up {
            self.state = State::Live;
        }
        let moved = !page.entries.is_empty();
        Reaction {
            cells,
            save: moved,
            send: moved.then_some(ToRelay::Delivered { cursor: last }),
            caught_up,
            ..Reaction::default()
        }
    }

    /// Checks that a page continues where the last one ended and makes progress, and computes the head after it.
    fn fold(&mut self, page: &Page) -> Option<(Hash, Vec<Vec<u8>>)> {
        let bytes: usize =
            page.entries.iter().map(|entry| if let Entry::Cell(cell) = entry { cell.len() } else { 0 }).sum();
        let endless = page.more && page.entries.is_empty();
        let oversized = page.entries.len() > PAGE_CELLS_MAX || bytes > PAGE_CELL_BYTES_MAX;
        if page.after != self.record.cursor || endless || oversized {
            return None;
        }
        let mut head = self.record.head;
        let mut cells = Vec::new();
        for (at, entry) in page.entries.iter().enumerate() {
            let cell: CellId = match entry {
                Entry::Cell(cell) => {
                    cells.push(cell.to_vec());
                    proof::cell_id(cell)
                }
                Entry::Own(cell) => *cell,
                Entry::Gone(cell) => {
                    self.seen_gone = true;
                    *cell
                }
            };
            let cursor = page.after + 1 + at as u64;
            head = proof::chain_head(&head, cursor, &cell);
            self.heads.note(cursor, head);
        }
        Some((head, cells))
    }

    fn refused(&mut self, code: ErrorCode, retry_ms: Option<u64>) -> Reaction {
        self.refusal = Some(code);
        match code {
            ErrorCode::NotKnown => self.stopped(StopReason::NoAccount),
            ErrorCode::Removed => self.stopped(StopReason::Revoked),
            ErrorCode::CursorAhead => self.stopped(StopReason::RolledBack),
            ErrorCode::Malformed
            | ErrorCode::BadProof
            | ErrorCode::Exists
            | ErrorCode::TooLarge
            // About mailboxes, of which this session has none.
            | ErrorCode::NoMailbox
            | ErrorCode::MailboxTaken
            | ErrorCode::TooManyMailboxes
            | ErrorCode::MailboxExpired
            | ErrorCode::NoTriesLeft
            | ErrorCode::WrongCode
            | ErrorCode::MailboxClosed
            | ErrorCode::NotAdmitted => self.stopped(StopReason::Misbehaved),
            ErrorCode::ListOutOfStep => {
                Reaction { save: self.record.list_refused(), ..Reaction::default() }
            }
            ErrorCode::RegistrationRefused => Reaction::default(),
            // What is gone there has to come from another device. The session goes on with what is there.
            ErrorCode::Missed => {
                self.missed = true;
                Reaction { missed: true, ..Reaction::default() }
            }
            ErrorCode::QuotaExceeded
            | ErrorCode::RateLimited
            | ErrorCode::TooManyConnections
            | ErrorCode::StorageUnavailable
            | ErrorCode::ShuttingDown
            | ErrorCode::Idle
            | ErrorCode::SessionExpired => Reaction { close: Some(retry_ms), ..Reaction::default() },
        }
    }

    fn stopped(&mut self, reason: StopReason) -> Reaction {
        self.stop(reason);
        Reaction { close: Some(None), save: true, ..Reaction::default() }
    }
}
