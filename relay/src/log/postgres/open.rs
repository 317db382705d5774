//! Opens the database for one relay of several: layout, life, keys. A database of a newer layout, one of another relay and
//! one that is not a relay's are refused and left exactly as they are.
//!
//! Each connection holds a lock, shared with all other relays, that lasts as long as it does. Whoever changes what all of
//! them rest on (the layout, the life) takes it alone, and so never under a relay that runs.

use std::time::Duration;

use caro_link::identity::{Signer, StaticKey};
use caro_schema::id::{Generation, Hash, RelayKey};
use tokio_postgres::{Client, Row};

use super::{
    link::{Link, LinkError},
    source::{Source, SourceError},
};

/// Why a database is not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It is not known where it is.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The server or the way to it.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// A newer program has written it.
    #[error("the database has version {found}, this program knows {known}")]
    Newer {
        /// What it has.
        found: i32,
        /// What is known here.
        known: i32,
    },
    /// An older program has written it, and only a relay that starts moves it on.
    #[error("the database has version {found}, this program needs {known}")]
    Older {
        /// What it has.
        found: i32,
        /// What is known here.
        known: i32,
    },
    /// It has to be brought up to this version, or begin a new life, while others use it.
    #[error("other relays use the database")]
    InUse,
    /// Somebody else is changing what all relays rest on.
    #[error("the database is being changed by another caro-relay")]
    Changing,
    /// There is a schema of our name with something else in it.
    #[error("the schema caro_relay in the database is not a relay's")]
    Foreign,
    /// It belongs to a relay with other keys.
    #[error("the database belongs to a relay with other keys")]
    OtherKeys,
    /// Nothing has been made in it yet.
    #[error("no relay was started with this database yet")]
    None,
    /// What this relay has served from was in it before.
    #[error("what was in the database is not there any more")]
    Gone,
    /// It does not fit together.
    #[error("the database is damaged")]
    Damaged,
}

impl From<tokio_postgres::Error> for OpenError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Link(error.into())
    }
}

/// By which keys devices know the relay: the public halves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The one in its address.
    pub session: RelayKey,
    /// The one that signs positions.
    pub signer: Hash,
}

impl Identity {
    /// Of these keys.
    pub fn of(session: &StaticKey, signer: &Signer) -> Self {
        Self { session: RelayKey(session.public()), signer: Hash(signer.public()) }
    }
}

/// What a connection is for.
#[derive(Clone, Copy)]
pub(super) enum Purpose<'a> {
    /// To serve devices.
    Serve {
        /// Which relay it must be.
        identity: &'a Identity,
        /// At a start: makes what is not there, with this life, and brings it up to this version. None for what was there a
        /// moment ago: a server that comes back empty is not the one that the relay has served from.
        fresh: Option<Generation>,
    },
    /// To look at it, or at what its owner may change, beside relays that run.
    Look,
    /// To change what all relays rest on.
    Alone,
}

/// Each brings the database from one layout to the next. A released one is never changed.
const MIGRATIONS: [&str; 2] = [
    include_str!("../../../migrations/postgres/0001_first.sql"),
    include_str!("../../../migrations/postgres/0002_restored.sql"),
];

/// The first half of the numbers of our locks: `caro` in ASCII.
const LOCKS: i32 = 0x6361_726f;

/// The second half: held by every connection of every relay.
const LOCK_USE: i32 = 1;

/// Held while the layout is looked at and changed.
const LOCK_MAKE: i32 = 2;

/// How long one step of a migration may take. A table with many rows is walked through once.
pub(super) const MIGRATING: Duration = Duration::from_secs(3600);

/// Connects and looks at everything that must be so.
pub(super) fn open(source: &Source, purpose: Purpose<'_>) -> Result<(Link, Generation), OpenError> {
    let link = Link::open(source)?;
    if let Purpose::Serve { identity, fresh: Some(fresh) } = purpose {
        make(&link, identity, fresh)?;
    }
    let generation = join(&link, purpose)?;
    Ok((link, generation))
}

/// Takes the lock and then looks: nobody changes it any more.
fn join(link: &Link, purpose: Purpose<'_>) -> Result<Generation, OpenError> {
    let (function, otherwise) = match purpose {
        Purpose::Serve { .. } | Purpose::Look => ("pg_try_advisory_lock_shared", OpenError::Changing),
        Purpose::Alone => ("pg_try_advisory_lock", OpenError::InUse),
    };
    let sql = format!("SELECT {function}($1, $2)");
    let taken = link.ask(|server| async move {
        Ok::<bool, OpenError>(server.client.query_one(&sql, &[&LOCKS, &LOCK_USE]).await?.try_get(0)?)
    })?;
    if !taken {
        return Err(otherwise);
    }
    let missing = if matches!(purpose, Purpose::Serve { .. }) { OpenError::Gone } else { OpenError::None };
    let stands = link.ask(|server| stands(server.client))?.ok_or(missing)?;
    let known = MIGRATIONS.len() as i32;
    match stands.layout {
        layout if layout > known => return Err(OpenError::Newer { found: layout, known }),
        found if found < known => return Err(OpenError::Older { found, known }),
        _ => {}
    }
    if let Purpose::Serve { identity, .. } = purpose
        && *identity != stands.identity
    {
        return Err(OpenError::OtherKeys);
    }
    Ok(stands.generation)
}

/// Brings the database up to this version, once, however many relays start at the same time.
fn make(link: &Link, identity: &Identity, fresh: Generation) -> Result<(), OpenError> {
    let known = MIGRATIONS.len() as i32;
    match link.ask(|server| stands(server.client))? {
        Some(stands) if stands.layout > known => return Err(OpenError::Newer { found: stands.layout, known }),
        Some(stands) if stands.identity != *identity => return Err(OpenError::OtherKeys),
        Some(stands) if stands.layout == known => return Ok(()),
        Some(_) | None => {}
    }
    // When it fails the connection goes away, and the transaction with it.
    link.ask_within(MIGRATING, |server| migrate(server.client, identity, fresh))
}

async fn migrate(client: &Client, identity: &Identity, fresh: Generation) -> Result<(), OpenError> {
    client.batch_execute("BEGIN").await?;
    client.execute("SELECT pg_advisory_xact_lock($1, $2)", &[&LOCKS, &LOCK_MAKE]).await?;
    // Whoever came first may have done it all.
    let from = stands(client).await?.map_or(0, |stands| stands.layout);
    let from = usize::try_from(from).map_err(|_| OpenError::Damaged)?;
    if from > 0 && from < MIGRATIONS.len() {
        let alone = client.query_one("SELECT pg_try_advisory_xact_lock($1, $2)", &[&LOCKS, &LOCK_USE]).await?;
        if !alone.try_get::<_, bool>(0)? {
            return Err(OpenError::InUse);
        }
    }
    if from == 0 {
        client.batch_execute("CREATE SCHEMA IF NOT EXISTS caro_relay").await?;
    }
    for migration in MIGRATIONS.iter().skip(from) {
        client.batch_execute(migration).await?;
    }
    let layout = MIGRATIONS.len() as i32;
    if from == 0 {
        let Identity { session, signer } = identity;
        client
            .execute(
                "INSERT INTO relay (one, layout, generation, session, signer) VALUES (true, $1, $2, $3, $4)",
                &[&layout, &&fresh.as_bytes()[..], &&session.as_bytes()[..], &&signer.as_bytes()[..]],
            )
            .await?;
    } else if from < MIGRATIONS.len() {
        client.execute("UPDATE relay SET layout = $1", &[&layout]).await?;
    }
    client.batch_execute("COMMIT").await?;
    Ok(())
}

/// How a database stands.
struct Stands {
    layout: i32,
    generation: Generation,
    identity: Identity,
}

/// None when nothing has been made.
async fn stands(client: &Client) -> Result<Option<Stands>, OpenError> {
    let row = client
        .query_one(
            "SELECT to_regclass('caro_relay.relay') IS NOT NULL,
             EXISTS (SELECT FROM pg_class WHERE relnamespace = to_regnamespace('caro_relay'))",
            &[],
        )
        .await?;
    match (row.try_get(0)?, row.try_get(1)?) {
        (false, false) => return Ok(None),
        (false, true) => return Err(OpenError::Foreign),
        (true, _) => {}
    }
    // Of a newer layout nothing is known but its number.
    let layout: i32 = client.query_one("SELECT layout FROM relay", &[]).await?.try_get(0)?;
    let known = MIGRATIONS.len() as i32;
    if layout > known {
        return Err(OpenError::Newer { found: layout, known });
    }
    let row = client.query_one("SELECT generation, session, signer FROM relay", &[]).await?;
    let identity = read_identity(&row)?.ok_or(OpenError::Damaged)?;
    let generation = Generation::from_slice(row.try_get(0)?).ok_or(OpenError::Damaged)?;
    Ok(Some(Stands { layout, generation, identity }))
}

fn read_identity(row: &Row) -> Result<Option<Identity>, tokio_postgres::Error> {
    let (session, signer) = (RelayKey::from_slice(row.try_get(1)?), Hash::from_slice(row.try_get(2)?));
    Ok(session.zip(signer).map(|(session, signer)| Identity { session, signer }))
}
