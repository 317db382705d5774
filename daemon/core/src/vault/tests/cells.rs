//! Attacks on sealed cells: every bit, every length, and every place that a relay could move one to.

use std::collections::BTreeSet;

use caro_schema::{
    cell::{CELL_HEAD_BYTES, CELL_OVERHEAD_BYTES, CellClass},
    id::Dataset,
    limits::{CELL_BYTES_MAX, CELL_BYTES_MIN},
};

use crate::vault::{
    aead,
    cell_key::CellKey,
    epoch_key::EpochKey,
    key_log_key::KeyLogKey,
    key_ring::KeyRing,
    open::{OpenError, open, open_any},
    seal::{SEALED_BYTES_MAX, TooLarge, associated_data, seal},
    secret::Secret,
};

const DATASET: Dataset = Dataset([5; 32]);
const CLASSES: [CellClass; 4] = [CellClass::Op, CellClass::KeyLog, CellClass::Snapshot, CellClass::Attest];

fn key(seed: u8) -> CellKey {
    CellKey::new(Secret::copied(&[seed; 32]))
}

fn epoch(number: u32) -> EpochKey {
    EpochKey::new(number, Secret::copied(&[number as u8; 32]))
}

fn ring() -> KeyRing {
    let mut ring = KeyRing::new(KeyLogKey::new(Secret::copied(&[0xff; 32])), epoch(0));
    ring.insert(epoch(1)).unwrap();
    ring
}

fn sealed(plain: &[u8]) -> Vec<u8> {
    seal(&key(1), &DATASET, CellClass::Op, plain, &[2; 32], &[3; 32]).unwrap()
}

fn opened(cell: &[u8]) -> Result<Vec<u8>, OpenError> {
    open(&key(1), &DATASET, CellClass::Op, cell).map(|plain| plain.to_vec())
}

#[test]
fn a_cell_opens_to_what_was_sealed_at_every_edge_of_a_bucket() {
    for size in [0, 1, 937, 938, 939, 1962, 1963, SEALED_BYTES_MAX] {
        let plain: Vec<u8> = (0..size).map(|index| index as u8).collect();
        assert_eq!(opened(&sealed(&plain)), Ok(plain), "{size} bytes");
    }
}

#[test]
fn st004_the_size_of_a_cell_tells_its_bucket_only() {
    for size in 0..=CELL_BYTES_MIN - CELL_OVERHEAD_BYTES {
        assert_eq!(sealed(&vec![7; size]).len(), CELL_BYTES_MIN, "{size} bytes");
    }
    assert_eq!(sealed(&vec![7; SEALED_BYTES_MAX]).len(), CELL_BYTES_MAX);
    let size = SEALED_BYTES_MAX + 1;
    let too_large = seal(&key(1), &DATASET, CellClass::Op, &vec![7; size], &[2; 32], &[3; 32]);
    assert_eq!(too_large, Err(TooLarge { size }));
    assert_eq!(TooLarge { size }.to_string(), "op is 65451 bytes, the limit is 65450");
}

#[test]
fn e_enc_01_every_single_flipped_bit_is_noticed() {
    let cell = sealed(b"an op");
    assert_eq!(cell.len(), 1024);
    let mut bad = cell.clone();
    for bit in 0..8 * cell.len() {
        bad[bit / 8] ^= 1 << (bit % 8);
        let expected = match bit / 8 {
            0 | 1 => OpenError::Form,
            2..10 => OpenError::OtherKey,
            // Another nonce makes another commitment.
            10..66 => OpenError::Commitment,
            _ => OpenError::Tag,
        };
        assert_eq!(opened(&bad), Err(expected), "bit {bit}");
        bad[bit / 8] ^= 1 << (bit % 8);
    }
    assert_eq!(opened(&bad).as_deref(), Ok(&b"an op"[..]));
}

#[test]
fn a_proto_01_every_single_flipped_bit_is_noticed_whichever_key_might_fit() {
    let ring = ring();
    let cell = seal(ring.current(), &DATASET, CellClass::Attest, b"seen", &[2; 32], &[3; 32]).unwrap();
    let mut bad = cell.clone();
    for bit in 0..8 * cell.len() {
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(open_any(&ring, &DATASET, &bad).is_err(), "bit {bit}");
        bad[bit / 8] ^= 1 << (bit % 8);
    }
    assert!(open_any(&ring, &DATASET, &bad).is_ok());
}

#[test]
fn a_cell_cut_or_continued_is_refused() {
    let cell = sealed(&[7; 1000]);
    assert_eq!(cell.len(), 2048);
    for len in 0..cell.len() {
        let refused = opened(&cell[..len]).unwrap_err();
        // Half of it has the form of a smaller cell.
        assert_eq!(refused, if len == 1024 { OpenError::Tag } else { OpenError::Form }, "cut at {len}");
    }
    assert_eq!(opened(&[&cell[..], &[0]].concat()), Err(OpenError::Form));
    assert_eq!(opened(&[&cell[..], &[0; 2048]].concat()), Err(OpenError::Tag));
}

#[test]
fn a_proto_02_a_cell_opens_in_its_own_place_and_in_no_other() {
    let places = || {
        [DATASET, Dataset([6; 32])].into_iter().flat_map(|dataset| {
            CLASSES.into_iter().flat_map(move |class| (1..=3u8).map(move |epoch| (dataset, class, epoch)))
        })
    };
    for sealed_in in places() {
        let (dataset, class, epoch) = sealed_in;
        let cell = seal(&key(epoch), &dataset, class, b"an op", &[2; 32], &[3; 32]).unwrap();
        for opened_in in places() {
            let (dataset, class, epoch) = opened_in;
            let outcome = open(&key(epoch), &dataset, class, &cell).map(|plain| plain.to_vec());
            let expected = if opened_in == sealed_in {
                Ok(b"an op".to_vec())
            } else if epoch != sealed_in.2 {
                Err(OpenError::OtherKey)
            } else {
                Err(OpenError::Tag)
            };
            assert_eq!(outcome, expected, "{sealed_in:?} in {opened_in:?}");
        }
    }
}

#[test]
fn a_proto_02_another_key_under_the_same_id_fails_at_the_commitment() {
    let mut cell = sealed(b"an op");
    cell[2..10].copy_from_slice(key(2).id().as_bytes());
    let outcome = open(&key(2), &DATASET, CellClass::Op, &cell);
    assert_eq!(outcome.map(|plain| plain.to_vec()), Err(OpenError::Commitment));
}

#[test]
fn any_class_opens_under_the_key_that_may_seal_it() {
    let ring = ring();
    for class in CLASSES {
        for number in [0, 1] {
            let under_epoch = seal(&epoch(number), &DATASET, class, b"an op", &[2; 32], &[3; 32]).unwrap();
            let outcome = open_any(&ring, &DATASET, &under_epoch).map(|(class, plain)| (class, plain.to_vec()));
            let expected =
                if class == CellClass::KeyLog { Err(OpenError::Tag) } else { Ok((class, b"an op".to_vec())) };
            assert_eq!(outcome, expected, "epoch {number}, {class:?}");
        }
        let under_log = seal(ring.key_log(), &DATASET, class, b"an op", &[2; 32], &[3; 32]).unwrap();
        let outcome = open_any(&ring, &DATASET, &under_log).map(|(class, plain)| (class, plain.to_vec()));
        let expected = if class == CellClass::KeyLog { Ok((class, b"an op".to_vec())) } else { Err(OpenError::Tag) };
        assert_eq!(outcome, expected, "key log, {class:?}");
    }
}

#[test]
fn trap_03_a_cell_of_an_epoch_that_is_not_known_yet_says_so_and_opens_later() {
    let mut ring = ring();
    let early = seal(&epoch(2), &DATASET, CellClass::Op, b"early", &[2; 32], &[3; 32]).unwrap();
    assert_eq!(open_any(&ring, &DATASET, &early).map(|_| ()), Err(OpenError::OtherKey));
    ring.insert(epoch(2)).unwrap();
    assert_eq!(open_any(&ring, &DATASET, &early).map(|(_, plain)| plain.to_vec()), Ok(b"early".to_vec()));
}

#[test]
fn s_blob_04_the_same_text_sealed_twice_shares_nothing() {
    let cell = |op: u8, random: u8| seal(&key(1), &DATASET, CellClass::Op, b"ls", &[op; 32], &[random; 32]).unwrap();
    let one = cell(1, 1);
    // Fresh randomness; then randomness that repeats under another op, as on a cloned machine.
    for other in [cell(1, 2), cell(2, 1)] {
        assert_ne!(one[10..34], other[10..34], "nonce");
        assert_ne!(one[34..66], other[34..66], "commitment");
        let same = one[CELL_HEAD_BYTES..].iter().zip(&other[CELL_HEAD_BYTES..]).filter(|(a, b)| a == b).count();
        // 958 random bytes agree in about four places; a shared key stream would agree in nearly all.
        assert!(same < 40, "{same} equal bytes");
    }
}

#[test]
fn s_blob_04_a_thousand_cells_have_a_thousand_nonces() {
    let nonces: BTreeSet<Vec<u8>> = (0..1000u32)
        .map(|n| {
            let mut random = [0; 32];
            random[..4].copy_from_slice(&n.to_be_bytes());
            seal(&key(1), &DATASET, CellClass::Op, b"", &[2; 32], &random).unwrap()[10..34].to_vec()
        })
        .collect();
    assert_eq!(nonces.len(), 1000);
}

#[test]
fn padding_that_is_not_zero_or_a_length_that_lies_is_refused() {
    // Sealed by somebody who has the key and does not keep to the format.
    let forged = |content: &[u8]| {
        let key = key(1);
        let nonce = key.hedged_nonce(&[2; 32], &[3; 32]);
        let split = key.split(&nonce);
        let mut inside = content.to_vec();
        inside.resize(CELL_BYTES_MIN - CELL_HEAD_BYTES - 16, 0);
        let bound = associated_data(key.id(), &DATASET, CellClass::Op);
        let tag = aead::encrypt(&split.key, &nonce, &bound, &mut inside);
        [&[1, 1][..], key.id().as_bytes(), &nonce, &split.commit, &inside, &tag].concat()
    };
    assert_eq!(opened(&forged(b"\0\0\0\x02ls")), Ok(b"ls".to_vec()));
    assert_eq!(opened(&forged(b"\0\0\0\x02ls\x01")), Err(OpenError::Padding));
    assert_eq!(opened(&forged(b"\0\0\0\x01ls")), Err(OpenError::Padding));
    assert_eq!(opened(&forged(b"\0\0\x03\xaa")), Ok(vec![0; 938]));
    assert_eq!(opened(&forged(b"\0\0\x03\xab")), Err(OpenError::Padding));
    assert_eq!(opened(&forged(b"\xff\xff\xff\xff")), Err(OpenError::Padding));
}

proptest::proptest! {
    #[test]
    fn arbitrary_bytes_never_open(mut bytes: Vec<u8>) {
        proptest::prop_assert!(open_any(&ring(), &DATASET, &bytes).is_err());
        bytes.resize(1024, 7);
        bytes[..2].copy_from_slice(&[1, 1]);
        bytes[2..10].copy_from_slice(ring().current().cell().id().as_bytes());
        proptest::prop_assert_eq!(open_any(&ring(), &DATASET, &bytes).map(|_| ()), Err(OpenError::Commitment));
    }
}
