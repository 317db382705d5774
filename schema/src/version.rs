//! The version numbers that two programs compare, and what each value added.

/// Protocol between `caro` and `caro-daemon`. 1: the first.
pub const IPC: u32 = 1;

/// Protocol between a device and a relay, part of the handshake's prologue. 1: the first.
pub const RELAY: u8 = 1;

/// Version byte of a cell, an op header and every other canonical encoding. 1: the first.
pub const BYTES: u8 = 1;

/// The one cryptographic suite: Argon2id, HKDF-SHA-256, Ed25519, X25519 with ML-KEM-768, XChaCha20-Poly1305, BLAKE3.
pub const SUITE: u8 = 1;
