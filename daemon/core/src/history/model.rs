//! For tests: a history so simple that it can only be right, a store that carries out writes, and records to try.

use std::collections::{BTreeMap, BTreeSet};

use caro_schema::{
    body::history::{Assistant, Record},
    codec,
    id::RecordId,
};
use proptest::prelude::*;

use super::{BLOCK_RECORDS_MAX, History, block};
use crate::step::{BlockNumber, Space, Write};

/// What must be there, whatever the order was.
#[derive(Default)]
pub(crate) struct Model {
    pub(crate) records: BTreeMap<RecordId, Record>,
    pub(crate) dead: BTreeSet<RecordId>,
}

impl Model {
    pub(crate) fn put(&mut self, record: Record) {
        if self.dead.contains(&record.id) {
            return;
        }
        let weight = |record: &Record| (record.has_ended(), codec::encode(record));
        let known = self.records.entry(record.id).or_insert_with(|| record.clone());
        if weight(&record) > weight(known) {
            *known = record;
        }
    }

    pub(crate) fn delete(&mut self, id: RecordId) {
        self.dead.insert(id);
        self.records.remove(&id);
    }

    pub(crate) fn assert_same(&self, history: &History) {
        let newest: Vec<Record> = history.newest().collect();
        assert!(newest.windows(2).all(|two| (two[0].start_us, two[0].id) > (two[1].start_us, two[1].id)));
        let by_id: BTreeMap<RecordId, Record> = newest.into_iter().map(|record| (record.id, record)).collect();
        assert!(by_id == self.records, "records differ");
        assert_eq!(history.len(), self.records.len());
        let texts: BTreeSet<&[u8]> = self.records.values().map(|record| &record.command[..]).collect();
        assert_eq!(history.distinct(), texts.len());
        for (id, record) in &self.records {
            assert!(history.record(id).as_ref() == Some(record));
        }
        for id in &self.dead {
            assert!(history.is_deleted(id) && !history.contains(id) && history.record(id).is_none());
        }
    }
}

/// A store, in memory.
#[derive(Default)]
pub(crate) struct Disk {
    pub(crate) blocks: BTreeMap<BlockNumber, Vec<u8>>,
    pub(crate) tombstones: BTreeSet<RecordId>,
    /// Records written, over all writes.
    pub(crate) written: usize,
}

impl Disk {
    pub(crate) fn write(&mut self, writes: Vec<Write>) {
        for write in writes {
            match write {
                Write::Block(number, Some(records)) => {
                    assert!(!records.is_empty() && records.len() <= BLOCK_RECORDS_MAX);
                    self.written += records.len();
                    self.blocks.insert(number, block::encode(&records));
                }
                Write::Block(number, None) => drop(self.blocks.remove(&number)),
                Write::Row(Space::Tombstone, key, Some(value)) if value.is_empty() => {
                    self.tombstones.insert(RecordId::from_slice(&key).unwrap());
                }
                Write::Row(..) | Write::Queue(..) => panic!("not a write of a history"),
            }
        }
    }

    pub(crate) fn load(&self) -> History {
        let mut history = History::new();
        history.load_tombstones(self.tombstones.iter().copied());
        for (number, bytes) in self.blocks.iter().rev() {
            history.load_block(*number, block::decode(bytes).unwrap());
        }
        history.set_complete();
        history
    }

    /// All records in all blocks.
    pub(crate) fn records(&self) -> Vec<Record> {
        self.blocks.values().flat_map(|bytes| block::decode(bytes).unwrap()).collect()
    }
}

pub(crate) fn id(number: u32) -> RecordId {
    let mut id = [0; 16];
    id[..4].copy_from_slice(&number.to_be_bytes());
    RecordId(id)
}

/// A plain record, started at a second.
pub(crate) fn record(number: u32, second: i64, command: &str) -> Record {
    Record {
        id: id(number),
        command: command.as_bytes().to_vec().into(),
        directory: b"/home/ada".to_vec().into(),
        host: "desk".to_owned(),
        user: "ada".to_owned(),
        shell: "zsh 5.9".to_owned(),
        session: "one".to_owned(),
        start_us: second * 1_000_000,
        duration_us: Some(1000),
        exit: Some(0),
        assistant: None,
    }
}

/// Records out of so few ids, texts and moments that they meet often.
pub(crate) fn any_record() -> impl Strategy<Value = Record> {
    let text = prop_oneof![
        prop::sample::select(COMMANDS).prop_map(|text| text.as_bytes().to_vec()),
        prop::collection::vec(prop::sample::select(LETTERS.as_bytes()), 0..12),
        prop::collection::vec(any::<u8>(), 0..6),
    ];
    let directory = prop::sample::select(&["", "/", "/home/ada", "/home/ada/src", "/home/adam"][..]);
    let host = prop::sample::select(&["", "desk", "laptop"][..]);
    let shell = prop::sample::select(&["", "bash 5.2", "zsh 5.9", "bash"][..]);
    let session = prop::sample::select(&["", "one", "two", "three"][..]);
    let end = (prop::option::of(prop_oneof![Just(0), Just(1), Just(i32::MIN)]), prop::option::of(0u64..3));
    let assistant = prop::option::weighted(
        0.2,
        "[a-c]{0,2}".prop_map(|prompt| Box::new(Assistant { prompt, ..Assistant::default() })),
    );
    ((0u32..40, text, directory), (host, shell, session), (-2i64..6, end, assistant)).prop_map(
        |((number, command, directory), (host, shell, session), (start, (exit, duration_us), assistant))| Record {
            id: id(number),
            command: command.into(),
            directory: directory.as_bytes().to_vec().into(),
            host: host.to_owned(),
            user: if number % 5 == 0 { "root".to_owned() } else { "ada".to_owned() },
            shell: shell.to_owned(),
            session: session.to_owned(),
            start_us: start * 40_000_000,
            duration_us,
            exit,
            assistant,
        },
    )
}

const COMMANDS: &[&str] = &[
    "git status",
    "git Status",
    "GIT push origin",
    "ls -la",
    "ls",
    "cargo test --package core",
    "écho Éa",
    "for f in *; do\n  echo \"$f\"\ndone",
    "sudo systemctl restart nginx",
    "ssh host.example.org",
    "",
];

const LETTERS: &str = "gitsGIT -/ é\u{ff}ls";
