//! What both ends of a caro connection compute: keys, signatures, handshake and transport. No I/O, no clock; random
//! bytes are an argument. Formats are in `caro-schema`; who may do what is the relay's and the core's business.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod entropy;
pub mod handshake;
mod hybrid;
pub mod identity;
pub mod proof;
pub mod transport;

#[cfg(test)]
mod tests;
