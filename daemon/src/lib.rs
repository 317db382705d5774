//! The background program: the I/O around `caro-core`. Sockets, the database, the secure store, the shells' spool and
//! the clock are here; what follows from an input is decided in the core and carried out in one place.
//!
//! Every input is an event of `main_loop.rs`, which alone owns the state and runs on one thread. What is read only
//! (searching) happens beside it. The path of a command: `spool/` notices and reads, `ingest.rs` decides with the
//! core, `apply.rs` commits and sends, `ipc/` and `handlers/` answer.

#![warn(missing_docs)]
#![deny(unsafe_code)]

pub mod apply;
pub mod ask;
pub mod clock;
pub mod config;
pub mod exit;
pub mod filter;
pub mod handlers;
pub mod harden;
pub mod ingest;
pub mod ipc;
pub mod keys;
pub mod lifecycle;
pub mod lock;
pub mod logging;
pub mod main_loop;
pub mod pairing;
pub mod passphrase;
pub mod paths;
pub mod remote;
mod repositories;
pub mod reset;
pub mod retention;
pub mod shared_files;
pub mod spool;
pub mod start;
pub mod state;
pub mod store;
pub mod syncing;
