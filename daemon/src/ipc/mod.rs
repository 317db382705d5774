//! The local socket: who may connect, how requests arrive and answers leave. What is asked is answered elsewhere,
//! behind [`Service`]; here are only frames, deadlines and limits.

mod connection;
mod listener;
mod peer_check;
mod suggest;

use std::{future::Future, pin::Pin, sync::Arc};

use caro_schema::ipc::{Fault, Reply, Request};

pub use self::listener::{ListenError, Listener};
#[doc(hidden)]
pub use self::suggest::asked;

/// The answer to a request, when it is there.
pub type Answered = Pin<Box<dyn Future<Output = Result<Reply, Fault>> + Send>>;

/// What one connection can ask. A connection has one of its own, so that it may keep what helps its next question.
pub trait Asked: Send + Sync + 'static {
    /// Answers a request. Several may be under way at once.
    fn ask(self: Arc<Self>, request: Request) -> Answered;
}

/// Whoever answers connections.
pub trait Service: Send + Sync + 'static {
    /// For a new connection.
    fn connected(&self) -> Arc<dyn Asked>;
}

/// What the daemon calls itself in the first frame: version, and the commit where the build knows it.
pub const BUILD: &str = match option_env!("CARO_BUILD") {
    Some(build) => build,
    None => env!("CARGO_PKG_VERSION"),
};

#[cfg(test)]
mod tests;
