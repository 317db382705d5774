//! The reading statements. A stretch is read in one transaction, so that its head belongs to its entries; each cell is
//! checked against its id, so that a rotten sector is never sent as somebody's history.

use caro_link::proof;
use caro_schema::{
    id::{CellId, Handle, Hash, Signature},
    relay::{Entry, list::SignedList},
};
use rusqlite::{Connection, OptionalExtension, Row};
use serde_bytes::ByteBuf;

use super::{
    super::{Account, LogError, Room, Stretch},
    classify,
};
use crate::members;

/// Bits of [`place`] that hold the cursor.
const CURSOR_BITS: u32 = 40;

/// The largest account number, so that a place is a positive 63-bit number.
pub(super) const ACCOUNT_ID_MAX: i64 = (1 << 22) - 1;

/// Where an entry lies: account and cursor in one number. None beyond what a number holds, which is a trillion entries.
pub(super) fn place(account: i64, cursor: u64) -> Option<i64> {
    let cursor = i64::try_from(cursor).ok().filter(|cursor| *cursor < 1 << CURSOR_BITS)?;
    (0..=ACCOUNT_ID_MAX).contains(&account).then_some((account << CURSOR_BITS) | cursor)
}

/// The cursor of a place.
pub(super) fn cursor_of(place: i64) -> u64 {
    (place & ((1 << CURSOR_BITS) - 1)) as u64
}

/// An account with its number and its list's version.
pub(super) struct Found {
    pub(super) id: i64,
    pub(super) list_version: u64,
    /// A new life has begun since the account was made.
    pub(super) restored: bool,
    pub(super) account: Account,
    /// Whoever runs the relay has closed it.
    pub(super) closed: bool,
}

/// An account that devices may use. A closed one is to them as if it were not there.
pub(super) fn find(connection: &Connection, handle: &Handle) -> Result<Option<Found>, LogError> {
    Ok(find_any(connection, handle)?.filter(|found| !found.closed))
}

/// An account, closed or not.
pub(super) fn find_any(connection: &Connection, handle: &Handle) -> Result<Option<Found>, LogError> {
    let mut statement = connection
        .prepare_cached(
            "SELECT id, list_version, public, list, list_signature, cursor, head, used_bytes, added, quota_bytes, dropped,
             closed, restored FROM account WHERE handle = ?1",
        )
        .map_err(|error| classify(&error))?;
    let found = statement.query_row([handle.as_bytes()], found).optional().map_err(|error| classify(&error))?;
    let Some((mut found, added)) = found else { return Ok(None) };
    found.account.list.added = members::added(&added).ok_or(LogError::Damaged)?;
    Ok(Some(found))
}

fn found(row: &Row<'_>) -> rusqlite::Result<(Found, Vec<u8>)> {
    let list = SignedList {
        list: ByteBuf::from(row.get::<_, Vec<u8>>(3)?),
        signature: Signature(row.get(4)?),
        added: Vec::new(),
    };
    let found = Found {
        id: row.get(0)?,
        list_version: row.get(1)?,
        account: Account {
            public: Hash(row.get(2)?),
            list,
            cursor: row.get(5)?,
            head: Hash(row.get(6)?),
            used_bytes: row.get(7)?,
            quota_bytes: row.get(9)?,
            dropped: row.get(10)?,
        },
        closed: row.get(11)?,
        restored: row.get(12)?,
    };
    Ok((found, row.get(8)?))
}

pub(super) fn account(connection: &Connection, handle: &Handle) -> Result<Option<Account>, LogError> {
    Ok(find(connection, handle)?.map(|found| found.account))
}

pub(super) fn was_removed(connection: &Connection, handle: &Handle, device: &Hash) -> Result<bool, LogError> {
    let mut statement = connection
        .prepare_cached(
            "SELECT 1 FROM removed WHERE account = (SELECT id FROM account WHERE handle = ?1) AND device = ?2",
        )
        .map_err(|error| classify(&error))?;
    statement.exists((handle.as_bytes(), device.as_bytes())).map_err(|error| classify(&error))
}

pub(super) fn stretch(
    connection: &mut Connection,
    handle: &Handle,
    after: u64,
    room: Room,
) -> Result<Option<Stretch>, LogError> {
    let transaction = connection.transaction().map_err(|error| classify(&error))?;
    let Some(found) = find(&transaction, handle)?.filter(|found| after <= found.account.cursor) else {
        return Ok(None);
    };
    let head = head_at(&transaction, found.id, after)?;
    let mut stretch = Stretch { entries: Vec::new(), head, end: found.account.cursor };
    if after < stretch.end {
        walk(&transaction, found.id, after, room, &mut stretch)?;
    }
    Ok(Some(stretch))
}

fn head_at(connection: &Connection, account: i64, cursor: u64) -> Result<Hash, LogError> {
    if cursor == 0 {
        return Ok(Hash([0; 32]));
    }
    let place = place(account, cursor).ok_or(LogError::Damaged)?;
    let mut statement =
        connection.prepare_cached("SELECT head FROM entry WHERE place = ?1").map_err(|error| classify(&error))?;
    let head = statement.query_row([place], |row| row.get(0)).optional().map_err(|error| classify(&error))?;
    head.map(Hash).ok_or(LogError::Damaged)
}

fn walk(connection: &Connection, account: i64, after: u64, room: Room, stretch: &mut Stretch) -> Result<(), LogError> {
    let from = place(account, after).ok_or(LogError::Damaged)?;
    let to = place(account, stretch.end).ok_or(LogError::Damaged)?;
    let mut statement = connection
        .prepare_cached(
            "SELECT place, cell_id, head, cell FROM entry WHERE place > ?1 AND place <= ?2 ORDER BY place LIMIT ?3",
        )
        .map_err(|error| classify(&error))?;
    let mut rows = statement
        .query((from, to, i64::try_from(room.entries).unwrap_or(i64::MAX)))
        .map_err(|error| classify(&error))?;
    let mut bytes = 0;
    while let Some(row) = rows.next().map_err(|error| classify(&error))? {
        let entry = Entried::read(row).map_err(|error| classify(&error))?;
        // A page with a hole would make every device take this relay for one that lies.
        if entry.cursor != after + 1 + stretch.entries.len() as u64 {
            return Err(LogError::Damaged);
        }
        bytes += entry.cell.as_ref().map_or(0, Vec::len);
        if bytes > room.bytes && !stretch.entries.is_empty() {
            break;
        }
        stretch.head = entry.head;
        stretch.entries.push(entry.into_entry());
    }
    Ok(())
}

struct Entried {
    cursor: u64,
    id: CellId,
    head: Hash,
    cell: Option<Vec<u8>>,
}

impl Entried {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { cursor: cursor_of(row.get(0)?), id: CellId(row.get(1)?), head: Hash(row.get(2)?), cell: row.get(3)? })
    }

    /// A cell whose bytes are not what they were is gone; its place in the chain is not, so everything else still counts.
    fn into_entry(self) -> Entry {
        match self.cell {
            Some(cell) if proof::cell_id(&cell) == self.id => Entry::Cell(ByteBuf::from(cell)),
            Some(_) => {
                tracing::error!("a stored cell does not have the bytes that it had; run `caro-relay verify`");
                Entry::Gone(self.id)
            }
            None => Entry::Gone(self.id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_ordered_by_account_then_cursor_and_never_wraps() {
        assert!(place(1, (1 << 40) - 1) < place(2, 0));
        assert_eq!(place(7, 99).map(cursor_of), Some(99));
        assert_eq!(place(1, 1 << 40), None);
        assert_eq!(place(ACCOUNT_ID_MAX + 1, 1), None);
        assert!(place(ACCOUNT_ID_MAX, (1 << 40) - 1).is_some_and(|place| place > 0));
    }
}
