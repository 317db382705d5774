//! Keys, and what is sealed with them. The construction is that of `docs/security.md`; nothing here is invented where a
//! published one exists, and every result is checked against another implementation (`tests/vectors/vault.py`).
//!
//! | module | is |
//! |---|---|
//! | [`phrase`] | the words, read and made |
//! | [`root_key`] | the phrase, stretched: every account key follows from it; never at rest |
//! | [`account_key`], [`relay_account_key`] | sign the key log, and device lists |
//! | [`epoch_key`], [`key_log_key`], [`key_ring`] | what a device opens cells with |
//! | [`cell_key`], [`seal`], [`open`] | an op into a cell and back |
//! | [`payload`] | changes into an op's payload and back |
//! | [`device_keys`], [`wrap`] | a device's own keys, and how an epoch key reaches it |
//! | [`meeting_key`], [`handover`] | what two devices have in common after a short code, and how the account's keys cross |
//! | [`joined`], [`state`] | the keys of a joined device, live and as they are kept |
//! | [`at_rest`] | the key of the device's own database |
//!
//! No key prints itself, is cloned, has a default or is compared in variable time; each is wiped when dropped. Private
//! helpers: `secret` (what keys are made of), `derive` (HKDF), `stretch` (Argon2id), `aead`, `kem_key`, `text`, `nearest`.

pub mod account_key;
pub mod at_rest;
pub mod cell_key;
pub mod device_keys;
pub mod epoch_key;
pub mod handover;
pub mod joined;
pub mod key_log_key;
pub mod key_ring;
pub mod meeting_key;
pub mod open;
pub mod payload;
pub mod phrase;
pub mod relay_account_key;
pub mod root_key;
pub mod seal;
pub mod state;
pub mod wrap;

mod aead;
mod derive;
mod kem_key;
mod nearest;
mod secret;
mod stretch;
mod text;

pub use device_keys::DeviceKeys;
pub use joined::Vault;
pub use kem_key::ENCAPSULATION_BYTES;
pub use phrase::Phrase;
pub use root_key::RootKey;
pub use secret::keep_with as keep_secrets_with;

#[cfg(test)]
mod tests;
