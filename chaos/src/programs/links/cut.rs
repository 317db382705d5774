//! Pushes and pulls that are cut at the end of a frame or in the middle of one.

use caro_schema::{
    id::Hash,
    relay::{Entry, ToRelay},
};
use serde_bytes::ByteBuf;
use serde_json::json;

use super::super::{
    client::{Member, expect_held},
    proxied::{Doors, LAPTOP},
    relay::{MANY_TRIES, RelayProgram},
};
use crate::{
    proxy::toxic::Stream,
    sabotage::Sabotage,
    scenario::{Body, Run, Tier},
    seed::Seed,
};

/// Cuts of one kind: after so many frames of a way, and so many bytes of the next; none for the end of a frame.
fn cuts(run: &Run, frames: std::ops::RangeInclusive<u64>, seed: &mut Seed) -> Vec<(u64, u64)> {
    let middles = run.sized(3, 1);
    let mut cuts = Vec::new();
    for frame in frames {
        cuts.push((frame, 0));
        cuts.extend((0..middles).map(|_| (frame, 1 + seed.below(6_000))));
    }
    cuts
}

/// S-SM-01 through a door.
pub const S_SM_01: Body = Body { tier: Tier::Proxy, broken_by: &[Sabotage::SkipRetry], run: cut_pushes };

fn cut_pushes(run: &mut Run) {
    let relay = RelayProgram::with_limits(MANY_TRIES);
    let doors = Doors::one(&relay, run);
    let mut member = Member::new(run.seed, 1);
    drop(member.found(doors.only()));
    let mut seed = Seed::new(run.seed);
    // A push of 128 KiB is two records; hello is frame 3. Its acknowledgement is frame 3 of the other way.
    let mut all = cuts(run, 3..=5, &mut seed).into_iter().map(|cut| (Stream::Upstream, cut)).collect::<Vec<_>>();
    all.extend(cuts(run, 1..=3, &mut seed).into_iter().map(|cut| (Stream::Downstream, cut)));
    let mut acknowledged: Vec<(ByteBuf, u64)> = Vec::new();
    for (stream, (frame, bytes)) in all {
        let cells: Vec<ByteBuf> = (0..8).map(|_| member.cell(16 << 10)).collect();
        doors.put(LAPTOP, stream, "cut_after_frame", &json!({ "frame": frame, "bytes": bytes }));
        let told = member.enter(doors.only(), 0).and_then(|mut client| client.push(&cells));
        doors.heal();
        if run.lacks(Sabotage::SkipRetry) {
            let next = acknowledged.len() as u64 + 1;
            acknowledged.extend(cells.into_iter().zip(next..));
            continue;
        }
        let mut client = member.enter(doors.only(), 0).expect("it is let in again");
        let again = client.push(&cells).expect("acknowledged");
        assert!(told.is_none_or(|told| told == again), "a repeated push has other cursors");
        assert_eq!(client.push(&cells).expect("acknowledged"), again, "a repeated push has other cursors");
        acknowledged.extend(cells.into_iter().zip(again).map(|(cell, accepted)| (cell, accepted.cursor)));
    }
    let held = expect_held(&member, doors.only(), &acknowledged);
    assert_eq!(held, acknowledged.len(), "something was taken that was never whole");
}

/// S-SM-02 through a door.
pub const S_SM_02: Body = Body { tier: Tier::Proxy, broken_by: &[Sabotage::AdvanceCursorBeforeApply], run: cut_pulls };

fn cut_pulls(run: &mut Run) {
    let relay = RelayProgram::with_limits(MANY_TRIES);
    let doors = Doors::one(&relay, run);
    let mut member = Member::new(run.seed, 2);
    let mut writer = member.found(relay.place());
    let count = run.sized(60, 20);
    let cells: Vec<ByteBuf> = (0..count).map(|_| member.cell(8 << 10)).collect();
    for some in cells.chunks(10) {
        writer.push(some).expect("acknowledged");
    }
    let mut seed = Seed::new(run.seed);
    let (mut log, mut stands) = (Vec::new(), (0, Hash([0; 32])));
    // The welcome is frame 2; pages of 64 KiB follow, of two records or so each.
    for (frame, bytes) in cuts(run, 2..=8, &mut seed) {
        doors.put(LAPTOP, Stream::Downstream, "cut_after_frame", &json!({ "frame": frame, "bytes": bytes }));
        if let Some(mut client) = member.enter(doors.only(), 1) {
            let (after, head) = stands;
            let mut more = client.pull(after, head).is_some();
            while more {
                // A page counts when all of it came.
                let Some((entries, goes_on)) = client.page() else {
                    if run.lacks(Sabotage::AdvanceCursorBeforeApply) {
                        stands.0 += 1;
                    }
                    break;
                };
                log.extend(entries);
                stands = client.stands();
                more = goes_on;
            }
        }
        doors.heal();
    }
    let mut client = member.enter(doors.only(), 1).expect("it is let in");
    client.pull(stands.0, stands.1).expect("sent");
    loop {
        let (entries, more) = client.page().expect("it comes");
        log.extend(entries);
        if !more {
            break;
        }
    }
    assert!(log.into_iter().eq(cells.into_iter().map(Entry::Cell)), "a gap, or something twice");
    // Asked again from where it stands it is told nothing.
    client.send(&ToRelay::Pull { after: client.stands().0 }).expect("sent");
    assert!(client.page().expect("an empty page").0.is_empty());
}
