//! The network between a device and its relay, and the processes at its ends.

pub(super) mod conn;
mod lat;
mod loss;

pub use conn::{T_CONN_01, T_CONN_02, T_CONN_03};
pub use lat::{T_LAT_01, T_LAT_02, T_LAT_04};
pub use loss::{T_LOSS_03, T_LOSS_04};
