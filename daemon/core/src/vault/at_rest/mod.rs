//! What protects a device's data on its own disk.
//!
//! `master_key` is the one secret that the platform's key store, or a file, holds; `passphrase` locks it for those who
//! have no such store; `store_key` follows from it and seals every row of the database. Nothing here makes a key of its
//! own accord: when the key is missing the caller gets none, and never a new one over old data.

mod master_key;
mod passphrase;
mod store_key;

pub use master_key::DeviceMasterKey;
pub use passphrase::{EmptyPassphrase, LOCKED_BYTES, Passphrase, UnlockError, lock, unlock};
pub use store_key::{AtRestError, ROW_KEY_BYTES, StoreKey};
