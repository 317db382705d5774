//! A relay over a log that writes down what is asked of it, and whoever comes to it.

use std::{collections::BTreeSet, sync::Arc};

use caro_link::identity::Signer;
use caro_relay::{
    limits::Limits,
    log::{Account as Kept, Change, Changed, Log, LogError, LogReader, Room, Stretch},
    protocol::{Arrival, Output, Policy, Reading, Relay, SessionId},
    registration::Registration,
    store::{self, Notary, Outcome, Work},
};
use caro_schema::{
    id::{Generation, Handle, Hash},
    limits::MAILBOX_NUMBER_MAX,
    relay::{ToDevice, ToRelay},
};

use super::other::Other;
use crate::support::{Account, Device};

/// A log that writes down what is asked of it.
pub(super) struct Counted<L> {
    pub(super) log: L,
    pub(super) asked: Vec<String>,
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

    fn turn(&mut self) -> Result<u64, LogError> {
        self.asked.push("turn".to_owned());
        self.log.turn()
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

/// How whoever asks has come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum As {
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

pub(super) const ALL: [As; 7] =
    [As::Stranger, As::Member, As::Follower, As::Errand, As::Host, As::Attached, As::Newcomer];

/// A relay with two accounts: the one that is to be left alone, which is connected, and that of whoever asks.
pub(super) struct World<L> {
    pub(super) relay: Relay,
    pub(super) log: Counted<L>,
    pub(super) notary: Notary,
    pub(super) now_ms: u64,
    pub(super) said: Vec<(SessionId, ToDevice)>,
    pub(super) closed: BTreeSet<SessionId>,
    pub(super) signatures: usize,
    pub(super) jobs: Vec<store::Job>,
    pub(super) own: Account,
    pub(super) own_device: Device,
    pub(super) victims: Vec<SessionId>,
    /// What the last message led to.
    pub(super) reading: Reading,
}

pub(super) const OWN_MAILBOX: u16 = 12;
pub(super) const THEIR_MAILBOX: u16 = 34;
pub(super) const NOBODYS_MAILBOX: u16 = MAILBOX_NUMBER_MAX;

impl<L: Log> World<L> {
    pub(super) fn new(log: L, victim: &Other) -> Self {
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

    pub(super) fn arrive(&mut self, device: &Device, origin: u64) -> SessionId {
        let device = device.static_key().public();
        let (handshake, accepted_ms) = (handshake(), self.now_ms);
        let id = self.relay.handle_arrival(Arrival { device, handshake, origin, accepted_ms });
        self.run();
        id
    }

    pub(super) fn say(&mut self, id: SessionId, message: ToRelay) {
        self.reading = self.relay.handle_message(id, message, self.now_ms);
        self.run();
    }

    /// Carries out everything that follows.
    pub(super) fn run(&mut self) {
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
    pub(super) fn asker(&mut self, how: As) -> SessionId {
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
    pub(super) fn kept(&mut self, handle: &Handle) -> Option<(Kept, Stretch)> {
        let account = self.log.log.account(handle).unwrap()?;
        let all = Room { bytes: usize::MAX, entries: usize::MAX };
        Some((account, self.log.log.stretch(handle, 0, all).unwrap().expect("its log")))
    }
}

pub(super) fn handshake() -> Hash {
    Hash([5; 32])
}
