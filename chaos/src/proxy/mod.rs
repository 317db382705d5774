//! `chaos-proxy`: a TCP proxy for tests that speaks the Toxiproxy HTTP API, with its toxics and four of our own that know
//! where a frame begins and ends. Why it is ours: `docs/decisions/0024-links-that-fail.md`.
//!
//! [`toxic`] is what can be asked for, [`effect`] what it does to bytes, [`frames`] where frames end, [`flow`] one
//! connection, [`server`] the proxies and the API. Invariant: without toxics every byte arrives once, in order, at once;
//! nothing here knows what the bytes mean. Scenarios drive it through [`crate::programs::proxied`].

pub mod effect;
pub mod flow;
pub mod frames;
pub mod server;
#[cfg(test)]
mod tests;
pub mod toxic;

pub use server::{Answer, Server};
