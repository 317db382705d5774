//! Connections to relays: the dialling, the bytes, the keepalive and the pauses. What is said and what is believed is
//! decided in the core; a driver only carries it, and reports what happened.

pub mod address;
mod dial;
mod driver;
mod join;
pub mod links;
mod proxy;
mod tls;

pub use address::Address;
pub use dial::{DialError, Dialer, Session, probe};
pub use driver::{Command, Driver, Report, ReportSink};
pub use join::{Errand, close_account, converse, empty, join, newest_epoch};
pub use proxy::{Proxies, go_by};
#[doc(hidden)]
pub use proxy::{excepts, greeted};
