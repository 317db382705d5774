//! What both ends of a caro connection compute: keys, signatures, handshake and transport. No I/O, no clock; random
//! bytes are an argument. Formats are in `caro-schema`; who may do what is the relay's and the core's business.
//!
//! A session between a device and a relay, from both sides. Every `?` is the end of the connection, and what was being
//! built is gone with it: each step takes the one before it by value.
//!
//! ```
//! use caro_link::{entropy::OsEntropy, handshake::{Initiator, Responder}, identity::StaticKey};
//! use caro_schema::id::RelayKey;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (device_key, relay_key) = (StaticKey::from_bytes(&[1; 32]), StaticKey::from_bytes(&[2; 32]));
//! // The device. `None` instead of the pinned key trusts whoever answers, and gives their key below.
//! let pinned = Some(RelayKey(relay_key.public()));
//! let (initiator, first) = Initiator::start(&device_key, pinned, &mut OsEntropy)?;
//! // The relay has read a message of `FIRST_BYTES`.
//! let (responder, second) = Responder::answer(&relay_key, &first, &mut OsEntropy)?;
//! // The device. `Err(RelayKey { found })` is another relay: then there is no third message to send.
//! let (third, mut at_device) = initiator.read(&second)?;
//! let to_be_pinned = RelayKey(at_device.peer_static);
//! // The relay. Whether `peer_static` may connect is for its device lists to say.
//! let mut at_relay = responder.finish(&third)?;
//! # assert_eq!(to_be_pinned, RelayKey(relay_key.public()));
//! # assert_eq!(at_relay.peer_static, device_key.public());
//!
//! // Either side, then: one message is one record or several, sent in this order.
//! for record in at_device.transport.seal(b"a message")? {
//!     if let Some(message) = at_relay.transport.open(&record)? {
//!         assert_eq!(message, b"a message");
//!     }
//! }
//! // Time for a new connection?
//! assert!(!at_device.transport.is_spent());
//! # Ok(())
//! # }
//! ```
//!
//! What signs and proves is in [`proof`], over the keys of [`identity`].

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod cipher;
pub mod entropy;
pub mod handshake;
mod hybrid;
pub mod identity;
pub mod proof;
mod stage;
pub mod transport;

#[cfg(test)]
mod tests;
