//! The bodies of the scenarios, by what is broken.

pub mod adversarial;
pub mod content;
pub mod cross_platform;
pub mod encryption;
pub mod long;
pub mod multi_relay;
pub mod sync;
pub mod transport;
