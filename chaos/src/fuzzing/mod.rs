//! Every decoder of bytes that come from outside, each with the property that must hold for any bytes.
//!
//! A [`Target`] is a function over bytes that panics when its property does not hold; nothing else may make it panic.
//! `cargo fuzz` runs the same functions (`chaos/fuzz`, `docs/fuzzing.md`) as the replay of the corpora on stable
//! (`chaos/decoders/tests/corpora.rs`). [`input`] turns bytes into edits of something genuine, because no fuzzer guesses a signature;
//! [`account`] is where the genuine things come from. What a decoder is for is no business of this module.

pub mod account;
mod device;
pub mod input;
mod member;
pub mod memory;
mod pairing;
mod relay;
mod sealed;
mod session;
mod wire;

/// One decoder, or a few that bytes reach by the same way.
pub struct Target {
    /// Its name, and that of its corpus.
    pub name: &'static str,
    /// What decodes, where the bytes come from, and what must hold for any of them.
    pub what: &'static str,
    /// Panics when the property does not hold.
    pub run: fn(&[u8]),
    /// Genuine inputs to start from, made anew each time so that they follow the formats.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All targets over what is pure, in groups. Those over programs and their files are in `chaos/decoders`.
pub const GROUPS: &[&[Target]] = &[
    wire::TARGETS,
    session::TARGETS,
    sealed::TARGETS,
    device::TARGETS,
    member::TARGETS,
    pairing::TARGETS,
    relay::TARGETS,
];

/// Bytes by which one input may raise what the process holds. The largest that a decoder may make of its input is a
/// payload of 1 MiB with its changes in memory several times over; a local message of 16 MiB is the largest input.
pub const MEMORY_BYTES_MAX: u64 = 96 * 1024 * 1024;
