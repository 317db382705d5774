//! A device that says too much is not believed beyond what is bounded.

use caro_schema::{
    id::{DeviceId, OpId},
    limits::NAME_BYTES_MAX,
    op::Parent,
};

use super::{super::roster::NAMED_MAX, world::World};

#[test]
fn trap_51_a_name_that_is_too_long_is_not_taken_from_another_device() {
    let mut world = World::joined(2);
    let members = |world: &World| world.machines[1].device.account().unwrap().members.clone();
    let of = |world: &World, at: usize| world.machines[at].device.account().unwrap().device_id();
    let (one, other) = (of(&world, 0), of(&world, 1));
    let names = |world: &World| [one, other].map(|device| members(world).name_of(&device));
    let before = names(&world);
    for (bytes, expected) in
        [(NAME_BYTES_MAX + 1, before), (NAME_BYTES_MAX, ["n", "n"].map(|n| n.repeat(NAME_BYTES_MAX)))]
    {
        let (now_ms, name) = (world.now_ms, "n".repeat(bytes));
        world.machines[0].decide(now_ms, |device, _, _, env| {
            let mut step = device.rename(name.clone(), env).unwrap();
            step.extend(device.rename_other(other, name, env).unwrap());
            step
        });
        world.settle();
        assert_eq!(names(&world), expected, "{bytes} bytes");
    }
    // Whatever else it says is heard.
    world.record(0, "ls");
    world.settle();
    world.assert_converged();
}

#[test]
fn trap_51_of_authors_that_a_member_makes_up_so_many_are_remembered_and_no_more() {
    let world = World::joined(2);
    let account = world.machines[1].device.account().unwrap();
    let (mut members, one) = (account.members.clone(), world.machines[0].device.account().unwrap().device_id());
    let made_up = |number: usize, seq: u64| Parent {
        author: DeviceId(*blake3::hash(&number.to_be_bytes()).as_bytes()),
        seq,
        op: OpId([0; 32]),
    };
    for number in 0..4 * NAMED_MAX {
        members.note_has(&one, &[made_up(number, 1)], |_| false);
    }
    members.note_has(&one, &[made_up(0, 7)], |_| false);
    let has = &members.device(&one).unwrap().has;
    assert_eq!((has.len(), has.get(&made_up(0, 0).author)), (NAMED_MAX, Some(&7)));
}
