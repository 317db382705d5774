//! What happens between programs: links that are slow, narrow, silent, cut in the middle of something, or full of
//! strangers. The bodies of the tiers PROXY and NET.
//!
//! [`apart`] is what most have in common: devices that write while they are apart and come back over a bad link.

pub mod apart;
pub mod crowded;
pub mod cut;
pub mod far;
pub mod flipped;
pub mod shaken;
pub mod silent;
pub mod slow;
pub mod strange;
