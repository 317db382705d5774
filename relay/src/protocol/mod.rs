//! What a relay answers to what: a machine without sockets, threads, clock or disk, which the simulator runs as it is.
//!
//! [`Relay`] holds all sessions. Inputs are its `handle_*` methods; what follows from them is taken with
//! [`Relay::poll_output`]: messages to send, connections to close, requests for the log. Time is an argument in
//! milliseconds of any clock that does not go back. The account is always the session's, never a message's; a request
//! for the log names it only from there.
//!
//! Files: `relay` the machine, `requests` what messages ask for, `answers` what follows from the log's answers, `session`
//! what is known of one connection, `mailbox` how a newcomer and a device that lets it in find each other, `follow` how
//! fast a device is sent what others push, `rates` how fast it may ask,
//! `nodes` what it owes others on the same database. Around it: [`crate::store`] runs the requests,
//! [`crate::engine`] is the program's thread-safe shell.

mod answers;
mod follow;
mod mailbox;
mod nodes;
mod rates;
mod relay;
mod requests;
mod session;
#[cfg(test)]
mod tests;

use caro_schema::{id::Hash, relay::ToDevice};

use crate::{limits::Limits, registration::Registration, store::Job};

pub use relay::Relay;

/// One connection whose handshake is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// A connection whose handshake is done, as the machine gets it.
#[derive(Clone, Copy)]
pub struct Arrival {
    /// The static key that the device proved.
    pub device: [u8; 32],
    /// The handshake's hash.
    pub handshake: Hash,
    /// Where it comes from, as a number that means nothing outside of this process.
    pub origin: u64,
    /// When the connection was accepted.
    pub accepted_ms: u64,
}

/// What is decided once, for all sessions.
pub struct Policy {
    /// The limits.
    pub limits: Limits,
    /// Who may make an account.
    pub registration: Registration,
    /// The relay's signing key, public half.
    pub signer: Hash,
    /// The mailbox mode: cells that every device has are forgotten.
    pub forgets: bool,
}

impl Policy {
    /// For a relay that keeps what it was given.
    pub fn durable(limits: Limits, registration: Registration, signer: Hash) -> Self {
        Self { limits, registration, signer, forgets: false }
    }
}

/// Something to do, in this order.
pub enum Output {
    /// Send a message.
    Send(SessionId, ToDevice),
    /// Close the connection when everything before was sent.
    Close(SessionId),
    /// A session that was held may be read from again.
    Resume(SessionId),
    /// Ask the log.
    Ask(Job),
}

/// Whether a connection may be read from on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Reading {
    /// Yes.
    On,
    /// Not before [`Output::Resume`]: enough of its requests wait for the disk.
    Held,
}
