//! A device that believes too much: what one does under sabotage with cells that wait, in the place of the core.

use caro_core::{
    oplog::{OpLog, Tip},
    step::{Space, Write},
    vault::{open::open_any, payload},
};
use caro_schema::{
    body::{self, history::Record, snapshot::Snapshot},
    codec,
    op::{Header, SignedOp},
};

use crate::machine::{Machine, load};

impl Machine {
    /// What an op in a cell says was typed, whether it has its place or not.
    pub(crate) fn records_in(&self, cell: &[u8]) -> Vec<Record> {
        let changes = self.op_in(cell).into_iter().flat_map(|op| changes_of(&op, body::kind::RECORD));
        changes.filter_map(|change| codec::decode(&change).ok()).collect()
    }

    fn op_in(&self, cell: &[u8]) -> Option<SignedOp> {
        let account = self.device.account()?;
        let (_, plain) = open_any(account.vault().keys(), &account.dataset(), cell).ok()?;
        SignedOp::decode(&plain).ok()
    }

    /// Takes as read what the lists say that wait for their parts, as a device would that believes them.
    pub(crate) fn trust_lists(&mut self) {
        let row = self.disk.lose(Space::State, b"log").expect("a member");
        let mut log: OpLog = codec::decode(&row).expect("the core wrote it");
        for op in self.disk.space(Space::Quarantine).filter_map(|(_, cell)| self.op_in(cell)) {
            let header = Header::decode(&op.header_bytes).expect("the core keeps whole ops");
            for list in changes_of(&op, body::kind::SNAPSHOT) {
                let list: Snapshot = codec::decode(&list).expect("the core keeps whole lists");
                log.jump(list.author, Tip { seq: list.to, op: list.to_op }, &list.named, header.stamp);
            }
        }
        self.disk.commit(vec![Write::Row(Space::State, b"log".to_vec(), Some(codec::encode(&log)))]);
        self.device = load(&self.disk, &self.rules);
    }
}

/// The changes of one kind in an op.
fn changes_of(op: &SignedOp, kind: u16) -> Vec<Vec<u8>> {
    let payload = op.body.as_ref().and_then(|body| payload::unpack(&body.payload).ok());
    let changes = payload.into_iter().flat_map(|payload| payload.changes);
    changes.filter(|change| change.0 == kind).map(|change| change.1.into_vec()).collect()
}
