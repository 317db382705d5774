//! One connection to the server: made, set up so that a commit means what a relay needs it to mean, and used from one
//! thread. Knows no table.
//!
//! What is asked has a deadline on this side. There is none on the server's: one that ran out while a standby is waited
//! for would let a commit count that the standby does not have, with a warning for an excuse. Such a warning is noticed
//! here, and the commit then counts as unknown.

use std::{
    cell::RefCell,
    collections::HashMap,
    future::{Future, poll_fn},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::mpsc,
    task::JoinHandle,
    time::timeout,
};
use tokio_postgres::{
    AsyncMessage, Client, Connection, Notification, Row, Socket, Statement,
    error::{Severity, SqlState},
    tls::TlsStream,
    types::ToSql,
};

use super::{super::LogError, source::Source, tls::Tls};

/// How long the server may take over one transaction or read. A disk that takes five seconds to flush is waited for; a
/// device that comes in waits ten.
pub(super) const DEADLINE: Duration = Duration::from_secs(8);

/// How long a connection may take to be made and set up, over all addresses of the server.
const OPENING: Duration = Duration::from_secs(6);

/// How long the server is given to see that a connection was ended in order.
const FAREWELL: Duration = Duration::from_millis(500);

/// The oldest server that can tell when a relay that asked has gone.
const VERSION_MIN: i32 = 140_000;

/// What each connection is set to, whatever the server, the database or the user has.
///
/// A relay that is stopped in the middle of a transaction does not keep the others out for ever.
const SETTINGS: &str = "
    SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED;
    SET search_path TO caro_relay;
    SET client_min_messages TO warning;
    SET statement_timeout TO 0;
    SET lock_timeout TO '5s';
    SET idle_in_transaction_session_timeout TO '15s';
    SET jit TO off";

/// Why the server is not used, or did not answer.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The server or the way to it.
    #[error("the database server: {}", words(.0))]
    Postgres(#[from] tokio_postgres::Error),
    /// It took too long.
    #[error("the database server does not answer")]
    Silent,
    /// The connection has ended.
    #[error("the connection to the database server has ended")]
    Ended,
    /// What it says is durable may not be.
    #[error("the database server has {0}: what it says is stored may be lost")]
    NotDurable(&'static str),
    /// It was made before this program.
    #[error("the database server has version {0}, 14 or later is needed")]
    TooOld(String),
    /// A commit went through, but not to every place that it should have reached.
    #[error("a commit did not reach the standby")]
    NotReplicated,
    /// No runtime.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// What the server says, without the rows that it may be about.
fn words(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(said) => format!("{} ({})", said.message(), said.code().code()),
        None => std::error::Error::source(error).map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}")),
    }
}

impl LinkError {
    /// What it means for the log.
    pub(super) fn meaning(&self) -> LogError {
        match self {
            Self::Postgres(error) => error.code().map_or(LogError::Broken, meaning_of),
            Self::Silent | Self::Ended | Self::NotReplicated | Self::Io(_) => LogError::Broken,
            Self::NotDurable(_) | Self::TooOld(_) => LogError::Unavailable,
        }
    }

    /// Whether two transactions were in each other's way, and this one was undone.
    pub(super) fn is_conflict(&self) -> bool {
        let Self::Postgres(error) = self else { return false };
        matches!(error.code(), Some(&SqlState::T_R_DEADLOCK_DETECTED | &SqlState::T_R_SERIALIZATION_FAILURE))
    }
}

/// By the class of the code, which is its first two characters. Unknown ones count as the worst.
fn meaning_of(code: &SqlState) -> LogError {
    if [SqlState::INSUFFICIENT_PRIVILEGE, SqlState::QUERY_CANCELED].contains(code) {
        return LogError::Unavailable;
    }
    match code.code().get(..2) {
        // No room, no memory, no connection left; a lock that was not had in time; a server that only reads; two in each
        // other's way. The transaction is undone.
        Some("53" | "55" | "25" | "40") => LogError::Unavailable,
        Some("XX" | "23" | "42") => LogError::Damaged,
        _ => LogError::Broken,
    }
}

/// A connection.
pub(super) struct Link {
    /// None only while it is dropped.
    runtime: Option<Runtime>,
    client: Option<Client>,
    driving: Option<JoinHandle<()>>,
    warned: Arc<AtomicBool>,
    prepared: RefCell<HashMap<&'static str, Statement>>,
}

/// A connection while something is asked of it. Every statement is prepared once.
#[derive(Clone, Copy)]
pub(super) struct Server<'a> {
    pub(super) client: &'a Client,
    prepared: &'a RefCell<HashMap<&'static str, Statement>>,
}

/// What stands in the places of a statement.
pub(super) type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

impl Server<'_> {
    async fn prepared(&self, sql: &'static str) -> Result<Statement, tokio_postgres::Error> {
        let known = self.prepared.borrow().get(sql).cloned();
        if let Some(statement) = known {
            return Ok(statement);
        }
        let statement = self.client.prepare(sql).await?;
        self.prepared.borrow_mut().insert(sql, statement.clone());
        Ok(statement)
    }

    /// All rows.
    pub(super) async fn rows(&self, sql: &'static str, values: Values<'_>) -> Result<Vec<Row>, tokio_postgres::Error> {
        self.client.query(&self.prepared(sql).await?, values).await
    }

    /// The one row.
    pub(super) async fn row(&self, sql: &'static str, values: Values<'_>) -> Result<Row, tokio_postgres::Error> {
        self.client.query_one(&self.prepared(sql).await?, values).await
    }

    /// The one row, or none.
    pub(super) async fn maybe(
        &self,
        sql: &'static str,
        values: Values<'_>,
    ) -> Result<Option<Row>, tokio_postgres::Error> {
        self.client.query_opt(&self.prepared(sql).await?, values).await
    }

    /// How many rows it concerned.
    pub(super) async fn run(&self, sql: &'static str, values: Values<'_>) -> Result<u64, tokio_postgres::Error> {
        self.client.execute(&self.prepared(sql).await?, values).await
    }
}

impl Link {
    /// Connects and sets the connection up.
    pub(super) fn open(source: &Source) -> Result<Self, LinkError> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let opened = runtime.block_on(async { timeout(OPENING, Opened::open(source)).await });
        let Opened { client, driving, warned, .. } = opened.map_err(|_| LinkError::Silent)??;
        Ok(Self {
            runtime: Some(runtime),
            client: Some(client),
            driving: Some(driving),
            warned,
            prepared: RefCell::default(),
        })
    }

    /// Asks the server, for as long as it may take.
    pub(super) fn ask<'a, T, E, F>(&'a self, work: impl FnOnce(Server<'a>) -> F) -> Result<T, E>
    where
        E: From<LinkError>,
        F: Future<Output = Result<T, E>> + 'a,
    {
        self.ask_within(DEADLINE, work)
    }

    /// Asks the server, for as long as the caller says.
    pub(super) fn ask_within<'a, T, E, F>(
        &'a self,
        deadline: Duration,
        work: impl FnOnce(Server<'a>) -> F,
    ) -> Result<T, E>
    where
        E: From<LinkError>,
        F: Future<Output = Result<T, E>> + 'a,
    {
        let (Some(runtime), Some(client)) = (&self.runtime, &self.client) else { return Err(LinkError::Silent.into()) };
        let work = work(Server { client, prepared: &self.prepared });
        runtime.block_on(async { timeout(deadline, work).await.unwrap_or(Err(LinkError::Silent.into())) })
    }

    /// Ends the transaction that is open, so that it counts.
    pub(super) fn commit(&self) -> Result<(), LinkError> {
        self.warned.store(false, Ordering::Relaxed);
        self.ask(|server| async move { Ok::<_, LinkError>(server.client.batch_execute("COMMIT").await?) })?;
        if self.warned.load(Ordering::Relaxed) { Err(LinkError::NotReplicated) } else { Ok(()) }
    }

    /// Ends the transaction that is open, so that it never was. False when the connection can only be thrown away.
    pub(super) fn undo(&self) -> bool {
        self.ask(|server| async move { Ok::<_, LinkError>(server.client.batch_execute("ROLLBACK").await?) }).is_ok()
    }

    /// Whether the server still means it when it says that something is stored.
    pub(super) fn check(&self) -> Result<(), LinkError> {
        self.ask(|server| check(server.client))
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let (Some(runtime), Some(client), Some(driving)) =
            (self.runtime.take(), self.client.take(), self.driving.take())
        else {
            return;
        };
        drop(client);
        // Within another runtime nothing may be waited for; the server then sees the connection break.
        if Handle::try_current().is_err() {
            let ended = runtime.block_on(async { timeout(FAREWELL, driving).await });
            tracing::trace!(in_order = ended.is_ok(), "a connection to the database has ended");
        }
        runtime.shutdown_background();
    }
}

/// A connection that is driven by the runtime on which it was made.
pub(super) struct Opened {
    pub(super) client: Client,
    pub(super) driving: JoinHandle<()>,
    /// What other relays say.
    pub(super) news: mpsc::UnboundedReceiver<Notification>,
    /// The server warned of something.
    pub(super) warned: Arc<AtomicBool>,
}

impl Opened {
    pub(super) async fn open(source: &Source) -> Result<Self, LinkError> {
        let (sender, news) = mpsc::unbounded_channel();
        let warned = Arc::new(AtomicBool::new(false));
        let (client, driving) = match &source.tls {
            Some(tls) => {
                let (client, connection) = source.config.connect(Tls(tls.clone())).await?;
                (client, tokio::spawn(drive(connection, sender, warned.clone())))
            }
            None => {
                let (client, connection) = source.config.connect(tokio_postgres::NoTls).await?;
                (client, tokio::spawn(drive(connection, sender, warned.clone())))
            }
        };
        set_up(&client).await?;
        Ok(Self { client, driving, news, warned })
    }
}

async fn set_up(client: &Client) -> Result<(), LinkError> {
    let row = client.query_one("SELECT current_setting('server_version_num')::integer, version()", &[]).await?;
    if row.try_get::<_, i32>(0)? < VERSION_MIN {
        return Err(LinkError::TooOld(row.try_get(1)?));
    }
    check(client).await?;
    client.batch_execute(SETTINGS).await?;
    // What was found is kept, so that nobody loosens it for us while we are connected.
    client
        .execute("SELECT set_config('synchronous_commit', current_setting('synchronous_commit'), false)", &[])
        .await?;
    // A server on a system that cannot tell keeps a lost relay's transaction until its own keep-alive notices.
    if let Err(error) = client.batch_execute("SET client_connection_check_interval TO '5s'").await {
        tracing::debug!(error = words(&error), "the database server cannot tell when a relay has gone");
    }
    Ok(())
}

/// An acknowledgement rests on these two. Full pages matter to a server that crashes, and are for its owner to decide, who
/// may have a file system that does not tear them.
async fn check(client: &Client) -> Result<(), LinkError> {
    let row = client.query_one("SELECT current_setting('fsync'), current_setting('synchronous_commit')", &[]).await?;
    if row.try_get::<_, &str>(0)? != "on" {
        return Err(LinkError::NotDurable("fsync = off"));
    }
    if row.try_get::<_, &str>(1)? == "off" {
        return Err(LinkError::NotDurable("synchronous_commit = off"));
    }
    Ok(())
}

async fn drive<T: TlsStream + Unpin>(
    mut connection: Connection<Socket, T>,
    news: mpsc::UnboundedSender<Notification>,
    warned: Arc<AtomicBool>,
) {
    loop {
        match poll_fn(|context| connection.poll_message(context)).await {
            Some(Ok(AsyncMessage::Notification(notification))) => {
                // Only one connection listens; at the others nobody asks for news.
                let _ = news.send(notification);
            }
            Some(Ok(AsyncMessage::Notice(notice))) => {
                let code = notice.code().code().to_owned();
                if notice.parsed_severity() == Some(Severity::Warning) {
                    tracing::warn!(code, "the database server warns: {}", notice.message());
                    warned.store(true, Ordering::Relaxed);
                }
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                tracing::debug!(error = words(&error), "a connection to the database has failed");
                return;
            }
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_undone_may_work_later_and_what_is_unknown_counts_as_the_worst() {
        for (code, expected) in [
            ("53100", LogError::Unavailable),
            ("53300", LogError::Unavailable),
            ("55P03", LogError::Unavailable),
            ("57014", LogError::Unavailable),
            ("42501", LogError::Unavailable),
            ("25006", LogError::Unavailable),
            ("40P01", LogError::Unavailable),
            ("42P01", LogError::Damaged),
            ("23505", LogError::Damaged),
            ("XX001", LogError::Damaged),
            ("57P01", LogError::Broken),
            ("57P02", LogError::Broken),
            ("08006", LogError::Broken),
            ("58030", LogError::Broken),
            ("99999", LogError::Broken),
        ] {
            assert_eq!(meaning_of(&SqlState::from_code(code)), expected, "{code}");
        }
    }
}
