//! One relay, as a device sees it: the session's course, the cursor, the queue, and what is believed of what it says.
//!
//! The cursor moves only by a page that was checked against the chain of heads, never by an acknowledgement, and is
//! saved in the same step as what the page brought. A relay that shows another past than before is stopped, not followed.

use std::collections::{BTreeMap, BTreeSet};

use caro_link::proof;
use caro_schema::{
    id::{CellId, DeviceId, Generation, Handle, Hash, RelayKey},
    ipc::sync::StopReason,
    limits::{PAGE_CELL_BYTES_MAX, PAGE_CELLS_MAX},
    relay::{Accepted, Entry, ErrorCode, Page, Position, ToDevice, ToRelay, list::SignedList},
};
use serde::{Deserialize, Serialize};

use super::{NextList, heads::Heads, promises::Promises, purge::Purges, queue::Queue};
use crate::step::{RemoteNumber, RowError, Rows};

/// What a device keeps about a relay.
#[derive(Clone, Serialize, Deserialize)]
pub struct RemoteRecord {
    /// The address as the person gave it, without the key.
    pub address: String,
    /// The relay's session key, from the address or pinned at first use.
    pub relay_key: RelayKey,
    /// The account's public key there.
    pub account: Hash,
    /// The relay's signing key, pinned with the first welcome.
    pub signer: Option<Hash>,
    /// Which life of its database was seen last.
    pub generation: Option<Generation>,
    /// The last cursor that was applied.
    pub cursor: u64,
    /// The chain's head there.
    pub head: Hash,
    /// The greatest cursor that the relay gave to a cell of this device in this life. A log that ends before it has lost
    /// what was acknowledged.
    #[serde(default)]
    pub acknowledged: u64,
    /// When nothing was left to push or pull, in milliseconds since 1970.
    pub last_sync_ms: u64,
    /// Why nothing is said to this relay until a person decides. Kept, because the cursor may have passed what showed it.
    #[serde(default)]
    pub stopped: Option<StopReason>,
    /// Whether it is being read from the beginning, to find out what it lacks.
    #[serde(default)]
    pub comparing: bool,
    /// Of each author, the last op that this relay was seen to have.
    #[serde(default)]
    pub has: BTreeMap<DeviceId, u64>,
    /// The key-log entries that this relay was seen to have.
    #[serde(default)]
    pub has_entries: BTreeSet<Hash>,
    /// Where the log stood when the relay last signed it.
    #[serde(default)]
    pub position: Option<Position>,
    /// Its list of devices, as it was last shown.
    #[serde(default)]
    pub list: Option<SignedList>,
    /// The list that it is to take next.
    #[serde(default)]
    pub next_list: Option<NextList>,
}

/// How a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// No connection.
    Down,
    /// Connected, hello sent.
    Opening,
    /// Welcome, and pulling what is new.
    CatchingUp,
    /// Everything pulled; live.
    Live,
    /// A person has to decide.
    Stopped(StopReason),
}

/// A relay and the session with it.
pub struct Remote {
    /// Which one.
    pub number: RemoteNumber,
    /// What is kept.
    pub record: RemoteRecord,
    state: State,
    queue: Queue,
    purges: Purges,
    heads: Heads,
    promises: Promises,
    /// Something in its log is gone, purged or lost.
    seen_gone: bool,
    /// The relay said that it has forgotten what this device had not fetched.
    missed: bool,
    /// The next list was offered in this session.
    list_offered: bool,
    /// The list has changed since it was shown.
    list_is_old: bool,
    /// The end of the log as far as the relay has said.
    end: u64,
    /// Other devices connected now.
    pub others_online: u32,
    /// Bytes that the account may hold, zero for no limit.
    pub quota_bytes: u64,
    /// Bytes that it holds, as of the last welcome.
    pub used_bytes: u64,
    /// What the relay refused last, until it acknowledges something again.
    pub refusal: Option<ErrorCode>,
}

/// How far a remote has to come until it has what was known at one moment, and this device what it knew then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    queued: u64,
    generation: Option<Generation>,
    end: u64,
}

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
    /// A relay as it was left.
    ///
    /// # Errors
    /// When the queue cannot be read.
    pub fn load(number: RemoteNumber, mut record: RemoteRecord, rows: &dyn Rows) -> Result<Self, RowError> {
        if record.comparing {
            // What was seen before is forgotten, so it is looked at again.
            record.cursor = 0;
            record.head = Hash([0; 32]);
        }
        let queue = Queue::load(rows, number)?;
        let end = record.cursor;
        let state = record.stopped.map_or(State::Down, State::Stopped);
        Ok(Self {
            number,
            record,
            state,
            queue,
            purges: Purges::default(),
            heads: Heads::default(),
            promises: Promises::default(),
            seen_gone: false,
            missed: false,
            list_offered: false,
            list_is_old: false,
            end,
            others_online: 0,
            quota_bytes: 0,
            used_bytes: 0,
            refusal: None,
        })
    }

    /// How the session stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// The account's name at this relay.
    pub fn account_handle(&self) -> Handle {
        proof::handle_of(&self.record.account)
    }

    /// Cells that were not acknowledged.
    pub fn pending_up(&self) -> u64 {
        self.queue.len()
    }

    /// Entries that were not pulled, as far as the relay has said.
    pub fn pending_down(&self) -> u64 {
        self.end.saturating_sub(self.record.cursor)
    }

    /// Gives a cell its number in the queue.
    pub fn enqueue(&mut self) -> u64 {
        self.queue.add()
    }

    /// Takes a cell out of the queue. False when it is on its way.
    pub fn forget_queued(&mut self, number: u64) -> bool {
        self.queue.forget(number)
    }

    /// The handshake is done. Gives the first message.
    pub fn connected(&mut self) -> Option<ToRelay> {
        if matches!(self.state, State::Stopped(_)) {
            return None;
        }
        self.state = State::Opening;
        self.list_offered = false;
        self.list_is_old = false;
        self.queue.rewind();
        self.purges.rewind();
        Some(ToRelay::Hello { handle: self.account_handle() })
    }

    /// The connection is gone.
    pub fn disconnected(&mut self) {
        if !matches!(self.state, State::Stopped(_)) {
            self.state = State::Down;
        }
        self.others_online = 0;
        self.queue.rewind();
        self.purges.rewind();
    }

    /// It could not be reached at all: what it refused the last time does not explain that.
    pub fn unreachable(&mut self) {
        self.refusal = None;
    }

    /// Nothing is said to this relay until a person decides.
    pub fn stop(&mut self, reason: StopReason) {
        self.state = State::Stopped(reason);
        self.record.stopped = Some(reason);
        self.queue.rewind();
        self.purges.rewind();
    }

    /// A person has decided: try again.
    pub fn resume(&mut self) {
        if matches!(self.state, State::Stopped(_)) {
            self.state = State::Down;
        }
        self.record.stopped = None;
    }

    /// The next push, if there is anything to push. Nothing is pushed before everything was pulled: a revocation that
    /// waits there must be seen before another cell is sealed for the revoked device.
    ///
    /// # Errors
    /// When the queue cannot be read.
    pub fn next_push(&mut self, rows: &dyn Rows) -> Result<Option<ToRelay>, RowError> {
        if self.state != State::Live {
            return Ok(None);
        }
        let cells = self.queue.next_push(rows, self.number)?;
        if cells.is_empty() {
            return Ok(None);
        }
        Ok(Some(ToRelay::Push { cells: cells.into_iter().map(Into::into).collect() }))
    }

    /// The number of what was queued last.
    pub fn mark_queued(&self) -> u64 {
        self.queue.last()
    }

    /// What its list of devices is to be; none for what it is.
    pub fn owe_list(&mut self, next: Option<NextList>) {
        self.record.next_list = next;
        self.list_offered = false;
    }

    /// So many devices are in the account now. A list that has fewer was shown before the last one came; it is shown at
    /// the beginning of a session only.
    pub fn note_members(&mut self, count: usize) {
        self.list_is_old = self.record.listed_count() < count;
    }

    /// Whether to begin a new session for the list: nothing is under way in this one. Whoever takes a device off later,
    /// while this relay is down, then knows which list follows.
    pub fn is_list_wanted(&self) -> bool {
        self.list_is_old && self.in_step()
    }

    /// The list to offer now, if there is one: once in a session, and when what explains it is there. What the relay takes
    /// nothing for does not hold it up.
    pub fn next_list_due(&mut self) -> Option<ToRelay> {
        let (after, message) = self.record.offered_list()?;
        let is_explained = self.queue.has_left(after) || self.refusal.is_some();
        if self.state != State::Live || self.list_offered || !is_explained {
            return None;
        }
        self.list_offered = true;
        Some(message)
    }

    /// Reads the log from its beginning once more. Gives what to send.
    pub fn read_again(&mut self) -> ToRelay {
        self.record.cursor = 0;
        self.record.head = Hash([0; 32]);
        self.heads = Heads::default();
        self.state = State::CatchingUp;
        ToRelay::Pull { after: 0 }
    }

    /// Remembers a row of ids that is in the store.
    pub fn load_purge(&mut self, after: u64) {
        self.purges.add(after);
    }

    /// A row of ids is to be purged once everything that is queued now was acknowledged. Gives the row's number.
    pub fn purge_after_queue(&mut self) -> u64 {
        // No two rows have one number, also when nothing was queued in between.
        let after = self.queue.last().max(self.purges.last().map_or(0, |last| last + 1));
        self.purges.add(after);
        after
    }

    /// The row of ids that can be purged now, if there is one: nothing is queued, so whatever stands for these cells is
    /// at the relay.
    pub fn purge_due(&self) -> Option<u64> {
        (self.state == State::Live && self.queue.len() == 0).then(|| self.purges.due()).flatten()
    }

    /// Whether the relay still has cells that it is to forget.
    pub fn is_purging(&self) -> bool {
        !self.purges.is_empty()
    }

    /// The next purge, out of all the ids of the row that is due.
    pub fn next_purge(&mut self, ids: &[u8]) -> Option<ToRelay> {
        self.purges.next(ids)
    }

    /// Whether something in the log, as far as it was read since the start, is gone.
    pub fn has_seen_gone(&self) -> bool {
        self.seen_gone
    }

    /// Whether the relay said that it has forgotten what this device had not fetched, since [`Self::forget_missed`].
    pub fn has_missed(&self) -> bool {
        self.missed
    }

    /// The other devices were told.
    pub fn forget_missed(&mut self) {
        self.missed = false;
    }

    /// Where the log stood when the relay last signed it.
    pub fn position(&self) -> Option<Position> {
        self.record.position.clone()
    }

    /// What was shown to this device that cannot be true together with what was shown to another one. None when the
    /// two agree, or cannot be compared.
    pub fn contradicts(&self, there: &Position) -> Option<Position> {
        let signer = self.record.signer?;
        proof::verify_position(&signer, &self.account_handle(), there).ok()?;
        if Some(there.generation) != self.record.generation {
            return None;
        }
        let head =
            if there.cursor == self.record.cursor { Some(self.record.head) } else { self.heads.at(there.cursor) };
        let differs = head.is_some_and(|head| head != there.head);
        differs.then(|| self.record.position.clone()).flatten()
    }

    /// Whether both sides have everything.
    pub fn in_step(&self) -> bool {
        self.state == State::Live && self.queue.len() == 0 && self.pending_down() == 0
    }

    /// What is known now, here and there.
    pub fn mark(&self) -> Mark {
        Mark { queued: self.queue.last(), generation: self.record.generation, end: self.end }
    }

    /// Whether everything that was known at the mark is on both sides. What came later may still be on its way, so that
    /// this comes true also while somebody goes on typing.
    pub fn is_past(&self, mark: &Mark) -> bool {
        // A relay that began a new life counts from the beginning, and being live there means to have all of it.
        let pulled = self.record.generation != mark.generation || self.record.cursor >= mark.end;
        self.state == State::Live && pulled && self.queue.has_left(mark.queued)
    }

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
