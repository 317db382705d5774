//! Cells as such: large sets of them, cut ones, and the same one twice.

use caro_schema::{
    body::history::Record,
    id::RecordId,
    limits::COMMAND_SYNC_BYTES_MAX,
    relay::{Entry, ToDevice},
};
use serde_bytes::ByteBuf;

use crate::{
    net::{Loss, Way},
    oracle,
    sabotage::Sabotage,
    scenario::{Body, Run, Scenario, Tier},
    seed::Seed,
    world::record,
};

/// S-BLOB-01.
pub const S_BLOB_01: Scenario = Scenario {
    id: "S-BLOB-01",
    title: "Corruption after encryption",
    injection: "Flip a bit between sealing and hashing, and between hashing and sending. Also: 100 MB in chunks at 200 ms + \
                5 % loss",
    outcome: "Detected before any decrypted byte is returned. Large set arrives intact (100 MB in virtual time, 8 MiB on a \
              real link)",
    bodies: &[
        Body { tier: Tier::Sim, broken_by: &[Sabotage::SkipCellHash, Sabotage::SkipRetry], run: large_set },
        crate::programs::cells::S_BLOB_01,
        crate::programs::links::far::S_BLOB_01,
    ],
};

fn large_set(run: &mut Run) {
    let mut world = run.world(2);
    world.every_link(|link| {
        link.both(|way| *way = Way { delay_ms: 200, loss: Loss::Random(5), ..Way::default() });
    });
    let bytes = run.sized_once(100_000_000, 5_000_000, 1_000_000);
    let mut noise = Seed::new(run.seed).fork(9);
    let start_us = world.now_ms as i64 * 1000;
    let records: Vec<Record> =
        (0..bytes / COMMAND_SYNC_BYTES_MAX).map(|n| incompressible(&mut noise, n, start_us + n as i64)).collect();
    for batch in records.chunks(256) {
        world.import(0, batch.to_vec());
    }
    // A bit that flips on the way, once, when the first pages have come; and a connection that breaks.
    let mut pages = 0;
    let lacks = run.lacks(Sabotage::SkipCellHash);
    world.meddler = Some(Box::new(move |at, _, mut message| {
        if let (1, ToDevice::Page(page)) = (at, &mut message) {
            pages += 1;
            let cells = page
                .entries
                .iter_mut()
                .filter_map(|entry| if let Entry::Cell(cell) = entry { Some(cell) } else { None });
            if let Some(cell) = cells.last().filter(|_| pages == 3) {
                let middle = cell.len() / 2;
                if lacks {
                    // Who does not look at the hash takes the cell for one that it cannot use.
                    return Vec::new();
                }
                cell[middle] ^= 4;
            }
        }
        vec![message]
    }));
    world.pass(3_000);
    world.cut(0);
    world.pass_until("the altered cell is refused", 3_600_000, |world| world.is_stopped(1));
    world.meddler = None;
    world.resume(1);
    world.settle();
    oracle::check(&world);
}

fn incompressible(noise: &mut Seed, number: usize, start_us: i64) -> Record {
    let mut bytes = vec![0; COMMAND_SYNC_BYTES_MAX];
    caro_link::entropy::Entropy::fill(noise, &mut bytes).expect("a seed never ends");
    // A command is a line of text.
    bytes.iter_mut().for_each(|byte| *byte = b' ' + *byte % 95);
    let mut id = [0; 16];
    id[..8].copy_from_slice(&(number as u64).to_be_bytes());
    Record { id: RecordId(id), command: ByteBuf::from(bytes), ..record(0, "", start_us) }
}

/// S-BLOB-03.
pub const S_BLOB_03: Scenario = Scenario {
    id: "S-BLOB-03",
    title: "Partial transfer",
    injection: "Stream truncated mid-cell. Also: the same sealed cell from two clients",
    outcome: "Rejected, never silently accepted. Stored once, both clients see it",
    bodies: &[
        Body { tier: Tier::Pipe, broken_by: &[Sabotage::AcceptShortCell], run: partial },
        crate::programs::cells::S_BLOB_03,
    ],
};

fn partial(run: &mut Run) {
    let mut world = run.world(3);
    world.seal_sessions();
    for n in 0..10 {
        world.record(0, &format!("canary {n}"));
        world.pass(25);
    }
    world.settle();
    // Every length that a truncated cell can have, in steps that differ from seed to seed.
    let mut length = world.seed.below(97) as usize;
    while length < 1024 {
        let accepts = run.lacks(Sabotage::AcceptShortCell);
        let mut done = false;
        world.meddler = Some(Box::new(move |at, _, mut message| {
            if let (1, ToDevice::Page(page)) = (at, &mut message)
                && let Some(Entry::Cell(cell)) = page.entries.last_mut()
                && !done
            {
                done = true;
                if accepts {
                    // Filled up with zeroes it opens as nothing, and is passed over.
                    return Vec::new();
                }
                cell.truncate(length);
            }
            vec![message]
        }));
        world.record(0, &format!("canary cut to {length}"));
        world.pass_until("a short cell is refused", 10_000, |world| world.is_stopped(1));
        world.meddler = None;
        world.resume(1);
        world.settle();
        length += 97;
    }
    oracle::check(&world);

    // One sealed cell in two outboxes: a device that has the op offers the very bytes once more.
    world.unplug(0);
    world.record(0, "canary in two outboxes");
    world.pass(100);
    let waiting = world.machines[0].disk.queues();
    let held = world.held().len();
    world.heal(0);
    world.settle();
    assert_eq!(world.held().len(), held + 1);
    world.unplug(1);
    world.enqueue(1, waiting);
    world.heal(1);
    world.settle();
    assert_eq!(world.held().len(), held + 1, "stored twice");
    oracle::check(&world);
}
