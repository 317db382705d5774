//! Where ops belong, whatever order they come in.

use std::collections::{BTreeMap, VecDeque};

use caro_link::{
    identity::Signer,
    proof::{op_id, payload_commit, sign_op},
};
use caro_schema::{
    id::{CellId, Dataset, DeviceId, OpId},
    limits::PARENTS_MAX,
    op::{Header, SignedOp, kind},
};
use proptest::prelude::*;

use super::*;
use crate::step::{RemoteNumber, RowError, Rows, Space};

/// A store of ops, and of nothing else.
#[derive(Default)]
struct Ops(BTreeMap<Vec<u8>, Vec<u8>>);

impl Rows for Ops {
    fn row(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, RowError> {
        // Keys in the two are of different lengths.
        assert!(matches!(space, Space::Op | Space::Fork));
        Ok(self.0.get(key).cloned())
    }

    fn rows(&self, _: Space) -> Result<Vec<(Vec<u8>, Vec<u8>)>, RowError> {
        Err(RowError)
    }

    fn queue(&self, _: RemoteNumber, _: u64, _: usize) -> Result<Vec<(u64, Vec<u8>)>, RowError> {
        Err(RowError)
    }
}

fn signer(name: u8) -> Signer {
    Signer::from_seed(&[name; 32])
}

fn device(name: u8) -> DeviceId {
    DeviceId(signer(name).public())
}

struct Author {
    name: u8,
    log: OpLog,
    ops: Ops,
}

impl Author {
    fn new(name: u8) -> Self {
        Self { name, log: OpLog::new(Dataset([9; 32]), device(name)), ops: Ops::default() }
    }

    fn write(&mut self, word: &[u8]) -> Header {
        let header = self.log.next_header(kind::CHANGES, payload_commit(&[1; 32], word), 1_000);
        self.keep(&header);
        header
    }

    fn keep(&mut self, header: &Header) {
        self.log.advance(header, op_id(&header.encode()));
        self.ops.0.insert(row_key(&header.author, header.seq), self.stored(header));
    }

    fn keep_beside(&mut self, header: &Header) {
        assert_eq!(self.place(header), Placement::Fork);
        assert!(self.log.count_beside(header.author, 10));
        let key = fork::row_key(&header.author, header.seq, &op_id(&header.encode()));
        self.ops.0.insert(key, self.stored(header));
    }

    fn stored(&self, header: &Header) -> Vec<u8> {
        let header_bytes = header.encode();
        let signature = sign_op(&signer(self.name), &header_bytes);
        let op = SignedOp { header_bytes, signature, body: None };
        Stored::new(CellId([0; 32]), op.encode()).encode()
    }

    fn place(&self, header: &Header) -> Placement {
        self.log.place(header, op_id(&header.encode()), &self.ops).unwrap()
    }

    fn take(&mut self, header: &Header) {
        assert_eq!(self.place(header), Placement::Next);
        self.keep(header);
    }
}

#[test]
fn own_ops_are_a_chain_with_the_others_heads_as_parents() {
    let (mut one, mut two) = (Author::new(1), Author::new(2));
    let first = one.write(b"a");
    assert_eq!((first.seq, first.prev, first.parents.len()), (1, OpId([0; 32]), 0));
    two.take(&first);
    let answer = two.write(b"b");
    assert_eq!(answer.parents, [caro_schema::op::Parent { author: device(1), seq: 1, op: op_id(&first.encode()) }]);
    assert!(answer.stamp > first.stamp, "an op that knows another has the greater stamp");
    // What was named once is named no more.
    assert_eq!(two.write(b"c").parents, []);
    assert_eq!(two.log.heads(PARENTS_MAX).len(), 1);
}

#[test]
fn trap_16_an_own_number_used_twice_is_a_fork() {
    let mut one = Author::new(1);
    let mut copy = Author::new(1);
    one.write(b"a");
    let other = copy.write(b"b");
    assert_eq!(one.place(&other), Placement::Fork);
    // Further down the chain too, where only the store knows the id.
    one.write(b"c");
    assert_eq!(one.place(&other), Placement::Fork);
}

#[test]
fn trap_15_a_successor_of_another_branch_is_a_fork() {
    let (mut one, mut copy) = (Author::new(1), Author::new(1));
    one.write(b"a");
    copy.write(b"b");
    let next = copy.write(b"c");
    assert_eq!(one.place(&next), Placement::Fork);
}

/// A reader who has one op of the shorter branch, and the three of the longer one.
fn reader_of_the_shorter_branch() -> (Author, [Header; 3]) {
    let (mut one, mut copy, mut reader) = (Author::new(1), Author::new(1), Author::new(2));
    reader.take(&one.write(b"a"));
    (reader, [copy.write(b"b"), copy.write(b"c"), copy.write(b"d")])
}

#[test]
fn trap_15_what_follows_an_op_beside_the_chain_is_beside_it_however_far_on() {
    let (mut reader, longer) = reader_of_the_shorter_branch();
    let waits = Placement::Waits(Need { author: device(1), seq: 2 });
    reader.keep_beside(&longer[0]);
    assert_eq!(reader.place(&longer[2]), waits, "nobody can tell what it follows");
    reader.keep_beside(&longer[1]);
    let list = Header { kind: kind::SNAPSHOT, ..longer[2].clone() };
    assert_eq!(reader.place(&list), waits, "the chain may go on after what it says again");
    reader.keep_beside(&longer[2]);
}

#[test]
fn trap_15_a_parent_beside_the_chain_is_known() {
    let (mut reader, longer) = reader_of_the_shorter_branch();
    let mut third = Author::new(3);
    longer.iter().for_each(|header| third.take(header));
    let answer = third.write(b"e");
    assert_eq!(answer.parents[0].seq, 3);
    for header in &longer {
        assert_eq!(reader.place(&answer), Placement::Waits(Need { author: device(1), seq: 3 }));
        reader.keep_beside(header);
    }
    reader.take(&answer);
}

#[test]
fn an_op_that_was_applied_is_known_and_one_with_a_gap_waits() {
    let (mut one, mut two) = (Author::new(1), Author::new(2));
    let ops = [one.write(b"a"), one.write(b"b"), one.write(b"c")];
    two.take(&ops[0]);
    assert_eq!(two.place(&ops[0]), Placement::Known);
    assert_eq!(two.place(&ops[2]), Placement::Waits(Need { author: device(1), seq: 2 }));
}

#[test]
fn an_op_waits_for_its_parents() {
    let (mut one, mut two, mut three) = (Author::new(1), Author::new(2), Author::new(3));
    let first = one.write(b"a");
    two.take(&first);
    let second = two.write(b"b");
    assert_eq!(three.place(&second), Placement::Waits(Need { author: device(1), seq: 1 }));
    three.take(&first);
    three.take(&second);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_arrival_applies_everything(script in prop::collection::vec((0..3u8, any::<bool>()), 1..40), seed in any::<u64>()) {
        // Three authors who see each other now and then.
        let mut authors: Vec<Author> = (1..=3).map(Author::new).collect();
        let mut all: Vec<Header> = Vec::new();
        for (at, (name, sees)) in script.iter().enumerate() {
            let author = &mut authors[usize::from(*name)];
            if *sees {
                for header in &all {
                    if author.place(header) == Placement::Next {
                        author.keep(header);
                    }
                }
            }
            all.push(author.write(&at.to_be_bytes()));
        }
        // One reader, in an order of its own, with everything twice.
        let mut queue: VecDeque<&Header> = all.iter().chain(&all).collect();
        let len = queue.len();
        let mut state = seed | 1;
        for at in (1..len).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            queue.swap(at, (state >> 33) as usize % (at + 1));
        }
        let mut reader = Author::new(9);
        let mut idle = 0;
        while let Some(header) = queue.pop_front() {
            match reader.place(header) {
                Placement::Next => { reader.keep(header); idle = 0; }
                Placement::Known => {}
                Placement::Waits(_) => { queue.push_back(header); idle += 1; }
                Placement::Fork | Placement::Covered => prop_assert!(false, "nobody forked or said anything again"),
            }
            prop_assert!(idle <= len * len, "something waits for ever");
        }
        prop_assert_eq!(reader.log.vector().total(), all.len() as u64);
    }
}
