//! What whoever runs the relays may see of accounts and do to them, and the invitations, beside relays that run. The same
//! as for SQLite.

use caro_schema::id::{Handle, Hash};
use tokio_postgres::Row;

use super::{
    super::{
        LogError,
        keep::Forgotten,
        sqlite::{
            accounts::{Details, Summary},
            invitations::Invitation,
        },
    },
    PostgresLog, Trouble,
    link::{DEADLINE, Server, Values},
    read::{Found, number, signed, unsigned},
    write,
};
use crate::members;

const LIST: &str = "
    SELECT handle, cursor, used_bytes, quota_bytes, closed FROM account WHERE handle > $1 ORDER BY handle LIMIT $2";

const BEGINNING: &str = "
    SELECT handle, cursor, used_bytes, quota_bytes, closed FROM account
    WHERE left(encode(handle, 'hex'), length($1)) = lower($1) LIMIT 2";

const ONE: &str = "SELECT handle, cursor, used_bytes, quota_bytes, closed FROM account WHERE handle = $1";

/// An account that whoever runs the relay asks about, closed or not.
const ANY: &str = "
    SELECT id, list_version, public, list, list_signature, added, cursor, head, used_bytes, quota_bytes, dropped, closed
    FROM account WHERE handle = $1";

impl PostgresLog {
    /// Accounts after a handle, in the order of handles.
    ///
    /// # Errors
    /// When they could not be read.
    pub fn summaries(&mut self, after: Option<Handle>, count: u32) -> Result<Vec<Summary>, LogError> {
        let after = after.map_or_else(Vec::new, |handle| handle.as_bytes().to_vec());
        let count = i64::from(count);
        self.list(LIST, &[&after, &count], summary)
    }

    /// Accounts whose handle begins with these hexadecimal digits, two at most: one is meant, more are too many.
    ///
    /// # Errors
    /// When they could not be read.
    pub fn beginning_with(&mut self, digits: &str) -> Result<Vec<Summary>, LogError> {
        self.list(BEGINNING, &[&digits], summary)
    }

    /// How many accounts and entries there are.
    ///
    /// # Errors
    /// When they could not be counted.
    pub fn count(&mut self) -> Result<(u64, u64), LogError> {
        self.read(|link| {
            link.ask(|server| async move {
                let row = server.row("SELECT count(*), coalesce(sum(cursor), 0)::bigint FROM account", &[]).await?;
                Ok((number(&row, 0)?, number(&row, 1)?))
            })
        })
    }

    /// An account in more numbers.
    ///
    /// # Errors
    /// When it could not be read.
    pub fn details(&mut self, handle: &Handle) -> Result<Option<Details>, LogError> {
        self.read(|link| link.ask(|server| details(server, handle)))
    }

    /// Closes an account to all devices, or opens it again. False when there is none.
    ///
    /// # Errors
    /// When it could not be written.
    pub fn set_closed(&mut self, handle: &Handle, closed: bool) -> Result<bool, LogError> {
        self.change("UPDATE account SET closed = $2 WHERE handle = $1", &[&&handle.as_bytes()[..], &closed])
    }

    /// Gives an account a room of its own, or that of all. False when there is none.
    ///
    /// # Errors
    /// When it could not be written.
    pub fn set_quota(&mut self, handle: &Handle, quota_bytes: Option<u64>) -> Result<bool, LogError> {
        let quota = quota_bytes.map(signed);
        self.change("UPDATE account SET quota_bytes = $2 WHERE handle = $1", &[&&handle.as_bytes()[..], &quota])
    }

    /// Forgets an account and everything in it, closed or not. False when there is none.
    ///
    /// # Errors
    /// When it could not be written.
    pub fn forget(&mut self, handle: &Handle) -> Result<bool, LogError> {
        self.swept = false;
        let handle = *handle.as_bytes();
        self.transact(DEADLINE, |server| async move {
            let row = server.maybe("SELECT id FROM account WHERE handle = $1 FOR UPDATE", &[&&handle[..]]).await?;
            let Some(row) = row else { return Ok(false) };
            write::forget(server, row.try_get(0)?).await?;
            Ok(true)
        })
    }

    /// Forgets an account, all of it at once: room for that is the server's to have.
    ///
    /// # Errors
    /// When it could not be written.
    pub fn forget_some(&mut self, handle: &Handle) -> Result<Forgotten, LogError> {
        Ok(if self.forget(handle)? { Forgotten::All } else { Forgotten::NoAccount })
    }

    /// Keeps a new invitation. Gives its number.
    ///
    /// # Errors
    /// When it could not be written.
    pub fn invite(&mut self, hash: &Hash, note: &str, expires: Option<u64>, uses: u32) -> Result<u64, LogError> {
        const INVITE: &str = "
            INSERT INTO invitation (hash, note, expires, uses_left, used) VALUES ($1, $2, $3, $4, 0) RETURNING number";
        let (expires, uses) = (expires.map(signed), i64::from(uses));
        self.transact(DEADLINE, |server| async move {
            number(&server.row(INVITE, &[&&hash.as_bytes()[..], &note, &expires, &uses]).await?, 0)
        })
    }

    /// All invitations, in the order in which they were made.
    ///
    /// # Errors
    /// When they could not be read.
    pub fn invitations(&mut self) -> Result<Vec<Invitation>, LogError> {
        self.list("SELECT number, note, expires, uses_left, used FROM invitation ORDER BY number", &[], invitation)
    }

    /// Forgets an invitation. Accounts that were made with it stay. False when there is none of this number.
    ///
    /// # Errors
    /// When it could not be written.
    pub fn revoke_invitation(&mut self, number: u64) -> Result<bool, LogError> {
        self.change("DELETE FROM invitation WHERE number = $1", &[&signed(number)])
    }

    fn list<T>(
        &mut self,
        sql: &'static str,
        values: Values<'_>,
        each: impl Fn(&Row) -> Result<T, Trouble>,
    ) -> Result<Vec<T>, LogError> {
        self.read(|link| {
            let each = &each;
            link.ask(|server| async move { server.rows(sql, values).await?.iter().map(each).collect() })
        })
    }

    fn change(&mut self, sql: &'static str, values: Values<'_>) -> Result<bool, LogError> {
        self.transact(DEADLINE, |server| async move { Ok(server.run(sql, values).await? > 0) })
    }
}

fn summary(row: &Row) -> Result<Summary, Trouble> {
    Ok(Summary {
        handle: Handle::from_slice(row.try_get(0)?).ok_or(LogError::Damaged)?,
        entries: number(row, 1)?,
        used_bytes: number(row, 2)?,
        quota_bytes: row.try_get::<_, Option<i64>>(3)?.map(unsigned).transpose()?,
        closed: row.try_get(4)?,
    })
}

fn invitation(row: &Row) -> Result<Invitation, Trouble> {
    let small = |column| Ok::<_, Trouble>(u32::try_from(number(row, column)?).unwrap_or(u32::MAX));
    Ok(Invitation {
        number: number(row, 0)?,
        note: row.try_get(1)?,
        expires: row.try_get::<_, Option<i64>>(2)?.map(unsigned).transpose()?,
        uses_left: small(3)?,
        used: small(4)?,
    })
}

async fn details(server: Server<'_>, handle: &Handle) -> Result<Option<Details>, Trouble> {
    let handle = &handle.as_bytes()[..];
    let Some(row) = server.maybe(ANY, &[&handle]).await? else { return Ok(None) };
    let found = Found::read(&row)?;
    let devices = members::devices(&found.account.list).ok_or(LogError::Damaged)?.len() as u64;
    let Some(row) = server.maybe(ONE, &[&handle]).await? else { return Ok(None) };
    let summary = summary(&row)?;
    const CELLS: &str = "SELECT count(*) FROM entry WHERE account = $1 AND cell IS NOT NULL";
    let cells = number(&server.row(CELLS, &[&found.id]).await?, 0)?;
    let gone = summary.entries.saturating_sub(cells);
    Ok(Some(Details { summary, devices, cells, gone }))
}
