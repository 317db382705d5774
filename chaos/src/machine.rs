//! A device: the production core over a disk that can lose what was not committed, a clock that can be wrong, and a
//! spool that its shells write into.
//!
//! Knows no network: what it wants to say is in its outboxes, by remote. [`crate::world`] carries that.

use std::collections::{BTreeMap, VecDeque};

use caro_core::{
    device::{Device, DeviceError, Env, Rules},
    history::History,
    step::{RemoteNumber, Space, Step, Write},
    sync::State,
};
use caro_link::entropy::{Entropy, NoEntropy};
use caro_schema::{body::history::Record, id::RecordId, relay::ToRelay};

use crate::{clock::Clock, disk::Disk, sabotage::Sabotage, seed::Seed};

/// The number that a device gives to the relay at which it joined.
pub const RELAY: RemoteNumber = 1;

/// When a device loses power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerCut {
    /// The next step is decided and never written.
    BeforeCommit,
    /// The next step is written, and nothing that follows from it is sent.
    BeforeSend,
}

/// What became of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It was worked on.
    Done,
    /// The power went when it was written; nothing that follows was sent.
    Written,
    /// It left no trace: the power went before, or it could not be decided. The device has begun again from its disk.
    Lost,
    /// The disk takes nothing at the moment. What was decided waits, and so does everything else.
    Stuck,
}

/// One device.
pub struct Machine {
    /// The production core.
    pub device: Device,
    /// What it answers searches from.
    pub history: History,
    /// What survives a crash.
    pub disk: Disk,
    /// Its clock.
    pub clock: Clock,
    /// Every command that was recorded here. Survives everything: it is what the person knows.
    pub recorded: BTreeMap<RecordId, Record>,
    /// How often it began again from its disk.
    pub crashes: u64,
    /// How often the power went at a moment that somebody chose.
    pub cuts: u64,
    /// Whether it is asleep: nothing of it runs.
    pub asleep: bool,
    /// What shells wrote and the device has not taken in.
    pub(crate) spool: VecDeque<Record>,
    pub(crate) outboxes: BTreeMap<RemoteNumber, VecDeque<ToRelay>>,
    pub(crate) entropy: Seed,
    /// What this device may do; kept for starting again.
    pub(crate) rules: Rules,
    cut_at: Option<PowerCut>,
    /// Draws that find no randomness.
    dry: u32,
    /// Whether cells that wait for something are kept.
    keeps_waiting: bool,
    /// The next so many transactions find no room.
    refusals: u32,
    /// What the disk did not take, and the record of the spool that it holds.
    stuck: Option<(Step, Option<Record>)>,
    /// What a disk that lied is going to show after so many more steps.
    lied: Option<(Disk, u8)>,
    sabotage: Option<Sabotage>,
}

/// Steps after which a disk that lied loses power: enough for what followed from the lost one to be sent.
const LIE_LASTS: u8 = 3;

impl Machine {
    pub(crate) fn new(disk: Disk, entropy: Seed, sabotage: Option<Sabotage>) -> Self {
        let rules = Rules::default();
        Self {
            device: load(&disk, &rules),
            history: disk.history(),
            disk,
            clock: Clock::default(),
            recorded: BTreeMap::new(),
            crashes: 0,
            cuts: 0,
            asleep: false,
            spool: VecDeque::new(),
            outboxes: BTreeMap::new(),
            entropy,
            rules,
            cut_at: None,
            dry: 0,
            keeps_waiting: true,
            refusals: 0,
            stuck: None,
            lied: None,
            sabotage,
        }
    }

    /// Everything in memory is lost; the disk is as it was at the last commit.
    pub fn crash(&mut self) {
        self.device = load(&self.disk, &self.rules);
        self.history = self.disk.history();
        self.outboxes.clear();
        // What a shell wrote is in its file until the disk has it.
        if let Some((_, Some(record))) = self.stuck.take() {
            self.spool.push_front(record);
        }
        self.crashes += 1;
    }

    /// The power goes at the next step that carries something.
    pub fn cut_power(&mut self, at: PowerCut) {
        self.cut_at = Some(at);
    }

    /// The next so many transactions find no room on the disk.
    pub fn refuse_commits(&mut self, count: u32) {
        self.refusals = count;
    }

    /// Whether somebody who asks it for something now is answered: it is awake, and its disk takes what is decided.
    pub fn takes_writes(&self) -> bool {
        !self.asleep && self.stuck.is_none() && self.refusals == 0
    }

    /// Whether a decision waits for room on the disk.
    pub fn is_stuck(&self) -> bool {
        self.stuck.is_some()
    }

    /// Lets the core decide and carries the step out.
    pub(crate) fn decide(
        &mut self,
        now_ms: u64,
        choose: impl FnOnce(&mut Device, &mut History, &Disk, &mut Env<'_>) -> Result<Step, DeviceError>,
    ) -> Fate {
        if self.stuck.is_some() {
            return Fate::Stuck;
        }
        let mut source = Source { seed: &mut self.entropy, dry: &mut self.dry, weak: self.sabotage };
        let mut env = Env { now_ms: self.clock.read(now_ms), entropy: &mut source };
        match choose(&mut self.device, &mut self.history, &self.disk, &mut env) {
            Ok(step) => self.carry_out(step, None),
            Err(_) => {
                self.crash();
                Fate::Lost
            }
        }
    }

    /// Tries again what the disk did not take.
    pub(crate) fn unstick(&mut self) -> Fate {
        match self.stuck.take() {
            Some((step, record)) => {
                let fate = self.carry_out(step, record.clone());
                if fate == Fate::Lost {
                    record.into_iter().for_each(|record| self.spool.push_front(record));
                }
                fate
            }
            None => Fate::Done,
        }
    }

    fn carry_out(&mut self, step: Step, record: Option<Record>) -> Fate {
        if step.writes.is_empty() {
            self.enqueue(step);
            return Fate::Done;
        }
        if self.refusals > 0 {
            self.refusals -= 1;
            self.stuck = Some((step, record));
            return Fate::Stuck;
        }
        // The power goes where it hurts: in a step that carries ops or history.
        let cut = if step.writes.iter().any(carries) { self.cut_at.take() } else { None };
        self.cuts += u64::from(cut.is_some());
        match cut {
            None => self.commit_and_send(step),
            Some(PowerCut::BeforeCommit) => {
                if self.sabotage == Some(Sabotage::AdvanceCursorBeforeApply) {
                    self.disk.commit(step.writes.into_iter().filter(is_cursor).collect());
                }
                self.crash();
                Fate::Lost
            }
            Some(PowerCut::BeforeSend) if self.sabotage == Some(Sabotage::NoFsync) => {
                self.lied = Some((self.disk.clone(), LIE_LASTS));
                self.commit_and_send(step)
            }
            Some(PowerCut::BeforeSend) => {
                self.disk.commit(step.writes);
                self.crash();
                Fate::Written
            }
        }
    }

    fn commit_and_send(&mut self, mut step: Step) -> Fate {
        if !self.keeps_waiting {
            step.writes.retain(|write| !matches!(write, Write::Row(Space::Quarantine, _, Some(_))));
        }
        if self.sabotage == Some(Sabotage::ApplyOrphans) {
            let orphans: Vec<Record> =
                step.writes.iter().filter_map(held_cell).flat_map(|cell| self.records_in(cell)).collect();
            self.history.put(orphans);
            step.writes.extend(self.history.take_writes());
        }
        self.disk.commit(std::mem::take(&mut step.writes));
        self.enqueue(step);
        self.truth_comes_out()
    }

    fn enqueue(&mut self, step: Step) {
        for (remote, message) in step.sends {
            self.outboxes.entry(remote).or_default().push_back(message);
        }
    }

    /// A disk that lied shows what it really has.
    fn truth_comes_out(&mut self) -> Fate {
        match self.lied.take() {
            Some((disk, 0)) => {
                self.disk = disk;
                self.crash();
                Fate::Written
            }
            lied => {
                self.lied = lied.map(|(disk, left)| (disk, left - 1));
                Fate::Done
            }
        }
    }

    /// Takes in what the shells wrote. What is taken and where the reading stands are one transaction.
    pub(crate) fn read_spool(&mut self, now_ms: u64) -> Fate {
        let mut fate = Fate::Done;
        while fate == Fate::Done && self.stuck.is_none() && !self.asleep {
            let Some(record) = self.spool.pop_front() else { break };
            let kept = record.clone();
            fate = self.decide(now_ms, |device, history, _, env| Ok(device.record(vec![record], history, env.now_ms)));
            match (fate, &mut self.stuck) {
                (Fate::Stuck, Some((_, held))) => *held = Some(kept),
                (Fate::Lost, _) => self.spool.push_front(kept),
                _ => {}
            }
        }
        fate
    }

    /// The connection to a remote broke.
    pub(crate) fn disconnected(&mut self, remote: RemoteNumber) {
        self.outboxes.remove(&remote);
        self.device.handle_disconnected(remote);
        if self.sabotage == Some(Sabotage::DropOutboxOnError) {
            self.disk.drop_queues();
            self.device = load(&self.disk, &self.rules);
        }
    }

    /// Takes the next pushes from the core.
    pub(crate) fn poll(&mut self, remote: RemoteNumber) {
        if self.stuck.is_some() {
            return;
        }
        while let Some(message) = self.device.poll_send(remote, &self.disk).expect("this disk can be read") {
            self.outboxes.entry(remote).or_default().push_back(message);
        }
    }

    /// A record is not here any more, as after a mistake in the product.
    pub(crate) fn forget(&mut self, id: RecordId) {
        self.disk.forget_record(&id);
        self.history = self.disk.history();
    }

    /// The next so many draws find no randomness.
    pub fn dry_up(&mut self, draws: u32) {
        self.dry = draws;
    }

    /// Cells that wait for something are thrown away from now on.
    pub(crate) fn throw_away_what_waits(&mut self) {
        self.keeps_waiting = false;
    }

    /// Paths and line ends of the whole history are written another system's way.
    pub(crate) fn rewrite_paths(&mut self) {
        self.disk.rewrite_records(|record| {
            record.directory.iter_mut().filter(|byte| **byte == b'\\').for_each(|byte| *byte = b'/');
            record.command = String::from_utf8_lossy(&record.command).replace("\r\n", "\n").into_bytes().into();
        });
        self.history = self.disk.history();
    }

    /// When it has something to do by itself, in the world's time.
    pub(crate) fn wake_at_ms(&self) -> Option<u64> {
        self.device.wake_at_ms().map(|due| self.clock.when(due))
    }

    /// Whether a remote waits for a person.
    pub fn is_stopped(&self, remote: RemoteNumber) -> bool {
        let account = self.device.account();
        let remote = account.and_then(|account| account.remote(remote));
        remote.is_some_and(|remote| matches!(remote.state(), State::Stopped(_)))
    }

    /// The texts of the history, sorted.
    pub fn commands(&self) -> Vec<String> {
        let mut commands: Vec<String> =
            self.history.newest().map(|record| String::from_utf8_lossy(&record.command).into_owned()).collect();
        commands.sort();
        commands
    }
}

/// A device's random generator, which can be out of order.
struct Source<'a> {
    seed: &'a mut Seed,
    dry: &'a mut u32,
    weak: Option<Sabotage>,
}

impl Entropy for Source<'_> {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), NoEntropy> {
        if *self.dry == 0 {
            return self.seed.fill(bytes);
        }
        *self.dry -= 1;
        bytes.fill(0);
        if self.weak == Some(Sabotage::WeakRngFallback) { Ok(()) } else { Err(NoEntropy) }
    }
}

fn held_cell(write: &Write) -> Option<&[u8]> {
    if let Write::Row(Space::Quarantine, _, Some(cell)) = write { Some(cell) } else { None }
}

fn carries(write: &Write) -> bool {
    matches!(write, Write::Block(..) | Write::Row(Space::Op, ..))
}

fn is_cursor(write: &Write) -> bool {
    matches!(write, Write::Row(Space::State, key, _) if key.starts_with(b"remote/"))
}

pub(crate) fn load(disk: &Disk, rules: &Rules) -> Device {
    Device::load(disk, rules.clone()).expect("this disk holds what the core wrote")
}
