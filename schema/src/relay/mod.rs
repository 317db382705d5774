//! What a device and a relay say to each other, inside the hybrid session. Codes, not prose, decide what a device does.
//!
//! A connection: TLS, WebSocket, three handshake messages, then one of [`ToRelay::Hello`], [`ToRelay::Create`] or
//! [`ToRelay::Attach`], answered by [`ToDevice::Welcome`]. From then on both sides speak when they have something to say.

pub mod list;
mod to_device;
mod to_relay;

pub use to_device::{Accepted, Entry, ErrorCode, Page, Position, ToDevice};
pub use to_relay::ToRelay;

/// The WebSocket sub-protocol, and with it the version of everything inside.
pub const SUBPROTOCOL: &str = "caro.1";

/// The path that a relay answers on.
pub const PATH: &str = "/v1";

/// Domain of the signature with which a phrase's holder proves the account key: over this and the handshake's hash.
pub const ATTACH_DOMAIN: &[u8] = b"caro/v1/attach";

/// Domain of the signature with which the account's owner closes the account: over this and the handshake's hash.
pub const CLOSE_DOMAIN: &[u8] = b"caro/v1/close";

/// Domain of a relay's signature over a [`Position`].
pub const POSITION_DOMAIN: &[u8] = b"caro/v1/position";
