//! What a device says to its remotes, and when it tries again.
//!
//! Knows cells by bytes and id only. Each remote has its own cursor, its own queue and its own fate; nothing here lets
//! one see another's.

mod arrivals;
mod backoff;
mod heads;
mod listing;
mod promises;
mod purge;
mod queue;
mod remote;
mod window;

pub use backoff::Backoff;
pub use listing::NextList;
pub use remote::{Mark, Reaction, Remote, RemoteRecord, State};

#[cfg(test)]
mod tests;
