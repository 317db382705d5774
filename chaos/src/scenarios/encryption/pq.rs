//! The post-quantum half of the handshake, and that there is no session without both halves.

use caro_link::{
    handshake::{HandshakeError, Initiator, Responder, Session},
    identity::StaticKey,
};
use caro_schema::id::RelayKey;

use crate::{
    net::Way,
    oracle,
    pipe::{Pipe, Spliced, in_message, nobody},
    sabotage::Sabotage,
    scenario::{Body, Run, Scenario, Tier},
    seed::Seed,
};

/// Where the sealed ciphertext is in message 2: after the ephemeral key, with its tag behind it.
const CIPHERTEXT: std::ops::Range<usize> = 32..32 + 1088 + 16;

/// E-PQ-01.
pub const E_PQ_01: Scenario = Scenario {
    id: "E-PQ-01",
    title: "Corrupted ML-KEM ciphertext",
    injection: "Bit flip in the encapsulated key",
    outcome: "Whole handshake fails, local error names the post-quantum stage, the wire carries only a generic alert; no \
              fallback to X25519 only",
    bodies: &[Body {
        tier: Tier::Pipe,
        broken_by: &[Sabotage::KeepHandshakeAfterError, Sabotage::AcceptX25519Only],
        run: flipped,
    }],
};

fn flipped(run: &mut Run) {
    let mut pipe = Pipe::new(run);
    let step = run.sized(16, 128);
    for bit in (run.seed as usize % step..CIPHERTEXT.len() * 8).step_by(step) {
        let mut third = None;
        let error = pipe.refused("a flipped ciphertext", &mut |which, bytes: &mut Vec<u8>| match which {
            2 => bytes[CIPHERTEXT.start + bit / 8] ^= 1 << (bit % 8),
            3 => third = Some(bytes.clone()),
            _ => {}
        });
        assert_eq!(error, HandshakeError::PostQuantum, "bit {bit}");
        // What goes over the wire afterwards is nothing at all.
        assert_eq!(third, None);
    }
    pipe.assert_retry_succeeds();
}

/// E-PQ-02.
pub const E_PQ_02: Scenario = Scenario {
    id: "E-PQ-02",
    title: "Truncated ML-KEM ciphertext",
    injection: "1,087 and 1,089 bytes. Also: handshake on the T-BW-01 link",
    outcome: "Length error before decapsulation. Slow link: completes; three messages total <= 2.6 KB; timeout fits",
    bodies: &[
        Body { tier: Tier::Pipe, broken_by: &[Sabotage::SkipLengthCheck], run: wrong_length },
        Body { tier: Tier::Sim, broken_by: &[Sabotage::SkipRetry], run: edge_link },
        crate::programs::links::far::E_PQ_02,
    ],
};

fn wrong_length(run: &mut Run) {
    let mut pipe = Pipe::new(run);
    for found in [1199, 1201] {
        let error = pipe.refused(
            "another length",
            &mut in_message(2, |bytes| {
                // In the middle of the ciphertext, so that everything behind it moves.
                match found {
                    1199 => bytes.copy_within(601.., 600),
                    _ => bytes.insert(600, 0),
                }
                bytes.truncate(found);
            }),
        );
        assert_eq!(error, HandshakeError::Size { found, expected: 1200 });
    }
    let mut sent = 0;
    assert!(pipe.shake(&mut |_, bytes| sent += bytes.len()).is_ok());
    assert!(sent <= 2600, "three messages have {sent} bytes");
    pipe.assert_retry_succeeds();
}

fn edge_link(run: &mut Run) {
    let mut world = run.world(2);
    world.seal_sessions();
    world.record(0, "canary on its way");
    world.pass(10);
    world.cut(0);
    world.link(0).both(|way| *way = Way { delay_ms: 150, bytes_per_second: Some(7_000), ..Way::default() });
    world.record(0, "canary over a narrow line");
    world.pass_until("it completes", 30_000, |world| world.is_connected(0));
    assert!(world.traffic[0].opening_ms <= 10_000, "{} ms", world.traffic[0].opening_ms);
    world.settle();
    assert_eq!(world.traffic[0].broken, 1);
    oracle::check(&world);
}

/// E-PQ-03.
pub const E_PQ_03: Scenario = Scenario {
    id: "E-PQ-03",
    title: "KEM fails, X25519 valid",
    injection: "Force decapsulation error and implicit rejection. Also: force X25519 to fail with the KEM valid",
    outcome: "Entire handshake fails both ways; no code path yields a session from one component; protocol name is fixed, \
              nothing to negotiate down",
    bodies: &[Body {
        tier: Tier::Pipe,
        broken_by: &[Sabotage::KeepHandshakeAfterError, Sabotage::AcceptX25519Only],
        run: one_half,
    }],
};

fn one_half(run: &mut Run) {
    let mut pipe = Pipe::new(run);
    let mut other = Vec::new();
    assert!(pipe.shake(&mut |_, bytes| other.push(bytes.clone())).is_ok());
    // The KEM key of another session beside this session's curve key: the responder encapsulates to somebody else, and
    // the initiator's decapsulation gives a secret that nobody has. Then the other way round.
    for range in [32..1216, 0..32] {
        pipe.refused(
            "a session from one half",
            &mut in_message(1, |bytes| {
                bytes[range.clone()].copy_from_slice(&other[0][range.clone()]);
            }),
        );
    }
    for range in [CIPHERTEXT, 0..32] {
        pipe.refused(
            "a session from one half",
            &mut in_message(2, |bytes| {
                bytes[range.clone()].copy_from_slice(&other[1][range.clone()]);
            }),
        );
    }
    // A message without any KEM key, as the classical pattern would send it.
    for (message, classical) in [(1, 32), (2, 96)] {
        let error = pipe.refused("the classical pattern", &mut in_message(message, |bytes| bytes.truncate(classical)));
        assert!(matches!(error, HandshakeError::Size { .. }));
    }
    assert_eq!(caro_link::handshake::PROTOCOL_NAME, "Noise_XXhfs_25519+MLKEM768_XChaChaPoly_BLAKE2b");
    pipe.assert_retry_succeeds();
}

/// E-PQ-04.
pub const E_PQ_04: Scenario = Scenario {
    id: "E-PQ-04",
    title: "Key size boundaries",
    injection: "Public key 0, 1,183, 1,185, 65,535 bytes; likewise ciphertext. Also: hybrid binding",
    outcome: "Rejected. Binding: a reference computation from either secret alone does not give the session keys; changing \
              either changes them",
    bodies: &[Body {
        tier: Tier::Pipe,
        broken_by: &[Sabotage::SkipLengthCheck, Sabotage::AcceptX25519Only],
        run: sizes_and_binding,
    }],
};

fn sizes_and_binding(run: &mut Run) {
    let mut pipe = Pipe::new(run);
    for kem in [0, 1, 1183, 1185, 65_535] {
        let error = pipe.refused("a key of another size", &mut in_message(1, |bytes| bytes.resize(32 + kem, 0)));
        assert_eq!(error, HandshakeError::Size { found: 32 + kem, expected: 1216 });
    }
    for ciphertext in [0, 1, 1087, 1089, 65_535] {
        let found = 32 + ciphertext + 80;
        let error = pipe.refused("a ciphertext of another size", &mut in_message(2, |bytes| bytes.resize(found, 0)));
        assert_eq!(error, HandshakeError::Size { found, expected: 1200 });
    }
    // Everything of the curve the same and everything of the KEM different, then the other way round: other keys. What
    // would be computed from one secret alone would be the same.
    let seeds = |n: u64| Seed::new(run.seed).fork(n);
    let first_record = |curve: u64, kem: u64| {
        let drawn =
            |side: u64| Spliced { first: seeds(10 * curve + side), calls: 1, then: seeds(1000 + 10 * kem + side) };
        let kem = if run.lacks(Sabotage::AcceptX25519Only) { 0 } else { kem };
        let drawn = |side: u64| Spliced { then: seeds(1000 + 10 * kem + side), ..drawn(side) };
        sealed(&mut between(&mut drawn(1), &mut drawn(2)))
    };
    let base = first_record(1, 1);
    assert!(base == first_record(1, 1), "the same secrets give the same keys");
    assert!(base != first_record(1, 2), "the keys do not depend on the KEM");
    assert!(base != first_record(2, 1), "the keys do not depend on the curve");
}

fn between(device: &mut Spliced, relay: &mut Spliced) -> Session {
    let (device_key, relay_key) = (StaticKey::from_bytes(&[1; 32]), StaticKey::from_bytes(&[2; 32]));
    let expected = Some(RelayKey(relay_key.public()));
    let (initiator, first) = Initiator::start(&device_key, expected, device).expect("entropy");
    let (responder, second) = Responder::answer(&relay_key, &first, relay).expect("an honest device");
    let (third, session) = initiator.read(&second).expect("an honest relay");
    assert!(responder.finish(&third).is_ok());
    session
}

fn sealed(session: &mut Session) -> Vec<Vec<u8>> {
    session.transport.seal(b"the same words").expect("room")
}

/// E-PQ-05.
pub const E_PQ_05: Scenario = Scenario {
    id: "E-PQ-05",
    title: "Malformed public key",
    injection: "ML-KEM coefficients >= 3329, all 0xFF; the 12 low-order X25519 points; all-zero. Also: client clock +/- 5 \
                min and +/- 10 years",
    outcome: "Rejected before use. Skew: handshake succeeds (no timestamps in it); a certificate-date failure gives an \
              actionable message",
    bodies: &[
        Body {
            tier: Tier::Pipe,
            broken_by: &[Sabotage::KeepHandshakeAfterError, Sabotage::SkipPointCheck, Sabotage::SkipModulusCheck],
            run: malformed,
        },
        Body { tier: Tier::Sim, broken_by: &[Sabotage::SkipRetry], run: skewed_clocks },
    ],
};

/// The encodings that RFC 7748 reads as a point of low order, each with the bit that it ignores clear and set. (Of
/// Bernstein's twelve, five are for who does not ignore it; here they are these with the bit set, or ordinary points.)
fn low_order_points() -> Vec<[u8; 32]> {
    let number = |low: u8, high: u8| {
        let mut point = [if low >= 0xec { 0xff } else { 0 }; 32];
        (point[0], point[31]) = (low, high);
        point
    };
    let mut points = vec![number(0, 0), number(1, 0), number(0xec, 0x7f), number(0xed, 0x7f), number(0xee, 0x7f)];
    points.push([
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09,
        0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
    ]);
    points.push([
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04, 0x44,
        0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57,
    ]);
    let marked: Vec<[u8; 32]> = points
        .iter()
        .map(|point| {
            let mut marked = *point;
            marked[31] |= 0x80;
            marked
        })
        .collect();
    [points, marked].concat()
}

fn malformed(run: &mut Run) {
    let mut pipe = Pipe::new(run);
    let mut seed = Seed::new(run.seed).fork(4);
    for _ in 0..run.sized(64, 8) {
        let coefficient = 32 + 3 * seed.below(384) as usize;
        // From the modulus, 3,329, to the largest that twelve bits hold.
        let value = 3_329 + seed.below(4_096 - 3_329) as u16;
        let error = pipe.refused(
            "a coefficient out of range",
            &mut in_message(1, |bytes| {
                bytes[coefficient] = value as u8;
                bytes[coefficient + 1] = (bytes[coefficient + 1] & 0xf0) | (value >> 8) as u8;
            }),
        );
        assert_eq!(error, HandshakeError::PostQuantum);
    }
    for fill in [0xff, 0x00] {
        let error = pipe.refused("a key of one byte", &mut in_message(1, |bytes| bytes[32..].fill(fill)));
        assert_eq!(error, HandshakeError::PostQuantum);
    }
    for point in low_order_points() {
        for message in [1, 2] {
            let error = pipe
                .refused("a point of low order", &mut in_message(message, |bytes| bytes[..32].copy_from_slice(&point)));
            assert_eq!(error, HandshakeError::LowOrder, "{point:02x?}");
        }
    }
    assert!(pipe.shake(&mut nobody).is_ok());
    pipe.assert_retry_succeeds();
}

fn skewed_clocks(run: &mut Run) {
    const YEARS_MS: i64 = 10 * 365 * 86_400_000;
    let mut world = run.world(3);
    world.seal_sessions();
    for (round, ahead_ms) in [300_000, -300_000, YEARS_MS, -YEARS_MS, 0].into_iter().enumerate() {
        world.set_clock(1, ahead_ms);
        world.cut(1);
        world.pass_until("a session with a clock that is wrong", 60_000, |world| world.is_connected(1));
        for at in 0..3 {
            world.record(at, &format!("canary {round} {at}"));
        }
        world.settle();
    }
    oracle::check(&world);
}
