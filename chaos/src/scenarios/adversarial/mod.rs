//! Ends that do not keep to the protocol, and crowds.

mod proto;
mod res;

pub use proto::{A_PROTO_01, A_PROTO_02, A_PROTO_03};
pub use res::A_RES_05;
