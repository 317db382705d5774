//! A connection to the relay for one meeting, and what can happen on it while a person thinks.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use caro_core::pairing::PairError;
use caro_schema::{
    codec,
    ipc::Fault,
    pairing::Letter,
    relay::{ErrorCode, ToDevice, ToRelay},
};
use tokio::{
    sync::oneshot,
    time::{sleep, timeout},
};

use super::table::{Said, Table};
use crate::{
    main_loop::Event,
    remote::{Address, DialError, Dialer, Session},
    state::{Shared, State},
};

/// How long one answer of the relay, or one letter of a machine, may take.
pub(super) const ANSWER: Duration = Duration::from_secs(30);

/// Silence after which the relay is asked whether it is there.
const ASK_AFTER: Duration = Duration::from_secs(10);

/// Silence after which it is not.
const GONE_AFTER: Duration = Duration::from_secs(30);

/// The connection.
pub(super) struct Line {
    session: Session,
    table: Arc<Table>,
    address: Address,
    /// Whether the relay may be asked whether it is there. A newcomer may send letters and nothing else.
    asks: bool,
    heard: Instant,
    asked: bool,
}

/// What happened.
#[allow(clippy::large_enum_variant)] // one at a time, taken apart at once and never kept
pub(super) enum Heard {
    /// The relay said something.
    Message(ToDevice),
    /// The person did.
    Said(Said),
    /// The connection is gone.
    Lost,
}

impl Line {
    pub(super) async fn open(dialer: &Dialer, table: Arc<Table>, asks: bool) -> Result<Self, Fault> {
        let address = dialer.address.clone();
        let session = dialer.open().await.map_err(|error| error.into_fault(&address))?;
        Ok(Self { session, table, address, asks, heard: Instant::now(), asked: false })
    }

    pub(super) async fn send(&mut self, message: &ToRelay) -> Result<(), Fault> {
        self.session.send(message).await.map_err(|error| error.into_fault(&self.address))
    }

    pub(super) async fn mail(&mut self, letter: Vec<u8>) -> Result<(), Fault> {
        self.send(&ToRelay::Mail { letter: letter.into() }).await
    }

    /// Says that nothing comes of it. The other side may be gone already, and hears it from the relay otherwise.
    pub(super) async fn decline(&mut self) {
        if let Err(fault) = self.mail(codec::encode(&Letter::Declined)).await {
            tracing::debug!(%fault, "declining");
        }
    }

    pub(super) async fn close(self) {
        self.session.close().await;
    }

    /// What happens next, for as long as it takes.
    pub(super) async fn hear(&mut self) -> Heard {
        loop {
            let patience = if self.asked { GONE_AFTER } else { ASK_AFTER };
            let wait = patience.saturating_sub(self.heard.elapsed());
            tokio::select! {
                message = self.session.receive() => {
                    (self.heard, self.asked) = (Instant::now(), false);
                    match message {
                        Ok(Some(ToDevice::Pong { .. } | ToDevice::Presence { .. })) => {}
                        Ok(Some(message)) => return Heard::Message(message),
                        Ok(None) | Err(_) => return Heard::Lost,
                    }
                }
                said = self.table.said() => return Heard::Said(said),
                () = sleep(wait), if self.asks => {
                    if self.asked || self.session.send(&ToRelay::Ping { token: 0 }).await.is_err() {
                        return Heard::Lost;
                    }
                    self.asked = true;
                }
            }
        }
    }

    /// The relay's answer to what was just asked, or what it says of itself.
    pub(super) async fn answer(&mut self) -> Result<ToDevice, Fault> {
        loop {
            let received = timeout(ANSWER, self.session.receive()).await;
            let received = received.map_err(|_| DialError::Slow).and_then(|received| received);
            match received.map_err(|error| error.into_fault(&self.address))? {
                None => {
                    let closed = DialError::Unreachable("the relay closed the connection".to_owned());
                    return Err(closed.into_fault(&self.address));
                }
                Some(ToDevice::Pong { .. } | ToDevice::Presence { .. }) => {}
                Some(message) => return Ok(message),
            }
        }
    }
}

/// What a person is told of what the relay refused.
pub(super) fn refused(code: ErrorCode, tries_left: u8) -> Fault {
    match code {
        ErrorCode::NoMailbox => Fault::NoSuchCode,
        ErrorCode::MailboxTaken => Fault::CodeTaken,
        ErrorCode::TooManyMailboxes => Fault::TooManyCodes,
        ErrorCode::MailboxExpired => Fault::CodeExpired,
        ErrorCode::NoTriesLeft => Fault::NoTriesLeft,
        ErrorCode::WrongCode => Fault::WrongCode { tries_left },
        ErrorCode::MailboxClosed => Fault::PairDeclined,
        ErrorCode::NotAdmitted => Fault::NotListed,
        ErrorCode::Idle | ErrorCode::SessionExpired | ErrorCode::ShuttingDown => Fault::PairLost { handed_over: false },
        other => out_of_place(&format!("{other:?}")),
    }
}

/// The relay said something that does not belong here.
pub(super) fn out_of_turn() -> Fault {
    out_of_place("an answer out of turn")
}

fn out_of_place(what: &str) -> Fault {
    Fault::Refused { code: what.to_owned() }
}

/// What a person is told of a meeting that came to nothing.
pub(super) fn failed(error: PairError, tries_left: u8) -> Fault {
    match error {
        PairError::WrongCode => Fault::WrongCode { tries_left },
        PairError::Declined => Fault::PairDeclined,
        PairError::Version | PairError::OutOfTurn => Fault::PairVersion,
        PairError::HandOver(error) => Fault::Internal { what: error.to_string() },
        PairError::Entropy(error) => Fault::Internal { what: error.to_string() },
    }
}

/// Does something on the main loop, which alone has the device.
pub(super) async fn on_loop<T: Send + 'static>(
    shared: &Shared,
    act: impl FnOnce(&mut State) -> T + Send + 'static,
) -> Result<T, Fault> {
    let (done, outcome) = oneshot::channel();
    // Whoever asked may be gone, and then nobody waits for the outcome.
    let then = move |state: &mut State| drop(done.send(act(state)));
    if !shared.tell(Event::Then(Box::new(then))) {
        return Err(Fault::ShuttingDown);
    }
    outcome.await.map_err(|_| Fault::ShuttingDown)
}
