//! The log in a PostgreSQL server, for several relays on one set of accounts. What the trait promises holds for all of them
//! together: an account's row is its counter, and whoever appends holds it locked until the commit.
//!
//! A commit that returned has been flushed by the server, and by its synchronous standby where it has one; a server that
//! says so without doing it is refused. A transaction that was certainly undone is tried again; one of which the end is not
//! known never is, and the handle is then [`LogError::Broken`]: devices push again, and what is there keeps its cursor.
//!
//! `source` where the server is, `tls` how it proves itself, `link` one connection, `open` layout and locks, `read` and
//! `write` the statements, `kept` the mailbox mode, [`news`] what relays tell each other, [`verify`] the offline check.

mod kept;
mod link;
pub mod news;
mod open;
mod operator;
mod read;
mod source;
mod tls;
pub mod verify;
mod write;

use std::collections::BTreeSet;

use caro_schema::id::{Generation, Handle, Hash};

use super::{
    Account, Change, Changed, Log, LogError, LogReader, Noted, Room, Stretch,
    sqlite::{delivered, today},
};
use crate::seldom::Seldom;
use link::Link;
use open::Purpose;

pub use link::LinkError;
pub use open::{Identity, OpenError};
pub use source::{SCHEMES, Setting, Source, SourceError, check};

/// How often a transaction is begun that was undone because of another one, or whose connection was gone before its end.
const TRIES: u32 = 4;

/// How often a read is asked: a connection that was idle may have gone without a word, and the next one while it is made.
const READS: usize = 3;

/// The writing handle of one thread. There may be several at once, here and elsewhere.
pub struct PostgresLog {
    source: Source,
    /// As which relay; none for whoever only runs them.
    identity: Option<Identity>,
    generation: Generation,
    link: Link,
    /// The newest day that is stored, as with SQLite; other relays may have stored newer ones since.
    dated: Option<i32>,
    swept: bool,
    /// Accounts of which every device has more than was forgotten at once. Those from before a restart are seen when one of their
    /// devices next says how far it has come.
    behind: BTreeSet<Handle>,
}

/// A reading handle of one thread.
pub struct PostgresReader {
    source: Source,
    link: Option<Link>,
}

/// What comes of statements that belong together.
#[derive(Debug)]
enum Trouble {
    Link(LinkError),
    Log(LogError),
}

impl From<LinkError> for Trouble {
    fn from(error: LinkError) -> Self {
        Self::Link(error)
    }
}

impl From<tokio_postgres::Error> for Trouble {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Link(error.into())
    }
}

impl From<LogError> for Trouble {
    fn from(error: LogError) -> Self {
        Self::Log(error)
    }
}

impl Trouble {
    fn meaning(&self) -> LogError {
        match self {
            Self::Link(error) => error.meaning(),
            Self::Log(error) => *error,
        }
    }

    fn is_conflict(&self) -> bool {
        matches!(self, Self::Link(error) if error.is_conflict())
    }

    fn say(&self) {
        if let Self::Link(error) = self {
            warn(error, "a transaction failed");
        }
    }
}

/// For what every request comes upon while the server is away.
fn warn(error: &dyn std::error::Error, what: &'static str) {
    static SAID: Seldom = Seldom::new();
    if SAID.is_due() {
        tracing::warn!(error = error.to_string(), "{what}");
    }
}

impl PostgresLog {
    /// Opens the database for a relay with these keys, makes it when it is not there, and brings it up to this version.
    /// `fresh` is the generation that a new one gets.
    ///
    /// # Errors
    /// Why it is not opened. It is left as it was.
    pub fn open(source: &Source, identity: &Identity, fresh: Generation) -> Result<Self, OpenError> {
        Self::serving(source, identity, Some(fresh))
    }

    /// Opens a database that was open before, for one more handle or after a failure. Makes nothing: where it is not there any
    /// more it is [`OpenError::Gone`].
    ///
    /// # Errors
    /// Why it is not opened.
    pub fn open_again(source: &Source, identity: &Identity) -> Result<Self, OpenError> {
        Self::serving(source, identity, None)
    }

    fn serving(source: &Source, identity: &Identity, fresh: Option<Generation>) -> Result<Self, OpenError> {
        let (link, generation) = open::open(source, Purpose::Serve { identity, fresh })?;
        Ok(Self::on(source, Some(*identity), generation, link))
    }

    /// Opens a database that relays have made, for what its owner may look at and change beside them.
    ///
    /// # Errors
    /// Why it is not opened.
    pub fn look(source: &Source) -> Result<Self, OpenError> {
        let (link, generation) = open::open(source, Purpose::Look)?;
        Ok(Self::on(source, None, generation, link))
    }

    fn on(source: &Source, identity: Option<Identity>, generation: Generation, link: Link) -> Self {
        let (source, behind) = (source.clone(), BTreeSet::new());
        Self { source, identity, generation, link, dated: None, swept: false, behind }
    }

    /// A reading handle beside this one.
    pub fn reader(&self) -> PostgresReader {
        PostgresReader::new(&self.source)
    }

    /// Starts a new life of a database, after it was restored from a backup: devices offer again what it lacks, and their
    /// newest list. No relay may be using it.
    ///
    /// # Errors
    /// When it could not be written, or is used.
    pub fn renew(source: &Source, generation: Generation) -> Result<(), OpenError> {
        let (link, _) = open::open(source, Purpose::Alone)?;
        link.ask(|server| async move {
            server.client.batch_execute("BEGIN").await?;
            server.run("UPDATE relay SET generation = $1", &[&&generation.as_bytes()[..]]).await?;
            server.run("UPDATE account SET restored = true", &[]).await?;
            server.client.batch_execute("COMMIT").await?;
            Ok(())
        })
    }

    /// From now on cells get the day on which they come, as the mailbox mode needs it; those that have none get today.
    ///
    /// # Errors
    /// When it could not be written.
    pub fn date(&mut self) -> Result<(), LogError> {
        self.dated = Some(self.transact(open::MIGRATING, |server| kept::date(server, day(today())))?);
        Ok(())
    }

    /// One transaction, begun anew when it was certainly undone and that may pass.
    fn attempt(&mut self, changes: &[Change]) -> Result<Vec<Changed>, LogError> {
        self.dated = self.dated.map(|newest| newest.max(day(today())));
        let today = self.dated;
        let mut tries = 1;
        loop {
            let trouble = match self.link.ask(|server| write::carry_out(server, changes, today)) {
                Ok(changed) => return self.ended(changed),
                Err(trouble) => trouble,
            };
            // The commit was never asked for, so nothing of it counts, whatever became of the connection.
            let undone = self.link.undo();
            let again = if undone { trouble.is_conflict() } else { self.connect_again() };
            if !again || tries == TRIES {
                trouble.say();
                return Err(if undone { trouble.meaning() } else { LogError::Broken });
            }
            tries += 1;
        }
    }

    /// Nothing is tried again from here on: what became of a commit without an answer is not known.
    fn ended<T>(&mut self, result: T) -> Result<T, LogError> {
        match self.link.commit() {
            Ok(()) => Ok(result),
            Err(error) => {
                warn(&error, "a commit has no answer");
                // The server has said that it did not happen, or nothing is known and the connection must go.
                Err(if self.link.undo() { error.meaning() } else { LogError::Broken })
            }
        }
    }

    fn connect_again(&mut self) -> bool {
        let purpose = match &self.identity {
            Some(identity) => Purpose::Serve { identity, fresh: None },
            None => Purpose::Look,
        };
        match open::open(&self.source, purpose) {
            Ok((link, generation)) if generation == self.generation => {
                self.link = link;
                true
            }
            Ok(_) => false,
            Err(error) => {
                warn(&error, "the database was not reached again");
                false
            }
        }
    }

    /// Statements that are one transaction and are not tried again.
    fn transact<'a, T, F>(
        &'a mut self,
        deadline: std::time::Duration,
        work: impl FnOnce(link::Server<'a>) -> F,
    ) -> Result<T, LogError>
    where
        F: Future<Output = Result<T, Trouble>> + 'a,
    {
        let link: &'a Link = &self.link;
        let result = link.ask_within(deadline, |server| {
            let work = work(server);
            async move {
                server.client.batch_execute("BEGIN").await?;
                work.await
            }
        });
        match result {
            Ok(result) => link.commit().map(|()| result).map_err(|error| {
                warn(&error, "a commit has no answer");
                if link.undo() { error.meaning() } else { LogError::Broken }
            }),
            Err(trouble) => {
                trouble.say();
                Err(if link.undo() { trouble.meaning() } else { LogError::Broken })
            }
        }
    }
}

/// A day as the server keeps it.
fn day(day: u32) -> i32 {
    i32::try_from(day).unwrap_or(i32::MAX)
}

impl LogReader for PostgresLog {
    fn account(&mut self, handle: &Handle) -> Result<Option<Account>, LogError> {
        self.read(|link| link.ask(|server| read::account(server, handle)))
    }

    fn was_removed(&mut self, handle: &Handle, device: &Hash) -> Result<bool, LogError> {
        self.read(|link| link.ask(|server| read::was_removed(server, handle, device)))
    }

    fn stretch(&mut self, handle: &Handle, after: u64, room: Room) -> Result<Option<Stretch>, LogError> {
        self.read(|link| link.ask(|server| read::stretch(server, handle, after, room)))
    }

    fn turn(&mut self) -> Result<u64, LogError> {
        self.read(|link| link.ask(read::turn))
    }
}

impl PostgresLog {
    /// A read is asked again over a new connection when the old one is gone: it changes nothing.
    fn read<T>(&mut self, ask: impl Fn(&Link) -> Result<T, Trouble>) -> Result<T, LogError> {
        let trouble = match ask(&self.link) {
            Ok(result) => return Ok(result),
            Err(trouble) => trouble,
        };
        if trouble.meaning() != LogError::Broken || !self.connect_again() {
            trouble.say();
            return Err(trouble.meaning());
        }
        ask(&self.link).map_err(|trouble| {
            trouble.say();
            trouble.meaning()
        })
    }
}

impl PostgresReader {
    /// A reading handle on a database that [`PostgresLog::open`] has made. It connects when it is first asked.
    pub fn new(source: &Source) -> Self {
        Self { source: source.clone(), link: None }
    }

    /// A read is asked again over a new connection when the old one, or one that was just being made, is gone: it changes
    /// nothing.
    fn read<T>(&mut self, ask: impl Fn(&Link) -> Result<T, Trouble>) -> Result<T, LogError> {
        let mut last = LogError::Unavailable;
        for _ in 0..READS {
            let link = match self.link.take().map_or_else(|| self.connect(), Ok) {
                Ok(link) => link,
                Err(error) => {
                    warn(&error, "the database was not reached");
                    continue;
                }
            };
            match ask(&link) {
                Ok(result) => {
                    self.link = Some(link);
                    return Ok(result);
                }
                Err(trouble) => {
                    trouble.say();
                    last = trouble.meaning();
                    if last != LogError::Broken {
                        self.link = Some(link);
                        return Err(last);
                    }
                }
            }
        }
        Err(last)
    }

    fn connect(&self) -> Result<Link, OpenError> {
        open::open(&self.source, Purpose::Look).map(|(link, _)| link)
    }
}

impl LogReader for PostgresReader {
    fn account(&mut self, handle: &Handle) -> Result<Option<Account>, LogError> {
        self.read(|link| link.ask(|server| read::account(server, handle)))
    }

    fn was_removed(&mut self, handle: &Handle, device: &Hash) -> Result<bool, LogError> {
        self.read(|link| link.ask(|server| read::was_removed(server, handle, device)))
    }

    fn stretch(&mut self, handle: &Handle, after: u64, room: Room) -> Result<Option<Stretch>, LogError> {
        self.read(|link| link.ask(|server| read::stretch(server, handle, after, room)))
    }

    fn turn(&mut self) -> Result<u64, LogError> {
        self.read(|link| link.ask(read::turn))
    }
}

impl Log for PostgresLog {
    fn generation(&self) -> Generation {
        self.generation
    }

    fn commit(&mut self, changes: Vec<Change>) -> Result<Vec<Changed>, LogError> {
        let changed = self.attempt(&changes)?;
        self.swept &= !changed.iter().any(|changed| matches!(changed, Changed::Closed));
        let behind = |(change, changed): (&Change, &Changed)| {
            delivered(change).filter(|_| matches!(changed, Changed::Noted(Noted { more: true, .. })))
        };
        self.behind.extend(changes.iter().zip(&changed).filter_map(behind));
        Ok(changed)
    }

    /// Takes away what closed accounts left and what all devices have, bit by bit, and looks whether the server still means what
    /// it says. The space of what was purged is the server's own to clear (`docs/several-relays.md`).
    fn settle(&mut self) -> Result<(), LogError> {
        self.link.check().map_err(|error| {
            tracing::error!(%error, "the database server is not used any more");
            LogError::Broken
        })?;
        if !self.swept {
            self.swept = !self.transact(link::DEADLINE, write::sweep)?;
        } else if let Some(handle) = self.behind.first().copied() {
            let noted = self.transact(link::DEADLINE, |server| kept::note_on(server, handle))?;
            if !noted.more {
                self.behind.remove(&handle);
            }
        }
        Ok(())
    }

    fn expire(&mut self, before_day: u32) -> Result<(u64, bool), LogError> {
        self.transact(link::DEADLINE, |server| kept::expire(server, day(before_day)))
    }
}
