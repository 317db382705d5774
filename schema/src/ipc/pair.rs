//! Letting a device into the account by a short code, as the person sees it. One at a time, at either end. Who began it asks
//! how it stands every moment; a daemon that is not asked any more takes it that they have gone, and ends it.

use serde::{Deserialize, Serialize};

use super::Fault;
use crate::redacted::Redacted;

/// Join by a code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinRequest {
    /// The relay's address.
    pub relay: String,
    /// The code as typed.
    pub code: Redacted<String>,
    /// What to call this device.
    pub device_name: String,
}

/// How a joining by code stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pairing {
    /// The relay is asked.
    Connecting,
    /// The code waits for the other device.
    Waiting(Invitation),
    /// The other device is there, and both show that they know the code.
    Meeting,
    /// The person compares these words with those on the other screen.
    Compare {
        /// The words.
        words: Vec<String>,
        /// What the other device calls itself.
        name: String,
        /// Somebody else came with the code's number meanwhile, and was sent away.
        contested: bool,
    },
    /// The person has said that they are the same; the other one has not yet, or the rest is under way.
    Agreed,
    /// The new device is in the account.
    Done {
        /// What the other device calls itself.
        name: String,
    },
    /// Nothing came of it, and nothing was changed.
    Failed(Fault),
}

/// A code that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// What is typed on the other device.
    pub code: Redacted<String>,
    /// The relay's address with its key, for a device that does not know it.
    pub relay: String,
    /// For how long still, in milliseconds.
    pub left_ms: u64,
    /// How many may still try.
    pub tries_left: u8,
    /// What became of the last one who tried.
    pub last: Option<Attempted>,
}

/// What became of one who tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Attempted {
    /// It had another code.
    WrongCode,
    /// It went away before it had shown that it knows the code.
    Left,
    /// Somebody came while another one was there, and was sent away.
    Contested,
}
