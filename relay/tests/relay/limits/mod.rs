//! Each limit of `limits.rs`, tripped over a real socket. Without the limit its test fails.

mod connections;
mod messages;
mod requests;

use tokio::{io::AsyncReadExt, net::TcpStream, time::timeout};

use crate::support::{PATIENCE, Running};

/// Waits for the other side to end a connection on which it says nothing.
pub(crate) async fn cut(mut tcp: TcpStream) {
    let mut bytes = [0; 64];
    // An end in order and a reset are both an end.
    while let Ok(1..) = timeout(PATIENCE, tcp.read(&mut bytes)).await.expect("an end in time") {}
}

pub(crate) async fn tcp(relay: &Running) -> TcpStream {
    TcpStream::connect(relay.target.address).await.unwrap()
}
