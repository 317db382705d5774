//! The exchange that makes an account or adds this device to one, over a session of its own.

use std::time::Duration;

use caro_core::device::{Knock, Progress};
use caro_schema::{ipc::Fault, relay::ToDevice};
use tokio::time::timeout;

use super::{Address, DialError, Dialer};

/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(20);

/// Has a device listed at a relay. On success the relay has listed this device.
///
/// # Errors
/// What the person is to be told. Nothing was written on this device.
pub async fn join(address: &Address, knock: &Knock) -> Result<(), Fault> {
    let dialer =
        Dialer { address: address.clone(), relay_key: Some(knock.relay_key()), static_key: knock.static_key() };
    let unreachable = |error: DialError| error.into_fault(address);
    let mut session = dialer.open().await.map_err(unreachable)?;
    let mut message = knock.connected(&session.handshake);
    loop {
        session.send(&message).await.map_err(unreachable)?;
        let answer = loop {
            let received = timeout(ANSWER, session.receive()).await.map_err(|_| unreachable(DialError::Slow))?;
            match received.map_err(unreachable)? {
                None => return Err(unreachable(DialError::Unreachable("the relay closed the connection".to_owned()))),
                // Said to everybody, no answer to us.
                Some(ToDevice::Presence { .. } | ToDevice::Pong { .. }) => {}
                Some(answer) => break answer,
            }
        };
        match knock.handle(answer)? {
            Progress::Send(next) => message = next,
            Progress::Listed => {
                session.close().await;
                return Ok(());
            }
        }
    }
}
