//! The handshake, the session's records and the cells, with somebody in between.

mod enc;
mod hs;
mod pq;

pub use enc::{E_ENC_01, E_ENC_02, E_ENC_03, E_ENC_04, E_ENC_05};
pub use hs::{E_HS_01, E_HS_02, E_HS_03, E_HS_04, E_HS_05, E_HS_06};
pub use pq::{E_PQ_01, E_PQ_02, E_PQ_03, E_PQ_04, E_PQ_05};
