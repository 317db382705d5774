//! What a relay can answer.

use caro_schema::{
    id::CellId,
    relay::{Accepted, ErrorCode, ToDevice, ToRelay},
};

use crate::hostile::{
    behaviour::{Act, Behaviour, HONEST, Heard, Outcome, Repair},
    relay::{Relay, as_if_stored},
};

/// Told of what no relay says.
const MISBEHAVED: &str = "it does not keep to the protocol and may need an upgrade";

/// Space that is not there.
pub(super) const LYING_QUOTA: Behaviour = Behaviour {
    name: "lying-quota",
    what: "says that the account may hold one byte and holds all that a number can say",
    outcome: Outcome::Notes { told: "of 1 B used" },
    repair: Repair::Nothing,
    say: |_, _, message| match message {
        ToDevice::Welcome { position, signer, list, .. } => {
            vec![Act::Say(ToDevice::Welcome { position, signer, list, quota_bytes: 1, used_bytes: u64::MAX })]
        }
        other => vec![Act::Say(other)],
    },
    ..HONEST
};

/// An acknowledgement of nothing.
pub(super) const ACK_UNKNOWN: Behaviour = Behaviour {
    name: "ack-unknown",
    what: "acknowledges cells that nobody pushed, with cursors that no log has",
    outcome: Outcome::Harmless,
    repair: Repair::Nothing,
    say: |_, _, message| {
        let unknown = Accepted { cell: CellId([9; 32]), cursor: u64::MAX };
        vec![Act::Say(message), Act::Say(ToDevice::Ack { cells: vec![unknown] })]
    },
    ..HONEST
};

/// An acknowledgement of what is thrown away.
pub(super) const ACK_WITHOUT_STORING: Behaviour = Behaviour {
    name: "ack-without-storing",
    what: "acknowledges what is pushed, and throws it away",
    outcome: Outcome::Stops { told: "it shows an older history than before" },
    repair: Repair::Renew,
    hear: |relay, caller, message| match (message, caller.handle) {
        (ToRelay::Push { cells }, Some(handle)) => {
            let end = relay.end(&handle);
            Heard::Answer(vec![Act::Say(as_if_stored(end, &cells)), Act::Close])
        }
        (other, _) => Heard::On(other),
    },
    ..HONEST
};

/// Cells before anything else.
pub(super) const BEFORE_WELCOME: Behaviour = Behaviour {
    name: "cells-before-welcome",
    what: "answers the first message with a page of cells",
    outcome: Outcome::Stops { told: MISBEHAVED },
    repair: Repair::On,
    hear: |relay, _, message| match message {
        ToRelay::Hello { handle } => {
            let end = relay.end(&handle);
            Heard::Answer(vec![Act::Say(ToDevice::Page(relay.paged(&handle, end, Vec::new(), false)))])
        }
        other => Heard::On(other),
    },
    ..HONEST
};

/// Welcome, and welcome.
pub(super) const WELCOME_TWICE: Behaviour = Behaviour {
    name: "welcome-twice",
    what: "says welcome twice",
    outcome: Outcome::Stops { told: MISBEHAVED },
    repair: Repair::On,
    say: |_, _, message| match message {
        ToDevice::Welcome { .. } => vec![Act::Say(message.clone()), Act::Say(message)],
        other => vec![Act::Say(other)],
    },
    ..HONEST
};

fn refusal(relay: &Relay) -> Heard {
    Heard::Answer(vec![Act::Say(ToDevice::Error { code: relay.code, retry_ms: None })])
}

/// An error at the door.
pub(super) const REFUSES_HELLO: Behaviour = Behaviour {
    name: "refuses-hello",
    what: "answers a device that comes back with an error, of every code",
    outcome: Outcome::Stops { told: MISBEHAVED },
    repair: Repair::On,
    hear: |relay, _, message| match message {
        ToRelay::Hello { .. } => refusal(relay),
        other => Heard::On(other),
    },
    ..HONEST
};

/// An error in place of cells.
pub(super) const REFUSES_PULL: Behaviour = Behaviour {
    name: "refuses-pull",
    what: "answers a pull with an error, of every code",
    outcome: Outcome::Stops { told: MISBEHAVED },
    repair: Repair::On,
    hear: |relay, _, message| match message {
        ToRelay::Pull { .. } => refusal(relay),
        other => Heard::On(other),
    },
    ..HONEST
};

/// An error in place of an acknowledgement.
pub(super) const REFUSES_PUSH: Behaviour = Behaviour {
    name: "refuses-push",
    what: "answers a push with an error, of every code",
    outcome: Outcome::Stops { told: MISBEHAVED },
    repair: Repair::On,
    hear: |relay, _, message| match message {
        ToRelay::Push { .. } => refusal(relay),
        other => Heard::On(other),
    },
    ..HONEST
};

/// Talk without end.
pub(super) const ENDLESS_PRESENCE: Behaviour = Behaviour {
    name: "endless-presence",
    what: "tells without end how many devices are connected, before it has said welcome",
    outcome: Outcome::Stops { told: MISBEHAVED },
    repair: Repair::On,
    hear: |_, _, message| match message {
        ToRelay::Hello { .. } => Heard::Answer(vec![Act::Flood(ToDevice::Presence { others: 7 })]),
        other => Heard::On(other),
    },
    ..HONEST
};

/// Talk without end in a session.
pub(super) const ENDLESS_TALK: Behaviour = Behaviour {
    name: "endless-talk",
    what: "opens the session and then tells without end how many devices are connected",
    outcome: Outcome::Stops { told: MISBEHAVED },
    repair: Repair::On,
    hear: |_, _, message| match message {
        ToRelay::Pull { .. } => Heard::Answer(vec![Act::Flood(ToDevice::Presence { others: 7 })]),
        other => Heard::On(other),
    },
    ..HONEST
};

/// A pause for ever.
pub(super) const SWITCHES_OFF: Behaviour = Behaviour {
    name: "pause-for-ever",
    what: "asks a device to come back in half a thousand million years",
    outcome: Outcome::Waits { told: "the relay asks to slow down" },
    repair: Repair::Nothing,
    hear: |_, _, message| match message {
        ToRelay::Hello { .. } => {
            let (code, retry_ms) = (ErrorCode::RateLimited, Some(u64::MAX));
            Heard::Answer(vec![Act::Say(ToDevice::Error { code, retry_ms })])
        }
        other => Heard::On(other),
    },
    ..HONEST
};

/// No account, it says.
pub(super) const ACCOUNT_GONE: Behaviour = Behaviour {
    name: "account-gone",
    what: "says that the account was closed",
    outcome: Outcome::Stops { told: "the account is gone there" },
    repair: Repair::On,
    hear: |_, _, message| match message {
        ToRelay::Hello { .. } => Heard::Answer(vec![Act::Say(ToDevice::Closed)]),
        other => Heard::On(other),
    },
    ..HONEST
};

/// No device, it says.
pub(super) const DEVICE_REMOVED: Behaviour = Behaviour {
    name: "device-removed",
    what: "says that this device was taken off the list",
    outcome: Outcome::Stops { told: "this device was revoked" },
    repair: Repair::On,
    hear: |_, _, message| match message {
        ToRelay::Hello { .. } => {
            Heard::Answer(vec![Act::Say(ToDevice::Error { code: ErrorCode::Removed, retry_ms: None })])
        }
        other => Heard::On(other),
    },
    ..HONEST
};
