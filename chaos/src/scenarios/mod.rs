//! The bodies of the scenarios, by what is broken.

pub mod encryption;
pub mod sync;
pub mod transport;
