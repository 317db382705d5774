//! What holds for the vault as a whole. Tests of one file alone are in that file.
//!
//! `vectors` compares with another implementation, `cells` attacks sealed cells, `account` follows one account from its
//! phrase to a device's disk, `memory` takes the memory away, `types` checks what keys must not be able to do.

mod account;
mod cells;
mod memory;
mod types;
mod vectors;
