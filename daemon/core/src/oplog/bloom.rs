//! A summary of a few op ids (Bloom, "Space/Time Trade-offs in Hash Coding", 1970), for guessing what somebody has.
//! Only ever a hint: it may change what is sent first, never whether it is sent.

use caro_schema::id::OpId;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

/// Bits for each id: with three hashes, about one id in a hundred seems to be there and is not.
const BITS_PER_ID: usize = 10;

/// Hashes of each id. They are taken from the id itself, which is a hash already.
const HASHES: usize = 3;

/// Ids in one summary.
const IDS_MAX: usize = 1024;

/// A summary of op ids.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bloom(ByteBuf);

impl Bloom {
    /// A summary of these ids, the first 1024 of them.
    pub fn of(ids: &[OpId]) -> Self {
        let ids = &ids[..ids.len().min(IDS_MAX)];
        let mut bits = vec![0u8; (ids.len() * BITS_PER_ID).div_ceil(8)];
        for id in ids {
            for bit in places(id, bits.len()) {
                bits[bit / 8] |= 1 << (bit % 8);
            }
        }
        Self(ByteBuf::from(bits))
    }

    /// Whether an id seems to be there. False is certain, true is not.
    pub fn may_have(&self, id: &OpId) -> bool {
        places(id, self.0.len()).all(|bit| self.0[bit / 8] & (1 << (bit % 8)) != 0) && !self.0.is_empty()
    }
}

fn places(id: &OpId, bytes: usize) -> impl Iterator<Item = usize> + use<> {
    let words = id.0;
    (0..HASHES).filter(move |_| bytes > 0).map(move |n| {
        let mut word = [0; 8];
        word.copy_from_slice(&words[n * 8..n * 8 + 8]);
        (u64::from_be_bytes(word) % (bytes as u64 * 8)) as usize
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u32) -> OpId {
        OpId(*blake3::hash(&n.to_be_bytes()).as_bytes())
    }

    #[test]
    fn trap_50_what_is_in_it_is_always_found_and_what_is_not_mostly_not() {
        let ids: Vec<OpId> = (0..1000).map(id).collect();
        let bloom = Bloom::of(&ids);
        assert!(ids.iter().all(|id| bloom.may_have(id)));
        let wrong = (1000..11_000).filter(|n| bloom.may_have(&id(*n))).count();
        assert!(wrong < 300, "{wrong} of 10,000 seem to be there");
        assert!(!Bloom::of(&[]).may_have(&id(1)));
    }
}
