//! What the tests of the built programs share: homes, daemons, relays and terminals that end with the test.
//!
//! Nothing here knows what a test wants to prove. Everything lives in a temporary folder, has an environment of its own
//! and nothing of the machine's, and waits for conditions, never for time.

pub mod home;
pub mod person;
pub mod postgres;
pub mod programs;
pub mod relay;
pub mod terminal;
pub mod trace;
pub mod wait;

pub use home::{Device, Home, has_ended, user};
pub use postgres::Postgres;
pub use programs::{have, program, skip};
pub use relay::Relay;
pub use terminal::Terminal;
pub use trace::processes_started;
pub use wait::{eventually, eventually_within};
