//! Trap 48: what a lax Ed25519 accepts. Project Wycheproof's cases, and every pair of small-order points.

use caro_schema::id::Signature;
use ed25519_dalek::{Verifier, VerifyingKey};
use serde_json::Value;

use super::vectors::{bytes, list, text, vectors};
use crate::identity::{BadSignature, verify};

/// Each case that can be put to [`verify`]. A signature that has not 64 bytes is refused by its type.
#[test]
fn trap_48_every_case_of_wycheproof() {
    let cases = vectors!("wycheproof/ed25519_test.json");
    let (mut held, mut refused, mut impossible) = (0, 0, 0);
    for group in list(&cases, "testGroups") {
        let public = <[u8; 32]>::try_from(bytes(&group["publicKey"], "pk")).unwrap();
        for case in list(group, "tests") {
            let Some(signature) = Signature::from_slice(&bytes(case, "sig")) else {
                assert_eq!(text(case, "result"), "invalid");
                impossible += 1;
                continue;
            };
            let outcome = verify(&public, b"", &bytes(case, "msg"), &signature);
            match text(case, "result") {
                "valid" => {
                    assert_eq!(outcome, Ok(()), "{case}");
                    held += 1;
                }
                "invalid" => {
                    assert_eq!(outcome, Err(BadSignature), "{case}");
                    refused += 1;
                }
                other => panic!("{other}"),
            }
        }
    }
    assert_eq!(Value::from(held + refused + impossible), cases["numberOfTests"]);
    assert!(held > 0 && refused > 0 && impossible > 0, "{held} {refused} {impossible}");
}

/// The eight points of small order, and the encodings beside the canonical ones that decoders are known to take for them
/// (Chalkias and others, "Taming the many EdDSAs", 2020, table 1).
const SMALL_ORDER: [&str; 14] = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
];

#[test]
fn trap_48_no_key_and_no_commitment_of_small_order_verifies_anything() {
    let points = SMALL_ORDER.map(|point| <[u8; 32]>::try_from(hex::decode(point).unwrap()).unwrap());
    let mut lax = 0;
    for public in points {
        for commitment in points {
            let signature = Signature([commitment, [0; 32]].concat().try_into().unwrap());
            for message in 0..16_u8 {
                assert_eq!(verify(&public, b"domain/", &[message], &signature), Err(BadSignature));
                lax += usize::from(is_accepted_by_a_lax_check(
                    &public,
                    &[b"domain/", &[message][..]].concat(),
                    &signature,
                ));
            }
        }
    }
    // Without the strict check these would be signatures that nobody made.
    assert!(lax > 100, "{lax}");
}

fn is_accepted_by_a_lax_check(public: &[u8; 32], message: &[u8], signature: &Signature) -> bool {
    let signature = ed25519_dalek::Signature::from_bytes(signature.as_bytes());
    VerifyingKey::from_bytes(public).is_ok_and(|key| key.verify(message, &signature).is_ok())
}
