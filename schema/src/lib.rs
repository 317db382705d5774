//! The bytes that two programs of caro must agree on.
//!
//! Types, their encodings and the limits on them; no clock, randomness, cryptography or I/O. What is hashed or
//! signed has one canonical encoding ([`codec::decode_canonical`]); messages and payloads are named maps that may
//! grow. Identifiers have no printable form unless asked for it, so a derived `Debug` cannot leak one.
//! What the two ends compute from these bytes is in `caro-link`.

#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod body;
pub mod cell;
pub mod codec;
pub mod frame;
pub mod id;
pub mod ipc;
pub mod items;
pub mod keylog;
pub mod limits;
pub mod op;
pub mod pairing;
pub mod paths;
pub mod quote;
pub mod redacted;
pub mod relay;
pub mod settings;
pub mod spool;
pub mod stamp;
pub mod uses;
pub mod version;
