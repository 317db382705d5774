//! A block of history as bytes: what the store seals.
//!
//! ```text
//! block = version u8 · form u8 (0 plain, 1 zstd) · [length of the plain bytes u32] · records as MessagePack
//! ```
//! The length is there for zstd only, so that reading takes one allocation. Only this device writes blocks and every one
//! is authenticated before it is read; what does not decode is damage, never an attack, and is refused as a whole.

use caro_schema::{
    body::history::Record,
    codec::{self, DecodeError},
    version,
};

use super::BLOCK_RECORDS_MAX;

const PLAIN: u8 = 0;
const ZSTD: u8 = 1;

/// Below this, a frame's header costs more than it saves.
const COMPRESS_FROM_BYTES: usize = 512;

/// Speed counts: a block is written at each command's end.
const LEVEL: i32 = 1;

/// Bytes of a block's records. 512 commands of a megabyte are far above what anyone types and below this.
const PLAIN_BYTES_MAX: usize = 1 << 30;

/// The bytes of a block.
pub fn encode(records: &[Record]) -> Vec<u8> {
    let plain = codec::encode(&records);
    let frame = (plain.len() >= COMPRESS_FROM_BYTES).then(|| zstd::bulk::compress(&plain, LEVEL)).and_then(Result::ok);
    match frame {
        Some(frame) if frame.len() + 4 < plain.len() => {
            [&[version::BYTES, ZSTD][..], &(plain.len() as u32).to_be_bytes(), &frame].concat()
        }
        _ => [&[version::BYTES, PLAIN][..], &plain].concat(),
    }
}

/// The records of a block.
///
/// # Errors
/// When the bytes are not what [`encode`] gives.
pub fn decode(bytes: &[u8]) -> Result<Vec<Record>, DecodeError> {
    match bytes {
        [version::BYTES, PLAIN, plain @ ..] => records(plain),
        [version::BYTES, ZSTD, rest @ ..] => {
            let (len, frame) = rest.split_first_chunk::<4>().ok_or(DecodeError::Malformed)?;
            let len = u32::from_be_bytes(*len) as usize;
            codec::within("bytes of a block", len, PLAIN_BYTES_MAX)?;
            let plain = zstd::bulk::decompress(frame, len).map_err(|_| DecodeError::Malformed)?;
            if plain.len() == len { records(&plain) } else { Err(DecodeError::Malformed) }
        }
        [version::BYTES, ..] | [] => Err(DecodeError::Malformed),
        [other, ..] => Err(DecodeError::Version(*other)),
    }
}

fn records(plain: &[u8]) -> Result<Vec<Record>, DecodeError> {
    let records: Vec<Record> = codec::decode(plain)?;
    codec::within("records of a block", records.len(), BLOCK_RECORDS_MAX)?;
    Ok(records)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::history::model::{any_record, record};

    proptest! {
        #[test]
        fn there_and_back(records in prop::collection::vec(any_record(), 0..40)) {
            prop_assert!(decode(&encode(&records)).as_ref() == Ok(&records));
        }

        #[test]
        fn any_bytes_are_records_or_an_error(bytes: Vec<u8>) {
            // Neither panics nor allocates what the bytes only claim.
            if let Ok(records) = decode(&bytes) {
                prop_assert!(decode(&encode(&records)).as_ref() == Ok(&records));
            }
        }
    }

    #[test]
    fn what_is_cut_or_goes_on_is_refused() {
        let long: Vec<Record> = (0..100).map(|n| record(n, 1, "make")).collect();
        for records in [&long[..1], &long] {
            let bytes = encode(records);
            for cut in 0..bytes.len() {
                assert!(decode(&bytes[..cut]).is_err());
            }
            assert!(decode(&[&bytes[..], b"\0"].concat()).is_err());
        }
        assert!(encode(&long).len() < 100 * 30, "compressed");
    }

    #[test]
    fn an_unknown_version_is_named() {
        let mut bytes = encode(&[]);
        bytes[0] = 9;
        assert!(matches!(decode(&bytes), Err(DecodeError::Version(9))));
    }

    #[test]
    fn more_records_than_a_block_has_are_refused() {
        let records = |count: usize| vec![record(1, 1, "make"); count];
        assert!(decode(&encode(&records(BLOCK_RECORDS_MAX))).is_ok());
        assert!(matches!(decode(&encode(&records(BLOCK_RECORDS_MAX + 1))), Err(DecodeError::Limit { .. })));
    }

    #[test]
    fn trap_38_a_length_above_the_limit_is_refused_before_it_is_allocated() {
        let bytes = [&[version::BYTES, ZSTD][..], &u32::MAX.to_be_bytes(), &[0; 9]].concat();
        assert!(matches!(decode(&bytes), Err(DecodeError::Limit { .. })));
    }
}
