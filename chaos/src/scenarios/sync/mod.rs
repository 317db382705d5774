//! What a device and a relay say to each other, cut, crossed and out of step.

mod blob;
mod conc;
pub(super) mod conv;
mod sm;

pub use blob::{S_BLOB_01, S_BLOB_03};
pub use conc::{S_CONC_01, S_CONC_02, S_CONC_03, S_CONC_04};
pub use conv::{S_CONV_01, S_CONV_02, S_CONV_03, S_CONV_04};
pub use sm::{S_SM_01, S_SM_02, S_SM_03, S_SM_04};
