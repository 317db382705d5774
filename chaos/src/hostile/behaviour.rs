//! One way to lie, as one item: name, words, what must become of it, and the hooks.

use caro_schema::relay::{ToDevice, ToRelay};

use super::relay::{Caller, Relay};

/// One way to lie.
pub struct Behaviour {
    /// Its name.
    pub name: &'static str,
    /// What the relay does.
    pub what: &'static str,
    /// What must become of it.
    pub outcome: Outcome,
    /// What makes things good again once the relay is honest.
    pub repair: Repair,
    /// What a connection meets before there is a session.
    pub door: Door,
    /// What happens when the relay turns hostile.
    pub turn: fn(&mut Relay),
    /// What it does with a message of a device.
    pub hear: fn(&mut Relay, &Caller, ToRelay) -> Heard,
    /// What it says in place of what the honest relay inside says.
    pub say: fn(&mut Relay, &Caller, ToDevice) -> Vec<Act>,
}

/// What becomes of a lie. The words are those that a person reads in `caro sync status`, or in answer to a command.
pub enum Outcome {
    /// The device says nothing more to this relay until a person decides.
    Stops {
        /// What the person reads.
        told: &'static str,
    },
    /// The device tries again, after longer and longer pauses.
    Waits {
        /// What the person reads.
        told: &'static str,
    },
    /// The device goes on, and says what it met.
    Notes {
        /// What the person reads.
        told: &'static str,
    },
    /// The device goes on, and nothing is lost, bent or missing.
    Harmless,
    /// A new device does not join.
    Refuses {
        /// What the person reads.
        told: &'static str,
    },
}

impl Outcome {
    /// For the page.
    pub fn in_words(&self) -> String {
        match self {
            Self::Stops { told } => format!("stopped until a person decides: \"{told}\""),
            Self::Waits { told } => format!("tried again, later and later: \"{told}\""),
            Self::Notes { told } => format!("goes on, and says: \"{told}\""),
            Self::Harmless => "nothing: no command is lost, doubled or changed".to_owned(),
            Self::Refuses { told } => format!("a new device does not join: \"{told}\""),
        }
    }
}

/// What makes things good again once the relay is honest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repair {
    /// Nothing has to be done.
    Nothing,
    /// `caro sync on`.
    On,
    /// `caro-relay renew` at the relay, then `caro sync on`.
    Renew,
}

/// What a connection meets before there is a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// A relay.
    Open,
    /// A relay with another key.
    OtherKey,
    /// Somebody who accepts and says nothing.
    Silent,
    /// Somebody who answers with noise.
    Noise,
    /// A relay that takes one second for each byte.
    Slow,
    /// A relay that speaks another version.
    OtherVersion,
    /// A relay whose second handshake message is altered.
    BentHandshake,
    /// A relay that closes after the handshake.
    Slammed,
}

/// What to do with a message of a device.
pub enum Heard {
    /// Hand this one to the honest relay inside.
    On(ToRelay),
    /// Do this, and the honest relay never hears of it.
    Answer(Vec<Act>),
}

/// What is done to one connection.
pub enum Act {
    /// Say this.
    Say(ToDevice),
    /// Say this without end.
    Flood(ToDevice),
    /// Send these bytes as a sealed message.
    Sealed(Vec<u8>),
    /// Send these bytes as if they were a record.
    Raw(Vec<u8>),
    /// From here on one byte a second.
    SlowDown,
    /// Close the connection.
    Close,
}

/// Keeps to every rule. Where a behaviour says nothing, it does this.
pub const HONEST: Behaviour = Behaviour {
    name: "honest",
    what: "keeps to the protocol",
    outcome: Outcome::Harmless,
    repair: Repair::Nothing,
    door: Door::Open,
    turn: |_| {},
    hear: |_, _, message| Heard::On(message),
    say: |_, _, message| vec![Act::Say(message)],
};
