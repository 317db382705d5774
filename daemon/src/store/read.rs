//! Rows, as they were written. One that does not open in its place is never given to anybody.

use caro_core::{
    history::block,
    step::{BlockNumber, RemoteNumber, RowError, Rows, Space},
};
use caro_schema::body::history::Record;
use rusqlite::{Connection, OptionalExtension, params};

use super::{
    Store, StoreError,
    seal::{Place, Sealer},
    write::number,
};

impl Store {
    /// The numbers of all blocks of history, ascending.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn blocks(&self) -> Result<Vec<BlockNumber>, StoreError> {
        self.with(|connection| {
            let mut all = connection.prepare_cached("SELECT n FROM blocks ORDER BY n")?;
            let numbers = all.query_map([], |row| row.get::<_, i64>(0))?;
            numbers.map(|n| unsigned(n?)).collect()
        })
    }

    /// The records of a block.
    ///
    /// # Errors
    /// When the file cannot be read, or the block is not there or not what was written.
    pub fn block(&self, n: BlockNumber) -> Result<Vec<Record>, StoreError> {
        self.with(|connection| open_block(connection, &self.sealer, n))
    }

    /// Counts a block as damaged and left out.
    pub fn leave_out(&self, n: BlockNumber) {
        self.left_out.set(self.left_out.get() + 1);
        tracing::error!(n, "a block of history failed its check and is left out");
    }

    fn note_left_out(&self, space: Space) {
        self.left_out.set(self.left_out.get() + 1);
        tracing::error!(?space, "a row failed its check and is left out");
    }
}

pub(super) fn open_block(connection: &Connection, sealer: &Sealer, n: BlockNumber) -> Result<Vec<Record>, StoreError> {
    let mut one = connection.prepare_cached("SELECT sealed FROM blocks WHERE n = ?1")?;
    let sealed: Option<Vec<u8>> = one.query_row([number(n)?], |row| row.get(0)).optional()?;
    let sealed = sealed.ok_or_else(|| StoreError::Damaged(format!("block {n} is missing")))?;
    let plain = sealer.open(Place::Block(n), &sealed)?;
    block::decode(&plain).map_err(|_| StoreError::Damaged(format!("block {n} cannot be read")))
}

impl Rows for Store {
    fn row(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, RowError> {
        let (space, hidden) = self.sealer.place(space, key);
        let found = self.with(|connection| {
            let mut one = connection.prepare_cached("SELECT sealed FROM rows WHERE space = ?1 AND key = ?2")?;
            let sealed: Option<Vec<u8>> = one.query_row(params![space, hidden], |row| row.get(0)).optional()?;
            sealed.map(|sealed| self.sealer.open_row(Place::Row(space, hidden), &sealed)).transpose()
        })?;
        Ok(found.filter(|(true_key, _)| true_key == key).map(|(_, value)| value))
    }

    fn rows(&self, space: Space) -> Result<Vec<(Vec<u8>, Vec<u8>)>, RowError> {
        let rows = self.with(|connection| {
            let mut all = connection.prepare_cached("SELECT key, sealed FROM rows WHERE space = ?1")?;
            let mut found = all.query([space as u8])?;
            let mut rows = Vec::new();
            while let Some(row) = found.next()? {
                match open_listed(&self.sealer, space as u8, row.get_ref(0)?.as_blob(), row.get_ref(1)?.as_blob()) {
                    Some(row) => rows.push(row),
                    None => self.note_left_out(space),
                }
            }
            Ok(rows)
        })?;
        Ok(rows)
    }

    fn queue(&self, remote: RemoteNumber, after: u64, bytes_max: usize) -> Result<Vec<(u64, Vec<u8>)>, RowError> {
        let cells = self.with(|connection| {
            let sql = "SELECT n, sealed FROM queue WHERE remote = ?1 AND n > ?2 ORDER BY n";
            let mut next = connection.prepare_cached(sql)?;
            let mut found = next.query(params![remote, number(after)?])?;
            let (mut cells, mut bytes) = (Vec::new(), 0);
            while let Some(row) = found.next()? {
                let n = unsigned(row.get(0)?)?;
                let sealed = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
                let cell = self.sealer.open(Place::Queue(remote, n), sealed)?;
                bytes += cell.len();
                if bytes > bytes_max && !cells.is_empty() {
                    break;
                }
                cells.push((n, cell));
            }
            Ok(cells)
        })?;
        Ok(cells)
    }
}

/// A row of a list, none when anything about it is not as it was written.
pub(super) fn open_listed(
    sealer: &Sealer,
    space: u8,
    hidden: Result<&[u8], rusqlite::types::FromSqlError>,
    sealed: Result<&[u8], rusqlite::types::FromSqlError>,
) -> Option<(Vec<u8>, Vec<u8>)> {
    let hidden = hidden.ok()?.try_into().ok()?;
    sealer.open_row(Place::Row(space, hidden), sealed.ok()?).ok()
}

pub(super) fn unsigned(n: i64) -> Result<u64, StoreError> {
    u64::try_from(n).map_err(|_| StoreError::Damaged("a number below zero".to_owned()))
}
