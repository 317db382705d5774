//! With which keys devices come to relays is known to who comes later, whatever others deleted: a device that does not
//! know it takes others off with the one that is to go.

use caro_link::proof;
use caro_schema::{
    body,
    id::{DeviceId, RecordId},
    relay::list::DeviceList,
};

use super::{
    super::record::put,
    erasing::late,
    world::{RELAY_KEY, World, record},
};
use crate::{
    device::{Account, carriers::Carrier},
    step::{Space, Step},
};

fn account(world: &World, at: usize) -> &Account {
    world.machines[at].device.account().unwrap()
}

fn knows_key_of(world: &World, at: usize, of: DeviceId) -> bool {
    let member = account(world, at).members.device(&of);
    member.is_some_and(|member| member.relay_keys.contains_key(&RELAY_KEY))
}

fn is_listed(world: &World, at: usize) -> bool {
    let key = account(world, at).vault().device().relay_static(&RELAY_KEY);
    let list = DeviceList::decode(&world.relay.list.as_ref().unwrap().list).unwrap();
    list.keys.contains(&proof::device_key_hash(&key.public()))
}

#[test]
fn trap_14_a_newcomer_takes_only_the_one_off_though_others_snapshots_were_emptied_before_it_came() {
    let mut world = World::joined(3);
    let mut doomed = Vec::new();
    for n in 0..20 {
        for at in [0, 2] {
            world.now_ms += 1_000;
            let id = world.record(at, &format!("{n} on {at}"));
            doomed.extend((n == 2).then_some(id));
            world.settle();
        }
    }
    for at in [0, 2] {
        assert!(world.machines[at].disk.count(Space::Part) > 0);
        world.machines[at].online = false;
    }
    world.settle();
    for id in doomed {
        world.delete(1, id);
    }
    world.settle();
    let newcomer = late(&mut world);
    assert_eq!(world.machines[newcomer].history.len(), 38);
    for at in 0..3 {
        assert!(knows_key_of(&world, newcomer, account(&world, at).device_id()), "the key of machine {at}");
    }
    world.decide_with_phrase(newcomer, &[0], false);
    world.settle();
    let listed: Vec<bool> = (0..4).map(|at| is_listed(&world, at)).collect();
    assert_eq!(listed, [false, true, true, true]);
}

/// The last op in which a device says its own keys, as another one has it.
fn last_said(world: &World, at: usize, of: DeviceId) -> u64 {
    let disk = &world.machines[at].disk;
    let ops = disk.rows.keys().filter(|(space, _)| *space == Space::Op);
    let carriers = ops.filter_map(|place| Carrier::read(place, disk).unwrap());
    let says = |carrier: &Carrier| carrier.said.iter().any(|said| said.is_relay_keys_of(&of));
    let own = carriers.filter(|carrier| carrier.header.author == of && says(carrier));
    own.map(|carrier| carrier.header.seq).max().unwrap()
}

#[test]
fn trap_14_a_device_says_its_relay_keys_again_when_what_it_said_them_in_is_emptied() {
    let mut world = World::joined(2);
    world.set_compaction(u64::MAX);
    let of = account(&world, 0).device_id();
    let now_ms = world.now_ms;
    let doomed = record(RecordId([7; 16]), "beside the keys", now_ms);
    let id = doomed.id;
    // As the parts of earlier versions had it.
    world.machines[0].decide(now_ms, |device, history, _, env| {
        let account = device.account.as_mut().unwrap();
        let keys = account.change(body::kind::RELAY_KEYS, &account.relay_keys());
        let mut writes = account.append(vec![keys, put(&doomed)], env).unwrap();
        history.put([doomed]);
        writes.extend(history.take_writes());
        Step { writes, ..Step::default() }
    });
    world.settle();
    let before = last_said(&world, 1, of);
    world.delete(1, id);
    world.settle();
    assert!(last_said(&world, 1, of) > before);
    world.assert_converged();
}
