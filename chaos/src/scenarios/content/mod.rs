//! Collections: a list and the cells that it names. What caro has of this kind is a snapshot.

mod coll;

pub use coll::{C_COLL_01, C_COLL_02};
