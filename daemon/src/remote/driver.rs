//! One relay's connection, for as long as the daemon runs: dial, carry, notice silence, pause, dial again.
//!
//! Decides nothing about what is said. Reports go to the main loop through a bounded number of permits, so that a relay
//! that talks faster than the store can write is read no faster.

use std::{sync::Arc, time::Duration};

use caro_core::sync::Backoff;
use caro_schema::{
    id::Hash,
    ipc::Fault,
    limits::SESSION_SECONDS_MAX,
    relay::{ToDevice, ToRelay},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::JoinHandle,
    time::{Instant, sleep_until},
};

use super::{DialError, Dialer, Session};

/// What a driver tells the main loop.
pub enum Report {
    /// A session is open.
    Connected {
        /// The handshake's hash.
        handshake: Hash,
        /// Which session of this driver.
        session: u64,
    },
    /// A message came. The permit is dropped when it has been worked on.
    Message(Box<ToDevice>, OwnedSemaphorePermit),
    /// The session is gone, or could not be opened.
    Disconnected {
        /// Why, for the status.
        fault: Fault,
        /// Whether there was a session. Otherwise whoever is there, if anybody, was never spoken to.
        was_open: bool,
        /// When the next try is, in milliseconds from now; none when a person has to decide.
        retry_in_ms: Option<u64>,
    },
}

/// Where reports go. False when nobody listens any more.
pub type ReportSink = Arc<dyn Fn(Report) -> bool + Send + Sync>;

/// What the main loop tells a driver.
#[derive(Debug)]
pub enum Command {
    /// Send this in a session, if that one is still open. What belongs to an earlier one is sent again by the core.
    Send {
        /// Which session.
        session: u64,
        /// What.
        message: ToRelay,
    },
    /// Close the session and try again, not before so many milliseconds.
    Close {
        /// What the relay asked for.
        retry_ms: Option<u64>,
    },
    /// Do not wait for the end of the pause.
    TryNow,
}

/// A running connection. Ends when it is dropped.
pub struct Driver {
    commands: mpsc::UnboundedSender<Command>,
    task: JoinHandle<()>,
}

/// Silence after which the relay is asked whether it is there.
const ASK_AFTER: Duration = Duration::from_secs(10);

/// Silence after which it is taken to be gone. With the question in between, a lost network shows within 20 seconds.
const GONE_AFTER: Duration = Duration::from_secs(18);

/// Messages that may wait for the main loop. Each may hold a page; more would hold more memory, fewer would leave the
/// network idle while the store writes.
const MESSAGES_WAITING_MAX: usize = 4;

impl Driver {
    /// Starts to connect.
    pub fn start(dialer: Dialer, reports: ReportSink) -> Self {
        let (commands, inbox) = mpsc::unbounded_channel();
        let worker = Worker {
            dialer,
            reports,
            inbox,
            permits: Arc::new(Semaphore::new(MESSAGES_WAITING_MAX)),
            backoff: Backoff::default(),
            started: Instant::now(),
            session: 0,
        };
        Self { commands, task: tokio::spawn(worker.run()) }
    }

    /// Tells the driver something. One that has ended reports that by itself.
    pub fn tell(&self, command: Command) {
        if self.commands.send(command).is_err() {
            tracing::debug!("a driver has ended");
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Worker {
    dialer: Dialer,
    reports: ReportSink,
    inbox: mpsc::UnboundedReceiver<Command>,
    permits: Arc<Semaphore>,
    backoff: Backoff,
    /// What the pauses count from.
    started: Instant,
    /// The number of the present session, or of the last one.
    session: u64,
}

/// Why a session ended.
enum End {
    Failed(DialError),
    /// On the main loop's word, with the pause that the relay asked for.
    Asked(Option<u64>),
    /// Time for a new handshake.
    Spent,
    /// Nobody listens any more.
    Orphaned,
}

impl Worker {
    async fn run(mut self) {
        loop {
            let opened = self.dialer.open().await;
            let was_open = opened.is_ok();
            let end = match opened {
                Ok(session) => {
                    self.session += 1;
                    let connected = Report::Connected { handshake: session.handshake, session: self.session };
                    if !(self.reports)(connected) {
                        return;
                    }
                    self.carry(session).await
                }
                Err(error) => End::Failed(error),
            };
            let Some(pause) = self.report_end(end, was_open) else { return };
            if !self.wait(pause).await {
                return;
            }
        }
    }

    async fn carry(&mut self, mut session: Session) -> End {
        let born = Instant::now();
        let mut heard = born;
        let mut asked = false;
        loop {
            let patience = if asked { GONE_AFTER } else { ASK_AFTER };
            let permits = self.permits.clone();
            let next = async {
                // A closed semaphore does not occur: it lives as long as the worker.
                let permit = permits.acquire_owned().await.map_err(|_| DialError::Garbage)?;
                Ok::<_, DialError>((session.receive().await?, permit))
            };
            tokio::select! {
                arrived = next => match arrived {
                    Ok((Some(message), permit)) => {
                        (heard, asked) = (Instant::now(), false);
                        self.backoff.succeeded(self.now_ms());
                        if !matches!(message, ToDevice::Pong { .. })
                            && !(self.reports)(Report::Message(Box::new(message), permit))
                        {
                            return End::Orphaned;
                        }
                    }
                    Ok((None, _)) => return End::Failed(DialError::Unreachable("the relay closed the connection".to_owned())),
                    Err(error) => return End::Failed(error),
                },
                command = self.inbox.recv() => match command {
                    None => return End::Orphaned,
                    Some(Command::TryNow) => {}
                    Some(Command::Close { retry_ms }) => {
                        session.close().await;
                        return End::Asked(retry_ms);
                    }
                    Some(Command::Send { session: of, .. }) if of != self.session => {}
                    Some(Command::Send { session: _, message }) => {
                        if let Err(error) = session.send(&message).await {
                            return End::Failed(error);
                        }
                    }
                },
                () = sleep_until(heard + patience) => {
                    if self.permits.available_permits() == 0 {
                        // Nothing was heard because we did not listen: the store is slow, not the relay.
                        heard = Instant::now();
                        continue;
                    }
                    if asked {
                        return End::Failed(DialError::Slow);
                    }
                    asked = true;
                    if let Err(error) = session.send(&ToRelay::Ping { token: 0 }).await {
                        return End::Failed(error);
                    }
                }
            }
            if session.is_spent() || born.elapsed() > Duration::from_secs(SESSION_SECONDS_MAX) {
                session.close().await;
                return End::Spent;
            }
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Reports how a session ended. Gives the pause before the next, none when there is to be no next.
    fn report_end(&mut self, end: End, was_open: bool) -> Option<Duration> {
        let asked_ms = match &end {
            End::Orphaned => return None,
            End::Asked(retry_ms) => *retry_ms,
            End::Failed(_) | End::Spent => None,
        };
        let (fault, decided) = match end {
            End::Failed(DialError::RelayKey) => (DialError::RelayKey.into_fault(&self.dialer.address), true),
            End::Failed(error) => (error.into_fault(&self.dialer.address), false),
            End::Asked(_) | End::Spent | End::Orphaned => {
                (DialError::Unreachable("the session was closed".to_owned()).into_fault(&self.dialer.address), false)
            }
        };
        let pause_ms = match asked_ms {
            Some(ms) => ms.clamp(1, RETRY_ASKED_MS_MAX),
            None => self.backoff.failed(random()),
        };
        let retry_in_ms = (!decided).then_some(pause_ms);
        let heard = (self.reports)(Report::Disconnected { fault, was_open, retry_in_ms });
        (heard && !decided).then(|| Duration::from_millis(pause_ms))
    }

    /// Waits, unless told to try now. False when nobody listens any more.
    async fn wait(&mut self, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        loop {
            tokio::select! {
                () = sleep_until(until) => return true,
                command = self.inbox.recv() => match command {
                    None => return false,
                    Some(Command::TryNow) => return true,
                    // Nothing is open: the core sends it again when something is.
                    Some(Command::Send { .. } | Command::Close { .. }) => {}
                },
            }
        }
    }
}

/// The longest pause that a relay may ask for. A hostile one must not switch a device off.
const RETRY_ASKED_MS_MAX: u64 = 300_000;

/// Spreads pauses. Without the system's randomness the middle will do: nothing secret hangs on it.
fn random() -> u32 {
    getrandom::u32().unwrap_or(u32::MAX / 2)
}
