//! What a member of the account says: signed and sealed as it should be, and any bytes inside. Whoever has the keys may
//! say what is true of its own history; it may not make another device fall, grow without bounds or forget what it has.

use std::{collections::BTreeSet, sync::OnceLock};

use caro_core::{
    oplog::Stored,
    step::{Rows, Space},
    vault::{Vault, seal::seal},
};
use caro_link::{identity::Signer, proof};
use caro_schema::{
    body::{
        again::Again,
        attest::{Attest, Seen},
        device::{Farewell, Moved, Name, Reason, RelayKeyOf, RelayKeys, Rename},
        history::{Assistant, Delete, Record},
        kind as change_kind,
        shared::{Count, Set},
        snapshot::{Origin, Snapshot},
    },
    cell::CellClass,
    codec,
    id::{DeviceId, Generation, Hash, OpId, RecordId, RelayKey},
    limits::{ORPHANS_PER_AUTHOR_MAX, SEQ_MAX},
    op::{Body, Header, Parent, RawChange, SignedOp, kind},
    relay::{Entry, Page, ToDevice, list::DeviceList},
    stamp::Stamp,
};
use serde_bytes::ByteBuf;

use super::{
    Target,
    account::{NOW_MS, plain, record, relay_signer},
    input::Input,
};
use crate::{
    disk::Disk,
    machine::{Machine, RELAY},
    seed::Seed,
    world::World,
};

pub(super) const TARGETS: &[Target] = &[Target {
    name: "member",
    what: "ops that a member of the account signed, with any changes in them, in its own and in others' names: nothing that \
           was recorded here goes but what they delete, the device starts again from what it wrote and knows the same, and \
           what it keeps is bounded",
    run: member,
    seeds,
}];

/// A device, and the keys and the place of another one of its account.
struct Start {
    disk: Disk,
    vault: Vault,
    own: DeviceId,
    relay: RelayKey,
    account: Hash,
    seq: u64,
    head: OpId,
    recorded: BTreeSet<RecordId>,
}

fn start() -> &'static Start {
    static START: OnceLock<Start> = OnceLock::new();
    START.get_or_init(|| {
        let mut world = World::joined(2, 3, None);
        let own = world.record(0, "echo own");
        let other = world.record(1, "echo other");
        world.settle();
        let row = world.machines[1].disk.row(Space::State, b"vault").expect("in memory").expect("there");
        let vault = Vault::decode(&row).expect("its own");
        let machine = world.machines.remove(0);
        let account = machine.device.account().expect("joined");
        let remote = &account.remote(RELAY).expect("one").record;
        let author = vault.device_id();
        let ops = machine.disk.space(Space::Op).filter(|(key, _)| key.starts_with(&author.0));
        let last = ops.map(|(_, value)| Stored::decode(value).expect("its own")).last().expect("an op");
        let (header, head) = last.header().expect("an op");
        Start {
            own: account.device_id(),
            relay: remote.relay_key,
            account: remote.account,
            seq: header.seq,
            head,
            disk: machine.disk,
            vault,
            recorded: BTreeSet::from([own, other]),
        }
    })
}

fn member(data: &[u8]) {
    let start = start();
    let (mut machine, said) = heard(data, start);
    let known = |machine: &Machine| machine.history.newest().map(|record| record.id).collect::<BTreeSet<RecordId>>();
    for id in &start.recorded {
        assert!(known(&machine).contains(id) || said.deleted.contains(id), "a command is gone that nobody deleted");
    }
    look(&machine);
    assert!(machine.disk.count(Space::Quarantine) <= 2 * ORPHANS_PER_AUTHOR_MAX);
    let kept: usize = machine.disk.space(Space::State).map(|(key, value)| key.len() + value.len()).sum();
    let kept_before: usize = start.disk.space(Space::State).map(|(key, value)| key.len() + value.len()).sum();
    assert!(
        kept <= kept_before + 4 * data.len() + 64 * 1024,
        "{} bytes are kept of {}",
        kept - kept_before,
        data.len()
    );
    let (before, devices) = (known(&machine), machine.device.account().expect("joined").devices().len());
    machine.crash();
    look(&machine);
    assert!(known(&machine) == before, "another history after a start");
    assert_eq!(machine.device.account().expect("joined").devices().len(), devices);
    machine.decide(NOW_MS + 1, |device, history, disk, env| device.handle_timer(history, disk, env));
}

/// Everything that a person is shown.
fn look(machine: &Machine) {
    let account = machine.device.account().expect("joined");
    let status = account.status(|_| None);
    assert!(status.joined && account.devices().len() == 2);
    let shared = account.shared();
    let bytes: usize = shared.entries_after(None).map(|entry| entry.key.len() + entry.value.len()).sum();
    assert!(bytes <= shared.size().1 && shared.total("runs") >= shared.own_total("runs", account.device_id()));
}

/// The device after it heard all, and what it heard.
fn heard(data: &[u8], start: &Start) -> (Machine, Said) {
    let mut input = Input::new(data);
    let mut said = Said::default();
    let mut place = (start.seq, start.head);
    let mut cells = Vec::new();
    while !input.is_empty() && cells.len() < OPS_MAX {
        cells.push(op_cell(&mut input, start, &mut place, &mut said));
    }
    let mut machine = Machine::new(start.disk.clone(), Seed::new(1), None);
    drop(machine.device.handle_connected(RELAY));
    hear(&mut machine, welcome(start));
    hear(&mut machine, page(start, cells));
    machine.poll(RELAY);
    (machine, said)
}

/// Ops of one input.
const OPS_MAX: usize = 16;

/// What the ops say that may make something go.
#[derive(Default)]
struct Said {
    deleted: BTreeSet<RecordId>,
}

impl Said {
    fn note(&mut self, number: u16, bytes: &[u8]) {
        if number == change_kind::AGAIN
            && let Ok(again) = codec::decode::<Again>(bytes)
        {
            return self.note(again.kind, &again.change);
        }
        if number == change_kind::DELETE
            && let Ok(delete) = codec::decode::<Delete>(bytes)
        {
            self.deleted.insert(delete.id);
        }
    }
}

/// An op of the other device: its next one, or one out of its place.
fn op_cell(input: &mut Input<'_>, start: &Start, place: &mut (u64, OpId), said: &mut Said) -> Vec<u8> {
    let kind = [kind::CHANGES, kind::CHANGES, kind::SNAPSHOT, kind::ATTEST, kind::PART][input.below(5)];
    let seq = match input.below(8) {
        7 => place.0 + 1 + u64::from(input.byte()),
        6 => [u64::MAX, SEQ_MAX][input.below(2)] - u64::from(input.byte()),
        _ => place.0 + 1,
    };
    let is_next = seq == place.0 + 1;
    let mut changes = Vec::new();
    for _ in 0..=input.below(4) {
        let (number, bytes) = change(input, start);
        said.note(number, &bytes);
        changes.push(RawChange(number, ByteBuf::from(bytes)));
    }
    let payload = plain(&changes);
    let salt = [7; 32];
    let header = Header {
        dataset: start.vault.dataset(),
        author: start.vault.device_id(),
        seq,
        prev: place.1,
        parents: Vec::new(),
        stamp: Stamp::from_ms(NOW_MS),
        kind,
        payload_commit: proof::payload_commit(&salt, &payload),
    };
    let header_bytes = header.encode();
    let id = proof::op_id(&header_bytes);
    let signature = proof::sign_op(start.vault.signer(), &header_bytes);
    if is_next && kind != kind::PART {
        *place = (seq, id);
    }
    let op = SignedOp { header_bytes, signature, body: Some(Body { salt, payload }) };
    let class = match kind {
        kind::SNAPSHOT | kind::PART => CellClass::Snapshot,
        kind::ATTEST => CellClass::Attest,
        _ => CellClass::Op,
    };
    let dataset = start.vault.dataset();
    seal(start.vault.keys().current(), &dataset, class, &op.encode(), &id.0, &[9; 32]).expect("an input is small")
}

/// One of the genuine changes, with edits or without, or any bytes with any number.
fn change(input: &mut Input<'_>, start: &Start) -> (u16, Vec<u8>) {
    let genuine = changes(start);
    match genuine.get(input.below(genuine.len() + 1)) {
        Some((number, bytes)) => (*number, input.edited(bytes)),
        None => (u16::from(input.byte()), input.bytes().to_vec()),
    }
}

/// One of each kind, and lists of very many ops without a part.
fn changes(start: &Start) -> Vec<(u16, Vec<u8>)> {
    let author = start.vault.device_id();
    let mut changes = changes_of(start.own, author, start.relay, *start.recorded.first().expect("one"));
    for to in [u64::MAX - 256, SEQ_MAX - 256] {
        let parts = ByteBuf::new();
        let list = Snapshot { author, from: 1, to, to_op: OpId([4; 32]), named: Vec::new(), parts };
        changes.push((change_kind::SNAPSHOT, codec::encode(&list)));
    }
    changes
}

/// A change of each kind: of one device, about another.
pub(super) fn changes_of(about: DeviceId, author: DeviceId, relay: RelayKey, id: RecordId) -> Vec<(u16, Vec<u8>)> {
    let position =
        proof::sign_position(&relay_signer(), &proof::handle_of(&Hash([5; 32])), Generation([9; 16]), 7, Hash([8; 32]));
    let parent = Parent { author: about, seq: 1, op: OpId([3; 32]) };
    let origin = Origin { author, stamp: Stamp::from_ms(NOW_MS) };
    let said =
        Assistant { prompt: "why".into(), tags: vec!["ci".into()], author: "agent".into(), ..Assistant::default() };
    let assistants = Record { assistant: Some(Box::new(said)), ..record(3) };
    let set = |category: &str, key: &str, value: Option<&[u8]>| {
        let value = value.map(|value| value.to_vec().into());
        codec::encode(&Set { category: category.into(), key: key.into(), value })
    };
    let snapshot = Snapshot {
        author,
        from: 1,
        to: 2,
        to_op: OpId([4; 32]),
        named: vec![parent],
        parts: ByteBuf::from(vec![7; 2 * OpId::LEN]),
    };
    let attest = Attest {
        vector: vec![parent],
        relays: vec![Seen { relay, position }],
        all_read: true,
        missing: ByteBuf::from(vec![6; OpId::LEN]),
    };
    let again = Again { origin, kind: change_kind::SET, change: set("alias", "ll", Some(b"ls")).into() };
    let keys = RelayKeys { keys: vec![RelayKeyOf { relay, key: Hash([2; 32]) }] };
    vec![
        (change_kind::RECORD, codec::encode(&record(1))),
        (change_kind::RECORD, codec::encode(&assistants)),
        (change_kind::DELETE, codec::encode(&Delete { id })),
        (change_kind::SET, set("alias", "ll", Some(b"ls -l"))),
        (change_kind::SET, set("", "screen.enter", Some(b"\"run\""))),
        (change_kind::SET, set("kv", "k", None)),
        (change_kind::COUNT, codec::encode(&Count { key: "runs".into(), total: 7 })),
        (change_kind::DEVICE_NAME, codec::encode(&Name { name: "laptop".into(), platform: "linux x86_64".into() })),
        (change_kind::SNAPSHOT, codec::encode(&snapshot)),
        (change_kind::ORIGIN, codec::encode(&origin)),
        (change_kind::ATTEST, codec::encode(&attest)),
        (change_kind::RELAY_KEYS, codec::encode(&keys)),
        (change_kind::FAREWELL, codec::encode(&Farewell { device: about, why: Reason::Lost })),
        (change_kind::RENAME, codec::encode(&Rename { device: about, name: "desk".into() })),
        (change_kind::MOVED, codec::encode(&Moved {})),
        (change_kind::AGAIN, codec::encode(&again)),
    ]
}

fn hear(machine: &mut Machine, message: ToDevice) {
    machine.decide(NOW_MS, |device, history, disk, env| {
        let (step, _close) =
            device.handle_message(RELAY, message, history, disk, env).expect("a disk that can be read");
        Ok(step)
    });
}

/// A new life of the relay, so that what the device knows of its past does not matter.
fn welcome(start: &Start) -> ToDevice {
    let list = DeviceList { version: 1, prev: Hash([0; 32]), keys: Vec::new() };
    ToDevice::Welcome {
        position: position(start, 0, Hash([0; 32])),
        signer: Hash(relay_signer().public()),
        list: proof::sign_list(&Signer::from_seed(&[5; 32]), &list),
        quota_bytes: 0,
        used_bytes: 0,
    }
}

fn page(start: &Start, cells: Vec<Vec<u8>>) -> ToDevice {
    let mut head = Hash([0; 32]);
    for (at, cell) in cells.iter().enumerate() {
        head = proof::chain_head(&head, at as u64 + 1, &proof::cell_id(cell));
    }
    let position = position(start, cells.len() as u64, head);
    let entries = cells.into_iter().map(|cell| Entry::Cell(ByteBuf::from(cell))).collect();
    ToDevice::Page(Page { after: 0, entries, position, more: false })
}

fn position(start: &Start, cursor: u64, head: Hash) -> caro_schema::relay::Position {
    let handle = proof::handle_of(&start.account);
    proof::sign_position(&relay_signer(), &handle, Generation([7; 16]), cursor, head)
}

fn seeds() -> Vec<Vec<u8>> {
    let kinds = changes(start()).len() as u8;
    // Its next op, one change, no edits.
    let mut seeds: Vec<Vec<u8>> = (0..kinds).map(|which| vec![0, 0, 0, which, 0]).collect();
    // A list and one of its parts; what was seen; a part with whose it is.
    seeds.push(vec![2, 0, 0, 8, 0, 4, 0, 2, 9, 0, 3, 0, 0, 0]);
    seeds.push(vec![3, 0, 0, 10, 0]);
    seeds.push((0..kinds).flat_map(|which| [0, 0, 0, which, 0]).collect());
    // A list of very many ops, with a number to match, and one more from the same.
    for (base, list) in [(0, kinds - 2), (1, kinds - 1)] {
        seeds.push(vec![2, 6, base, 0, 0, list, 0, 2, 6, base, 0, 0, list, 0, 0, 0, 0, 0, 0]);
    }
    // One out of its place, and one with an edit.
    seeds.push(vec![0, 7, 0, 0, 0, 3, 0, 0, 0, 0, 0]);
    seeds.push(vec![0, 0, 0, 3, 1, 0, 0, 0, 4, 1]);
    seeds.push(vec![0, 0, 0, kinds, 200, 0, 2, 1, 1]);
    seeds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_member_says_is_taken_in() {
        let start = start();
        let known = |data: &[u8]| {
            let machine = heard(data, start).0;
            let account = machine.device.account().expect("joined");
            (machine.history.len(), account.dataset(), machine)
        };
        assert_eq!(known(&[]).0, 2);
        assert_eq!(known(&[0, 0, 0, 0, 0]).0, 3, "a command that it recorded");
        assert_eq!(known(&[0, 0, 0, 2, 0]).0, 1, "a command that it deleted");
        // A list that names parts which are not here waits for them.
        assert!(known(&[2, 0, 0, 8, 0]).2.device.account().is_some());
    }
}
