//! What a relay can do to its log: forget, rewrite, and show each device another one.

use caro_schema::{
    id::Generation,
    relay::{ToDevice, ToRelay},
};

use crate::hostile::{
    behaviour::{Act, Behaviour, HONEST, Heard, Outcome, Repair},
    relay::{Caller, Relay},
};

/// An old database.
pub(super) const ROLLBACK: Behaviour = Behaviour {
    name: "rollback",
    what: "serves an old database: the first half of what it had acknowledged",
    outcome: Outcome::Stops { told: "it shows an older history than before" },
    repair: Repair::On,
    turn: |relay| {
        relay.replace_log(|mut cells| {
            cells.truncate(cells.len() / 2);
            cells
        });
    },
    ..HONEST
};

/// Another past of the same length.
pub(super) const REWRITTEN: Behaviour = Behaviour {
    name: "rewritten",
    what: "serves the same cells in another order, as if they had always been in it",
    outcome: Outcome::Stops { told: "it shows an older history than before" },
    repair: Repair::On,
    turn: |relay| {
        relay.replace_log(|mut cells| {
            cells.reverse();
            cells
        });
    },
    ..HONEST
};

/// Nothing, to whoever restores.
pub(super) const EMPTY: Behaviour = Behaviour {
    name: "empty-account",
    what: "serves the account without a single cell, to whoever restores and to whoever was there",
    outcome: Outcome::Stops { told: "it shows an older history than before" },
    repair: Repair::On,
    turn: |relay| relay.replace_log(|_| Vec::new()),
    ..HONEST
};

/// A log for each device.
pub(super) const FORK: Behaviour = Behaviour {
    name: "fork",
    what: "shows each device a log of its own for a while: what one pushes, no other one sees; then one log to all",
    outcome: Outcome::Stops { told: "it shows an older history than before" },
    repair: Repair::Renew,
    turn: Relay::fork,
    ..HONEST
};

/// One device speaks to nobody.
pub(super) const WITHHOLD: Behaviour = Behaviour {
    name: "withhold",
    what: "keeps what the second device pushes from all others, and shows it everything",
    outcome: Outcome::Stops { told: "it showed this device another history than it showed to another one" },
    repair: Repair::Renew,
    turn: Relay::fork,
    hear: |relay, caller, message| {
        if let (ToRelay::Push { cells }, true) = (&message, relay.is_first(caller)) {
            relay.show_others(caller, cells.clone());
        }
        Heard::On(message)
    },
    ..HONEST
};

/// A new life each time.
pub(super) const MANY_LIVES: Behaviour = Behaviour {
    name: "many-lives",
    what: "says at each connection that its database was made anew, so that everything is to be sent and read again",
    outcome: Outcome::Notes { told: "was restored from a backup; what it lost was sent again" },
    repair: Repair::Nothing,
    hear: |relay, _, message| {
        if matches!(message, ToRelay::Hello { .. }) {
            relay.count += 1;
        }
        Heard::On(message)
    },
    say: |relay, caller, message| vec![Act::Say(in_another_life(relay, caller, message))],
    ..HONEST
};

fn in_another_life(relay: &Relay, caller: &Caller, mut message: ToDevice) -> ToDevice {
    let Some(handle) = caller.handle else { return message };
    if let ToDevice::Welcome { position, .. } | ToDevice::Page(caro_schema::relay::Page { position, .. }) = &mut message
    {
        let life = Generation([u8::try_from(relay.count % 200).unwrap_or(0) + 20; 16]);
        *position = relay.sign_life(life, &handle, position.cursor, position.head);
    }
    message
}

/// A log that is far ahead.
pub(super) const CURSOR_AHEAD: Behaviour = Behaviour {
    name: "cursor-ahead",
    what: "says that its log has a million million entries that it never sends",
    outcome: Outcome::Stops { told: "it does not keep to the protocol and may need an upgrade" },
    repair: Repair::On,
    say: |relay, caller, message| {
        let ToDevice::Welcome { position, signer, list, quota_bytes, used_bytes } = message else {
            return vec![Act::Say(message)];
        };
        let Some(handle) = caller.handle else { return Vec::new() };
        let position = relay.sign(&handle, position.cursor + 1_000_000_000_000, position.head);
        vec![Act::Say(ToDevice::Welcome { position, signer, list, quota_bytes, used_bytes })]
    },
    ..HONEST
};
