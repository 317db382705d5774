//! What a relay, or whoever stands in its place, can do to the connection itself.

use caro_schema::relay::{ToDevice, ToRelay};

use crate::hostile::behaviour::{Act, Behaviour, Door, HONEST, Heard, Outcome, Repair};

/// Told when nothing came in the time that everything has.
const SLOW: &str = "no answer in time";

/// Told when what came is none of ours.
const NOT_OURS: &str = "an answer that is not of the protocol";

/// Nothing at all.
pub(super) const SILENT: Behaviour = Behaviour {
    name: "silent",
    what: "accepts connections and says nothing",
    outcome: Outcome::Waits { told: SLOW },
    repair: Repair::Nothing,
    door: Door::Silent,
    ..HONEST
};

/// Noise.
pub(super) const NOISE: Behaviour = Behaviour {
    name: "noise",
    what: "answers with noise in place of HTTP",
    outcome: Outcome::Waits { told: "not connected (" },
    repair: Repair::Nothing,
    door: Door::Noise,
    ..HONEST
};

/// A trickle from the first byte.
pub(super) const ONE_BYTE_A_SECOND: Behaviour = Behaviour {
    name: "one-byte-a-second",
    what: "takes a second for each byte of its answers, from the first on",
    outcome: Outcome::Waits { told: SLOW },
    repair: Repair::Nothing,
    door: Door::Slow,
    ..HONEST
};

/// Another version.
pub(super) const OTHER_VERSION: Behaviour = Behaviour {
    name: "other-version",
    what: "answers that it speaks an older version of the protocol",
    outcome: Outcome::Waits { told: "not connected (" },
    repair: Repair::Nothing,
    door: Door::OtherVersion,
    ..HONEST
};

/// A handshake that was touched.
pub(super) const BENT_HANDSHAKE: Behaviour = Behaviour {
    name: "bent-handshake",
    what: "flips a bit of the post-quantum ciphertext in its handshake message",
    outcome: Outcome::Waits { told: "the handshake failed" },
    repair: Repair::Nothing,
    door: Door::BentHandshake,
    ..HONEST
};

/// The door in the face.
pub(super) const CLOSES: Behaviour = Behaviour {
    name: "closes",
    what: "closes the connection after each message",
    outcome: Outcome::Waits { told: "the relay closed the connection" },
    repair: Repair::Nothing,
    say: |_, _, message| vec![Act::Say(message), Act::Close],
    ..HONEST
};

/// A session in which nothing is said.
pub(super) const MUTE: Behaviour = Behaviour {
    name: "mute",
    what: "opens the session and then answers nothing, not even a ping",
    outcome: Outcome::Waits { told: SLOW },
    repair: Repair::Nothing,
    hear: |_, _, _| Heard::Answer(Vec::new()),
    ..HONEST
};

/// Records of nobody.
pub(super) const GARBAGE_RECORDS: Behaviour = Behaviour {
    name: "garbage-records",
    what: "sends records that nobody sealed",
    outcome: Outcome::Waits { told: NOT_OURS },
    repair: Repair::Nothing,
    hear: |_, _, message| match message {
        ToRelay::Hello { .. } => Heard::Answer(vec![Act::Raw(vec![0x5a; 100])]),
        other => Heard::On(other),
    },
    ..HONEST
};

/// Messages that say nothing.
pub(super) const GARBAGE_MESSAGES: Behaviour = Behaviour {
    name: "garbage-messages",
    what: "seals messages that are none",
    outcome: Outcome::Waits { told: NOT_OURS },
    repair: Repair::Nothing,
    hear: |_, _, message| match message {
        ToRelay::Hello { .. } => Heard::Answer(vec![Act::Sealed(vec![0xc1; 300])]),
        other => Heard::On(other),
    },
    ..HONEST
};

/// A frame that is too large.
pub(super) const OVERSIZED_FRAME: Behaviour = Behaviour {
    name: "oversized-frame",
    what: "sends a frame of sixteen megabytes",
    outcome: Outcome::Waits { told: "not connected (" },
    repair: Repair::Nothing,
    hear: |_, _, message| match message {
        ToRelay::Hello { .. } => Heard::Answer(vec![Act::Raw(vec![0; 16 * 1024 * 1024])]),
        other => Heard::On(other),
    },
    ..HONEST
};

/// A trickle in the middle of a session.
pub(super) const SLOWS_DOWN: Behaviour = Behaviour {
    name: "slows-down",
    what: "takes a second for each byte once the session is open",
    outcome: Outcome::Waits { told: SLOW },
    repair: Repair::Nothing,
    say: |_, _, message| match message {
        ToDevice::Welcome { .. } => vec![Act::SlowDown, Act::Say(message)],
        other => vec![Act::Say(other)],
    },
    ..HONEST
};
