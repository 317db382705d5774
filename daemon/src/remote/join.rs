//! What is said to a relay beside the session that a device keeps there: making an account or adding this device to one,
//! and looking at the list and at the end of the log while the phrase is at hand. Each in a session of its own.

use std::{ops::ControlFlow, sync::Arc, time::Duration};

use caro_core::device::{
    Closes, Closing, Emptied, Emptying, EpochReader, Glance, Joining, Knock, OldAccount, Progress, Reading,
};
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

/// What is to be said to a relay, with one purpose.
pub trait Errand {
    /// What it comes to.
    type Done;

    /// From where the session was opened, as far as this machine knows.
    fn opened_from(&mut self, _from: &str) {}

    /// The first message of the session with this handshake.
    fn first(&mut self, handshake: &Hash) -> ToRelay;

    /// What follows from an answer: something more to say, nothing, or that it is done.
    ///
    /// # Errors
    /// What the person is to be told.
    fn follow(&mut self, message: ToDevice) -> Result<ControlFlow<Self::Done, Option<ToRelay>>, Fault>;
}

struct Listing<'a>(&'a Knock);

impl Errand for Listing<'_> {
    type Done = ();

    fn first(&mut self, handshake: &Hash) -> ToRelay {
        self.0.connected(handshake)
    }

    fn follow(&mut self, message: ToDevice) -> Result<ControlFlow<(), Option<ToRelay>>, Fault> {
        Ok(match self.0.handle(message)? {
            Progress::Send(next) => ControlFlow::Continue(Some(next)),
            Progress::Listed => ControlFlow::Break(()),
        })
    }
}

struct Leaving<'a>(&'a Closing);

impl Errand for Leaving<'_> {
    type Done = ();

    fn first(&mut self, handshake: &Hash) -> ToRelay {
        self.0.connected(handshake)
    }

    fn follow(&mut self, message: ToDevice) -> Result<ControlFlow<(), Option<ToRelay>>, Fault> {
        Ok(match self.0.handle(message)? {
            Closes::Send(next) => ControlFlow::Continue(Some(next)),
            Closes::Closed => ControlFlow::Break(()),
        })
    }
}

impl Errand for EpochReader {
    type Done = u32;

    fn first(&mut self, _: &Hash) -> ToRelay {
        self.connected()
    }

    fn follow(&mut self, message: ToDevice) -> Result<ControlFlow<u32, Option<ToRelay>>, Fault> {
        Ok(match self.handle(message)? {
            Reading::Send(next) => ControlFlow::Continue(Some(next)),
            Reading::Wait => ControlFlow::Continue(None),
            Reading::Found(newest) => ControlFlow::Break(newest),
        })
    }
}

impl Errand for Glance {
    type Done = Option<SignedList>;

    fn first(&mut self, handshake: &Hash) -> ToRelay {
        self.connected(handshake)
    }

    fn follow(&mut self, message: ToDevice) -> Result<ControlFlow<Self::Done, Option<ToRelay>>, Fault> {
        match message {
            ToDevice::Welcome { list, .. } => Ok(ControlFlow::Break(self.list(list))),
            ToDevice::Error { code, .. } => Err(Fault::Refused { code: format!("{code:?}") }),
            _ => Ok(ControlFlow::Continue(None)),
        }
    }
}

impl Errand for Emptying {
    type Done = ();

    fn first(&mut self, handshake: &Hash) -> ToRelay {
        self.connected(handshake)
    }

    fn follow(&mut self, message: ToDevice) -> Result<ControlFlow<(), Option<ToRelay>>, Fault> {
        Ok(match self.handle(message)? {
            Emptied::Send(next) => ControlFlow::Continue(Some(next)),
            Emptied::Wait => ControlFlow::Continue(None),
            Emptied::Done => ControlFlow::Break(()),
        })
    }
}

/// Has a device listed at a relay. On success the relay has listed this device.
///
/// # Errors
/// What the person is to be told. Nothing was written on this device.
pub async fn join(address: &Address, knock: &Knock) -> Result<(), Fault> {
    converse(address, (knock.relay_key(), knock.static_key()), Listing(knock)).await
}

/// The newest epoch of the account that a device was just listed in.
///
/// # Errors
/// What the person is to be told.
pub async fn newest_epoch(address: &Address, joining: &Joining) -> Result<u32, Fault> {
    let who = (joining.knock().relay_key(), joining.static_key());
    converse(address, who, joining.epoch_reader()).await
}

/// Closes the account at one relay. Nothing of it is there afterwards.
///
/// # Errors
/// What the person is to be told.
pub async fn close_account(address: &Address, who: (RelayKey, Arc<StaticKey>), closing: &Closing) -> Result<(), Fault> {
    converse(address, who, Leaving(closing)).await
}

/// Empties an account that was left, at one relay.
///
/// # Errors
/// Why it is not empty yet.
pub async fn empty(old: &OldAccount) -> Result<(), Fault> {
    let address = Address::parse(&old.address)?;
    let who = || (old.relay_key(), Arc::new(old.session_key()));
    match converse(&address, who(), Emptying::new(old.clone(), false)).await {
        // The device is not listed there any more, or the account is gone: then whoever has the key is heard.
        Err(Fault::Refused { .. }) => converse(&address, who(), Emptying::new(old.clone(), true)).await,
        other => other,
    }
}

/// A session with one purpose: what is said first, then what follows from each answer, until it is done.
///
/// # Errors
/// What the person is to be told.
pub async fn converse<E: Errand>(
    address: &Address,
    (relay_key, static_key): (RelayKey, Arc<StaticKey>),
    mut errand: E,
) -> Result<E::Done, Fault> {
    let dialer = Dialer { address: address.clone(), relay_key: Some(relay_key), static_key };
    let unreachable = |error: DialError| error.into_fault(address);
    let mut session = dialer.open().await.map_err(unreachable)?;
    errand.opened_from(&session.from);
    let first = errand.first(&session.handshake);
    session.send(&first).await.map_err(unreachable)?;
    for _ in 0..MESSAGES_MAX {
        let received = timeout(ANSWER, session.receive()).await.map_err(|_| unreachable(DialError::Slow))?;
        let follows = match received.map_err(unreachable)? {
            None => return Err(unreachable(DialError::Unreachable("the relay closed the connection".to_owned()))),
            // Said to everybody, no answer to us.
            Some(ToDevice::Presence { .. } | ToDevice::Pong { .. }) => continue,
            Some(answer) => errand.follow(answer)?,
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
