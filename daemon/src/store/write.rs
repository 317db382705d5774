//! A step's writes, as one transaction. When the function returns well they are on the disk; otherwise none of them is.

use caro_core::{
    history::block,
    step::{RemoteNumber, Space, Write},
};
use caro_schema::body::history::Record;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::{
    Store, StoreError, migrate, open,
    seal::{Place, Sealer},
};

impl Store {
    /// Makes the writes durable, all or none, in their order: of two to one place the later counts.
    ///
    /// # Errors
    /// When they could not be made durable. After a failure of the disk it is possible that they are all there; as
    /// each says what is to be in its place, writing them again changes nothing.
    pub fn commit(&mut self, writes: &[Write]) -> Result<(), StoreError> {
        if writes.is_empty() {
            return Ok(());
        }
        self.unsettled.set(true);
        self.with(|connection| {
            if self.doubtful.get() {
                open::settle(connection)?;
                self.doubtful.set(false);
            }
            commit(connection, &self.sealer, writes)?;
            open::settle_what_has_grown(connection)
        })?;
        if self.has_copies.get() && writes.iter().any(deletes_history) {
            // What was deleted must not live on in a copy from before.
            migrate::remove_copies(&self.path);
            self.has_copies.set(false);
        }
        Ok(())
    }
}

/// Whether a write deletes something of the history, or is the last of those that take what carried it away.
pub(crate) fn deletes_history(write: &Write) -> bool {
    match write {
        Write::Row(Space::Tombstone | Space::Hidden, _, Some(_)) | Write::Row(Space::Trash, _, None) => true,
        Write::Row(Space::State, key, None) => key == ERASING,
        _ => false,
    }
}

/// The core's row that is there as long as something is to be looked for.
const ERASING: &[u8] = b"erase";

fn commit(connection: &mut Connection, sealer: &Sealer, writes: &[Write]) -> Result<(), StoreError> {
    // The lock at once: a transaction that begins by reading could find at its first write that it has none.
    let transaction = Transaction::new(connection, TransactionBehavior::Immediate)?;
    for write in writes {
        match write {
            Write::Block(n, records) => put_block(&transaction, sealer, *n, records.as_deref())?,
            Write::Queue(remote, n, cell) => put_queued(&transaction, sealer, *remote, *n, cell.as_deref())?,
            Write::Row(space, key, value) => put_row(&transaction, sealer, *space, key, value.as_deref())?,
        }
    }
    Ok(transaction.commit()?)
}

fn put_block(
    transaction: &Transaction<'_>,
    sealer: &Sealer,
    n: u64,
    records: Option<&[Record]>,
) -> Result<(), StoreError> {
    match records {
        Some(records) => {
            let sealed = sealer.seal(Place::Block(n), &block::encode(records))?;
            let mut put = transaction.prepare_cached("INSERT OR REPLACE INTO blocks (n, sealed) VALUES (?1, ?2)")?;
            put.execute(params![number(n)?, sealed])?;
        }
        None => {
            transaction.prepare_cached("DELETE FROM blocks WHERE n = ?1")?.execute([number(n)?])?;
        }
    }
    Ok(())
}

fn put_queued(
    transaction: &Transaction<'_>,
    sealer: &Sealer,
    remote: RemoteNumber,
    n: u64,
    cell: Option<&[u8]>,
) -> Result<(), StoreError> {
    match cell {
        Some(cell) => {
            let sealed = sealer.seal(Place::Queue(remote, n), cell)?;
            let sql = "INSERT OR REPLACE INTO queue (remote, n, sealed) VALUES (?1, ?2, ?3)";
            transaction.prepare_cached(sql)?.execute(params![remote, number(n)?, sealed])?;
        }
        None => {
            let mut drop = transaction.prepare_cached("DELETE FROM queue WHERE remote = ?1 AND n = ?2")?;
            drop.execute(params![remote, number(n)?])?;
        }
    }
    Ok(())
}

fn put_row(
    transaction: &Transaction<'_>,
    sealer: &Sealer,
    space: Space,
    key: &[u8],
    value: Option<&[u8]>,
) -> Result<(), StoreError> {
    let (space, hidden) = sealer.place(space, key);
    match value {
        Some(value) => {
            let sealed = sealer.seal_row(Place::Row(space, hidden), key, value)?;
            let sql = "INSERT OR REPLACE INTO rows (space, key, sealed) VALUES (?1, ?2, ?3)";
            transaction.prepare_cached(sql)?.execute(params![space, hidden, sealed])?;
        }
        None => {
            let mut drop = transaction.prepare_cached("DELETE FROM rows WHERE space = ?1 AND key = ?2")?;
            drop.execute(params![space, hidden])?;
        }
    }
    Ok(())
}

/// SQLite's numbers have a sign, and order must stay the same.
pub(super) fn number(n: u64) -> Result<i64, StoreError> {
    i64::try_from(n).map_err(|_| StoreError::TooLarge)
}
