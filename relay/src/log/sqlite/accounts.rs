//! What whoever runs the relay may see of accounts and do to them: an account is a handle that means nothing elsewhere,
//! and some numbers. What is in it cannot be asked, because nothing here could read it.

use caro_schema::id::Handle;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{
    super::{LogError, keep::Forgotten},
    SqliteLog, classify, moved_what_has_grown,
    read::find_any,
    write::{self, Failure, LEAVING_LAST, Portion},
};
use crate::members;

/// An account in numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Which.
    pub handle: Handle,
    /// Entries that were ever pushed.
    pub entries: u64,
    /// Bytes that it holds.
    pub used_bytes: u64,
    /// Bytes that it may hold, where it was given a room of its own; zero for no limit.
    pub quota_bytes: Option<u64>,
    /// Whether it is closed.
    pub closed: bool,
}

/// An account with what it takes a walk through its entries to find out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Details {
    /// The account.
    pub summary: Summary,
    /// Devices that may connect.
    pub devices: u64,
    /// Cells that are there.
    pub cells: u64,
    /// Cells that the mailbox mode has forgotten, or that were purged.
    pub gone: u64,
}

const COLUMNS: &str = "handle, cursor, used_bytes, quota_bytes, closed";

impl SqliteLog {
    /// Accounts after a handle, in the order of handles.
    ///
    /// # Errors
    /// When they could not be read.
    pub fn summaries(&mut self, after: Option<Handle>, count: u32) -> Result<Vec<Summary>, LogError> {
        self.usable()?;
        let result = list(&self.connection, after, count).map_err(|error| classify(&error));
        self.noted(result)
    }

    /// Accounts whose handle begins with these hexadecimal digits, two at most: one is meant, more are too many.
    ///
    /// # Errors
    /// When they could not be read.
    pub fn beginning_with(&mut self, digits: &str) -> Result<Vec<Summary>, LogError> {
        self.usable()?;
        let result = begin(&self.connection, digits).map_err(|error| classify(&error));
        self.noted(result)
    }

    /// How many accounts and entries there are.
    ///
    /// # Errors
    /// When they could not be counted.
    pub fn count(&mut self) -> Result<(u64, u64), LogError> {
        self.usable()?;
        let result = self
            .connection
            .query_row(
                "SELECT count(*), coalesce(sum(cursor), 0) FROM account WHERE handle > ?1",
                [LEAVING_LAST],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .map_err(|error| classify(&error));
        self.noted(result)
    }

    /// An account in more numbers.
    ///
    /// # Errors
    /// When it could not be read.
    pub fn details(&mut self, handle: &Handle) -> Result<Option<Details>, LogError> {
        self.usable()?;
        let result = details(&self.connection, handle).map_err(Failure::into_log_error);
        self.noted(result)
    }

    /// Closes an account to all devices, or opens it again. False when there is none.
    ///
    /// # Errors
    /// When it could not be written.
    pub fn set_closed(&mut self, handle: &Handle, closed: bool) -> Result<bool, LogError> {
        // What is forgotten in part is not opened again: devices would take the rest for a history that went back.
        let statement = if closed {
            "UPDATE account SET closed = max(closed, ?2) WHERE handle = ?1"
        } else {
            "UPDATE account SET closed = ?2 WHERE handle = ?1 AND closed <= 1"
        };
        self.set(handle, statement, closed)
    }

    /// Gives an account a room of its own, or that of all. False when there is none.
    ///
    /// # Errors
    /// When it could not be written.
    pub fn set_quota(&mut self, handle: &Handle, quota_bytes: Option<u64>) -> Result<bool, LogError> {
        self.set(handle, "UPDATE account SET quota_bytes = ?2 WHERE handle = ?1", quota_bytes)
    }

    /// Forgets an account and everything in it, closed or not. False when there is none.
    ///
    /// # Errors
    /// When it could not be written.
    pub fn forget(&mut self, handle: &Handle) -> Result<bool, LogError> {
        let mut there = false;
        loop {
            match self.forget_some(handle)? {
                Forgotten::NoAccount => return Ok(there),
                Forgotten::Some => there = true,
                Forgotten::All => return Ok(true),
            }
        }
    }

    /// Forgets some MiB of an account from its end on, in a transaction of their own: all at once would write as much ahead
    /// as the account holds, on a disk that it has perhaps filled. What is left fits together after each, so that this can
    /// be broken off anywhere and gone on with later.
    ///
    /// # Errors
    /// When it could not be written.
    pub fn forget_some(&mut self, handle: &Handle) -> Result<Forgotten, LogError> {
        let forgotten = self.within(|connection| {
            let Some(found) = find_any(connection, handle)? else { return Ok(Forgotten::NoAccount) };
            write::forget_some(connection, found, &mut Portion::new()).map_err(Failure::into_log_error)
        })?;
        self.purged |= forgotten != Forgotten::NoAccount;
        let moved = moved_what_has_grown(&self.connection);
        self.noted(moved)?;
        Ok(forgotten)
    }

    fn set(&mut self, handle: &Handle, statement: &str, value: impl rusqlite::ToSql) -> Result<bool, LogError> {
        self.within(|connection| {
            let count =
                connection.execute(statement, params![handle.as_bytes(), value]).map_err(|error| classify(&error))?;
            Ok(count > 0)
        })
    }
}

fn summary(row: &Row<'_>) -> rusqlite::Result<Summary> {
    Ok(Summary {
        handle: Handle(row.get(0)?),
        entries: row.get(1)?,
        used_bytes: row.get(2)?,
        quota_bytes: row.get(3)?,
        closed: row.get(4)?,
    })
}

fn list(connection: &Connection, after: Option<Handle>, count: u32) -> rusqlite::Result<Vec<Summary>> {
    // What a device has closed is gone, also while there is some of it.
    let after = after.map_or(LEAVING_LAST, |handle| LEAVING_LAST.max(*handle.as_bytes()));
    let sql = format!("SELECT {COLUMNS} FROM account WHERE handle > ?1 ORDER BY handle LIMIT ?2");
    let mut statement = connection.prepare(&sql)?;
    statement.query_map(params![after, count], summary)?.collect()
}

fn begin(connection: &Connection, digits: &str) -> rusqlite::Result<Vec<Summary>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM account WHERE substr(lower(hex(handle)), 1, length(?1)) = lower(?1) AND handle > ?2 LIMIT 2"
    );
    let mut statement = connection.prepare(&sql)?;
    statement.query_map(params![digits, LEAVING_LAST], summary)?.collect()
}

fn details(connection: &Connection, handle: &Handle) -> Result<Option<Details>, Failure> {
    let Some(found) = find_any(connection, handle)? else { return Ok(None) };
    let devices = members::devices(&found.account.list).ok_or(LogError::Damaged)?.len() as u64;
    let sql = format!("SELECT {COLUMNS} FROM account WHERE handle = ?1");
    let Some(summary) = connection.query_row(&sql, [handle.as_bytes()], summary).optional()? else { return Ok(None) };
    let cells: u64 = connection.query_row(
        "SELECT count(*) FROM entry WHERE account = ?1 AND cell IS NOT NULL",
        [found.id],
        |row| row.get(0),
    )?;
    let gone = summary.entries.saturating_sub(cells);
    Ok(Some(Details { summary, devices, cells, gone }))
}
