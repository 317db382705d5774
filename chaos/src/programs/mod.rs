//! The tiers PROC, DISK, STORE, PROXY and NET: the real programs, in their own folders, killed, stopped, cut off from their disks and
//! given what no program would send.
//!
//! [`stage`] is a relay and two devices, [`relay`] the relay alone, [`client`] a device that can say anything, [`shell`] a bash with
//! the hook, [`strace`]
//! what is done to a program from outside, [`proxied`] and
//! [`netted`] what breaks between programs and [`links`] what must be true all the same, [`recording`] and [`image`] what a disk may hold after a power cut. The
//! scenarios' bodies are in the other files. A protection that a twin leaves out is left out around the programs, never
//! in them.

pub mod cells;
pub mod client;
pub mod connections;
pub mod database;
pub mod disks;
pub mod flushes;
pub mod image;
pub mod kills;
pub mod links;
pub mod memory;
pub mod netted;
pub mod nodes;
pub mod opened;
pub mod platform;
pub mod power;
pub mod protocol;
pub mod proxied;
pub mod quota;
pub mod recording;
pub mod relay;
pub mod remotes;
pub mod shell;
pub mod stage;
pub mod steady;
pub mod strace;
pub mod together;
