//! Two different ops of one author with one number. It happens when a home was copied and both copies write, or an old
//! backup is put back. Nothing that a member signed is lost: what every branch says counts. Only the chain goes on from
//! one of them, and everyone chooses the same: at each number, of the ops that follow the one before, that with the
//! smallest id.

use std::collections::BTreeMap;

use caro_schema::id::{DeviceId, OpId};

use super::Tip;

/// One op of an author whose chain is in doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its number.
    pub seq: u64,
    /// Its id.
    pub op: OpId,
    /// The op that it follows.
    pub prev: OpId,
}

/// The chain among `links` that follows `before`, in order. The same for the same set, whatever order they came in.
pub fn chain(before: Tip, links: &[Link]) -> Vec<Link> {
    let mut next: BTreeMap<(u64, OpId), Link> = BTreeMap::new();
    for link in links {
        let known = next.entry((link.seq, link.prev)).or_insert(*link);
        if link.op < known.op {
            *known = *link;
        }
    }
    let mut chain = Vec::new();
    let mut last = before;
    while let Some(link) = next.remove(&(last.seq + 1, last.op)) {
        last = Tip { seq: link.seq, op: link.op };
        chain.push(link);
    }
    chain
}

/// The key of the row of an op that is on no chain: author, number, id.
pub fn row_key(author: &DeviceId, seq: u64, op: &OpId) -> Vec<u8> {
    [&author.0[..], &seq.to_be_bytes(), &op.0].concat()
}

/// Whether a key of [`row_key`] is about this author.
pub fn is_of(key: &[u8], author: &DeviceId) -> bool {
    key.starts_with(&author.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn op(name: u8) -> OpId {
        OpId([name; 32])
    }

    fn link(seq: u64, name: u8, prev: u8) -> Link {
        Link { seq, op: op(name), prev: op(prev) }
    }

    #[test]
    fn trap_15_everyone_chooses_the_same_branch() {
        // 1 ─ 5 ─ 9    the smaller id at the fork leads on, although the other branch is longer
        //   └ 7 ─ 3 ─ 2
        let links = [link(2, 5, 1), link(3, 9, 5), link(2, 7, 1), link(3, 3, 7), link(4, 2, 3)];
        let before = Tip { seq: 1, op: op(1) };
        let mut orders = vec![links.to_vec()];
        for turn in 0..links.len() {
            let mut order = links.to_vec();
            order.rotate_left(turn);
            order.reverse();
            orders.push(order);
        }
        for order in orders {
            assert_eq!(chain(before, &order), [link(2, 5, 1), link(3, 9, 5)]);
        }
    }

    #[test]
    fn ops_that_follow_nothing_are_on_no_chain() {
        let before = Tip { seq: 1, op: op(1) };
        assert_eq!(chain(before, &[link(3, 4, 3), link(2, 5, 9)]), []);
    }
}
