//! Settings, items and counts of a device that comes into an account and leaves it: nothing is lost, nothing claims to be
//! newer than it is, and nothing counts twice.

use caro_schema::{
    body::{history::Record, shared::Set},
    id::RecordId,
    uses,
};

use super::world::{Machine, World, record};
use crate::vault::{Phrase, RootKey};

fn set(machine: &mut Machine, now_ms: u64, key: &str, value: Option<&str>) {
    let value = value.map(|value| value.as_bytes().to_vec().into());
    let set = Set { category: "alias".to_owned(), key: key.to_owned(), value };
    machine.decide(now_ms, |device, _, _, env| device.set(set, env).unwrap().unwrap());
}

fn value(machine: &Machine, key: &str) -> Option<String> {
    machine.device.shared().get("alias", key).map(|value| String::from_utf8(value.to_vec()).unwrap())
}

fn count_from_now_on(machine: &mut Machine) {
    machine.device.count_uses(Some(Box::new(|_| Some(9))));
    machine.decide(1, |device, _, _, env| device.name_home(env).unwrap());
}

fn runs(machine: &mut Machine, now_ms: u64, numbers: std::ops::Range<u8>) {
    for number in numbers {
        let record = record(RecordId([number; 16]), "git status", now_ms);
        machine.decide(now_ms, |device, history, _, env| device.record(vec![record], history, env.now_ms));
    }
}

#[test]
fn pc001_without_an_account_values_are_kept_and_changed() {
    let mut machine = Machine::new(1);
    set(&mut machine, 1_000, "ll", Some("ls -l"));
    set(&mut machine, 1_000, "ll", Some("ls -la"));
    set(&mut machine, 5, "gs", Some("git status"));
    machine.crash();
    assert_eq!(
        (value(&machine, "ll").as_deref(), value(&machine, "gs").as_deref()),
        (Some("ls -la"), Some("git status"))
    );
    // The clock was set back meanwhile; what was seen is overruled all the same.
    set(&mut machine, 7, "ll", None);
    machine.crash();
    assert_eq!(value(&machine, "ll"), None);
}

#[test]
fn ds002_what_was_set_before_joining_comes_along_and_the_later_value_holds() {
    let mut world = World::new(2);
    set(&mut world.machines[0], 5_000, "both", Some("earlier"));
    set(&mut world.machines[0], 9_000, "other", Some("later"));
    set(&mut world.machines[0], 9_500, "gone", Some("x"));
    set(&mut world.machines[0], 9_600, "gone", None);
    set(&mut world.machines[1], 6_000, "both", Some("later"));
    set(&mut world.machines[1], 8_000, "other", Some("earlier"));
    world.join(0);
    world.settle();
    world.join(1);
    world.settle();
    for machine in &mut world.machines {
        assert_eq!(value(machine, "both").as_deref(), Some("later"));
        assert_eq!(value(machine, "other").as_deref(), Some("later"));
        assert_eq!(value(machine, "gone"), None);
        machine.crash();
        assert_eq!(machine.device.shared().entries_after(None).count(), 2);
    }
    let digests = world.machines.iter().map(|machine| machine.device.shared().digest());
    assert_eq!(digests.collect::<std::collections::BTreeSet<_>>().len(), 1);
    let now_ms = world.now_ms;
    set(&mut world.machines[0], now_ms, "both", Some("last"));
    world.settle();
    assert_eq!(value(&world.machines[1], "both").as_deref(), Some("last"));
}

/// A device leaves its account, without having sent what it has not.
fn leave(world: &mut World, at: usize) {
    let now_ms = world.now_ms;
    world.machines[at].decide(now_ms, |device, _, disk, _| device.leave(disk).unwrap());
    world.machines[at].crash();
}

/// Everywhere, and after a restart.
fn assert_gone_everywhere(world: &mut World, key: &str) {
    for (at, machine) in world.machines.iter_mut().enumerate() {
        assert_eq!(value(machine, key), None, "{key} at {at}");
        assert_eq!(value(machine, "kept").as_deref(), Some("y"), "at {at}");
        machine.crash();
        assert_eq!(value(machine, key), None, "{key} at {at} after a restart");
    }
    let digests = world.machines.iter().map(|machine| machine.device.shared().digest());
    assert_eq!(digests.collect::<std::collections::BTreeSet<_>>().len(), 1);
}

#[test]
fn ds002_what_was_taken_away_stays_away_when_its_device_leaves_and_comes_into_the_account_again() {
    for in_the_account in [true, false] {
        let mut world = World::joined(2);
        let given_ms = world.now_ms;
        set(&mut world.machines[0], given_ms, "kept", Some("y"));
        // So many that not each can be in an op of its own, the last of them being the one in question.
        for number in 0..300 {
            set(&mut world.machines[0], given_ms + number, &format!("a{number:03}"), Some("x"));
        }
        world.now_ms += 1_000;
        world.settle();
        assert_eq!(value(&world.machines[1], "a299").as_deref(), Some("x"));
        world.machines[0].online = false;
        world.settle();
        world.now_ms += 1_000;
        let taken_ms = world.now_ms;
        if in_the_account {
            set(&mut world.machines[0], taken_ms, "a299", None);
        }
        leave(&mut world, 0);
        if !in_the_account {
            set(&mut world.machines[0], taken_ms, "a299", None);
        }
        // Of what is decided meanwhile, the later one holds.
        set(&mut world.machines[1], taken_ms + 500, "a298", Some("z"));
        set(&mut world.machines[0], taken_ms + 400, "a298", None);
        world.now_ms += 1_000;
        world.machines[0].online = true;
        world.join(0);
        world.settle();
        assert_gone_everywhere(&mut world, "a299");
        for machine in &world.machines {
            assert_eq!(value(machine, "a298").as_deref(), Some("z"));
        }
        let now_ms = world.now_ms;
        set(&mut world.machines[1], now_ms, "a299", Some("given again"));
        world.settle();
        assert_eq!(value(&world.machines[0], "a299").as_deref(), Some("given again"));
    }
}

#[test]
fn ds002_what_was_taken_away_stays_away_for_those_who_follow_to_a_new_account() {
    let mut world = World::joined(2);
    let now_ms = world.now_ms;
    for key in ["kept", "gone"] {
        set(&mut world.machines[0], now_ms, key, Some("y"));
    }
    world.settle();
    assert_eq!(value(&world.machines[1], "gone").as_deref(), Some("y"));
    world.machines[1].online = false;
    world.settle();
    world.now_ms += 1_000;
    let now_ms = world.now_ms;
    set(&mut world.machines[0], now_ms, "gone", None);
    world.settle();
    let old = RootKey::derive(&Phrase::from_entropy(&[11; 32])).unwrap();
    world.move_to_new_phrase(0, &old);
    world.settle();
    assert_eq!(value(&world.machines[0], "gone"), None);
    leave(&mut world, 1);
    world.machines[1].online = true;
    world.join(1);
    world.settle();
    assert_gone_everywhere(&mut world, "gone");
}

#[test]
fn trap_17_what_was_given_by_a_clock_years_ahead_is_said_again_and_can_be_overruled_by_all() {
    const TEN_YEARS_MS: u64 = 10 * 365 * 86_400_000;
    let mut world = World::new(2);
    let now_ms = world.now_ms;
    set(&mut world.machines[0], now_ms + TEN_YEARS_MS, "ll", Some("from the future"));
    world.join(0);
    world.settle();
    world.join(1);
    world.settle();
    assert_eq!(value(&world.machines[1], "ll").as_deref(), Some("from the future"));
    let now_ms = world.now_ms;
    set(&mut world.machines[1], now_ms, "ll", Some("from now"));
    world.settle();
    assert_eq!(value(&world.machines[0], "ll").as_deref(), Some("from now"));
}

#[test]
fn ds002_hundreds_of_values_come_along_in_few_ops() {
    let mut world = World::new(2);
    for number in 0..500 {
        set(&mut world.machines[0], 1_000 + number, &format!("a{number}"), Some("x"));
    }
    world.join(0);
    world.settle();
    let said = world.relay.cells.len();
    assert!(said < 10, "{said} cells");
    world.join(1);
    world.settle();
    assert_eq!(world.machines[1].device.shared().list("alias").count(), 500);
}

#[test]
fn ds003_a_command_is_counted_when_it_ends_and_once() {
    let mut machine = Machine::new(1);
    count_from_now_on(&mut machine);
    let whole = record(RecordId([1; 16]), "git status", 5_000);
    let begun = Record { exit: None, duration_us: None, ..whole.clone() };
    let other = Record { exit: Some(1), ..record(RecordId([2; 16]), "ls /nowhere", 5_000) };
    for records in [vec![begun], vec![whole.clone()], vec![whole.clone(), whole.clone()], vec![other], vec![whole]] {
        machine.decide(6_000, |device, history, _, env| device.record(records, history, env.now_ms));
    }
    machine.crash();
    let total = |key: &str| machine.device.shared().total(key);
    assert_eq!((total(uses::RUNS), total("outcome/ok"), total("outcome/failed"), total("hour/09")), (2, 1, 1, 2));
    assert_eq!((total("category/versions"), total("category/files"), total("category/files/failed")), (1, 1, 1));
    runs(&mut machine, 7_000, 3..4);
    assert_eq!(machine.device.shared().total(uses::RUNS), 2, "it is switched off");
}

#[test]
fn ds003_a_deleted_command_stays_counted_and_is_not_counted_again() {
    let mut machine = Machine::new(1);
    count_from_now_on(&mut machine);
    runs(&mut machine, 5_000, 1..3);
    machine.decide(6_000, |device, history, _, env| device.delete(&[RecordId([1; 16])], history, env).unwrap());
    runs(&mut machine, 7_000, 1..2);
    assert_eq!(machine.device.shared().total(uses::RUNS), 2);
}

#[test]
fn ds003_counts_reach_the_others_and_survive_joining_leaving_and_joining_again() {
    let mut world = World::new(2);
    count_from_now_on(&mut world.machines[0]);
    count_from_now_on(&mut world.machines[1]);
    runs(&mut world.machines[0], 5_000, 1..4);
    runs(&mut world.machines[1], 5_000, 4..6);
    world.join(0);
    world.join(1);
    world.settle();
    let now_ms = world.now_ms;
    runs(&mut world.machines[0], now_ms, 6..8);
    world.settle();
    for machine in &world.machines {
        assert_eq!(machine.device.shared().total(uses::RUNS), 7);
    }
    // A device that leaves keeps what it knows, and in another account it is said once, whoever says it.
    let now_ms = world.now_ms;
    for machine in &mut world.machines {
        machine.decide(now_ms, |device, _, disk, _| device.leave(disk).unwrap());
        machine.crash();
        assert_eq!(machine.device.shared().total(uses::RUNS), 7);
    }
    count_from_now_on(&mut world.machines[1]);
    runs(&mut world.machines[1], now_ms, 8..9);
    world.begin_anew();
    world.join(0);
    world.join(1);
    world.settle();
    for machine in &mut world.machines {
        assert_eq!(machine.device.shared().total(uses::RUNS), 8);
        machine.crash();
        assert_eq!(machine.device.shared().total(uses::RUNS), 8);
    }
}

#[test]
fn ds003_what_was_counted_before_a_crash_is_said_after_it() {
    let mut world = World::joined(2);
    count_from_now_on(&mut world.machines[0]);
    let now_ms = world.now_ms;
    runs(&mut world.machines[0], now_ms, 1..4);
    world.machines[0].crash();
    world.settle();
    assert_eq!(world.machines[1].device.shared().total(uses::RUNS), 3);
}
