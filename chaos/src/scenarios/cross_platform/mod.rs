//! Computers of other kinds, as stand-ins: their paths, texts and clocks, over the same core.

mod plat;

pub use plat::{X_PLAT_01, X_PLAT_02, X_PLAT_03};
