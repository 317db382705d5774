//! The op: what everything that syncs is made of. A canonical header, the author's signature, and a payload that can
//! be dropped later without breaking the chain of headers.
//!
//! ```text
//! op      = version u8 · header length u16 · header · signature 64 · body
//! body    = 0                                    the payload was deleted; the header tells nothing about it
//!         | 1 · salt 32 · length u32 · payload
//! payload = encoding u8 (0 plain, 1 zstd) · [`Payload`] as a named map
//! ```
//! Integers are big-endian. Ids and signatures are computed in `caro-link`, which also checks them.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::{
    codec::{self, DecodeError, within},
    id::{Dataset, DeviceId, Hash, OpId, Signature},
    limits::{CELL_BYTES_MAX, CHANGES_MAX, PARENTS_MAX, SEQ_MAX},
    stamp::Stamp,
    version,
};

/// What an op is for. The same distinction as the class in a cell's associated data.
pub mod kind {
    /// Changes made by a person or a shell.
    pub const CHANGES: u8 = 1;
    /// The list of a snapshot: what is left of a run of ops, and in which parts.
    pub const SNAPSHOT: u8 = 2;
    /// What a device has seen: version vector, heads and relay positions.
    pub const ATTEST: u8 = 3;
    /// A part of a snapshot. It stands outside its author's chain: number and previous op are those of the last op
    /// that the author had made.
    pub const PART: u8 = 4;
}

/// The signed part of an op. Hashing its canonical bytes gives the op's id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The account. An op cannot be moved into another one.
    pub dataset: Dataset,
    /// Who made it.
    pub author: DeviceId,
    /// 1 for the author's first op, then one more for each.
    pub seq: u64,
    /// The author's previous op, zeroes for the first.
    pub prev: OpId,
    /// The heads of other authors that the author knew, ascending by author, at most one each and [`PARENTS_MAX`] in all.
    pub parents: Vec<Parent>,
    /// When, by the author's hybrid logical clock.
    pub stamp: Stamp,
    /// One of [`kind`].
    pub kind: u8,
    /// BLAKE3 of the payload, keyed with the salt, so that a header says nothing about a payload that was dropped.
    pub payload_commit: Hash,
}

/// An op of another author that an op was written after. Author and number are there beside the id so that a device
/// that began with a snapshot can tell an op it need not have from one that it misses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// Who made it.
    pub author: DeviceId,
    /// Its number.
    pub seq: u64,
    /// Its id.
    pub op: OpId,
}

impl Header {
    /// The bytes that are hashed and signed.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode_canonical(self)
    }

    /// From the bytes that [`Self::encode`] gives, and no others.
    ///
    /// # Errors
    /// When the bytes are not canonical, or a rule that holds for every header is broken: sequence numbers from 1 to
    /// [`SEQ_MAX`], parents ascending, of others, and at most [`PARENTS_MAX`], a stamp before the year 2200.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let header: Self = codec::decode_canonical(bytes)?;
        within("parents", header.parents.len(), PARENTS_MAX)?;
        let ascending = header.parents.windows(2).all(|pair| pair[0].author < pair[1].author);
        let is_number = |seq: u64| (1..=SEQ_MAX).contains(&seq);
        let odd = header.parents.iter().any(|parent| parent.author == header.author || !is_number(parent.seq));
        if !is_number(header.seq) || !ascending || odd || !header.stamp.is_plausible() {
            return Err(DecodeError::Malformed);
        }
        Ok(header)
    }
}

/// The droppable part of an op.
#[derive(Clone, PartialEq, Eq)]
pub struct Body {
    /// Keys the commitment in the header.
    pub salt: [u8; 32],
    /// Encoding byte and encoded [`Payload`].
    pub payload: Vec<u8>,
}

/// An op as it travels inside a cell, with the exact header bytes that were signed.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedOp {
    /// The header's canonical bytes, as received.
    pub header_bytes: Vec<u8>,
    /// The author's signature over them.
    pub signature: Signature,
    /// The payload, unless it was deleted.
    pub body: Option<Body>,
}

/// Bytes of a [`SignedOp`] beside its header and payload.
pub const OP_OVERHEAD_BYTES: usize = 1 + 2 + 64 + 1 + 32 + 4;

impl SignedOp {
    /// The bytes described at the head of this file.
    pub fn encode(&self) -> Vec<u8> {
        let payload_len = self.body.as_ref().map_or(0, |body| body.payload.len());
        let mut bytes = Vec::with_capacity(OP_OVERHEAD_BYTES + self.header_bytes.len() + payload_len);
        bytes.push(version::BYTES);
        bytes.extend_from_slice(&(self.header_bytes.len() as u16).to_be_bytes());
        bytes.extend_from_slice(&self.header_bytes);
        bytes.extend_from_slice(self.signature.as_bytes());
        match &self.body {
            None => bytes.push(0),
            Some(body) => {
                bytes.push(1);
                bytes.extend_from_slice(&body.salt);
                bytes.extend_from_slice(&(body.payload.len() as u32).to_be_bytes());
                bytes.extend_from_slice(&body.payload);
            }
        }
        bytes
    }

    /// From the bytes that [`Self::encode`] gives. Lengths are compared with what is there before anything is copied.
    ///
    /// # Errors
    /// When a length lies, a flag is unknown, or bytes are left over.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        within("op bytes", bytes.len(), CELL_BYTES_MAX)?;
        let mut rest = Reader(bytes);
        match rest.take(1)?[0] {
            version::BYTES => {}
            other => return Err(DecodeError::Version(other)),
        }
        let header_len = u16::from_be_bytes(rest.array()?) as usize;
        let header_bytes = rest.take(header_len)?.to_vec();
        let signature = Signature(rest.array()?);
        let body = match rest.take(1)?[0] {
            0 => None,
            1 => {
                let salt = rest.array()?;
                let payload_len = u32::from_be_bytes(rest.array()?) as usize;
                Some(Body { salt, payload: rest.take(payload_len)?.to_vec() })
            }
            _ => return Err(DecodeError::Malformed),
        };
        if !rest.0.is_empty() {
            return Err(DecodeError::Trailing);
        }
        Ok(Self { header_bytes, signature, body })
    }
}

/// What an op changes, in order. Kinds that this version does not know are kept in the op's bytes and passed over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload {
    /// The changes.
    #[serde(rename = "c")]
    pub changes: Vec<RawChange>,
}

impl Payload {
    /// From the decompressed bytes of a payload.
    ///
    /// # Errors
    /// When malformed or above [`CHANGES_MAX`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let payload: Self = codec::decode(bytes)?;
        within("changes", payload.changes.len(), CHANGES_MAX)?;
        Ok(payload)
    }
}

/// One change: a number that says what it is, and a named map that an older device need not understand.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawChange(
    /// One of [`crate::body::kind`].
    pub u16,
    /// The named map.
    pub ByteBuf,
);

impl std::fmt::Debug for RawChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("RawChange").field(&self.0).finish_non_exhaustive()
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let (head, rest) = self.0.split_at_checked(len).ok_or(DecodeError::Malformed)?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        self.take(N)?.try_into().map_err(|_| DecodeError::Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parent(author: u8) -> Parent {
        Parent { author: DeviceId([author; 32]), seq: 9, op: OpId([author; 32]) }
    }

    fn header() -> Header {
        Header {
            dataset: Dataset([1; 32]),
            author: DeviceId([2; 32]),
            seq: 3,
            prev: OpId([4; 32]),
            parents: vec![parent(5), parent(6)],
            stamp: Stamp::from_ms(1_700_000_000_000),
            kind: kind::CHANGES,
            payload_commit: Hash([7; 32]),
        }
    }

    fn op() -> SignedOp {
        let body = Body { salt: [8; 32], payload: b"\0payload".to_vec() };
        SignedOp { header_bytes: header().encode(), signature: Signature([9; 64]), body: Some(body) }
    }

    #[test]
    fn a_header_there_and_back() {
        assert_eq!(Header::decode(&header().encode()), Ok(header()));
    }

    #[test]
    fn trap_49_a_header_with_parents_out_of_order_is_refused() {
        let mut swapped = header();
        swapped.parents.reverse();
        assert_eq!(Header::decode(&swapped.encode()), Err(DecodeError::Malformed));
    }

    #[test]
    fn a_number_that_no_author_reaches_is_refused() {
        for seq in [0, SEQ_MAX + 1, u64::MAX] {
            assert_eq!(Header::decode(&Header { seq, ..header() }.encode()), Err(DecodeError::Malformed));
            let mut named = header();
            named.parents[0].seq = seq;
            assert_eq!(Header::decode(&named.encode()), Err(DecodeError::Malformed));
        }
        let last = Header { seq: SEQ_MAX, ..header() };
        assert_eq!(Header::decode(&last.encode()), Ok(last));
    }

    #[test]
    fn trap_51_a_header_that_is_its_own_parent_is_refused() {
        let mut cycle = header();
        cycle.parents = vec![parent(2)];
        assert_eq!(Header::decode(&cycle.encode()), Err(DecodeError::Malformed));
    }

    #[test]
    fn trap_51_a_header_with_too_many_parents_is_refused() {
        let mut many = header();
        many.parents = (10..=10 + PARENTS_MAX as u8).map(parent).collect();
        assert!(matches!(Header::decode(&many.encode()), Err(DecodeError::Limit { .. })));
    }

    #[test]
    fn an_op_there_and_back_and_cut_at_every_length() {
        let bytes = op().encode();
        assert!(SignedOp::decode(&bytes) == Ok(op()));
        for len in 0..bytes.len() {
            assert!(SignedOp::decode(&bytes[..len]).is_err(), "cut at {len}");
        }
        assert!(SignedOp::decode(&[&bytes[..], &[0]].concat()).is_err());
    }
}
