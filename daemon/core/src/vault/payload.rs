//! The payload's outer form: one byte that says how, then the changes, compressed when there are several.
//!
//! A single change is never compressed: its size would say something about its text, next to text of another's
//! choosing. What comes in is taken to be a bomb until it is not: neither a frame's word on its size nor its window is
//! believed. Both directions keep the same limits, so what is packed here and fits a cell is unpacked everywhere.

use std::io::Read;

use caro_schema::{
    codec::{self, DecodeError},
    limits::{CHANGES_MAX, PAYLOAD_BYTES_MAX, PAYLOAD_RATIO_MAX},
    op::Payload,
};
use zeroize::Zeroizing;

/// The changes as they are.
const PLAIN: u8 = 0;
/// The changes in one zstd frame (RFC 8878).
const ZSTD: u8 = 1;

/// zstd's own default. Histories gain little above it, and an import packs hundreds of payloads.
const ZSTD_LEVEL: i32 = 3;

/// The largest window that a frame may ask for, as a power of two: no payload reaches further back than its own length.
/// Without it a frame of ten bytes could make the decoder take 128 MiB.
const WINDOW_LOG_MAX: u32 = PAYLOAD_BYTES_MAX.ilog2();

/// Why a payload cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnpackError {
    /// No bytes.
    #[error("empty payload")]
    Empty,
    /// An encoding that this version does not know.
    #[error("payload encoding {0} is not known here")]
    Encoding(u8),
    /// Not one whole zstd frame.
    #[error("malformed compressed payload")]
    Frame,
    /// More bytes than a payload may have, or than a frame of its size may give.
    #[error("payload is larger than {limit} bytes")]
    TooLarge {
        /// What it may be.
        limit: usize,
    },
    /// The changes cannot be decoded.
    #[error("malformed changes: {0}")]
    Changes(DecodeError),
}

/// Encodes changes, compressed where that is smaller. A result too large for a cell means: fewer changes.
pub fn pack(changes: &Payload) -> Vec<u8> {
    let plain = Zeroizing::new(codec::encode(changes));
    match compressed(changes, &plain) {
        Some(frame) => [&[ZSTD], frame.as_slice()].concat(),
        None => [&[PLAIN], plain.as_slice()].concat(),
    }
}

/// Bytes that [`pack`] would give.
pub fn packed_len(changes: &Payload) -> usize {
    let packed = Zeroizing::new(pack(changes));
    packed.len()
}

/// Decodes what [`pack`] gave.
///
/// # Errors
/// When the encoding is unknown, the bytes are malformed, or a limit is passed. No limit is passed by more than a byte
/// before it is noticed.
pub fn unpack(bytes: &[u8]) -> Result<Payload, UnpackError> {
    let (encoding, rest) = bytes.split_first().ok_or(UnpackError::Empty)?;
    let plain = match *encoding {
        PLAIN => {
            at_most(rest.len(), PAYLOAD_BYTES_MAX)?;
            return Payload::decode(rest).map_err(UnpackError::Changes);
        }
        ZSTD => decompressed(rest)?,
        other => return Err(UnpackError::Encoding(other)),
    };
    Payload::decode(&plain).map_err(UnpackError::Changes)
}

/// The frame, if there should be one: several changes, smaller than plain, and nothing that a reader must take for a bomb.
fn compressed(changes: &Payload, plain: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let count = changes.changes.len();
    if !(2..=CHANGES_MAX).contains(&count) || plain.len() > PAYLOAD_BYTES_MAX {
        return None;
    }
    let frame = Zeroizing::new(zstd::bulk::compress(plain, ZSTD_LEVEL).ok()?);
    (frame.len() < plain.len() && plain.len() <= limit(&frame)).then_some(frame)
}

fn decompressed(frame: &[u8]) -> Result<Zeroizing<Vec<u8>>, UnpackError> {
    let limit = limit(frame);
    // All the room at once, so that no copy of private text is left behind by growing.
    let mut plain = Zeroizing::new(Vec::with_capacity(limit + 1));
    let mut decoder = zstd::stream::read::Decoder::with_buffer(frame).map_err(|_| UnpackError::Frame)?.single_frame();
    decoder.window_log_max(WINDOW_LOG_MAX).map_err(|_| UnpackError::Frame)?;
    decoder.by_ref().take(limit as u64 + 1).read_to_end(&mut plain).map_err(|_| UnpackError::Frame)?;
    at_most(plain.len(), limit)?;
    if !decoder.into_inner().is_empty() {
        return Err(UnpackError::Frame);
    }
    Ok(plain)
}

/// Bytes that a frame may give.
fn limit(frame: &[u8]) -> usize {
    frame.len().saturating_mul(PAYLOAD_RATIO_MAX).min(PAYLOAD_BYTES_MAX)
}

fn at_most(size: usize, limit: usize) -> Result<(), UnpackError> {
    if size > limit { Err(UnpackError::TooLarge { limit }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use caro_schema::op::RawChange;
    use serde_bytes::ByteBuf;

    use super::*;

    fn payload(changes: impl IntoIterator<Item = Vec<u8>>) -> Payload {
        Payload { changes: changes.into_iter().map(|bytes| RawChange(1, ByteBuf::from(bytes))).collect() }
    }

    /// Commands as people type them: alike, and never the same twice.
    fn commands(count: usize) -> Payload {
        payload(
            (0..count).map(|n| format!("git commit -m 'change number {n}' -- src/file_{}.rs", n * 7919).into_bytes()),
        )
    }

    fn frame(plain: &[u8]) -> Vec<u8> {
        [&[ZSTD], zstd::bulk::compress(plain, 19).unwrap().as_slice()].concat()
    }

    #[test]
    fn st004_one_change_is_never_compressed_and_many_are() {
        let many = commands(500);
        // The same text as one change shrinks as well, within every limit; it is left as it is.
        let one = payload([many.changes.iter().flat_map(|change| change.1.to_vec()).collect()]);
        assert_eq!(pack(&one)[0], PLAIN);
        let packed = pack(&many);
        assert_eq!(packed[0], ZSTD);
        assert!(packed.len() * 5 < codec::encode(&many).len());
    }

    #[test]
    fn changes_that_do_not_shrink_stay_plain() {
        let tiny = payload([vec![1], vec![2]]);
        assert_eq!(pack(&tiny)[0], PLAIN);
        assert_eq!(unpack(&pack(&tiny)), Ok(tiny));
    }

    #[test]
    fn what_is_packed_unpacks_to_the_same_and_has_the_length_foretold() {
        for changes in [Payload::default(), commands(1), commands(2), commands(3_000)] {
            let packed = pack(&changes);
            assert_eq!(packed.len(), packed_len(&changes));
            assert_eq!(unpack(&packed), Ok(changes));
        }
    }

    #[test]
    fn what_fits_a_cell_is_always_taken_back() {
        // So alike that compressing would pass the ratio; so many that the count would pass its limit; above 1 MiB.
        let alike = payload(vec![vec![0; 100]; 5_000]);
        let many = payload(vec![vec![]; CHANGES_MAX + 1]);
        let large = commands(20_000);
        for changes in [alike, many, large] {
            let packed = pack(&changes);
            assert_eq!(packed[0], PLAIN);
            assert!(packed.len() > crate::vault::seal::SEALED_BYTES_MAX);
        }
    }

    #[test]
    fn a_bomb_within_the_frame_is_refused_by_its_ratio() {
        let bomb = frame(&vec![0; PAYLOAD_BYTES_MAX]);
        assert!(bomb.len() < 200, "{}", bomb.len());
        let limit = (bomb.len() - 1) * PAYLOAD_RATIO_MAX;
        assert_eq!(unpack(&bomb), Err(UnpackError::TooLarge { limit }));
    }

    /// A frame that does not say how much it holds, and keeps to the window.
    fn silent_frame(plain: &[u8]) -> Vec<u8> {
        let mut encoder = zstd::stream::write::Encoder::new(vec![ZSTD], 3).unwrap();
        encoder.window_log(WINDOW_LOG_MAX).unwrap();
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_bomb_of_random_and_zeroes_is_refused_by_its_size() {
        // 40 KiB that do not shrink buy a ratio that would allow 2.5 MiB.
        let mut plain = vec![0; 40 * 1024];
        blake3::Hasher::new().finalize_xof().fill(&mut plain);
        plain.resize(64 * 1024 * 1024, 0);
        assert_eq!(unpack(&silent_frame(&plain)), Err(UnpackError::TooLarge { limit: PAYLOAD_BYTES_MAX }));
        // One byte less than too large is only not MessagePack.
        plain.truncate(PAYLOAD_BYTES_MAX + 1);
        assert_eq!(unpack(&silent_frame(&plain)), Err(UnpackError::TooLarge { limit: PAYLOAD_BYTES_MAX }));
        plain.truncate(PAYLOAD_BYTES_MAX);
        assert!(matches!(unpack(&silent_frame(&plain)), Err(UnpackError::Changes(_))));
    }

    #[test]
    fn a_frame_that_asks_for_a_large_window_is_refused() {
        // Magic, a header with a window of 2^27 and no content size, then one empty last block.
        let greedy = [&[ZSTD, 0x28, 0xb5, 0x2f, 0xfd, 0x00, (27 - 10) << 3][..], &[0x01, 0x00, 0x00]].concat();
        assert_eq!(unpack(&greedy), Err(UnpackError::Frame));
        let modest = [&[ZSTD, 0x28, 0xb5, 0x2f, 0xfd, 0x00, (20 - 10) << 3][..], &[0x01, 0x00, 0x00]].concat();
        assert_eq!(unpack(&modest), Err(UnpackError::Changes(DecodeError::Malformed)));
    }

    #[test]
    fn a_frame_that_lies_about_its_size_is_refused() {
        let mut lying = frame(&codec::encode(&commands(50)));
        // A single segment with a two-byte content size (RFC 8878, section 3.1.1.1): the header says 65,791 bytes.
        assert_eq!(lying[5] & 0b1110_0000, 0b0110_0000);
        lying[6..8].copy_from_slice(&[0xff, 0xff]);
        assert_eq!(unpack(&lying), Err(UnpackError::Frame));
    }

    #[test]
    fn a_payload_cut_or_continued_is_refused() {
        for packed in [pack(&commands(1)), pack(&commands(100))] {
            for len in 0..packed.len() {
                assert!(unpack(&packed[..len]).is_err(), "cut at {len}");
            }
            assert!(unpack(&[&packed[..], &[0]].concat()).is_err());
        }
        let twice = pack(&commands(100));
        assert_eq!(unpack(&[&twice[..], &twice[1..]].concat()), Err(UnpackError::Frame));
    }

    #[test]
    fn an_unknown_encoding_is_named() {
        assert_eq!(unpack(&[]), Err(UnpackError::Empty));
        assert_eq!(unpack(&[2, 0]), Err(UnpackError::Encoding(2)));
    }

    #[test]
    fn a_plain_payload_above_the_limit_is_refused_before_it_is_read() {
        let large = vec![PLAIN; PAYLOAD_BYTES_MAX + 2];
        assert_eq!(unpack(&large), Err(UnpackError::TooLarge { limit: PAYLOAD_BYTES_MAX }));
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>, encoding in 0u8..3) {
            let bytes = [&[encoding][..], &bytes].concat();
            if let Ok(payload) = unpack(&bytes) {
                proptest::prop_assert!(payload.changes.len() <= CHANGES_MAX);
            }
        }
    }
}
