//! Whole devices over an honest relay: what one records, the others have; whatever order, cut or crash.

mod aside;
mod bounds;
mod copied;
mod erasing;
mod keys_said;
mod laws;
mod letting_in;
mod missed;
mod moving;
mod restored;
mod sharing;
mod snapshots;
mod taking_off;
mod uploading;
mod withdrawing;
mod world;

use caro_schema::{
    body::history::Record,
    id::RecordId,
    ipc::sync::{RemoteState, Warning},
    limits::COMMAND_SYNC_BYTES_MAX,
};
use proptest::prelude::*;

use self::world::{World, record};
use crate::step::{Notice, Space};

#[test]
fn so001_a_command_recorded_on_one_device_is_on_the_other() {
    let mut world = World::joined(2);
    world.record(0, "cargo test");
    world.record(1, "git push");
    world.settle();
    world.assert_converged();
    assert_eq!(world.machines[1].commands(), ["cargo test", "git push"]);
}

#[test]
fn fr_si004_a_device_that_joins_later_gets_everything_from_the_phrase_alone() {
    let mut world = World::new(2);
    world.record(0, "before the account");
    world.join(0);
    world.record(0, "after it");
    world.settle();
    world.machines[0].online = false;
    world.join(1);
    world.settle();
    assert_eq!(world.machines[1].commands(), ["after it", "before the account"]);
}

#[test]
fn a_burst_of_commands_shares_ops() {
    let mut world = World::joined(2);
    let before = world.relay.cells.len();
    for n in 0..50 {
        world.record(0, &format!("echo {n}"));
    }
    world.settle();
    world.assert_converged();
    assert_eq!(world.machines[1].history.len(), 50);
    assert_eq!(world.relay.cells.len() - before, 1, "fifty commands in one window are one cell");
}

#[test]
fn a_running_command_is_seen_before_its_end_and_ends_everywhere() {
    let mut world = World::joined(2);
    let id = RecordId([5; 16]);
    let ended = record(id, "sleep 60", world.now_ms);
    let running = Record { duration_us: None, exit: None, ..ended.clone() };
    let now_ms = world.now_ms;
    world.machines[0].decide(now_ms, |device, history, _, env| device.record(vec![running], history, env.now_ms));
    world.settle();
    assert!(!world.machines[1].history.record(&id).unwrap().has_ended());
    let now_ms = world.now_ms;
    world.machines[0].decide(now_ms, |device, history, _, env| device.record(vec![ended], history, env.now_ms));
    world.settle();
    world.assert_converged();
    assert_eq!(world.machines[1].history.record(&id).unwrap().exit, Some(0));
}

#[test]
fn ds001_what_was_deleted_stays_deleted_on_every_device() {
    let mut world = World::joined(2);
    let id = world.record(0, "export TOKEN=1");
    world.settle();
    world.machines[1].online = false;
    world.turn();
    world.delete(0, id);
    // The other one, offline, still runs and records it.
    world.record(1, "export TOKEN=1");
    world.settle();
    world.machines[1].online = true;
    world.settle();
    world.assert_converged();
    assert_eq!(world.machines[0].history.len(), 0);
    let held = world.machines[1].disk.blocks.values().flatten().any(|record| record.command.starts_with(b"export"));
    assert!(!held, "the text is still in a block");
}

#[test]
fn t_loss_04_what_two_devices_recorded_apart_reaches_both_once() {
    let mut world = World::joined(2);
    for machine in &mut world.machines {
        machine.online = false;
    }
    for n in 0..40 {
        world.record(n % 2, &format!("offline {n}"));
        world.now_ms += 500;
        world.turn();
    }
    for machine in &mut world.machines {
        machine.online = true;
    }
    world.settle();
    world.assert_converged();
    assert_eq!(world.machines[0].history.len(), 40);
}

#[test]
fn trap_13_a_crash_after_any_turn_loses_and_doubles_nothing() {
    let mut world = World::joined(2);
    for n in 0..30 {
        world.record(n % 2, &format!("command {n}"));
        for _ in 0..n % 5 {
            world.turn();
        }
        world.machines[(n + 1) % 2].crash();
        world.machines[n % 2].crash();
    }
    world.settle();
    world.assert_converged();
    assert_eq!(world.machines[0].history.len(), 30);
    assert_eq!(world.machines[0].device.account().unwrap().status(|_| None).refused, 0);
}

#[test]
fn a_crash_in_the_middle_of_the_first_upload_uploads_everything() {
    let mut world = World::new(2);
    let old: Vec<Record> = (0..20_000_u32)
        .map(|n| {
            record(RecordId(u128::from(n).to_be_bytes()), &format!("old command {n}"), world.now_ms - u64::from(n))
        })
        .collect();
    let now_ms = world.now_ms;
    world.machines[0].decide(now_ms, |device, history, _, _| device.import(old, history).0);
    world.join(0);
    world.turn();
    world.machines[0].crash();
    world.join(1);
    world.settle();
    assert_eq!(world.machines[1].history.len(), 10_000, "the newest of the window");
    let outside = |world: &World| world.machines[0].device.account().unwrap().status(|_| None).outside_window;
    assert_eq!(outside(&world), 10_000, "said to the person, and not twice after a restart");
    // What is imported later and older than the window stays as well, and is counted.
    let now_ms = world.now_ms;
    let ancient = record(RecordId([9; 16]), "ancient", now_ms - 400 * 86_400_000);
    world.machines[0].decide(now_ms, |device, history, _, _| device.import(vec![ancient], history).0);
    world.settle();
    assert_eq!(outside(&world), 10_001);
    assert!(world.relay.cells.len() < 40, "{} cells for 10,000 commands", world.relay.cells.len());
}

#[test]
fn what_a_hook_has_recorded_is_known_when_the_shells_own_file_is_imported() {
    let mut world = World::joined(1);
    let now_ms = world.now_ms / 1000 * 1000;
    let live =
        |n: u8, text: &str, at_ms: u64| Record { start_us: at_ms as i64 * 1000, ..record(RecordId([n; 16]), text, 0) };
    let recorded = vec![live(1, "ls", now_ms + 300), live(2, "ls", now_ms + 700), live(3, "pwd", now_ms + 5_900)];
    world.machines[0].decide(now_ms, |device, history, _, env| device.record(recorded, history, env.now_ms));
    let line = |n: u8, text: &str, at_ms: u64| Record { session: String::new(), ..live(n, text, at_ms) };
    let file = vec![
        line(11, "ls", now_ms),
        line(12, "ls", now_ms),
        // A third run in the same second was before the hook; so was another command, and one long ago.
        line(13, "ls", now_ms),
        line(14, "make", now_ms),
        line(15, "pwd", now_ms + 5_000),
        line(16, "pwd", now_ms - 60_000),
    ];
    let mut outcome = Default::default();
    world.machines[0].decide(now_ms, |device, history, _, _| {
        let (step, put) = device.import(file, history);
        outcome = put;
        step
    });
    assert_eq!((outcome.added, outcome.known), (3, 3));
    assert_eq!(world.machines[0].commands(), ["ls", "ls", "ls", "make", "pwd", "pwd"]);
}

#[test]
fn trap_08_a_relay_with_a_new_life_gets_back_what_it_lost() {
    let mut world = World::joined(2);
    for n in 0..20 {
        world.record(n % 2, &format!("kept {n}"));
        world.settle();
    }
    world.relay.lose_everything();
    for machine in &mut world.machines {
        machine.crash();
    }
    world.settle();
    world.assert_converged();
    assert_eq!(world.machines[0].history.len(), 20);
    // And a device that comes now finds all of it.
    world.machines.push(World::new(3).machines.pop().unwrap());
    world.join(2);
    world.settle();
    assert_eq!(world.machines[2].history.len(), 20);
}

#[test]
fn trap_03_a_damaged_cell_is_counted_and_everything_behind_it_arrives() {
    let mut world = World::joined(2);
    world.machines[1].online = false;
    world.turn();
    world.record(0, "first");
    world.settle();
    // One bit of a copy is wrong, and one cell is sealed with a key that nobody here has.
    let mut damaged = world.relay.cells.last().unwrap().clone();
    *damaged.last_mut().unwrap() ^= 1;
    world.relay.cells.extend([damaged, vec![1; 1024]]);
    world.record(0, "second");
    world.settle();
    world.machines[1].online = true;
    world.settle();
    assert_eq!(world.machines[1].commands(), ["first", "second"]);
    let status = world.machines[1].device.account().unwrap().status(|_| None);
    assert_eq!((status.refused, status.waiting), (1, 1));
}

#[test]
fn a_command_above_the_limit_stays_on_its_device_and_is_counted() {
    let mut world = World::joined(2);
    world.record(0, &"x".repeat(COMMAND_SYNC_BYTES_MAX + 1));
    world.record(0, &"y".repeat(COMMAND_SYNC_BYTES_MAX));
    world.settle();
    assert_eq!(world.machines[0].history.len(), 2);
    assert_eq!(world.machines[1].history.len(), 1);
    assert_eq!(world.machines[0].device.account().unwrap().status(|_| None).kept_here, 1);
}

#[test]
fn every_device_is_told_who_joined_and_by_what_name() {
    let mut world = World::joined(2);
    let status = world.machines[0].device.account().unwrap().status(|_| None);
    assert_eq!(status.warnings, [Warning::DeviceJoined { name: "machine 1".to_owned() }]);
    world.now_ms += 1;
    let now_ms = world.now_ms;
    world.machines[1].decide(now_ms, |device, _, _, env| {
        let step = device.rename("desk".to_owned(), env).unwrap();
        assert!(step.notices.contains(&Notice::Sync), "what is not told waits for whatever is sent next");
        step
    });
    world.settle();
    let names: Vec<String> =
        world.machines[0].device.account().unwrap().devices().into_iter().map(|device| device.name).collect();
    assert_eq!(names, ["machine 0", "desk"]);
    world.machines[0].crash();
    let status = world.machines[0].device.account().unwrap().status(|_| None);
    assert_eq!(status.warnings, [Warning::DeviceJoined { name: "desk".to_owned() }], "a restart does not forget it");
    world.machines[0].decide(now_ms, |device, _, _, _| device.note_joined_seen());
    world.machines[0].crash();
    assert_eq!(
        world.machines[0].device.account().unwrap().status(|_| None).warnings,
        [],
        "once seen it is said no more"
    );
}

#[test]
fn or001_switched_off_nothing_is_said_and_switched_on_nothing_is_missing() {
    let mut world = World::joined(2);
    let step = world.machines[0].device.set_enabled(false);
    world.machines[0].decide(0, |_, _, _, _| step);
    world.machines[0].online = false;
    world.record(0, "in the dark");
    world.settle();
    let status = world.machines[0].device.account().unwrap().status(|_| None);
    assert_eq!((status.enabled, &status.remotes[0].state), (false, &RemoteState::Off));
    assert_eq!(world.machines[1].history.len(), 0);
    world.machines[0].crash();
    assert!(!world.machines[0].device.account().unwrap().is_enabled(), "a restart does not switch it on");
    let step = world.machines[0].device.set_enabled(true);
    world.machines[0].decide(0, |_, _, _, _| step);
    world.machines[0].online = true;
    world.settle();
    world.assert_converged();
    assert_eq!(world.machines[1].commands(), ["in the dark"]);
}

#[test]
fn nothing_of_a_command_is_in_what_leaves_the_device() {
    let mut world = World::joined(1);
    world.record(0, "canary-7f3a9c");
    world.settle();
    for cell in &world.relay.cells {
        for word in [&b"canary"[..], b"/home/user", b"machine 0", b"session"] {
            assert!(!cell.windows(word.len()).any(|window| window == word));
        }
        assert!(cell.len().is_power_of_two() && cell.len() >= 1024);
    }
    assert!(world.machines[0].disk.count(Space::Op) > 0);
}

#[test]
fn trap_15_what_a_copied_home_and_its_original_wrote_is_everywhere_and_both_are_told() {
    let mut world = World::joined(3);
    world.copy_home(0);
    // Both write ops with the same numbers, offline, and then come online.
    world.machines[0].online = false;
    world.machines[3].online = false;
    for (at, word) in [(0, "original"), (3, "copy")] {
        for n in 0..4 {
            world.record(at, &format!("{word} {n}"));
            world.settle();
        }
    }
    world.machines[0].online = true;
    world.settle();
    world.machines[3].online = true;
    world.settle();
    // The original hears of the copy's ops like everyone else.
    world.settle();
    for at in 0..4 {
        let commands = world.machines[at].commands();
        assert_eq!(commands.len(), 8, "machine {at}: {commands:?}");
    }
    let warnings = |world: &World, at: usize| {
        world.machines[at].device.account().unwrap().status(|_| None).warnings.into_iter().collect::<Vec<_>>()
    };
    for at in [0, 3] {
        assert!(warnings(&world, at).contains(&Warning::Cloned), "machine {at}: {:?}", warnings(&world, at));
    }
    assert!(warnings(&world, 1).contains(&Warning::OtherCloned { name: "machine 0".to_owned() }));
    let vectors: Vec<_> =
        world.machines.iter().map(|machine| machine.device.account().unwrap().vector().clone()).collect();
    assert!(vectors.windows(2).all(|pair| pair[0] == pair[1]), "all agree on where the chain goes on");
    // A restart does not forget it, a person's word does.
    world.machines[3].crash();
    assert!(warnings(&world, 3).contains(&Warning::Cloned));
    let now_ms = world.now_ms;
    world.machines[3].decide(now_ms, |device, _, _, _| device.set_enabled(true));
    assert!(!warnings(&world, 3).contains(&Warning::Cloned));
}

#[test]
fn trap_16_a_restored_backup_takes_up_its_own_later_ops_before_it_writes() {
    let mut world = World::joined(2);
    let disk = world.machines[0].disk.clone();
    world.record(0, "after the backup");
    world.settle();
    world.machines[0].disk = disk;
    world.machines[0].crash();
    world.settle();
    world.record(0, "after the restore");
    world.settle();
    world.assert_converged();
    assert_eq!(world.machines[1].commands(), ["after the backup", "after the restore"]);
}

#[test]
fn trap_17_a_clock_years_ahead_is_told_of_and_changes_nothing() {
    const TEN_YEARS_MS: u64 = 10 * 365 * 86_400_000;
    let mut world = World::joined(2);
    world.machines[1].online = false;
    world.turn();
    let now_ms = world.now_ms;
    world.now_ms += TEN_YEARS_MS;
    world.record(0, "from the future");
    world.settle();
    world.now_ms = now_ms;
    world.record(1, "from now");
    world.machines[1].online = true;
    world.settle();
    world.assert_converged();
    assert_eq!(world.machines[0].history.len(), 2);
    let warnings = world.machines[1].device.account().unwrap().status(|_| None).warnings;
    let ahead = warnings.iter().find_map(|warning| match warning {
        Warning::ClockAhead { seconds } => Some(*seconds),
        _ => None,
    });
    assert!(ahead.is_some_and(|seconds| seconds > TEN_YEARS_MS / 1000 - 60), "{warnings:?}");
}

/// What can happen to an account of three devices.
#[derive(Clone, Debug)]
enum Act {
    Record(usize, u8),
    Delete(usize, u8),
    Toggle(usize),
    Crash(usize),
    Wait(u8),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0..3_usize, any::<u8>()).prop_map(|(at, word)| Act::Record(at, word % 24)),
        1 => (0..3_usize, any::<u8>()).prop_map(|(at, word)| Act::Delete(at, word % 24)),
        2 => (0..3_usize).prop_map(Act::Toggle),
        1 => (0..3_usize).prop_map(Act::Crash),
        3 => any::<u8>().prop_map(Act::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn s_conv_01_any_course_of_events_ends_with_the_same_history(acts in prop::collection::vec(act(), 1..60)) {
        let mut world = World::joined(3);
        let mut expected = std::collections::BTreeMap::new();
        let mut ids = std::collections::BTreeMap::new();
        for act in acts {
            match act {
                Act::Record(at, word) => {
                    let id = world.record(at, &format!("word {word}"));
                    ids.insert(word, id);
                    expected.entry(word).or_insert(true);
                }
                // A deletion wins for ever, whoever records the same command later.
                Act::Delete(at, word) => {
                    if let Some(id) = ids.get(&word) {
                        world.delete(at, *id);
                        expected.insert(word, false);
                    }
                }
                Act::Toggle(at) => world.machines[at].online ^= true,
                Act::Crash(at) => world.machines[at].crash(),
                Act::Wait(turns) => {
                    world.now_ms += u64::from(turns);
                    for _ in 0..turns % 8 {
                        world.turn();
                    }
                }
            }
        }
        for machine in &mut world.machines {
            machine.online = true;
        }
        world.settle();
        world.assert_converged();
        let mut left: Vec<String> = expected.iter().filter(|(_, lives)| **lives).map(|(word, _)| format!("word {word}")).collect();
        left.sort();
        prop_assert_eq!(world.machines[2].commands(), left);
    }
}

#[test]
fn trap_51_a_relay_that_orders_everything_backwards_is_read_again_until_all_is_there() {
    use caro_schema::limits::ORPHANS_PER_AUTHOR_MAX;

    let mut world = World::joined(2);
    world.set_compaction(u64::MAX);
    world.machines[1].online = false;
    let count = ORPHANS_PER_AUTHOR_MAX + 500;
    for n in 0..count {
        world.now_ms += 1_000;
        world.record(0, &format!("command {n}"));
        world.now_ms += 100;
        let now_ms = world.now_ms;
        world.machines[0].decide(now_ms, |device, history, disk, env| device.handle_timer(history, disk, env).unwrap());
    }
    world.settle();
    let known = world.relay.cells.len() - count;
    world.relay.cells[known..].reverse();
    world.machines[1].online = true;
    world.settle();
    assert_eq!(world.machines[1].history.len(), count);
    assert_eq!(world.machines[1].disk.count(Space::Quarantine), 0);
}
