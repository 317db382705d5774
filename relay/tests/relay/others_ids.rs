//! Every request with the ids of another account, from every kind of session: the answers are those that ids get which belong to
//! nobody, and so is the work. So nothing of another account can be read, written, deleted, counted or timed.
//!
//! The machine runs in this thread over a real database, so that nothing but the ids differs between two runs. Time is
//! measured as work and not in seconds: which operations are asked of the log and in which order, how many rows a change is
//! about, and how many signatures are made, which cost more than everything else together. What that leaves out is what
//! SQLite does to find one row or none through one index.

use std::{collections::BTreeSet, sync::Arc};

use caro_link::{identity::Signer, proof};
use caro_relay::{
    limits::Limits,
    log::{
        Account as Kept, Change, Changed, Log, LogError, LogReader, Room, Stretch, memory::MemoryLog, sqlite::SqliteLog,
    },
    protocol::{Arrival, Output, Policy, Reading, Relay, SessionId},
    registration::Registration,
    store::{self, Notary, Outcome, Work},
};
use caro_schema::{
    id::{CellId, Generation, Handle, Hash},
    limits::MAILBOX_NUMBER_MAX,
    relay::{
        ErrorCode, ToDevice, ToRelay,
        list::{DeviceList, SignedList},
    },
};
use serde_bytes::ByteBuf;

use crate::support::{Account, Device, cell};

/// A log that writes down what is asked of it.
struct Counted<L> {
    log: L,
    asked: Vec<String>,
}

impl<L: LogReader> LogReader for Counted<L> {
    fn account(&mut self, handle: &Handle) -> Result<Option<Kept>, LogError> {
        self.asked.push("account".to_owned());
        self.log.account(handle)
    }

    fn was_removed(&mut self, handle: &Handle, device: &Hash) -> Result<bool, LogError> {
        self.asked.push("was removed".to_owned());
        self.log.was_removed(handle, device)
    }

    fn stretch(&mut self, handle: &Handle, after: u64, room: Room) -> Result<Option<Stretch>, LogError> {
        self.asked.push("stretch".to_owned());
        self.log.stretch(handle, after, room)
    }
}

impl<L: Log> Log for Counted<L> {
    fn generation(&self) -> Generation {
        self.log.generation()
    }

    fn commit(&mut self, changes: Vec<Change>) -> Result<Vec<Changed>, LogError> {
        self.asked.extend(changes.iter().map(|change| match change {
            Change::Create { .. } => "create".to_owned(),
            Change::SetList { .. } => "set list".to_owned(),
            Change::Append { cells, .. } => format!("append {}", cells.len()),
            Change::Purge { cells, .. } => format!("purge {}", cells.len()),
            Change::Admit { .. } => "admit".to_owned(),
            Change::Delivered { .. } => "delivered".to_owned(),
            Change::Close { .. } => "close".to_owned(),
        }));
        self.log.commit(changes)
    }

    fn settle(&mut self) -> Result<(), LogError> {
        self.log.settle()
    }

    fn expire(&mut self, before_day: u32) -> Result<(u64, bool), LogError> {
        self.log.expire(before_day)
    }
}

/// Somebody else: an account with devices, cells and an open mailbox, or what has the shape of one and is nowhere.
struct Other {
    account: Account,
    device: Device,
    list: SignedList,
    cells: Vec<ByteBuf>,
    mailbox: u16,
}

impl Other {
    fn new(mailbox: u16) -> Self {
        let (account, device) = (Account::new(), Device::new());
        let list = account.first_list(&[device]);
        Self { account, device, list, cells: (0..3).map(|_| cell(1024)).collect(), mailbox }
    }

    fn cell_ids(&self) -> Vec<CellId> {
        self.cells.iter().map(|cell| proof::cell_id(cell)).collect()
    }

    /// Everything that can be asked with what is known of it. Whoever asks has seen its ids, lists and sealed cells, and has
    /// none of its keys: what it must sign is signed with `forger`'s.
    fn requests(&self, forger: &Signer, handshake: &Hash) -> Vec<ToRelay> {
        let account = self.account.public();
        let devices =
            DeviceList { version: 2, prev: proof::list_hash_with_added(&self.list), keys: vec![self.device.hash()] };
        let last = self.cells.len() as u64;
        vec![
            ToRelay::Hello { handle: self.account.handle() },
            ToRelay::Create { account, list: proof::sign_list(forger, &devices), token: None },
            ToRelay::Attach { account, proof: proof::sign_attach(forger, handshake) },
            ToRelay::SetList { list: self.list.clone() },
            ToRelay::SetList { list: proof::sign_list(&self.account.signer, &devices) },
            ToRelay::Push { cells: self.cells.clone() },
            ToRelay::Pull { after: 0 },
            ToRelay::Pull { after: last },
            ToRelay::Delivered { cursor: last },
            ToRelay::Purge { cells: self.cell_ids() },
            ToRelay::Close { account, proof: proof::sign_close(forger, handshake) },
            ToRelay::Ping { token: 7 },
            ToRelay::Errand { handle: self.account.handle() },
            ToRelay::Admit { key: self.device.hash() },
            ToRelay::Invite { number: self.mailbox },
            ToRelay::Claim { number: self.mailbox },
            ToRelay::Mail { letter: self.cells[0].clone() },
            ToRelay::Reject,
        ]
    }
}

/// The number of a request's kind. A new kind does not compile until it is here, and [`Other::requests`] lacks it until then.
fn kind(message: &ToRelay) -> usize {
    match message {
        ToRelay::Hello { .. } => 0,
        ToRelay::Create { .. } => 1,
        ToRelay::Attach { .. } => 2,
        ToRelay::SetList { .. } => 3,
        ToRelay::Push { .. } => 4,
        ToRelay::Pull { .. } => 5,
        ToRelay::Delivered { .. } => 6,
        ToRelay::Purge { .. } => 7,
        ToRelay::Close { .. } => 8,
        ToRelay::Ping { .. } => 9,
        ToRelay::Errand { .. } => 10,
        ToRelay::Admit { .. } => 11,
        ToRelay::Invite { .. } => 12,
        ToRelay::Claim { .. } => 13,
        ToRelay::Mail { .. } => 14,
        ToRelay::Reject => 15,
    }
}

/// How many kinds there are.
const KINDS: usize = 16;

/// How whoever asks has come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum As {
    /// Not at all.
    Stranger,
    /// As a device of an account of its own.
    Member,
    /// The same, pulling.
    Follower,
    /// The same, on an errand.
    Errand,
    /// On an errand, with a mailbox of its own.
    Host,
    /// With its own account's key, as a device that is not listed.
    Attached,
    /// As a newcomer in a mailbox of its own account.
    Newcomer,
}

const ALL: [As; 7] = [As::Stranger, As::Member, As::Follower, As::Errand, As::Host, As::Attached, As::Newcomer];

/// A relay with two accounts: the one that is to be left alone, which is connected, and that of whoever asks.
struct World<L> {
    relay: Relay,
    log: Counted<L>,
    notary: Notary,
    now_ms: u64,
    said: Vec<(SessionId, ToDevice)>,
    closed: BTreeSet<SessionId>,
    signatures: usize,
    jobs: Vec<store::Job>,
    own: Account,
    own_device: Device,
    victims: Vec<SessionId>,
    /// What the last message led to.
    reading: Reading,
}

const OWN_MAILBOX: u16 = 12;
const THEIR_MAILBOX: u16 = 34;
const NOBODYS_MAILBOX: u16 = MAILBOX_NUMBER_MAX;

impl<L: Log> World<L> {
    fn new(log: L, victim: &Other) -> Self {
        let signer = Arc::new(Signer::from_seed(&[9; 32]));
        let policy = Policy::durable(Limits::default(), Registration::Open, Hash(signer.public()));
        let generation = log.generation();
        let mut world = Self {
            relay: Relay::new(policy),
            log: Counted { log, asked: Vec::new() },
            notary: Notary::new(signer, generation),
            now_ms: 1,
            said: Vec::new(),
            closed: BTreeSet::new(),
            signatures: 0,
            jobs: Vec::new(),
            own: Account::new(),
            own_device: Device::new(),
            victims: Vec::new(),
            reading: Reading::On,
        };
        let session = world.arrive(&victim.device, 1);
        let account = victim.account.public();
        world.say(session, ToRelay::Create { account, list: victim.list.clone(), token: None });
        world.say(session, ToRelay::Push { cells: victim.cells.clone() });
        world.say(session, ToRelay::Purge { cells: vec![victim.cell_ids()[1]] });
        world.say(session, ToRelay::Pull { after: 0 });
        let errand = world.arrive(&victim.device, 1);
        world.say(errand, ToRelay::Errand { handle: victim.account.handle() });
        world.say(errand, ToRelay::Invite { number: THEIR_MAILBOX });
        world.victims = vec![session, errand];
        let own = world.arrive(&Device::new(), 2);
        let list = world.own.first_list(&[world.own_device]);
        let account = world.own.public();
        world.say(own, ToRelay::Create { account, list, token: None });
        world.relay.handle_departure(own);
        world.run();
        world
    }

    fn arrive(&mut self, device: &Device, origin: u64) -> SessionId {
        let device = device.static_key().public();
        let (handshake, accepted_ms) = (handshake(), self.now_ms);
        let id = self.relay.handle_arrival(Arrival { device, handshake, origin, accepted_ms });
        self.run();
        id
    }

    fn say(&mut self, id: SessionId, message: ToRelay) {
        self.reading = self.relay.handle_message(id, message, self.now_ms);
        self.run();
    }

    /// Carries out everything that follows.
    fn run(&mut self) {
        loop {
            while let Some(output) = self.relay.poll_output() {
                match output {
                    Output::Send(id, message) => self.said.push((id, message)),
                    Output::Close(id) => drop(self.closed.insert(id)),
                    Output::Resume(_) => {}
                    Output::Ask(job) => self.jobs.push(job),
                }
            }
            if self.jobs.is_empty() {
                return;
            }
            let (reads, writes) =
                std::mem::take(&mut self.jobs).into_iter().partition(|job| matches!(job.work, Work::Read { .. }));
            let mut batch = store::write(&mut self.log, &self.notary, writes);
            let reads: Vec<store::Job> = reads;
            batch.done.extend(reads.into_iter().map(|job| store::read(&mut self.log, &self.notary, job)));
            let signed = batch.done.iter().filter(|done| match &done.outcome {
                Ok(Outcome::Looked(looked)) => looked.as_ref().is_some_and(|looked| looked.position.is_some()),
                Ok(Outcome::Changed(_, position)) => position.is_some(),
                Ok(Outcome::Read(page)) => page.is_some(),
                Err(error) => panic!("{error}"),
            });
            self.signatures += signed.count() + batch.advanced.len();
            self.relay.handle_batch(batch, self.now_ms);
        }
    }

    /// Somebody who asks, in this way.
    fn asker(&mut self, how: As) -> SessionId {
        let (handle, device) = (self.own.handle(), self.own_device);
        match how {
            As::Stranger => self.arrive(&Device::new(), 2),
            As::Member | As::Follower => {
                let id = self.arrive(&device, 2);
                self.say(id, ToRelay::Hello { handle });
                if how == As::Follower {
                    self.say(id, ToRelay::Pull { after: 0 });
                }
                id
            }
            As::Errand | As::Host => {
                let id = self.arrive(&device, 2);
                self.say(id, ToRelay::Errand { handle });
                if how == As::Host {
                    self.say(id, ToRelay::Invite { number: OWN_MAILBOX });
                }
                id
            }
            As::Attached => {
                let id = self.arrive(&Device::new(), 2);
                self.say(id, self.own.attach(&handshake()));
                id
            }
            As::Newcomer => {
                self.asker(As::Host);
                let id = self.arrive(&Device::new(), 2);
                self.say(id, ToRelay::Claim { number: OWN_MAILBOX });
                id
            }
        }
    }

    /// All that is kept of an account.
    fn kept(&mut self, handle: &Handle) -> Option<(Kept, Stretch)> {
        let account = self.log.log.account(handle).unwrap()?;
        let all = Room { bytes: usize::MAX, entries: usize::MAX };
        Some((account, self.log.log.stretch(handle, 0, all).unwrap().expect("its log")))
    }
}

fn handshake() -> Hash {
    Hash([5; 32])
}

/// What one request led to, in words: ids and signatures are written alike whatever they are, everything else as it is.
#[derive(Debug, PartialEq, Eq)]
struct Led {
    answers: Vec<String>,
    closed: bool,
    /// Whether it is read from on at once.
    reading: Reading,
    asked: Vec<String>,
    signatures: usize,
}

/// Asks, and sees that the victim is as before and was told nothing.
fn ask<L: Log>(log: L, how: As, victim: &Other, about: &Other, number: usize) -> Led {
    let mut world = World::new(log, victim);
    let id = world.asker(how);
    let before = world.kept(&victim.account.handle()).expect("the victim");
    world.said.clear();
    world.log.asked.clear();
    world.signatures = 0;
    let request = about.requests(&world.own.signer, &handshake()).swap_remove(number);
    world.say(id, request);
    let reading = world.reading;
    world.now_ms += 10;
    world.relay.handle_time(world.now_ms);
    world.run();
    let (asked, signatures) = (std::mem::take(&mut world.log.asked), world.signatures);
    let after = world.kept(&victim.account.handle()).expect("the victim");
    assert!(same(&before, &after), "{how:?} {number}: something of the other account has changed");
    for (to, message) in &world.said {
        assert!(!world.victims.contains(to) || is_knock(message), "{how:?} {number}: it was told {message:?}");
    }
    assert!(world.victims.iter().all(|id| !world.closed.contains(id)), "{how:?} {number}: it was closed");
    let answers = world.said.iter().filter(|(to, _)| *to == id).map(|(_, message)| format!("{message:?}"));
    Led { answers: answers.collect(), closed: world.closed.contains(&id), reading, asked, signatures }
}

/// What a device hears that has opened a mailbox: that is what a mailbox is for.
fn is_knock(message: &ToDevice) -> bool {
    matches!(message, ToDevice::Claimed { .. } | ToDevice::Left | ToDevice::Contested)
}

fn same((before, log): &(Kept, Stretch), (after, log_after): &(Kept, Stretch)) -> bool {
    let of = |account: &Kept| {
        let Kept { public, list, cursor, head, used_bytes, quota_bytes, dropped } = account;
        (*public, list.clone(), *cursor, *head, *used_bytes, *quota_bytes, *dropped)
    };
    of(before) == of(after)
        && log.entries == log_after.entries
        && log.head == log_after.head
        && log.end == log_after.end
}

/// Runs the whole table over one kind of log.
fn check<L: Log>(mut log: impl FnMut() -> L) {
    let (victim, nobody) = (Other::new(THEIR_MAILBOX), Other::new(NOBODYS_MAILBOX));
    let kinds: Vec<usize> = victim.requests(&victim.account.signer, &handshake()).iter().map(kind).collect();
    assert_eq!(kinds.iter().copied().collect::<BTreeSet<_>>(), (0..KINDS).collect(), "each kind is tried");
    for how in ALL {
        for (number, kind) in kinds.iter().enumerate() {
            let theirs = ask(log(), how, &victim, &victim, number);
            let nobodys = ask(log(), how, &victim, &nobody, number);
            match (kind, how) {
                // A mailbox's number is no account's: it is the relay's, is given to whoever comes, and says that one is open.
                (12, As::Errand) => {
                    assert!(theirs.answers[0].contains(&format!("{:?}", ErrorCode::MailboxTaken)), "{theirs:?}");
                    assert!(nobodys.answers[0].contains("Invited"), "{nobodys:?}");
                }
                (13, As::Stranger) => {
                    assert!(theirs.answers[0].contains("Claimed"), "{theirs:?}");
                    assert!(nobodys.answers[0].contains(&format!("{:?}", ErrorCode::NoMailbox)), "{nobodys:?}");
                }
                _ => assert_eq!(theirs, nobodys, "{how:?}, request {number}"),
            }
        }
    }
}

#[test]
fn trap_39_every_request_with_anothers_ids_is_answered_as_with_nobodys_and_costs_the_same() {
    let mut number = 0;
    let folder = tempfile::tempdir().unwrap();
    check(|| {
        number += 1;
        SqliteLog::open(&folder.path().join(format!("{number}.db")), Generation([1; 16])).unwrap()
    });
}

#[test]
fn trap_39_the_simulators_log_tells_no_more() {
    check(|| MemoryLog::new(Generation([1; 16])));
}

/// What a closed account answers is what none answers, too: whoever runs the relay can close one without telling others.
#[test]
fn trap_39_a_closed_account_is_like_none() {
    let folder = tempfile::tempdir().unwrap();
    let victim = Other::new(THEIR_MAILBOX);
    let led = |path: &str, closed: bool| {
        let log = SqliteLog::open(&folder.path().join(path), Generation([1; 16])).unwrap();
        let mut world = World::new(log, &victim);
        if closed {
            assert!(world.log.log.set_closed(&victim.account.handle(), true).unwrap());
        } else {
            assert!(world.log.log.forget(&victim.account.handle()).unwrap());
        }
        let id = world.arrive(&victim.device, 2);
        world.said.clear();
        world.log.asked.clear();
        world.signatures = 0;
        world.say(id, victim.account.hello());
        let answers: Vec<String> = world.said.iter().map(|(_, message)| format!("{message:?}")).collect();
        (answers, world.log.asked, world.signatures)
    };
    let closed = led("closed.db", true);
    assert_eq!(closed, led("gone.db", false));
    assert!(closed.0[0].contains("NotKnown") && closed.2 == 0, "{closed:?}");
}
