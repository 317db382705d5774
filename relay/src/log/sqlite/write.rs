//! The writing statements, each within the caller's transaction. The account's cursor and head move in the same
//! transaction as the entries they count.

use caro_link::proof;
use caro_schema::{
    id::{CellId, Handle, Hash},
    relay::{
        Accepted,
        list::{Addition, DeviceList, SignedList},
    },
};
use rusqlite::{Connection, OptionalExtension, params};
use serde_bytes::ByteBuf;

use super::{
    super::{Account, Appended, Change, Changed, FORGOTTEN_BYTES, FORGOTTEN_ENTRIES, LogError, keep::Forgotten},
    classify, invitations, kept,
    read::{ACCOUNT_ID_MAX, Found, cursor_of, find, find_any, place, was_removed},
};
use crate::{
    limits::REMOVED_MAX,
    members::{self, Admission, Step, Stored},
    quota::{self, Quota},
};

/// Carries out one change. `today` is the day that cells get, in the mailbox mode.
pub(super) fn apply(connection: &Connection, change: Change, today: Option<u32>) -> Result<Changed, LogError> {
    let result = match change {
        Change::Create { account, list, accounts_max, invitation } => {
            create(connection, account, list, accounts_max, invitation)
        }
        Change::SetList { handle, list } => with(connection, &handle, |found| set_list(connection, found, list)),
        Change::Append { handle, cells, quota } => {
            with(connection, &handle, |found| append(connection, found, cells, quota, today))
        }
        Change::Delivered { handle, device, cursor } => {
            with(connection, &handle, |found| Ok(Changed::Noted(kept::note(connection, &found, device, cursor)?)))
        }
        Change::Purge { handle, cells } => with(connection, &handle, |found| purge(connection, found, &cells)),
        Change::Admit { handle, by, key } => {
            with(connection, &handle, |found| admit(connection, found, Addition { key, by }))
        }
        Change::Close { handle } => with(connection, &handle, |found| leave(connection, &found)),
    };
    result.map_err(Failure::into_log_error)
}

/// Either kind of failure, so that statements can be written with `?`.
pub(super) enum Failure {
    Sqlite(rusqlite::Error),
    Log(LogError),
}

impl Failure {
    pub(super) fn into_log_error(self) -> LogError {
        match self {
            Self::Sqlite(error) => classify(&error),
            Self::Log(error) => error,
        }
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<LogError> for Failure {
    fn from(error: LogError) -> Self {
        Self::Log(error)
    }
}

fn with(
    connection: &Connection,
    handle: &Handle,
    change: impl FnOnce(Found) -> Result<Changed, Failure>,
) -> Result<Changed, Failure> {
    match find(connection, handle)? {
        Some(found) => change(found),
        None => Ok(Changed::NoAccount),
    }
}

fn create(
    connection: &Connection,
    public: Hash,
    list: SignedList,
    accounts_max: u64,
    invitation: Option<Hash>,
) -> Result<Changed, Failure> {
    let handle = proof::handle_of(&public);
    if find_any(connection, &handle)?.is_some() {
        return Ok(Changed::Exists);
    }
    let (count, last): (u64, i64) = connection
        .prepare_cached("SELECT count(*) FILTER (WHERE handle > ?1), coalesce(max(id), 0) FROM account")?
        .query_row([LEAVING_LAST], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if count >= accounts_max || last >= ACCOUNT_ID_MAX {
        return Ok(Changed::NoRoom);
    }
    // In the transaction that makes the account, so that one use is one account, however many come at once.
    if let Some(invitation) = invitation
        && !invitations::take(connection, &invitation)?
    {
        return Ok(Changed::NotInvited);
    }
    let version = decode(&list)?.version;
    let head = Hash([0; 32]);
    connection
        .prepare_cached(
            "INSERT INTO account (handle, public, list, list_signature, list_version, cursor, head, used_bytes)
             VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6, 0)",
        )?
        .execute(params![
            handle.as_bytes(),
            public.as_bytes(),
            list.list.as_slice(),
            list.signature.as_bytes(),
            version,
            head.as_bytes()
        ])?;
    Ok(Changed::Created(Account { public, list, cursor: 0, head, used_bytes: 0, quota_bytes: None, dropped: 0 }))
}

fn decode(list: &SignedList) -> Result<DeviceList, LogError> {
    DeviceList::decode(&list.list).map_err(|_| LogError::Damaged)
}

fn set_list(connection: &Connection, found: Found, list: SignedList) -> Result<Changed, Failure> {
    let next = decode(&list)?;
    let stored = Stored { list: &found.account.list, version: found.list_version, restored: found.restored };
    match stored.followed_by(&list, &next).ok_or(LogError::Damaged)? {
        Step::OutOfStep => return Ok(Changed::ListOutOfStep),
        Step::Same => {}
        Step::Next { replaced } => {
            remember_removed(connection, found.id, &replaced, &next)?;
            connection
                .prepare_cached(
                    "UPDATE account SET list = ?2, list_signature = ?3, list_version = ?4, added = x'' WHERE id = ?1",
                )?
                .execute(params![found.id, list.list.as_slice(), list.signature.as_bytes(), next.version])?;
        }
    }
    Ok(Changed::ListSet { version: next.version, devices: next.keys })
}

fn remember_removed(
    connection: &Connection,
    account: i64,
    before: &[Hash],
    next: &DeviceList,
) -> Result<(), rusqlite::Error> {
    for device in &next.keys {
        connection
            .prepare_cached("DELETE FROM removed WHERE account = ?1 AND device = ?2")?
            .execute((account, device.as_bytes()))?;
    }
    for device in before.iter().filter(|device| !members::lists(next, device)) {
        connection
            .prepare_cached("INSERT INTO removed (account, device) VALUES (?1, ?2)")?
            .execute((account, device.as_bytes()))?;
    }
    connection
        .prepare_cached(
            "DELETE FROM removed WHERE account = ?1 AND number NOT IN
             (SELECT number FROM removed WHERE account = ?1 ORDER BY number DESC LIMIT ?2)",
        )?
        .execute((account, REMOVED_MAX))?;
    Ok(())
}

fn admit(connection: &Connection, found: Found, addition: Addition) -> Result<Changed, Failure> {
    let list = found.account.list;
    let devices = members::devices(&list).ok_or(LogError::Damaged)?;
    let removed = was_removed(connection, &proof::handle_of(&found.account.public), &addition.key)?;
    Ok(match members::admits(&devices, &addition, removed) {
        Admission::Known => Changed::Admitted { key: addition.key, devices },
        Admission::Refused => Changed::NotAdmitted,
        Admission::New => {
            let added = [list.added, vec![addition]].concat();
            connection
                .prepare_cached("UPDATE account SET added = ?2 WHERE id = ?1")?
                .execute(params![found.id, members::added_bytes(&added)])?;
            Changed::Admitted { key: addition.key, devices: [devices, vec![addition.key]].concat() }
        }
    })
}

fn append(
    connection: &Connection,
    found: Found,
    cells: Vec<(CellId, ByteBuf)>,
    quota: Quota,
    today: Option<u32>,
) -> Result<Changed, Failure> {
    let quota = quota.with_bytes(found.account.quota_bytes);
    let Account { cursor: before, head, mut used_bytes, .. } = found.account;
    let mut appended = Appended { accepted: Vec::new(), before, fresh: Vec::new(), head, over_quota: false };
    let mut known = connection.prepare_cached("SELECT place, cell FROM entry WHERE account = ?1 AND cell_id = ?2")?;
    let used_before = used_bytes;
    let mut insert = connection.prepare_cached(
        "INSERT INTO entry (place, account, cell_id, head, cell, day) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for (cell, bytes) in cells {
        let there: Option<(i64, Option<Vec<u8>>)> =
            known.query_row((found.id, cell.as_bytes()), |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        if let Some((place, held)) = there {
            if let Some(held) = held.filter(|held| proof::cell_id(held) != cell) {
                // What lies there has rotted, and this is what it was.
                used_bytes = used_bytes.saturating_sub(held.len() as u64) + bytes.len() as u64;
                connection
                    .prepare_cached("UPDATE entry SET cell = ?2 WHERE place = ?1")?
                    .execute(params![place, bytes.as_slice()])?;
            }
            appended.accepted.push(Accepted { cell, cursor: cursor_of(place) });
            continue;
        }
        let cost = quota::cost(bytes.len());
        let last = before + appended.fresh.len() as u64;
        if !quota.allows(used_bytes, last, cost) {
            appended.over_quota = true;
            break;
        }
        let cursor = last + 1;
        appended.head = proof::chain_head(&appended.head, cursor, &cell);
        used_bytes += cost;
        let place = place(found.id, cursor).ok_or(LogError::Damaged)?;
        insert.execute(params![place, found.id, cell.as_bytes(), appended.head.as_bytes(), bytes.as_slice(), today])?;
        appended.accepted.push(Accepted { cell, cursor });
        appended.fresh.push((cell, bytes));
    }
    if !appended.fresh.is_empty() || used_bytes != used_before {
        let cursor = before + appended.fresh.len() as u64;
        connection
            .prepare_cached("UPDATE account SET cursor = ?2, head = ?3, used_bytes = ?4 WHERE id = ?1")?
            .execute(params![found.id, cursor, appended.head.as_bytes(), used_bytes])?;
    }
    Ok(Changed::Appended(appended))
}

fn purge(connection: &Connection, found: Found, cells: &[CellId]) -> Result<Changed, Failure> {
    let mut held = connection.prepare_cached(
        "SELECT place, length(cell) FROM entry WHERE account = ?1 AND cell_id = ?2 AND cell IS NOT NULL",
    )?;
    let mut forget = connection.prepare_cached("UPDATE entry SET cell = NULL WHERE place = ?1")?;
    let (mut count, mut bytes) = (0, 0);
    for cell in cells {
        let there: Option<(i64, u64)> =
            held.query_row((found.id, cell.as_bytes()), |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        if let Some((place, size)) = there {
            forget.execute([place])?;
            count += 1;
            bytes += size;
        }
    }
    if count > 0 {
        connection
            .prepare_cached("UPDATE account SET used_bytes = max(0, used_bytes - ?2) WHERE id = ?1")?
            .execute((found.id, bytes))?;
    }
    Ok(Changed::Purged(count))
}

/// Takes an account away from everybody. What was in it is forgotten bit by bit ([`sweep`]), as an account may hold more than one
/// transaction should forget; until then its row is kept under a handle that is nobody's, and it can be made anew.
fn leave(connection: &Connection, found: &Found) -> Result<Changed, Failure> {
    connection.prepare_cached("UPDATE account SET closed = ?2, handle = ?3 WHERE id = ?1")?.execute((
        found.id,
        FORGETTING,
        leaving(found.id),
    ))?;
    Ok(Changed::Closed)
}

/// The handle of an account that is nobody's any more.
pub(super) fn leaving(account: i64) -> [u8; 16] {
    let mut handle = [0; 16];
    handle[8..].copy_from_slice(&account.to_be_bytes());
    handle
}

/// The last of the handles that [`leave`] gives. A handle is the beginning of a hash: a device that has one of these would have
/// tried for longer than there is time.
pub(super) const LEAVING_LAST: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255];

/// What one transaction forgets.
pub(super) struct Portion {
    bytes: u64,
    entries: usize,
}

impl Portion {
    pub(super) fn new() -> Self {
        Self { bytes: FORGOTTEN_BYTES, entries: FORGOTTEN_ENTRIES }
    }

    pub(super) fn is_spent(&self) -> bool {
        self.bytes == 0 || self.entries == 0
    }

    /// An entry with a cell of so many bytes. The first one may be larger than what is left.
    pub(super) fn take(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_sub(bytes);
        self.entries = self.entries.saturating_sub(1);
    }
}

/// What `closed` is while an account is forgotten: no device is let in, as with 1, and it is not opened again.
const FORGETTING: i64 = 2;

/// Forgets some of what closed accounts have left. Whether there was any, and whether there may be more.
pub(super) fn sweep(connection: &Connection) -> Result<(bool, bool), LogError> {
    let (mut portion, mut some) = (Portion::new(), false);
    while !portion.is_spent() {
        let handle: Option<[u8; 16]> = connection
            .prepare_cached("SELECT handle FROM account WHERE handle <= ?1 AND closed = ?2 LIMIT 1")
            .and_then(|mut next| next.query_row((LEAVING_LAST, FORGETTING), |row| row.get(0)).optional())
            .map_err(|error| classify(&error))?;
        let Some(handle) = handle else { return Ok((some, false)) };
        some = true;
        let found = find_any(connection, &Handle(handle))?.ok_or(LogError::Damaged)?;
        forget_some(connection, found, &mut portion).map_err(Failure::into_log_error)?;
    }
    Ok((some, true))
}

/// Forgets the last entries of an account, and with the first of them the account itself.
pub(super) fn forget_some(connection: &Connection, found: Found, portion: &mut Portion) -> Result<Forgotten, Failure> {
    let (first, last) = (place(found.id, 0), place(found.id, found.account.cursor));
    let (Some(first), Some(last)) = (first, last) else { return Err(LogError::Damaged.into()) };
    let mut statement = connection.prepare_cached(
        "SELECT place, coalesce(length(cell), 0) FROM entry WHERE place > ?1 AND place <= ?2 ORDER BY place DESC",
    )?;
    let mut rows = statement.query((first, last))?;
    let (mut from, mut cost) = (first + 1, 0);
    // The account's own row counts, too: there may be many that are empty.
    portion.take(0);
    let is_all = loop {
        let Some(row) = rows.next()? else { break true };
        if portion.is_spent() {
            break false;
        }
        from = row.get(0)?;
        let size: u64 = row.get(1)?;
        portion.take(size);
        cost += quota::cost(usize::try_from(size).unwrap_or(usize::MAX));
    };
    drop(rows);
    if is_all {
        connection.prepare_cached("DELETE FROM entry WHERE place BETWEEN ?1 AND ?2")?.execute((first, last))?;
        connection.prepare_cached("DELETE FROM account WHERE id = ?1")?.execute([found.id])?;
        return Ok(Forgotten::All);
    }
    let cursor = cursor_of(from) - 1;
    connection.prepare_cached("DELETE FROM entry WHERE place BETWEEN ?1 AND ?2")?.execute((from, last))?;
    // Where the chain has a hole nobody follows it any more.
    let head: Option<[u8; 32]> = connection
        .prepare_cached("SELECT head FROM entry WHERE place = ?1")?
        .query_row([place(found.id, cursor)], |row| row.get(0))
        .optional()?;
    connection
        .prepare_cached("UPDATE account SET closed = ?2, cursor = ?3, head = ?4, used_bytes = ?5 WHERE id = ?1")?
        .execute(params![
            found.id,
            FORGETTING,
            cursor,
            head.unwrap_or_default(),
            found.account.used_bytes.saturating_sub(cost)
        ])?;
    Ok(Forgotten::Some)
}
