//! A whole device against a relay that says anything: signed by the relay's key where bytes ask for it, so that more
//! than signatures is tried.

use std::{collections::BTreeSet, sync::OnceLock};

use caro_core::step::Space;
use caro_link::{identity::Signer, proof};
use caro_schema::{
    codec,
    id::{CellId, Generation, Hash},
    limits::ORPHANS_PER_AUTHOR_MAX,
    relay::{Accepted, Entry, ErrorCode, Page, ToDevice},
};
use serde_bytes::ByteBuf;

use super::{
    Target,
    account::{NOW_MS, PHRASE, Rogue, relay_signer},
    input::Input,
};
use crate::{
    disk::Disk,
    machine::{Machine, RELAY},
    seed::Seed,
    world::World,
};

pub(super) const TARGETS: &[Target] = &[Target {
    name: "device",
    what: "a device and a relay that says anything in any order, pages of genuine, altered and foreign cells with valid \
           signatures included: nothing local is lost or bent, no history appears that no member signed, the cursor goes \
           back only to the beginning, and what waits is bounded",
    run: device,
    seeds,
}];

/// A device as it was after the account was made, and cells that other members sealed.
struct Start {
    disk: Disk,
    commands: BTreeSet<String>,
    cells: Vec<Vec<u8>>,
    account: Hash,
}

fn start() -> &'static Start {
    static START: OnceLock<Start> = OnceLock::new();
    START.get_or_init(|| {
        let mut world = World::joined(1, 3, None);
        world.record(0, "echo own");
        world.settle();
        let machine = world.machines.remove(0);
        let account = machine.device.account().expect("joined").remote(RELAY).expect("one").record.account;
        Start { disk: machine.disk, commands: BTreeSet::from(["echo own".to_owned()]), cells: foreign_cells(), account }
    })
}

/// Cells of another account: whole, and sealed under keys that the device does not have.
fn foreign_cells() -> Vec<Vec<u8>> {
    let mut rogue = Rogue::new(&caro_core::vault::Phrase::from_entropy(&PHRASE), 9);
    let entry = rogue.admission();
    let mut cells = vec![rogue.entry_cell(&entry)];
    for (op, _) in rogue.chain(4) {
        cells.push(rogue.op_cell(&op));
    }
    cells
}

fn device(data: &[u8]) {
    let start = start();
    let mut machine = Machine::new(start.disk.clone(), Seed::new(1), None);
    let mut relay = Liar { input: Input::new(data), chain: vec![Hash([0; 32])], generation: Generation([1; 16]) };
    let mut last = cursor(&machine);
    while !relay.input.is_empty() {
        relay.act(&mut machine, start);
        let now = cursor(&machine);
        // A log is read again from its beginning, while it is compared or when something found no room; never from between.
        assert!(now.0 != last.0 || now.1 >= last.1 || now.1 == 0, "the cursor went back");
        last = now;
    }
    let commands: BTreeSet<String> = machine.commands().into_iter().collect();
    assert!(commands == start.commands, "history is another than was recorded");
    assert!(machine.disk.count(Space::Quarantine) <= 2 * ORPHANS_PER_AUTHOR_MAX);
}

fn cursor(machine: &Machine) -> (Option<Generation>, u64) {
    let record = &machine.device.account().expect("joined").remote(RELAY).expect("one").record;
    (record.generation, record.cursor)
}

/// A relay that does what the bytes say.
struct Liar<'a> {
    input: Input<'a>,
    /// The head after each cursor of what it has shown so far.
    chain: Vec<Hash>,
    generation: Generation,
}

impl Liar<'_> {
    fn act(&mut self, machine: &mut Machine, start: &Start) {
        let message = match self.input.below(8) {
            0 => match codec::decode::<ToDevice>(self.input.bytes()) {
                Ok(message) => message,
                Err(_) => return,
            },
            1 => return drop(machine.device.handle_connected(RELAY)),
            2 => self.welcome(start),
            3 => self.page(start),
            4 => return machine.disconnected(RELAY),
            5 => self.ack(start),
            6 => return machine.crash(),
            _ => ToDevice::Error { code: self.code(), retry_ms: Some(u64::from(self.input.short())) },
        };
        machine.decide(NOW_MS, |device, history, disk, env| {
            let (step, _close) =
                device.handle_message(RELAY, message, history, disk, env).expect("a disk that can be read");
            Ok(step)
        });
        machine.poll(RELAY);
    }

    fn welcome(&mut self, start: &Start) -> ToDevice {
        if self.input.below(8) == 7 {
            self.generation = Generation([self.input.byte(); 16]);
            self.chain.truncate(1);
        }
        let at = self.input.below(self.chain.len());
        let position = self.sign(at as u64, self.chain[at], start);
        let list = proof::sign_list(
            &Signer::from_seed(&[5; 32]),
            &caro_schema::relay::list::DeviceList { version: 1, prev: Hash([0; 32]), keys: Vec::new() },
        );
        let signer = Hash(relay_signer().public());
        ToDevice::Welcome { position, signer, list, quota_bytes: 0, used_bytes: 0 }
    }

    fn page(&mut self, start: &Start) -> ToDevice {
        let after = if self.input.below(8) == 7 { self.input.below(9) } else { self.chain.len() - 1 };
        let mut head = self.chain[after.min(self.chain.len() - 1)];
        let entries: Vec<Entry> = (0..self.input.below(6)).map(|_| self.entry(start)).collect();
        for (at, entry) in entries.iter().enumerate() {
            let id = match entry {
                Entry::Cell(cell) => proof::cell_id(cell),
                Entry::Own(id) | Entry::Gone(id) => *id,
            };
            head = proof::chain_head(&head, (after + at) as u64 + 1, &id);
            if after + at + 1 == self.chain.len() {
                self.chain.push(head);
            }
        }
        let last = (after + entries.len()) as u64;
        let position = self.sign(last, head, start);
        ToDevice::Page(Page { after: after as u64, entries, position, more: self.input.below(2) == 1 })
    }

    fn entry(&mut self, start: &Start) -> Entry {
        let genuine = &start.cells[self.input.below(start.cells.len())];
        match self.input.below(4) {
            0 => Entry::Cell(ByteBuf::from(self.input.edited(genuine))),
            1 => Entry::Own(proof::cell_id(genuine)),
            2 => Entry::Gone(proof::cell_id(genuine)),
            _ => Entry::Cell(ByteBuf::from(self.input.bytes().to_vec())),
        }
    }

    fn ack(&mut self, start: &Start) -> ToDevice {
        let cell = proof::cell_id(&start.cells[self.input.below(start.cells.len())]);
        let unknown = Accepted { cell: CellId([self.input.byte(); 32]), cursor: u64::MAX };
        ToDevice::Ack { cells: vec![Accepted { cell, cursor: u64::from(self.input.short()) }, unknown] }
    }

    fn code(&mut self) -> ErrorCode {
        let codes = [
            ErrorCode::QuotaExceeded,
            ErrorCode::RateLimited,
            ErrorCode::ListOutOfStep,
            ErrorCode::RegistrationRefused,
            ErrorCode::Idle,
            ErrorCode::Malformed,
        ];
        codes[self.input.below(codes.len())]
    }

    fn sign(&self, cursor: u64, head: Hash, start: &Start) -> caro_schema::relay::Position {
        let handle = proof::handle_of(&start.account);
        proof::sign_position(&relay_signer(), &handle, self.generation, cursor, head)
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let connect = vec![1];
    // A new life, so that what the device knows of the relay's past does not matter.
    let welcome = vec![2, 7, 9, 0];
    let page = |entry: &[u8]| [&[3, 0, 1][..], entry, &[0]].concat();
    let genuine = page(&[1, 0, 0]);
    let altered = page(&[1, 0, 1, 0, 0, 0, 40, 1]);
    let gone = page(&[1, 2]);
    let ack = vec![5, 0, 1, 0, 1];
    let all = [&connect[..], &welcome, &genuine, &altered, &gone, &ack, &[6], &connect, &welcome].concat();
    vec![connect.clone(), [&connect[..], &welcome].concat(), all, [&connect[..], &[7, 3, 0, 9]].concat()]
}
