//! Joining by a code, between the person, the core and the relay: a task of its own with a connection of its own, beside
//! the ordinary one. What is said to whom and what is believed is decided in `caro_core::pairing`; here are the letters'
//! way, the waiting, and the ends that a meeting may come to.
//!
//! The task ends with the meeting, and with it the connection, which is what takes the code away at the relay.

mod inviting;
mod joining;
mod line;
mod table;

pub use inviting::{Invite, Way, invite};
pub use joining::{Join, join};
pub use table::Table;
