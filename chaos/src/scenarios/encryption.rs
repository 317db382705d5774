//! The handshake between a device and a relay, with somebody in between.

use caro_link::handshake::HandshakeError;

use crate::{
    pipe::Pipe,
    sabotage::Sabotage,
    scenario::{Body, Run, Scenario, Tier},
    seed::Seed,
};

const SIZES: [usize; 3] = [1216, 1200, 64];

/// Changes one of the three messages and leaves the others alone.
fn in_message(message: usize, mut change: impl FnMut(&mut Vec<u8>)) -> impl FnMut(usize, &mut Vec<u8>) {
    move |which, bytes| {
        if which == message {
            change(bytes);
        }
    }
}

/// E-HS-01. Any bit of any message is flipped: no session, and a retry that is left alone succeeds.
pub const E_HS_01: Scenario = Scenario {
    id: "E-HS-01",
    title: "corrupted handshake message",
    injection: "",
    outcome: "",
    bodies: &[Body {
        tier: Tier::Pipe,
        broken_by: &[Sabotage::KeepHandshakeAfterError],
        run: |run: &mut Run| {
            let mut pipe = Pipe::new(run);
            let mut seed = Seed::new(run.seed).fork(1);
            // Each bit in turn is a test of the crate itself; here a hundred of them, others for each seed.
            for _ in 0..100 {
                let message = 1 + seed.below(3) as usize;
                let bit = seed.below(SIZES[message - 1] as u64 * 8) as usize;
                let outcome = pipe.shake(&mut in_message(message, |bytes| {
                    bytes[bit / 8] ^= 1 << (bit % 8);
                }));
                assert!(outcome.is_err(), "bit {bit} of message {message} made no difference");
            }
            assert!(pipe.shake(&mut |_, _| {}).is_ok());
        },
    }],
};

/// E-HS-02. A message is cut or lengthened: refused by its size, before anything is computed.
pub const E_HS_02: Scenario = Scenario {
    id: "E-HS-02",
    title: "truncated handshake message",
    injection: "",
    outcome: "",
    bodies: &[Body {
        tier: Tier::Pipe,
        broken_by: &[Sabotage::SkipLengthCheck],
        run: |run: &mut Run| {
            let mut pipe = Pipe::new(run);
            let mut seed = Seed::new(run.seed).fork(2);
            for _ in 0..100 {
                let message = 1 + seed.below(3) as usize;
                let expected = SIZES[message - 1];
                let found = seed.below(expected as u64) as usize;
                let outcome = pipe.shake(&mut in_message(message, |bytes| {
                    bytes.truncate(found);
                }));
                assert_eq!(outcome.err(), Some(HandshakeError::Size { found, expected }));
            }
            assert!(pipe.shake(&mut |_, _| {}).is_ok());
        },
    }],
};

/// E-HS-03. Messages of two sessions are swapped, or come in another order: no session.
pub const E_HS_03: Scenario = Scenario {
    id: "E-HS-03",
    title: "reordered handshake messages",
    injection: "",
    outcome: "",
    bodies: &[Body {
        tier: Tier::Pipe,
        broken_by: &[Sabotage::KeepHandshakeAfterError],
        run: |run: &mut Run| {
            let mut pipe = Pipe::new(run);
            let mut other = Vec::new();
            assert!(pipe.shake(&mut |_, bytes| other.push(bytes.clone())).is_ok());
            for (message, instead) in [(1, 2), (1, 3), (2, 1), (2, 2), (2, 3), (3, 1), (3, 2), (3, 3)] {
                let outcome = pipe.shake(&mut in_message(message, |bytes| {
                    bytes.clone_from(&other[instead - 1]);
                }));
                assert!(outcome.is_err(), "message {instead} of another session passed as message {message}");
            }
        },
    }],
};

/// E-HS-04. Messages of an earlier session are sent again: no session; and a record of a session opens once.
pub const E_HS_04: Scenario = Scenario {
    id: "E-HS-04",
    title: "replayed handshake message",
    injection: "",
    outcome: "",
    bodies: &[Body {
        tier: Tier::Pipe,
        broken_by: &[Sabotage::KeepHandshakeAfterError, Sabotage::NoReplayWindow],
        run: |run: &mut Run| {
            let mut pipe = Pipe::new(run);
            let mut earlier = Vec::new();
            let (mut device, mut relay) =
                pipe.shake(&mut |_, bytes| earlier.push(bytes.clone())).expect("nobody meddles");
            // All three at once: the relay answers the old first message with a new second one, and the old third does not fit.
            let outcome = pipe.shake(&mut |which, bytes| {
                if which != 2 {
                    bytes.clone_from(&earlier[which - 1]);
                }
            });
            assert!(outcome.is_err());
            let record = device.transport.seal(b"once").expect("room").remove(0);
            assert_eq!(pipe.open(&mut relay, &record), Ok(Some(b"once".to_vec())));
            assert!(pipe.open(&mut relay, &record).is_err(), "a record opened twice");
        },
    }],
};

/// E-HS-05. A message of any other size, up to the largest that a frame can announce: refused on its size.
pub const E_HS_05: Scenario = Scenario {
    id: "E-HS-05",
    title: "oversized handshake message",
    injection: "",
    outcome: "",
    bodies: &[Body {
        tier: Tier::Pipe,
        broken_by: &[Sabotage::SkipLengthCheck],
        run: |run: &mut Run| {
            let mut pipe = Pipe::new(run);
            for (message, expected) in SIZES.iter().enumerate() {
                for found in [expected + 1, 65_535, 1 << 20] {
                    let outcome = pipe.shake(&mut in_message(message + 1, |bytes| {
                        bytes.resize(found, 0x5a);
                    }));
                    assert_eq!(outcome.err(), Some(HandshakeError::Size { found, expected: *expected }));
                }
            }
        },
    }],
};

/// E-HS-06. Another relay answers, or two handshakes of one device cross: no session with whoever is not the relay that
/// is known, and crossed handshakes are two sessions that do not understand each other.
pub const E_HS_06: Scenario = Scenario {
    id: "E-HS-06",
    title: "handshake with another, and two at once",
    injection: "",
    outcome: "",
    bodies: &[Body {
        tier: Tier::Pipe,
        broken_by: &[Sabotage::AcceptAnyRelay],
        run: |run: &mut Run| {
            let mut pipe = Pipe::new(run);
            let (mut one, mut at_relay) = pipe.shake(&mut |_, _| {}).expect("nobody meddles");
            let (two, mut other_at_relay) = pipe.shake(&mut |_, _| {}).expect("nobody meddles");
            assert!(one.handshake_hash != two.handshake_hash);
            let record = one.transport.seal(b"for the first").expect("room").remove(0);
            assert!(other_at_relay.transport.open(&record).is_err());
            assert!(at_relay.transport.open(&record).is_ok());
            pipe.replace_relay();
            assert!(matches!(pipe.shake(&mut |_, _| {}).err(), Some(HandshakeError::RelayKey { .. })));
        },
    }],
};

/// E-PQ-01. A bit of the encapsulated key is flipped: the whole handshake fails, and there is no fallback.
pub const E_PQ_01: Scenario = Scenario {
    id: "E-PQ-01",
    title: "corrupted ML-KEM ciphertext",
    injection: "",
    outcome: "",
    bodies: &[Body {
        tier: Tier::Pipe,
        broken_by: &[Sabotage::KeepHandshakeAfterError],
        run: |run: &mut Run| {
            let mut pipe = Pipe::new(run);
            let mut seed = Seed::new(run.seed).fork(3);
            for _ in 0..64 {
                // After the ephemeral key: the ciphertext and its tag.
                let bit = (32 * 8 + seed.below((1088 + 16) * 8)) as usize;
                let outcome = pipe.shake(&mut in_message(2, |bytes| {
                    bytes[bit / 8] ^= 1 << (bit % 8);
                }));
                assert!(outcome.is_err(), "bit {bit} made no difference");
            }
        },
    }],
};

/// E-PQ-02. The ciphertext is a byte too short or too long: a length error; and the three messages are 2,480 bytes.
pub const E_PQ_02: Scenario = Scenario {
    id: "E-PQ-02",
    title: "truncated ML-KEM ciphertext",
    injection: "",
    outcome: "",
    bodies: &[Body {
        tier: Tier::Pipe,
        broken_by: &[Sabotage::SkipLengthCheck],
        run: |run: &mut Run| {
            let mut pipe = Pipe::new(run);
            for found in [1199, 1201] {
                let outcome = pipe.shake(&mut in_message(2, |bytes| {
                    // In the middle of the ciphertext, so that everything behind it moves.
                    match found {
                        1199 => bytes.copy_within(601.., 600),
                        _ => bytes.insert(600, 0),
                    }
                    bytes.truncate(found);
                }));
                assert_eq!(outcome.err(), Some(HandshakeError::Size { found, expected: 1200 }));
            }
            let mut sent = 0;
            assert!(pipe.shake(&mut |_, bytes| sent += bytes.len()).is_ok());
            assert_eq!(sent, 2480);
        },
    }],
};

/// E-PQ-03. One half of the hybrid fails while the other is valid, each way: no session from one half.
pub const E_PQ_03: Scenario = Scenario {
    id: "E-PQ-03",
    title: "one half of the hybrid fails",
    injection: "",
    outcome: "",
    bodies: &[Body {
        tier: Tier::Pipe,
        broken_by: &[Sabotage::KeepHandshakeAfterError],
        run: |run: &mut Run| {
            let mut pipe = Pipe::new(run);
            let mut other = Vec::new();
            assert!(pipe.shake(&mut |_, bytes| other.push(bytes.clone())).is_ok());
            // The KEM key of another session beside this session's curve key, and the other way round.
            for range in [0..32, 32..1216] {
                let outcome = pipe.shake(&mut in_message(1, |bytes| {
                    bytes[range.clone()].copy_from_slice(&other[0][range.clone()]);
                }));
                assert!(outcome.is_err(), "a session from one half: {range:?}");
            }
            for range in [0..32, 32..1136] {
                let outcome = pipe.shake(&mut in_message(2, |bytes| {
                    bytes[range.clone()].copy_from_slice(&other[1][range.clone()]);
                }));
                assert!(outcome.is_err(), "a session from one half: {range:?}");
            }
        },
    }],
};

/// E-PQ-04. Key and ciphertext of every wrong size: refused; and the session changes with either secret.
pub const E_PQ_04: Scenario = Scenario {
    id: "E-PQ-04",
    title: "key size boundaries",
    injection: "",
    outcome: "",
    bodies: &[Body {
        tier: Tier::Pipe,
        broken_by: &[Sabotage::SkipLengthCheck],
        run: |run: &mut Run| {
            let mut pipe = Pipe::new(run);
            for kem in [0, 1, 1183, 1185, 65_503] {
                let outcome = pipe.shake(&mut in_message(1, |bytes| {
                    bytes.resize(32 + kem, 0);
                }));
                assert_eq!(outcome.err(), Some(HandshakeError::Size { found: 32 + kem, expected: 1216 }));
            }
            let (mut one, _) = pipe.shake(&mut |_, _| {}).expect("nobody meddles");
            let (mut two, _) = pipe.shake(&mut |_, _| {}).expect("nobody meddles");
            let sealed = |session: &mut caro_link::handshake::Session| session.transport.seal(b"same").expect("room");
            assert!(sealed(&mut one) != sealed(&mut two));
        },
    }],
};

/// E-PQ-05. Keys out of range and points of low order: refused before they are used.
pub const E_PQ_05: Scenario = Scenario {
    id: "E-PQ-05",
    title: "malformed public key",
    injection: "",
    outcome: "",
    bodies: &[Body {
        tier: Tier::Pipe,
        broken_by: &[Sabotage::KeepHandshakeAfterError],
        run: |run: &mut Run| {
            let mut pipe = Pipe::new(run);
            let mut seed = Seed::new(run.seed).fork(4);
            for _ in 0..16 {
                let at = 32 + 3 * seed.below(384) as usize;
                let outcome = pipe.shake(&mut in_message(1, |bytes| {
                    // A coefficient of 4,095, above the modulus of 3,329.
                    bytes[at] = 0xff;
                    bytes[at + 1] |= 0x0f;
                }));
                assert_eq!(outcome.err(), Some(HandshakeError::PostQuantum));
            }
            for low in [[0; 32], {
                let mut one = [0; 32];
                one[0] = 1;
                one
            }] {
                for message in [1, 2] {
                    let outcome = pipe.shake(&mut in_message(message, |bytes| {
                        bytes[..32].copy_from_slice(&low);
                    }));
                    assert_eq!(outcome.err(), Some(HandshakeError::LowOrder));
                }
            }
        },
    }],
};
