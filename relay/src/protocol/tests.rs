//! The machine in one thread and virtual time, over a log in memory: what happens between two steps that sockets and
//! threads make too close to hit.

use caro_link::{identity::Signer, proof};
use caro_schema::{
    id::{CellId, Generation, Handle, Hash},
    relay::{
        Entry, ErrorCode, ToDevice, ToRelay,
        list::{DeviceList, SignedList},
    },
    version,
};
use serde_bytes::ByteBuf;

use super::{Arrival, Output, Policy, Reading, Relay, SessionId};
use crate::{
    limits::Limits,
    log::{LogError, LogReader, memory::MemoryLog},
    registration::Registration,
    store::{self, Batch, Job, Notary, Work},
};

/// A relay whose disk works when it is told to.
struct World {
    relay: Relay,
    log: MemoryLog,
    notary: Notary,
    now_ms: u64,
    jobs: Vec<Job>,
    said: Vec<(SessionId, ToDevice)>,
    closed: Vec<SessionId>,
    resumed: Vec<SessionId>,
    /// What the last message led to.
    reading: Reading,
}

const DEVICE: [u8; 32] = [1; 32];
const OTHER: [u8; 32] = [2; 32];

fn account() -> Signer {
    Signer::from_seed(&[7; 32])
}

fn handle() -> Handle {
    proof::handle_of(&Hash(account().public()))
}

fn list(version: u64, prev: Hash, devices: &[[u8; 32]]) -> SignedList {
    let mut keys: Vec<Hash> = devices.iter().map(proof::device_key_hash).collect();
    keys.sort();
    proof::sign_list(&account(), &DeviceList { version, prev, keys })
}

fn first_list() -> SignedList {
    list(1, Hash([0; 32]), &[DEVICE, OTHER])
}

fn cell(tag: u8) -> ByteBuf {
    let mut bytes = vec![tag; 1024];
    (bytes[0], bytes[1]) = (version::BYTES, version::SUITE);
    ByteBuf::from(bytes)
}

fn id(tag: u8) -> CellId {
    proof::cell_id(&cell(tag))
}

impl World {
    fn new(change: impl FnOnce(&mut Limits)) -> Self {
        let mut limits = Limits::default();
        change(&mut limits);
        let signer = std::sync::Arc::new(Signer::from_seed(&[9; 32]));
        let generation = Generation([3; 16]);
        let policy = Policy::durable(limits, Registration::Open, Hash(signer.public()));
        Self {
            relay: Relay::new(policy),
            log: MemoryLog::new(generation),
            notary: Notary::new(signer, generation),
            now_ms: 0,
            jobs: Vec::new(),
            said: Vec::new(),
            closed: Vec::new(),
            resumed: Vec::new(),
            reading: Reading::On,
        }
    }

    fn arrive(&mut self, device: [u8; 32]) -> SessionId {
        let handshake = Hash([self.now_ms as u8; 32]);
        let id = self.relay.handle_arrival(Arrival { device, handshake, origin: 1, accepted_ms: self.now_ms });
        self.collect();
        id
    }

    fn say(&mut self, id: SessionId, message: ToRelay) {
        self.reading = self.relay.handle_message(id, message, self.now_ms);
        self.collect();
    }

    fn collect(&mut self) {
        while let Some(output) = self.relay.poll_output() {
            match output {
                Output::Send(id, message) => self.said.push((id, message)),
                Output::Close(id) => self.closed.push(id),
                Output::Resume(id) => self.resumed.push(id),
                Output::Ask(job) => self.jobs.push(job),
            }
        }
    }

    /// Carries out everything that waits and gives the answers to the machine.
    fn disk(&mut self) {
        while !self.jobs.is_empty() {
            let batch = self.commit();
            self.answer(batch);
        }
    }

    /// Carries it out, without an answer.
    fn commit(&mut self) -> Batch {
        let (reads, writes): (Vec<_>, Vec<_>) =
            self.jobs.drain(..).partition(|job| matches!(job.work, Work::Read { .. }));
        let mut batch = store::write(&mut self.log, &self.notary, writes);
        for job in reads {
            batch.done.push(store::read(&mut self.log, &self.notary, job));
        }
        batch
    }

    fn answer(&mut self, batch: Batch) {
        self.relay.handle_batch(batch, self.now_ms);
        self.collect();
    }

    fn pass(&mut self, ms: u64) {
        self.now_ms += ms;
        self.relay.handle_time(self.now_ms);
        self.collect();
    }

    /// What a session was told since the last time, without presence.
    fn told(&mut self, id: SessionId) -> Vec<ToDevice> {
        let (mine, rest) = std::mem::take(&mut self.said).into_iter().partition(|(to, _)| *to == id);
        self.said = rest;
        let mine: Vec<(SessionId, ToDevice)> = mine;
        mine.into_iter()
            .map(|(_, message)| message)
            .filter(|message| !matches!(message, ToDevice::Presence { .. }))
            .collect()
    }

    /// Two devices, in and pulling.
    fn two() -> (Self, SessionId, SessionId) {
        let mut world = Self::new(|_| {});
        let first = world.arrive(DEVICE);
        let create = ToRelay::Create { account: Hash(account().public()), list: first_list(), token: None };
        world.say(first, create);
        assert_eq!(world.reading, Reading::Held);
        world.disk();
        let second = world.arrive(OTHER);
        world.say(second, ToRelay::Hello { handle: handle() });
        assert_eq!(world.reading, Reading::Held);
        world.disk();
        for id in [first, second] {
            world.say(id, ToRelay::Pull { after: 0 });
            assert_eq!(world.reading, Reading::On);
        }
        world.disk();
        world.said.clear();
        (world, first, second)
    }
}

fn code_of(messages: &[ToDevice]) -> Vec<ErrorCode> {
    messages
        .iter()
        .filter_map(|message| if let ToDevice::Error { code, .. } = message { Some(*code) } else { None })
        .collect()
}

#[test]
fn trap_10_nothing_is_acknowledged_or_shown_before_it_is_durable() {
    let (mut world, writer, reader) = World::two();
    world.say(writer, ToRelay::Push { cells: vec![cell(1)] });
    assert_eq!(world.reading, Reading::On);
    assert!(world.said.is_empty());
    let batch = world.commit();
    assert!(world.said.is_empty());
    world.answer(batch);
    assert!(
        matches!(&world.told(writer)[..], [ToDevice::Ack { .. }, ToDevice::Page(page)] if page.entries == [Entry::Own(id(1))])
    );
    assert!(matches!(&world.told(reader)[..], [ToDevice::Page(page)] if page.entries == [Entry::Cell(cell(1))]));
}

#[test]
fn a_failed_transaction_is_said_and_nobody_is_shown_anything() {
    let (mut world, writer, reader) = World::two();
    world.say(writer, ToRelay::Push { cells: vec![cell(1)] });
    let mut batch = Batch::default();
    let tickets: Vec<_> = world.jobs.drain(..).map(|job| job.ticket).collect();
    batch.fail(tickets.into_iter(), LogError::Unavailable);
    world.answer(batch);
    assert_eq!(code_of(&world.told(writer)), [ErrorCode::StorageUnavailable]);
    assert!(world.told(reader).is_empty());
    // The session goes on.
    world.say(writer, ToRelay::Push { cells: vec![cell(1)] });
    world.disk();
    assert!(matches!(world.told(writer)[0], ToDevice::Ack { .. }));
}

#[test]
fn t_conn_02_a_push_whose_device_is_gone_still_reaches_the_others() {
    let (mut world, writer, reader) = World::two();
    world.say(writer, ToRelay::Push { cells: vec![cell(1), cell(2)] });
    world.relay.handle_departure(writer);
    world.disk();
    assert!(world.told(writer).is_empty());
    assert!(matches!(&world.told(reader)[..], [ToDevice::Page(page)] if page.entries.len() == 2));
    assert_eq!(world.relay.pending_count(), 0);
}

#[test]
fn a_device_that_was_looked_up_before_it_was_removed_is_not_let_in_after() {
    let (mut world, owner, thief) = World::two();
    world.relay.handle_departure(thief);
    // In one transaction with the list that takes it off, and asked before it.
    let back = world.arrive(OTHER);
    world.say(back, ToRelay::Hello { handle: handle() });
    let next = list(2, proof::list_hash(&first_list().list), &[DEVICE]);
    world.say(owner, ToRelay::SetList { list: next });
    world.disk();
    assert_eq!(code_of(&world.told(back)), [ErrorCode::Removed]);
    assert!(world.closed.contains(&back));
    assert_eq!(world.told(owner), [ToDevice::ListAccepted { version: 2 }]);
}

#[test]
fn what_grows_while_a_page_is_read_follows_it_without_gap_or_overlap() {
    let (mut world, writer, _) = World::two();
    world.say(writer, ToRelay::Push { cells: vec![cell(1)] });
    world.disk();
    let late = world.arrive(OTHER);
    world.say(late, ToRelay::Hello { handle: handle() });
    world.disk();
    world.said.clear();
    world.say(late, ToRelay::Pull { after: 0 });
    // Read, but not answered, while another push is stored and announced.
    let read = world.commit();
    world.say(writer, ToRelay::Push { cells: vec![cell(2)] });
    world.disk();
    assert!(world.told(late).is_empty());
    world.answer(read);
    world.disk();
    let pages = world.told(late);
    assert!(matches!(&pages[..], [ToDevice::Page(one), ToDevice::Page(two)]
        if one.entries == [Entry::Cell(cell(1))] && two.after == 1 && two.entries == [Entry::Cell(cell(2))]));
}

#[test]
fn an_answer_to_an_earlier_pull_is_not_sent() {
    let (mut world, writer, reader) = World::two();
    world.say(writer, ToRelay::Push { cells: vec![cell(1)] });
    world.disk();
    world.said.clear();
    world.say(reader, ToRelay::Pull { after: 0 });
    let stale = world.commit();
    world.say(reader, ToRelay::Pull { after: 1 });
    world.answer(stale);
    world.disk();
    assert!(matches!(&world.told(reader)[..], [ToDevice::Page(page)] if page.after == 1 && page.entries.is_empty()));
}

#[test]
fn a_res_04_of_pulls_that_take_each_others_place_one_is_read_at_a_time() {
    let (mut world, writer, reader) = World::two();
    world.say(writer, ToRelay::Push { cells: vec![cell(1)] });
    world.disk();
    for fails in [false, true] {
        world.said.clear();
        for _ in 0..50 {
            world.say(reader, ToRelay::Pull { after: 0 });
        }
        world.say(reader, ToRelay::Pull { after: 1 });
        assert_eq!(world.jobs.len(), 1);
        let mut first = Batch::default();
        match fails {
            true => first.fail(world.jobs.drain(..).map(|job| job.ticket), LogError::Unavailable),
            false => first = world.commit(),
        }
        world.answer(first);
        // Nothing is said of those that nobody waits for any more.
        assert!(world.told(reader).is_empty());
        assert_eq!(world.jobs.len(), 1);
        world.disk();
        let pages = world.told(reader);
        assert!(
            matches!(&pages[..], [ToDevice::Page(page)] if page.after == 1 && page.entries.is_empty()),
            "{pages:?}"
        );
    }
}

#[test]
fn pushes_that_wait_for_the_disk_hold_their_session_and_free_it_again() {
    let (mut world, writer, _) = World::two();
    let mut pushes = 0;
    while world.reading == Reading::On {
        world.say(writer, ToRelay::Push { cells: vec![cell(pushes)] });
        pushes += 1;
    }
    assert_eq!(usize::from(pushes), Limits::default().requests_waiting_max as usize);
    // Held by us: its silence is not its own.
    world.pass(120_000);
    assert!(!world.closed.contains(&writer));
    world.disk();
    assert_eq!(world.resumed.iter().filter(|id| **id == writer).count(), 2);
    world.pass(59_000);
    assert!(!world.closed.contains(&writer));
}

#[test]
fn each_stage_has_its_time_and_wakes_for_it() {
    let (mut world, first, second) = World::two();
    let opening = world.arrive([5; 32]);
    assert_eq!(world.relay.wake_at_ms(), Some(10_000));
    world.pass(9_999);
    assert!(world.closed.is_empty());
    world.pass(1);
    assert_eq!(world.closed, [opening]);
    assert!(world.told(opening).is_empty());
    world.relay.handle_sign_of_life(first, world.now_ms);
    world.pass(50_000);
    assert_eq!(code_of(&world.told(second)), [ErrorCode::Idle]);
    while world.now_ms < 3_660_000 {
        world.say(first, ToRelay::Ping { token: 1 });
        world.pass(30_000);
    }
    assert_eq!(code_of(&world.told(first)), [ErrorCode::SessionExpired]);
    assert_eq!(world.relay.session_count(), 0);
    assert_eq!(world.relay.wake_at_ms(), None);
}

#[test]
fn a_relay_that_goes_down_tells_everybody_at_different_times_to_return_and_lets_nobody_in() {
    let (mut world, first, second) = World::two();
    world.relay.shut_down();
    world.collect();
    let late = world.arrive([5; 32]);
    let mut pauses = Vec::new();
    for id in [first, second, late] {
        match &world.told(id)[..] {
            [ToDevice::Error { code: ErrorCode::ShuttingDown, retry_ms: Some(ms) }] => pauses.push(*ms),
            other => panic!("{other:?}"),
        }
        assert!(world.closed.contains(&id));
    }
    pauses.dedup();
    assert_eq!(pauses.len(), 3);
    assert!(pauses.iter().all(|ms| (500..3_000).contains(ms)));
}

#[test]
fn a_proto_03_any_message_in_any_state_and_order_leaves_a_relay_that_works() {
    for seed in 0..20_u32 {
        let mut choices = [0; 2_048];
        blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut choices);
        let (mut world, _, _) = World::two();
        let mut ids = [world.arrive(DEVICE), world.arrive(OTHER), world.arrive([5; 32])];
        for choice in choices.chunks(2) {
            let at = usize::from(choice[0]) % ids.len();
            match any_message(choice) {
                // A connection that is held is not read from.
                Some(message) => {
                    world.say(ids[at], message);
                    if world.reading == Reading::Held {
                        world.disk();
                    }
                }
                None if choice[0] < 128 => ids[at] = world.arrive([choice[0] % 3; 32]),
                None => {
                    world.disk();
                    world.pass(u64::from(choice[0]));
                }
            }
        }
        world.disk();
        assert_eq!(world.relay.pending_count(), 0, "seed {seed}");
        let handle = handle();
        let kept = world.log.stretch(&handle, 0, crate::log::Room { bytes: usize::MAX, entries: usize::MAX }).unwrap();
        let ids: Vec<CellId> = kept.map(|stretch| stretch.entries.iter().map(id_of).collect()).unwrap_or_default();
        let unique: std::collections::HashSet<&CellId> = ids.iter().collect();
        assert_eq!(unique.len(), ids.len(), "seed {seed}: a cell twice");
        world.relay.shut_down();
        world.collect();
        assert_eq!(world.relay.session_count(), 0, "seed {seed}");
    }
}

fn any_message(choice: &[u8]) -> Option<ToRelay> {
    let public = Hash(account().public());
    Some(match choice[1] % 10 {
        0 => ToRelay::Hello { handle: handle() },
        1 => ToRelay::Create { account: public, list: first_list(), token: None },
        2 => ToRelay::Attach { account: public, proof: proof::sign_attach(&account(), &Hash([0; 32])) },
        3 => ToRelay::SetList { list: first_list() },
        4 => ToRelay::Push { cells: vec![cell(choice[0])] },
        5 => ToRelay::Pull { after: u64::from(choice[0] % 4) },
        6 => ToRelay::Delivered { cursor: u64::from(choice[0]) },
        7 => ToRelay::Purge { cells: vec![id(choice[0])] },
        8 => ToRelay::Ping { token: 1 },
        _ => return None,
    })
}

fn id_of(entry: &Entry) -> CellId {
    match entry {
        Entry::Cell(cell) => proof::cell_id(cell),
        Entry::Own(id) | Entry::Gone(id) => *id,
    }
}
