//! What one device decides: what is recorded, sealed, merged, sent and found.
//!
//! A machine, not a program: bytes, time and randomness come in as arguments, a [`step::Step`] comes out, and the
//! daemon carries it out. So the same code runs under the simulator, with virtual time and one seed. Nothing here
//! opens a file or a socket, asks for the time, or makes a random number.

#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod device;
pub mod history;
pub mod oplog;
pub mod pairing;
pub mod search;
pub mod shared;
pub mod stats;
pub mod step;
pub mod sync;
pub mod vault;
