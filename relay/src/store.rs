//! Runs the protocol's requests on a log and signs what devices will hold against it. No threads: the program calls this
//! from its writer and its readers, the simulator from its one thread, and both run the same code.
//!
//! An answer exists only when its change is durable; a position is signed only after that.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use caro_link::{identity::Signer, proof};
use caro_schema::{
    id::{CellId, Generation, Handle, Hash},
    limits::PAGE_CELLS_MAX,
    relay::{Page, Position},
};
use serde_bytes::ByteBuf;

use crate::{
    log::{Account, Change, Changed, Log, LogError, LogReader, Room},
    members,
};

/// The number of a request, to tell answers apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// A request.
pub struct Job {
    /// Its number.
    pub ticket: Ticket,
    /// What is asked.
    pub work: Work,
}

/// What is asked of the log.
pub enum Work {
    /// How an account stands and whether a device is on its list. Answered in order with the changes, so that a device
    /// that was just removed is not let in by an older answer.
    Look {
        /// Which account.
        handle: Handle,
        /// Which device.
        device: Hash,
        /// Whether it has proved the account's key, which opens the door without the list.
        proven: bool,
    },
    /// A change.
    Change(Change),
    /// What comes after a cursor. May run beside everything else.
    Read {
        /// Whose log.
        handle: Handle,
        /// The cursor.
        after: u64,
        /// Bytes of cells that fit.
        bytes: usize,
    },
}

/// The answer to a request.
pub struct Done {
    /// Which one.
    pub ticket: Ticket,
    /// What became of it.
    pub outcome: Result<Outcome, LogError>,
}

/// What became of a request.
pub enum Outcome {
    /// How the account stands, none when there is no such account.
    Looked(Option<Box<Looked>>),
    /// A change was carried out or refused.
    Changed(Changed, Option<Position>),
    /// A page, none when there is no such account or its log ends before the cursor.
    Read(Option<Page>),
}

/// An account as a device that comes in finds it.
pub struct Looked {
    /// The account.
    pub account: Account,
    /// Where its log stands, signed; only for who is let in.
    pub position: Option<Position>,
    /// Whether the device is on its list.
    pub listed: bool,
    /// Whether it was, and was taken off.
    pub removed: bool,
    /// In which order it comes in, as [`LogReader::turn`] gives it; only for who is let in.
    pub turn: u64,
}

/// An account's log has grown.
pub struct Advanced {
    /// Whose.
    pub handle: Handle,
    /// The last cursor before.
    pub before: u64,
    /// The new cells, with consecutive cursors.
    pub entries: Vec<(CellId, ByteBuf)>,
    /// Where the log stands now, signed.
    pub position: Position,
}

/// What one transaction gave.
#[derive(Default)]
pub struct Batch {
    /// The answers, in an order in which they can be acted on: changes first, then looks, which saw all of them.
    pub done: Vec<Done>,
    /// Which logs have grown.
    pub advanced: Vec<Advanced>,
}

/// Signs positions for one life of one database.
#[derive(Clone)]
pub struct Notary {
    signer: Arc<Signer>,
    generation: Generation,
}

impl Notary {
    /// For this key and this life.
    pub fn new(signer: Arc<Signer>, generation: Generation) -> Self {
        Self { signer, generation }
    }

    fn sign(&self, handle: &Handle, cursor: u64, head: Hash) -> Position {
        proof::sign_position(&self.signer, handle, self.generation, cursor, head)
    }
}

/// Carries out looks and changes on the writing handle: all changes in one transaction, or where what is stored of one account
/// is damaged, each account's in one of their own.
pub fn write(log: &mut dyn Log, notary: &Notary, jobs: Vec<Job>) -> Batch {
    let (mut tickets, mut changes, mut reads) = (Vec::new(), Vec::new(), Vec::new());
    for job in jobs {
        match job.work {
            Work::Change(change) => {
                tickets.push((job.ticket, change.handle()));
                changes.push(change);
            }
            Work::Look { .. } | Work::Read { .. } => reads.push(job),
        }
    }
    let mut batch = Batch::default();
    if !changes.is_empty() {
        let again = tickets.iter().any(|(_, handle)| *handle != tickets[0].1).then(|| changes.clone());
        match (log.commit(changes), again) {
            (Ok(changed), _) => batch.settle(notary, tickets, changed),
            (Err(LogError::Damaged), Some(changes)) => batch.write_apart(log, notary, tickets, changes),
            (Err(error), _) => batch.fail(tickets.into_iter().map(|(ticket, _)| ticket), error),
        }
    }
    batch.done.extend(reads.into_iter().map(|job| read(log, notary, job)));
    batch
}

/// Carries out a request that changes nothing.
pub fn read(log: &mut (impl LogReader + ?Sized), notary: &Notary, job: Job) -> Done {
    let outcome = match job.work {
        Work::Look { handle, device, proven } => look(log, notary, (&handle, &device), proven).map(Outcome::Looked),
        Work::Read { handle, after, bytes } => page(log, notary, &handle, after, bytes).map(Outcome::Read),
        // Only the writing handle changes anything; a change that comes here is not carried out.
        Work::Change(_) => Err(LogError::Unavailable),
    };
    Done { ticket: job.ticket, outcome }
}

impl Batch {
    /// Answers that nothing was done, and why.
    pub fn fail(&mut self, tickets: impl Iterator<Item = Ticket>, error: LogError) {
        self.done.extend(tickets.map(|ticket| Done { ticket, outcome: Err(error) }));
    }

    /// Each account for itself: nobody waits for another one's that cannot be read.
    fn write_apart(
        &mut self,
        log: &mut dyn Log,
        notary: &Notary,
        tickets: Vec<(Ticket, Handle)>,
        changes: Vec<Change>,
    ) {
        let mut accounts: BTreeMap<Handle, Group> = BTreeMap::new();
        for (ticket, change) in tickets.into_iter().zip(changes) {
            let (tickets, changes) = accounts.entry(ticket.1).or_default();
            tickets.push(ticket);
            changes.push(change);
        }
        let mut broken = false;
        for (tickets, changes) in accounts.into_values() {
            // A handle that is broken is not asked again.
            let changed = if broken { Err(LogError::Broken) } else { log.commit(changes) };
            broken = matches!(changed, Err(LogError::Broken));
            match changed {
                Ok(changed) => self.settle(notary, tickets, changed),
                Err(error) => self.fail(tickets.into_iter().map(|(ticket, _)| ticket), error),
            }
        }
    }

    fn settle(&mut self, notary: &Notary, tickets: Vec<(Ticket, Handle)>, changed: Vec<Changed>) {
        let mut grown: HashMap<Handle, usize> = HashMap::new();
        let mut logs: Vec<(Handle, Grown)> = Vec::new();
        for ((ticket, handle), mut changed) in tickets.into_iter().zip(changed) {
            let position = match &mut changed {
                Changed::Created(account) => Some(notary.sign(&handle, account.cursor, account.head)),
                Changed::Appended(appended) if !appended.fresh.is_empty() => {
                    let at = *grown.entry(handle).or_insert_with(|| {
                        logs.push((
                            handle,
                            Grown { before: appended.before, entries: Vec::new(), head: appended.head },
                        ));
                        logs.len() - 1
                    });
                    logs[at].1.entries.append(&mut appended.fresh);
                    logs[at].1.head = appended.head;
                    None
                }
                _ => None,
            };
            self.done.push(Done { ticket, outcome: Ok(Outcome::Changed(changed, position)) });
        }
        self.advanced.extend(logs.into_iter().map(|(handle, grown)| grown.advanced(notary, handle)));
    }
}

/// Changes with the tickets of those who asked.
type Group = (Vec<(Ticket, Handle)>, Vec<Change>);

struct Grown {
    before: u64,
    entries: Vec<(CellId, ByteBuf)>,
    head: Hash,
}

impl Grown {
    fn advanced(self, notary: &Notary, handle: Handle) -> Advanced {
        let Self { before, entries, head } = self;
        let position = notary.sign(&handle, before + entries.len() as u64, head);
        Advanced { handle, before, entries, position }
    }
}

/// Asks the same of the log whether there is such an account or not, and signs for nobody who is not let in: a signature takes
/// longer than all the rest, and how long it took would tell a stranger whether there is such an account.
fn look(
    log: &mut (impl LogReader + ?Sized),
    notary: &Notary,
    (handle, device): (&Handle, &Hash),
    proven: bool,
) -> Result<Option<Box<Looked>>, LogError> {
    let account = log.account(handle)?;
    let removed = log.was_removed(handle, device)?;
    let Some(account) = account else { return Ok(None) };
    let devices = members::devices(&account.list).ok_or(LogError::Damaged)?;
    let listed = devices.contains(device);
    let is_let_in = listed || proven;
    let position = is_let_in.then(|| notary.sign(handle, account.cursor, account.head));
    let turn = if is_let_in { log.turn()? } else { 0 };
    Ok(Some(Box::new(Looked { account, position, listed, removed, turn })))
}

fn page(
    log: &mut (impl LogReader + ?Sized),
    notary: &Notary,
    handle: &Handle,
    after: u64,
    bytes: usize,
) -> Result<Option<Page>, LogError> {
    let Some(stretch) = log.stretch(handle, after, Room { bytes, entries: PAGE_CELLS_MAX })? else { return Ok(None) };
    let last = after + stretch.entries.len() as u64;
    let position = notary.sign(handle, last, stretch.head);
    Ok(Some(Page { after, entries: stretch.entries, position, more: last < stretch.end }))
}
