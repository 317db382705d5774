//! Records of a real session of which somebody in between flips one bit: nothing comes of them.

use std::panic::{AssertUnwindSafe, catch_unwind};

use caro_schema::relay::{Entry, ToDevice, ToRelay};
use serde_json::json;

use super::super::{
    client::Member,
    proxied::{Doors, LAPTOP},
    relay::{MANY_TRIES, RelayProgram},
};
use crate::{
    proxy::toxic::Stream,
    sabotage::Sabotage,
    scenario::{Body, Run, Tier},
    seed::Seed,
};

/// E-ENC-01 through a door. A TCP connection that brings a record which does not open has somebody in it, so both ends give
/// it up: what stays usable is the next session, at once. In one session the transport alone is looked at (PIPE).
pub const E_ENC_01: Body = Body { tier: Tier::Proxy, broken_by: &[Sabotage::SkipTagCheck], run: flipped };

/// The first frame of a device that is let in: after the upgrade, two messages of the handshake, and its hello.
const FIRST_PUSH: u64 = 4;
/// Bytes of a page's frame before what is sealed of it: the head of a frame of this size.
const FRAME_HEAD: u64 = 4;

fn flipped(run: &mut Run) {
    let relay = RelayProgram::with_limits(MANY_TRIES);
    let doors = Doors::one(&relay, run);
    let mut member = Member::new(run.seed, 1);
    drop(member.found(doors.only()));
    let mut seed = Seed::new(run.seed);
    let mut taken = Vec::new();
    for _ in 0..run.sized(24, 3) {
        // To the relay: in the record that carries a sealed cell.
        let (byte, bit) = (seed.below(1024), seed.below(8));
        let cell = member.cell(1024);
        let mut client = member.enter(doors.only(), 0).expect("it is let in");
        doors.put(LAPTOP, Stream::Upstream, "bitflip", &json!({ "frame": FIRST_PUSH, "byte": byte, "bit": bit }));
        let answer = catch_unwind(AssertUnwindSafe(|| client.push(std::slice::from_ref(&cell))));
        if run.lacks(Sabotage::SkipTagCheck) {
            // Who does not look at the tag stores what came.
            let mut altered = cell.clone();
            altered[byte.max(2) as usize] ^= 1 << bit;
            doors.heal();
            let mut client = member.enter(doors.only(), 0).expect("it is let in");
            client.push(std::slice::from_ref(&altered)).expect("acknowledged");
        } else {
            assert!(matches!(answer, Ok(None)), "an altered record was answered");
        }
        doors.heal();
        // The next record that is as it was sealed goes through.
        let mut client = member.enter(doors.only(), 0).expect("it is let in again");
        client.push(std::slice::from_ref(&cell)).expect("acknowledged");
        taken.push(Entry::Cell(cell));
        drop(client);
        // To the device: in the page that brings it.
        let mut client = member.enter(doors.only(), 0).expect("it is let in");
        // It has been told everything that is told to newcomers, and the next frame is the page.
        client.send(&ToRelay::Ping { token: 1 }).expect("sent");
        assert!(matches!(client.hear(), Some(ToDevice::Pong { token: 1 })));
        let byte = FRAME_HEAD + byte;
        doors.put(LAPTOP, Stream::Downstream, "bitflip", &json!({ "byte": byte, "bit": bit }));
        let pulled = catch_unwind(AssertUnwindSafe(|| client.pull_all()));
        assert!(pulled.is_err(), "an altered page was opened: {:?}", pulled.map(|log| log.map(|log| log.len())));
        doors.heal();
    }
    let mut client = member.enter(doors.only(), 0).expect("it is let in");
    assert!(client.pull_all().expect("everything comes") == taken, "the log has something else");
}
