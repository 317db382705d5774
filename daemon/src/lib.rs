//! The background program: the I/O around `caro-core`. Sockets, the database, the secure store, the shells' spool and
//! the clock are here; what follows from an input is decided in the core and carried out in one place.
//!
//! Every input is an event of `main_loop.rs`, which alone owns the state and runs on one thread. What is read only
//! (searching) happens beside it. The path of a command: `spool/` notices and reads, `ingest.rs` decides with the
//! core, `apply.rs` commits and sends, `ipc/` and `handlers/` answer.

#![warn(missing_docs)]
#![deny(unsafe_code)]

pub mod clock;
pub mod config;
pub mod filter;
pub mod ipc;
pub mod lifecycle;
pub mod lock;
pub mod logging;
pub mod paths;
pub mod spool;
