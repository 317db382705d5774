//! The reading statements. Each is one statement, so that what it gives belongs together; each cell is checked against its
//! id, so that a rotten sector is never sent as somebody's history.

use caro_link::proof;
use caro_schema::{
    id::{CellId, Handle, Hash, Signature},
    relay::{Entry, list::SignedList},
};
use serde_bytes::ByteBuf;
use tokio_postgres::Row;

use super::{
    super::{Account, LogError, Room, Stretch},
    Trouble,
    link::Server,
};
use crate::members;

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

/// Accounts by handle, held locked to the end of the transaction, in an order that is everybody's.
pub(super) const LOCKED: &str = "
    SELECT id, list_version, public, list, list_signature, added, cursor, head, used_bytes, quota_bytes, dropped, closed,
           restored
    FROM account WHERE handle = ANY($1) ORDER BY handle FOR UPDATE";

const ACCOUNT: &str = "
    SELECT id, list_version, public, list, list_signature, added, cursor, head, used_bytes, quota_bytes, dropped, closed,
           restored
    FROM account WHERE handle = $1 AND NOT closed";

impl Found {
    /// From a row of the columns above.
    pub(super) fn read(row: &Row) -> Result<Self, Trouble> {
        let list = SignedList {
            list: ByteBuf::from(row.try_get::<_, Vec<u8>>(3)?),
            signature: Signature::from_slice(row.try_get(4)?).ok_or(LogError::Damaged)?,
            added: members::added(row.try_get(5)?).ok_or(LogError::Damaged)?,
        };
        let account = Account {
            public: hash(row, 2)?,
            list,
            cursor: number(row, 6)?,
            head: hash(row, 7)?,
            used_bytes: number(row, 8)?,
            quota_bytes: row.try_get::<_, Option<i64>>(9)?.map(unsigned).transpose()?,
            dropped: number(row, 10)?,
        };
        let (closed, restored) = (row.try_get(11)?, row.try_get(12)?);
        Ok(Self { id: row.try_get(0)?, list_version: number(row, 1)?, restored, account, closed })
    }
}

/// A column with 32 bytes.
pub(super) fn hash(row: &Row, column: usize) -> Result<Hash, Trouble> {
    Ok(Hash::from_slice(row.try_get(column)?).ok_or(LogError::Damaged)?)
}

/// A column with a count.
pub(super) fn number(row: &Row, column: usize) -> Result<u64, Trouble> {
    unsigned(row.try_get(column)?)
}

pub(super) fn unsigned(number: i64) -> Result<u64, Trouble> {
    u64::try_from(number).map_err(|_| LogError::Damaged.into())
}

/// A number as the server keeps it. What is larger than it can keep is never asked for in earnest.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// An account that devices may use. A closed one is to them as if it were not there.
pub(super) async fn account(server: Server<'_>, handle: &Handle) -> Result<Option<Account>, Trouble> {
    let row = server.maybe(ACCOUNT, &[&&handle.as_bytes()[..]]).await?;
    row.as_ref().map(Found::read).transpose().map(|found| found.map(|found| found.account))
}

/// The next number of the sequence by which seats are ordered.
pub(super) async fn turn(server: Server<'_>) -> Result<u64, Trouble> {
    number(&server.row("SELECT nextval('seat_taken_seq')", &[]).await?, 0)
}

const WAS_REMOVED: &str = "
    SELECT EXISTS (SELECT FROM removed WHERE account = (SELECT id FROM account WHERE handle = $1) AND device = $2)";

pub(super) async fn was_removed(server: Server<'_>, handle: &Handle, device: &Hash) -> Result<bool, Trouble> {
    let row = server.row(WAS_REMOVED, &[&&handle.as_bytes()[..], &&device.as_bytes()[..]]).await?;
    Ok(row.try_get(0)?)
}

/// The entries after a cursor with the head before them and the log's end, all as of one moment. What does not fit is
/// counted by the server, so that it is not carried here to be thrown away.
const STRETCH: &str = "
    SELECT a.cursor, (SELECT h.head FROM entry h WHERE h.account = a.id AND h.cursor = $2),
           e.cursor, e.cell_id, e.head, e.cell
    FROM account a LEFT JOIN LATERAL (
        SELECT w.cursor, w.cell_id, w.head, w.cell FROM (
            SELECT l.cursor, l.cell_id, l.head, l.cell, row_number() OVER along AS number,
                   sum(coalesce(octet_length(l.cell), 0)) OVER along AS bytes
            FROM (SELECT cursor, cell_id, head, cell FROM entry
                  WHERE account = a.id AND cursor > $2 ORDER BY cursor LIMIT $3) l
            WINDOW along AS (ORDER BY l.cursor)) w
        WHERE w.number = 1 OR w.bytes <= $4) e ON true
    WHERE a.handle = $1 AND NOT a.closed AND a.cursor >= $2
    ORDER BY e.cursor";

pub(super) async fn stretch(
    server: Server<'_>,
    handle: &Handle,
    after: u64,
    room: Room,
) -> Result<Option<Stretch>, Trouble> {
    let Ok(from) = i64::try_from(after) else { return Ok(None) };
    let (entries, bytes) = (signed(room.entries as u64), signed(room.bytes as u64));
    let rows = server.rows(STRETCH, &[&&handle.as_bytes()[..], &from, &entries, &bytes]).await?;
    let Some(first) = rows.first() else { return Ok(None) };
    let head = match after {
        0 => Hash([0; 32]),
        _ => first.try_get::<_, Option<&[u8]>>(1)?.and_then(Hash::from_slice).ok_or(LogError::Damaged)?,
    };
    let mut stretch = Stretch { entries: Vec::new(), head, end: number(first, 0)? };
    if after == stretch.end {
        return Ok(Some(stretch));
    }
    for row in &rows {
        // A page with a hole would make every device take this relay for one that lies.
        let cursor = row.try_get::<_, Option<i64>>(2)?.ok_or(LogError::Damaged)?;
        if cursor != signed(after + 1 + stretch.entries.len() as u64) {
            return Err(LogError::Damaged.into());
        }
        stretch.head = hash(row, 4)?;
        stretch.entries.push(entry(row)?);
    }
    Ok(Some(stretch))
}

/// A cell whose bytes are not what they were is gone; its place in the chain is not, so everything else still counts.
fn entry(row: &Row) -> Result<Entry, Trouble> {
    let id = CellId::from_slice(row.try_get(3)?).ok_or(LogError::Damaged)?;
    Ok(match row.try_get::<_, Option<Vec<u8>>>(5)? {
        Some(cell) if proof::cell_id(&cell) == id => Entry::Cell(ByteBuf::from(cell)),
        Some(_) => {
            tracing::error!("a stored cell does not have the bytes that it had; run `caro-relay verify`");
            Entry::Gone(id)
        }
        None => Entry::Gone(id),
    })
}
