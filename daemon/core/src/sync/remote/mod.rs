//! One relay, as a device sees it: what is kept about it, the session's course, and what is sent to it.
//!
//! What it says, and what is believed of that, is in [`reaction`].

mod reaction;

use std::collections::{BTreeMap, BTreeSet};

use caro_link::proof;
use caro_schema::{
    id::{DeviceId, Generation, Handle, Hash, RelayKey},
    ipc::sync::StopReason,
    relay::{ErrorCode, Position, ToRelay, list::SignedList},
};
pub use reaction::Reaction;
use serde::{Deserialize, Serialize};

use super::{NextList, arrivals::Arrivals, heads::Heads, promises::Promises, purge::Purges, queue::Queue};
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
    /// Its list of devices, the newest that it has shown.
    #[serde(default)]
    pub list: Option<SignedList>,
    /// In this session it has shown an older one.
    #[serde(skip)]
    pub shows_older_list: bool,
    /// Keys that it has shown on its list and that were not on the one before, until it is known whose they are.
    #[serde(default)]
    pub new_on_list: BTreeSet<Hash>,
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
    arrivals: Arrivals,
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
            arrivals: Arrivals::default(),
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
        let (after, list) = self.record.offered_list()?;
        let is_explained = self.queue.has_left(after) || self.refusal.is_some();
        if self.state != State::Live || self.list_offered || !is_explained {
            return None;
        }
        self.list_offered = true;
        Some(ToRelay::SetList { list })
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

    /// An op of another device came from it.
    pub fn note_op(&mut self, author: DeviceId, seq: u64) {
        self.arrivals.note(author, seq, self.record.cursor);
        let has = self.record.has.entry(author).or_default();
        *has = seq.max(*has);
    }

    /// Whether it had an op of another device when its log ended there.
    pub fn had(&self, author: &DeviceId, seq: u64, then: &Position) -> bool {
        let is_same = self.record.generation == Some(then.generation);
        let has = self.record.has.get(author).is_some_and(|has| *has >= seq);
        is_same && has && !self.arrivals.is_behind(author, seq, then.cursor)
    }

    /// Whether it had all that was sent to it when its log ended there.
    pub fn had_what_was_sent(&self, then: &Position) -> bool {
        let is_same = self.record.generation == Some(then.generation) && !self.record.comparing;
        is_same && self.queue.len() == 0 && self.record.acknowledged <= then.cursor
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
}
