//! The bodies of the scenarios, by what is broken.

pub mod encryption;
pub mod multi_relay;
pub mod sync;
pub mod transport;
