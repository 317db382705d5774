//! A relay for caro: keeps sealed cells for accounts and passes them on, and learns nothing.
//!
//! It never depends on the core, so it cannot even name a sealing key. From the inside out: [`log`] what is kept,
//! [`store`] requests on it, [`protocol`] what is answered to what (no sockets, threads or clock), [`engine`] and
//! [`disk`] the threads around them, [`connection`] one socket, [`serve`] a whole relay. Every limit is in [`limits`].
//!
//! Invariants: nothing is acknowledged before it is durable; the account is the session's and never a message's; every
//! queue and loop has a limit; no id and no address reaches a log, but for the address that a limit refused.

#![deny(unsafe_code)]
#![warn(missing_docs)]
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod address;
pub mod admin;
pub mod admission;
pub mod arriving;
pub mod backup;
pub mod config;
pub mod connection;
pub mod disk;
pub mod engine;
pub mod folder;
pub mod hub;
pub mod keys;
pub mod limits;
pub mod log;
pub mod members;
pub mod metered;
pub mod metrics;
mod notify;
pub mod protocol;
pub mod quota;
pub mod rate;
pub mod registration;
pub mod reload;
mod seldom;
pub mod serve;
pub mod shutdown;
pub mod storage;
pub mod store;
pub mod tls;
mod upgrade;
