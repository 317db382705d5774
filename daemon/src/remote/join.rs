//! What is said to a relay beside the session that a device keeps there: making an account or adding this device to one,
//! and looking at the list and at the end of the log while the phrase is at hand. Each in a session of its own.

use std::{ops::ControlFlow, sync::Arc, time::Duration};

use caro_core::device::{EpochReader, Glance, Joining, Knock, Progress, Reading};
use caro_link::identity::StaticKey;
use caro_schema::{
    id::{Hash, RelayKey},
    ipc::Fault,
    relay::{ToDevice, ToRelay, list::SignedList},
};
use tokio::time::timeout;

use super::{Address, DialError, Dialer};

/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(20);

/// Answers that say nothing before it is given up: a relay must not keep a person waiting for ever.
const MESSAGES_MAX: usize = 10_000;

/// Has a device listed at a relay. On success the relay has listed this device.
///
/// # Errors
/// What the person is to be told. Nothing was written on this device.
pub async fn join(address: &Address, knock: &Knock) -> Result<(), Fault> {
    let who = (knock.relay_key(), knock.static_key());
    converse(address, who, |handshake| knock.connected(handshake), |message| {
        Ok(match knock.handle(message)? {
            Progress::Send(next) => ControlFlow::Continue(Some(next)),
            Progress::Listed => ControlFlow::Break(()),
        })
    })
    .await
}

/// The newest epoch of the account that a device was just listed in.
///
/// # Errors
/// What the person is to be told.
pub async fn newest_epoch(address: &Address, joining: &Joining) -> Result<u32, Fault> {
    let mut reader: EpochReader = joining.epoch_reader();
    let who = (joining.knock().relay_key(), joining.static_key());
    let hello = reader.connected();
    converse(address, who, |_| hello, |message| {
        Ok(match reader.handle(message)? {
            Reading::Send(next) => ControlFlow::Continue(Some(next)),
            Reading::Wait => ControlFlow::Continue(None),
            Reading::Found(newest) => ControlFlow::Break(newest),
        })
    })
    .await
}

/// The account's list at a relay, as it is now; none when it shows one that the account did not sign.
///
/// # Errors
/// What the person is to be told.
pub async fn glance(
    address: &Address,
    who: (RelayKey, Arc<StaticKey>),
    glance: &Glance,
) -> Result<Option<SignedList>, Fault> {
    converse(address, who, |handshake| glance.connected(handshake), |message| match message {
        ToDevice::Welcome { list, .. } => Ok(ControlFlow::Break(glance.list(list))),
        ToDevice::Error { code, .. } => Err(Fault::Refused { code: format!("{code:?}") }),
        _ => Ok(ControlFlow::Continue(None)),
    })
    .await
}

/// A session with one purpose: what is said first, then what follows from each answer, until it is done.
async fn converse<T>(
    address: &Address,
    (relay_key, static_key): (RelayKey, Arc<StaticKey>),
    first: impl FnOnce(&Hash) -> ToRelay,
    mut follows: impl FnMut(ToDevice) -> Result<ControlFlow<T, Option<ToRelay>>, Fault>,
) -> Result<T, Fault> {
    let dialer = Dialer { address: address.clone(), relay_key: Some(relay_key), static_key };
    let unreachable = |error: DialError| error.into_fault(address);
    let mut session = dialer.open().await.map_err(unreachable)?;
    let first = first(&session.handshake);
    session.send(&first).await.map_err(unreachable)?;
    for _ in 0..MESSAGES_MAX {
        let received = timeout(ANSWER, session.receive()).await.map_err(|_| unreachable(DialError::Slow))?;
        let follows = match received.map_err(unreachable)? {
            None => return Err(unreachable(DialError::Unreachable("the relay closed the connection".to_owned()))),
            // Said to everybody, no answer to us.
            Some(ToDevice::Presence { .. } | ToDevice::Pong { .. }) => continue,
            Some(answer) => follows(answer)?,
        };
        match follows {
            ControlFlow::Continue(None) => {}
            ControlFlow::Continue(Some(next)) => session.send(&next).await.map_err(unreachable)?,
            ControlFlow::Break(done) => {
                session.close().await;
                return Ok(done);
            }
        }
    }
    Err(unreachable(DialError::Slow))
}
