//! Several relays: each with its own cursor and queue, and one enough for everything.

mod mr;

pub use mr::{MR_1, MR_2, MR_4};
