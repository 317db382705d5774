//! The laws of merging, over random sets of ops: whatever the order, however often, in whatever portions, with a restart
//! between any two, a device ends in the same state, byte for byte; and that state is what a few lines say it must be.
//!
//! Built with `CARO_TEST_LAWS=100000` it runs as many sets as the promise names; a run of the whole suite does a few.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::OnceLock,
};

use caro_schema::{
    body::{history::Record, shared::Set},
    id::{DeviceId, RecordId},
    stamp::Stamp,
};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

use super::world::{Disk, Machine, World, record};
use crate::step::{Space, Step};

/// What happens on a device.
#[derive(Clone, Debug)]
enum Act {
    Begin(u8),
    End(u8),
    Delete(u8),
    Set(u8, Option<u8>),
    Count(u8, u8),
    Rename(u8),
    /// Takes in everything that another device has written by now.
    Hear(u8),
}

const DEVICES: usize = 3;

/// By how much the devices' clocks are wrong: right, ten years ahead, two years behind.
const CLOCKS_MS: [i64; DEVICES] = [0, 315_360_000_000, -63_072_000_000];

fn act() -> impl Strategy<Value = (usize, Act)> {
    let act = prop_oneof![
        4 => (0..12u8).prop_map(Act::Begin),
        4 => (0..12u8).prop_map(Act::End),
        1 => (0..12u8).prop_map(Act::Delete),
        2 => (0..4u8, prop::option::of(any::<u8>())).prop_map(|(key, value)| Act::Set(key, value)),
        2 => (0..3u8, 1..5u8).prop_map(|(key, by)| Act::Count(key, by)),
        1 => any::<u8>().prop_map(Act::Rename),
        3 => (0..DEVICES as u8).prop_map(Act::Hear),
    ];
    (0..DEVICES, act)
}

/// What must come out, said as plainly as it can be.
#[derive(Default)]
struct Model {
    records: BTreeMap<RecordId, Record>,
    deleted: BTreeSet<RecordId>,
    /// By key: when it was written, by whom, and what.
    values: BTreeMap<String, (Stamp, DeviceId, Option<Vec<u8>>)>,
    counts: BTreeMap<(String, usize), u64>,
    written: BTreeMap<DeviceId, u64>,
}

impl Model {
    fn put(&mut self, record: Record) {
        match self.records.get(&record.id) {
            Some(known) if known.has_ended() => {}
            _ => drop(self.records.insert(record.id, record)),
        }
    }

    fn set(&mut self, key: String, stamp: Stamp, device: DeviceId, value: Option<Vec<u8>>) {
        let known = self.values.get(&key).map(|(stamp, device, _)| (*stamp, *device));
        if known.is_none_or(|known| known < (stamp, device)) {
            self.values.insert(key, (stamp, device, value));
        }
    }
}

/// Devices of one account that know each other, and one more that only reads. Made once: joining stretches a phrase.
fn members() -> &'static (Vec<Disk>, u64) {
    static MEMBERS: OnceLock<(Vec<Disk>, u64)> = OnceLock::new();
    MEMBERS.get_or_init(|| {
        let world = World::joined(DEVICES as u64 + 1);
        (world.machines.iter().map(|machine| machine.disk.clone()).collect(), world.now_ms)
    })
}

struct Played {
    /// Every cell that was made, by device, in order.
    cells: Vec<Vec<Vec<u8>>>,
    model: Model,
}

/// A command that nothing but its name and its state tells apart: two devices that know it write the same bytes.
fn command(name: u8, ended: bool) -> Record {
    let whole = record(RecordId([name; 16]), &format!("command {name}"), 1_700_000_000_000);
    if ended { whole } else { Record { duration_us: None, exit: None, ..whole } }
}

fn play(acts: &[(usize, Act)]) -> Played {
    let (disks, begun_ms) = members();
    let mut machines: Vec<Machine> =
        disks[..DEVICES].iter().enumerate().map(|(at, disk)| Machine::on(at as u64 + 1, disk.clone())).collect();
    let mut played = Played { cells: vec![Vec::new(); DEVICES], model: Model::default() };
    let mut heard = [[0; DEVICES]; DEVICES];
    for (turn, (at, act)) in acts.iter().enumerate() {
        let now_ms = begun_ms.saturating_add_signed(CLOCKS_MS[*at] + turn as i64 * 1_000);
        if let Act::Hear(from) = act {
            let from = usize::from(*from);
            let news = played.cells[from][heard[*at][from]..].to_vec();
            heard[*at][from] = played.cells[from].len();
            machines[*at].hear(news, now_ms);
            continue;
        }
        perform(&mut machines[*at], act, now_ms);
        note(&mut played.model, &machines[*at], *at, act);
        played.cells[*at].extend(machines[*at].take_queue());
    }
    for machine in &machines {
        let account = machine.device.account().expect("a member");
        let own = account.device_id();
        played.model.written.insert(own, account.vector().seq(&own));
    }
    played
}

fn perform(machine: &mut Machine, act: &Act, now_ms: u64) {
    machine.decide(now_ms, |device, history, _, env| match act {
        Act::Begin(name) => device.record(vec![command(*name, false)], history, env.now_ms),
        Act::End(name) => device.record(vec![command(*name, true)], history, env.now_ms),
        Act::Delete(name) => device.delete(&[RecordId([*name; 16])], history, env).unwrap(),
        Act::Set(key, value) => {
            let value = value.map(|value| vec![value].into());
            device.set(Set { category: String::new(), key: key.to_string(), value }, env).unwrap().unwrap()
        }
        Act::Count(key, by) => {
            let writes = device.count(vec![key.to_string(); usize::from(*by)], env.now_ms);
            let mut step = Step { writes, ..Step::default() };
            step.extend(device.say_counts(env).unwrap());
            step
        }
        Act::Rename(name) => device.rename(format!("name {name}"), env).unwrap(),
        Act::Hear(_) => unreachable!("heard elsewhere"),
    });
    let later_ms = now_ms + 500;
    machine.decide(later_ms, |device, history, disk, env| device.handle_timer(history, disk, env).unwrap());
}

fn note(model: &mut Model, machine: &Machine, at: usize, act: &Act) {
    let account = machine.device.account().expect("a member");
    match act {
        Act::Begin(name) => model.put(command(*name, false)),
        Act::End(name) => model.put(command(*name, true)),
        Act::Delete(name) => drop(model.deleted.insert(RecordId([*name; 16]))),
        Act::Set(key, value) => {
            let (stamp, device) = (account.clock(), account.device_id());
            model.set(key.to_string(), stamp, device, value.map(|value| vec![value]));
        }
        Act::Count(key, by) => *model.counts.entry((key.to_string(), at)).or_default() += u64::from(*by),
        Act::Rename(_) | Act::Hear(_) => {}
    }
}

/// A device that reads all the cells in an order of its own, some twice, in portions, starting again between some.
fn read(cells: &[Vec<u8>], mut random: u64) -> Machine {
    let mut next = |below: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % below.max(1)
    };
    let mut order: Vec<&Vec<u8>> = cells.iter().collect();
    for _ in 0..cells.len() / 3 {
        order.push(&cells[next(cells.len())]);
    }
    for at in (1..order.len()).rev() {
        order.swap(at, next(at + 1));
    }
    let (disks, now_ms) = members();
    let mut reader = Machine::on(9, disks[DEVICES].clone());
    let mut rest = &order[..];
    while !rest.is_empty() {
        let (portion, later) = rest.split_at(1 + next(rest.len()));
        reader.hear(portion.iter().map(|cell| (*cell).clone()).collect(), *now_ms);
        if next(3) == 0 {
            reader.crash();
        }
        rest = later;
    }
    reader
}

fn check(acts: &[(usize, Act)], seeds: [u64; 3]) -> Result<(), TestCaseError> {
    let Played { cells, model } = play(acts);
    let cells: Vec<Vec<u8>> = cells.into_iter().flatten().collect();
    let mut states = BTreeSet::new();
    for seed in seeds {
        let reader = read(&cells, seed);
        let account = reader.device.account().expect("a member");
        prop_assert_eq!(reader.disk.count(Space::Quarantine), 0, "something waits for what has come");
        for (device, written) in &model.written {
            prop_assert_eq!(account.vector().seq(device), *written);
        }
        let live: Vec<&RecordId> = model.records.keys().filter(|id| !model.deleted.contains(id)).collect();
        prop_assert_eq!(reader.history.len(), live.len(), "as many commands as were recorded and not deleted");
        for id in live {
            prop_assert!(reader.history.record(id).as_ref() == model.records.get(id), "a command is another");
        }
        for id in &model.deleted {
            prop_assert!(reader.history.is_deleted(id) && !reader.history.contains(id), "a deletion does not hold");
        }
        for (key, (_, _, value)) in &model.values {
            prop_assert_eq!(account.shared().get("", key), value.as_deref(), "a setting is another");
        }
        for key in 0..3 {
            let key = key.to_string();
            let total: u64 = model.counts.iter().filter(|((of, _), _)| *of == key).map(|(_, total)| total).sum();
            prop_assert_eq!(account.shared().total(&key), total, "a count is another");
        }
        let vector: Vec<(DeviceId, u64)> = account.vector().iter().map(|(device, tip)| (*device, tip.seq)).collect();
        states.insert((reader.history.digest(), account.shared().digest(), vector, account.heads_digest()));
    }
    prop_assert_eq!(states.len(), 1, "the order of arrival shows");
    Ok(())
}

#[test]
fn ds001_ds002_ds003_any_order_any_duplication_any_portions_any_restart_give_the_state_that_must_be() {
    let sets = option_env!("CARO_TEST_LAWS").and_then(|sets| sets.parse().ok()).unwrap_or(150);
    let config = Config { cases: sets, failure_persistence: None, ..Config::default() };
    let strategy = (prop::collection::vec(act(), 1..40), any::<[u64; 3]>());
    TestRunner::new(config).run(&strategy, |(acts, seeds)| check(&acts, seeds)).unwrap();
}

#[test]
fn trap_17_who_has_seen_a_value_from_the_future_can_change_it() {
    // The second device's clock is ten years ahead; the first hears of its value and changes it.
    let acts = [(1, Act::Set(0, Some(7))), (0, Act::Hear(1)), (0, Act::Set(0, Some(8))), (2, Act::Set(0, Some(9)))];
    check(&acts, [1, 2, 3]).unwrap();
    let Played { model, .. } = play(&acts);
    assert_eq!(model.values["0"].2, Some(vec![8]), "its change holds, and nobody who did not see it overrules it");
}

impl Machine {
    /// With this disk, as after a start.
    fn on(seed: u64, disk: Disk) -> Self {
        let mut machine = Self::new(seed + 1_000);
        machine.disk = disk;
        machine.set_rules_without_compaction();
        machine.crash();
        machine
    }

    fn hear(&mut self, cells: Vec<Vec<u8>>, now_ms: u64) {
        self.decide(now_ms, |device, history, disk, env| device.hear(cells, history, disk, env));
    }

    /// The cells that wait for a relay, in order.
    fn take_queue(&mut self) -> Vec<Vec<u8>> {
        let queued = std::mem::take(&mut self.disk.queues);
        queued.into_values().collect()
    }
}

impl crate::device::Device {
    /// As if a relay had sent these cells.
    fn hear(
        &mut self,
        cells: Vec<Vec<u8>>,
        history: &mut crate::history::History,
        disk: &Disk,
        env: &mut crate::device::Env<'_>,
    ) -> Step {
        let account = self.account.as_mut().expect("a member");
        account.receive(super::world::RELAY, cells, history, disk, env).unwrap()
    }
}

impl crate::device::Account {
    fn clock(&self) -> Stamp {
        self.log.clock()
    }

    fn heads_digest(&self) -> [u8; 32] {
        let heads = self.log.heads(usize::MAX);
        *blake3::hash(&caro_schema::codec::encode(&heads)).as_bytes()
    }
}
