//! The writing statements of one transaction. All accounts that it concerns are locked at its beginning, in one order, so
//! that several relays never wait for each other in a circle; from then on what is known of them is kept here and moves
//! with the rows. Pushes that follow one another are written together.

use std::collections::{HashMap, HashSet};

use caro_link::proof;
use caro_schema::{
    id::{CellId, Handle, Hash},
    relay::{
        Accepted,
        list::{Addition, DeviceList, SignedList},
    },
};
use serde_bytes::ByteBuf;

use super::{
    super::{Account, Appended, Change, Changed, LogError},
    Trouble, kept,
    link::Server,
    read::{Found, LOCKED, number, signed, was_removed},
};
use crate::{
    limits::REMOVED_MAX,
    members::{self, Admission, Step, Stored},
    quota::{self, Quota},
};

/// A transaction that has begun.
pub(super) struct Work<'a> {
    server: Server<'a>,
    /// Everything that is there of what the changes name.
    accounts: HashMap<Handle, Found>,
    /// The day that cells get, in the mailbox mode.
    today: Option<i32>,
}

/// Carries out changes, in order, up to the commit.
pub(super) async fn carry_out(
    server: Server<'_>,
    changes: &[Change],
    today: Option<i32>,
) -> Result<Vec<Changed>, Trouble> {
    let makes = changes.iter().any(|change| matches!(change, Change::Create { .. }));
    server.client.batch_execute("BEGIN").await?;
    if makes {
        // One account is made at a time, so that there are never more than may be; and before any account is locked, so
        // that nobody who waits here holds what somebody else waits for.
        server.row("SELECT one FROM relay FOR UPDATE", &[]).await?;
    }
    let mut work = Work { server, accounts: lock(server, changes).await?, today };
    let mut results = Vec::with_capacity(changes.len());
    let mut rest = changes;
    while !rest.is_empty() {
        let pushes = rest.iter().take_while(|change| matches!(change, Change::Append { .. })).count();
        if pushes > 0 {
            results.extend(work.append(&rest[..pushes]).await?);
            rest = &rest[pushes..];
        } else {
            results.push(work.apply(&rest[0]).await?);
            rest = &rest[1..];
        }
    }
    Ok(results)
}

async fn lock(server: Server<'_>, changes: &[Change]) -> Result<HashMap<Handle, Found>, Trouble> {
    let handles: HashSet<Handle> = changes.iter().map(Change::handle).collect();
    let wanted: Vec<&[u8]> = handles.iter().map(|handle| &handle.as_bytes()[..]).collect();
    let rows = server.rows(LOCKED, &[&wanted]).await?;
    rows.iter().map(|row| Found::read(row).map(|found| (proof::handle_of(&found.account.public), found))).collect()
}

fn decode(list: &SignedList) -> Result<DeviceList, LogError> {
    DeviceList::decode(&list.list).map_err(|_| LogError::Damaged)
}

const CREATE: &str = "
    INSERT INTO account (handle, public, list, list_signature, list_version, head)
    VALUES ($1, $2, $3, $4, $5, $6) RETURNING id";

const SET_LIST: &str = "
    UPDATE account SET list = $2, list_signature = $3, list_version = $4, added = '\\x' WHERE id = $1";

/// All at once, numbered in the order in which they stand on the list: one by one, the lists of one transaction could take longer
/// than it may.
const REMOVE: &str = "
    INSERT INTO removed (account, device)
    SELECT $1, device FROM unnest($2::bytea[]) WITH ORDINALITY AS gone (device, place) ORDER BY place
    ON CONFLICT DO NOTHING";

const FORGET_REMOVED: &str = "
    DELETE FROM removed WHERE account = $1 AND number NOT IN
    (SELECT number FROM removed WHERE account = $1 ORDER BY number DESC LIMIT $2)";

const KNOWN: &str = "
    SELECT e.account, e.cell_id, e.cursor, e.cell FROM unnest($1::bigint[], $2::bytea[]) AS pushed (account, cell_id)
    JOIN entry e ON e.account = pushed.account AND e.cell_id = pushed.cell_id";

const INSERT: &str = "
    INSERT INTO entry (account, cursor, cell_id, head, cell, day)
    SELECT account, cursor, cell_id, head, cell, $6
    FROM unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bytea[], $5::bytea[])
    AS pushed (account, cursor, cell_id, head, cell)";

const MOVE_ON: &str = "
    UPDATE account SET cursor = moved.cursor, head = moved.head, used_bytes = moved.used_bytes
    FROM unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bigint[]) AS moved (id, cursor, head, used_bytes)
    WHERE account.id = moved.id";

const PURGE: &str = "
    WITH held AS (
        SELECT cursor, octet_length(cell) AS bytes FROM entry
        WHERE account = $1 AND cell_id = ANY($2) AND cell IS NOT NULL),
    forgotten AS (
        UPDATE entry SET cell = NULL FROM held WHERE entry.account = $1 AND entry.cursor = held.cursor)
    SELECT count(*), coalesce(sum(bytes), 0)::bigint FROM held";

impl Work<'_> {
    /// An account that devices may use. A closed one is to them as if it were not there.
    fn found(&self, handle: &Handle) -> Option<&Found> {
        self.accounts.get(handle).filter(|found| !found.closed)
    }

    async fn apply(&mut self, change: &Change) -> Result<Changed, Trouble> {
        let handle = change.handle();
        if let Change::Create { account, list, accounts_max, invitation } = change {
            return self.create(handle, *account, list, *accounts_max, *invitation).await;
        }
        if self.found(&handle).is_none() {
            return Ok(Changed::NoAccount);
        }
        match change {
            Change::SetList { list, .. } => self.set_list(handle, list).await,
            Change::Purge { cells, .. } => self.purge(handle, cells).await,
            Change::Admit { by, key, .. } => self.admit(handle, Addition { key: *key, by: *by }).await,
            Change::Delivered { device, cursor, .. } => self.note(handle, *device, *cursor).await,
            Change::Close { .. } => self.close(handle).await,
            // These are carried out elsewhere; here they change nothing.
            Change::Create { .. } | Change::Append { .. } => Ok(Changed::NoAccount),
        }
    }

    async fn create(
        &mut self,
        handle: Handle,
        public: Hash,
        list: &SignedList,
        accounts_max: u64,
        invitation: Option<Hash>,
    ) -> Result<Changed, Trouble> {
        if self.accounts.contains_key(&handle) {
            return Ok(Changed::Exists);
        }
        let count = number(&self.server.row("SELECT count(*) FROM account", &[]).await?, 0)?;
        if count >= accounts_max {
            return Ok(Changed::NoRoom);
        }
        // In the transaction that makes the account, so that one use is one account, however many come at once.
        if let Some(invitation) = invitation
            && !take(self.server, &invitation).await?
        {
            return Ok(Changed::NotInvited);
        }
        let version = decode(list)?.version;
        let head = Hash([0; 32]);
        let row = self
            .server
            .row(
                CREATE,
                &[
                    &&handle.as_bytes()[..],
                    &&public.as_bytes()[..],
                    &list.list.as_slice(),
                    &&list.signature.as_bytes()[..],
                    &signed(version),
                    &&head.as_bytes()[..],
                ],
            )
            .await?;
        let list = list.clone();
        let account = Account { public, list, cursor: 0, head, used_bytes: 0, quota_bytes: None, dropped: 0 };
        let id = row.try_get(0)?;
        let found = Found { id, list_version: version, restored: false, account: account.clone(), closed: false };
        self.accounts.insert(handle, found);
        Ok(Changed::Created(account))
    }

    async fn set_list(&mut self, handle: Handle, list: &SignedList) -> Result<Changed, Trouble> {
        let next = decode(list)?;
        let server = self.server;
        let Some(found) = self.accounts.get_mut(&handle) else { return Ok(Changed::NoAccount) };
        let stored = Stored { list: &found.account.list, version: found.list_version, restored: found.restored };
        match stored.followed_by(list, &next).ok_or(LogError::Damaged)? {
            Step::OutOfStep => return Ok(Changed::ListOutOfStep),
            Step::Same => {}
            Step::Next { replaced } => {
                remember_removed(server, found.id, &replaced, &next).await?;
                let signature = &list.signature.as_bytes()[..];
                server.run(SET_LIST, &[&found.id, &list.list.as_slice(), &signature, &signed(next.version)]).await?;
                found.account.list = SignedList { added: Vec::new(), ..list.clone() };
                found.list_version = next.version;
            }
        }
        Ok(Changed::ListSet { version: next.version, devices: next.keys })
    }

    async fn admit(&mut self, handle: Handle, addition: Addition) -> Result<Changed, Trouble> {
        let server = self.server;
        let Some(found) = self.accounts.get_mut(&handle) else { return Ok(Changed::NoAccount) };
        let devices = members::devices(&found.account.list).ok_or(LogError::Damaged)?;
        let removed = was_removed(server, &handle, &addition.key).await?;
        Ok(match members::admits(&devices, &addition, removed) {
            Admission::Known => Changed::Admitted { key: addition.key, devices },
            Admission::Refused => Changed::NotAdmitted,
            Admission::New => {
                let key = addition.key;
                found.account.list.added.push(addition);
                let added = members::added_bytes(&found.account.list.added);
                server.run("UPDATE account SET added = $2 WHERE id = $1", &[&found.id, &added]).await?;
                Changed::Admitted { key, devices: [devices, vec![key]].concat() }
            }
        })
    }

    async fn purge(&mut self, handle: Handle, cells: &[CellId]) -> Result<Changed, Trouble> {
        let server = self.server;
        let Some(found) = self.accounts.get_mut(&handle) else { return Ok(Changed::NoAccount) };
        let ids: Vec<&[u8]> = cells.iter().map(|id| &id.as_bytes()[..]).collect();
        let row = server.row(PURGE, &[&found.id, &ids]).await?;
        let (count, bytes) = (number(&row, 0)?, number(&row, 1)?);
        if count > 0 {
            found.account.used_bytes = found.account.used_bytes.saturating_sub(bytes);
            let used = signed(found.account.used_bytes);
            server.run("UPDATE account SET used_bytes = $2 WHERE id = $1", &[&found.id, &used]).await?;
        }
        Ok(Changed::Purged(count))
    }

    async fn note(&mut self, handle: Handle, device: Hash, cursor: u64) -> Result<Changed, Trouble> {
        let server = self.server;
        match self.accounts.get_mut(&handle) {
            Some(found) => Ok(Changed::Noted(kept::note(server, found, device, cursor).await?)),
            None => Ok(Changed::NoAccount),
        }
    }

    async fn close(&mut self, handle: Handle) -> Result<Changed, Trouble> {
        let Some(found) = self.accounts.remove(&handle) else { return Ok(Changed::NoAccount) };
        forget(self.server, found.id).await?;
        Ok(Changed::Closed)
    }

    /// Pushes that follow one another, in three statements however many they are.
    async fn append(&mut self, changes: &[Change]) -> Result<Vec<Changed>, Trouble> {
        let mut known = self.known(changes).await?;
        let mut fresh = Fresh::default();
        let mut results = Vec::with_capacity(changes.len());
        let mut touched: HashSet<Handle> = HashSet::new();
        for change in changes {
            let Change::Append { handle, cells, quota } = change else { continue };
            let found = self.accounts.get_mut(handle).filter(|found| !found.closed);
            let Some(found) = found else {
                results.push(Changed::NoAccount);
                continue;
            };
            let before = (found.account.cursor, found.account.used_bytes);
            let (appended, healed) = push(found, cells, *quota, &mut known, &mut fresh)?;
            for (cursor, cell) in healed {
                self.server
                    .run("UPDATE entry SET cell = $3 WHERE account = $1 AND cursor = $2", &[&found.id, &cursor, &cell])
                    .await?;
            }
            if before != (found.account.cursor, found.account.used_bytes) {
                touched.insert(*handle);
            }
            results.push(Changed::Appended(appended));
        }
        self.write(&fresh, &touched).await?;
        Ok(results)
    }

    async fn known(&self, changes: &[Change]) -> Result<HashMap<(i64, CellId), Held>, Trouble> {
        let (mut accounts, mut ids) = (Vec::new(), Vec::new());
        for change in changes {
            let Change::Append { handle, cells, .. } = change else { continue };
            let Some(found) = self.found(handle) else { continue };
            accounts.extend(cells.iter().map(|_| found.id));
            ids.extend(cells.iter().map(|(id, _)| &id.as_bytes()[..]));
        }
        let rows = self.server.rows(KNOWN, &[&accounts, &ids]).await?;
        rows.iter()
            .map(|row| {
                let id = CellId::from_slice(row.try_get(1)?).ok_or(LogError::Damaged)?;
                let cell: Option<&[u8]> = row.try_get(3)?;
                let rotten = cell.filter(|cell| proof::cell_id(cell) != id).map(<[u8]>::len);
                Ok(((row.try_get(0)?, id), Held { cursor: number(row, 2)?, rotten }))
            })
            .collect()
    }

    async fn write(&self, fresh: &Fresh<'_>, touched: &HashSet<Handle>) -> Result<(), Trouble> {
        if !fresh.accounts.is_empty() {
            let heads: Vec<&[u8]> = fresh.heads.iter().map(|head| &head.as_bytes()[..]).collect();
            self.server
                .run(INSERT, &[&fresh.accounts, &fresh.cursors, &fresh.ids, &heads, &fresh.cells, &self.today])
                .await?;
        }
        let moved: Vec<&Found> = touched.iter().filter_map(|handle| self.accounts.get(handle)).collect();
        if !moved.is_empty() {
            let ids: Vec<i64> = moved.iter().map(|found| found.id).collect();
            let cursors: Vec<i64> = moved.iter().map(|found| signed(found.account.cursor)).collect();
            let heads: Vec<&[u8]> = moved.iter().map(|found| &found.account.head.as_bytes()[..]).collect();
            let used: Vec<i64> = moved.iter().map(|found| signed(found.account.used_bytes)).collect();
            self.server.run(MOVE_ON, &[&ids, &cursors, &heads, &used]).await?;
        }
        Ok(())
    }
}

/// What is there of a cell that is pushed.
struct Held {
    cursor: u64,
    /// The length of what lies in its place, when that has rotted.
    rotten: Option<usize>,
}

/// Rows to write.
#[derive(Default)]
struct Fresh<'a> {
    accounts: Vec<i64>,
    cursors: Vec<i64>,
    ids: Vec<&'a [u8]>,
    heads: Vec<Hash>,
    cells: Vec<&'a [u8]>,
}

/// Cells that are to be written over what has rotted.
type Healed<'a> = Vec<(i64, &'a [u8])>;

/// Gives cursors to one push, as far as there is room.
fn push<'a>(
    found: &mut Found,
    cells: &'a [(CellId, ByteBuf)],
    quota: Quota,
    known: &mut HashMap<(i64, CellId), Held>,
    fresh: &mut Fresh<'a>,
) -> Result<(Appended, Healed<'a>), Trouble> {
    let quota = quota.with_bytes(found.account.quota_bytes);
    let Account { cursor: before, head, .. } = found.account;
    let mut appended = Appended { accepted: Vec::new(), before, fresh: Vec::new(), head, over_quota: false };
    let mut healed = Vec::new();
    for (cell, bytes) in cells {
        let account = &mut found.account;
        if let Some(held) = known.get_mut(&(found.id, *cell)) {
            if let Some(length) = held.rotten.take() {
                // What lies there has rotted, and this is what it was.
                account.used_bytes = account.used_bytes.saturating_sub(length as u64) + bytes.len() as u64;
                healed.push((signed(held.cursor), bytes.as_slice()));
            }
            appended.accepted.push(Accepted { cell: *cell, cursor: held.cursor });
            continue;
        }
        let cost = quota::cost(bytes.len());
        if !quota.allows(account.used_bytes, account.cursor, cost) {
            appended.over_quota = true;
            break;
        }
        let cursor = account.cursor + 1;
        account.head = proof::chain_head(&account.head, cursor, cell);
        account.cursor = cursor;
        account.used_bytes += cost;
        appended.head = account.head;
        fresh.accounts.push(found.id);
        fresh.cursors.push(i64::try_from(cursor).map_err(|_| LogError::Damaged)?);
        fresh.ids.push(&cell.as_bytes()[..]);
        fresh.heads.push(account.head);
        fresh.cells.push(bytes.as_slice());
        known.insert((found.id, *cell), Held { cursor, rotten: None });
        appended.accepted.push(Accepted { cell: *cell, cursor });
        appended.fresh.push((*cell, bytes.clone()));
    }
    Ok((appended, healed))
}

async fn remember_removed(server: Server<'_>, account: i64, before: &[Hash], next: &DeviceList) -> Result<(), Trouble> {
    let listed: Vec<&[u8]> = next.keys.iter().map(|device| &device.as_bytes()[..]).collect();
    server.run("DELETE FROM removed WHERE account = $1 AND device = ANY($2)", &[&account, &listed]).await?;
    let gone: Vec<&[u8]> =
        before.iter().filter(|device| !members::lists(next, device)).map(|device| &device.as_bytes()[..]).collect();
    if !gone.is_empty() {
        server.run(REMOVE, &[&account, &gone]).await?;
    }
    server.run(FORGET_REMOVED, &[&account, &(REMOVED_MAX as i64)]).await?;
    Ok(())
}

/// Takes an account away. Its entries are nobody's from then on, and [`sweep`] takes them away bit by bit: an account may
/// have more of them than one transaction should delete.
pub(super) async fn forget(server: Server<'_>, account: i64) -> Result<(), Trouble> {
    server.run("DELETE FROM account WHERE id = $1", &[&account]).await?;
    server.run("INSERT INTO leaving (account) VALUES ($1)", &[&account]).await?;
    Ok(())
}

/// Entries that one transaction takes away.
const SWEPT_MAX: i64 = 2_048;

/// Takes away some of what closed accounts have left, in the transaction that is open. False when nothing is left.
pub(super) async fn sweep(server: Server<'_>) -> Result<bool, Trouble> {
    const NEXT: &str = "SELECT account FROM leaving LIMIT 1 FOR UPDATE SKIP LOCKED";
    const SWEEP: &str = "
        DELETE FROM entry WHERE account = $1 AND cursor IN
        (SELECT cursor FROM entry WHERE account = $1 ORDER BY cursor LIMIT $2)";
    let Some(row) = server.maybe(NEXT, &[]).await? else { return Ok(false) };
    let account: i64 = row.try_get(0)?;
    if server.run(SWEEP, &[&account, &SWEPT_MAX]).await? < SWEPT_MAX.unsigned_abs() {
        server.run("DELETE FROM leaving WHERE account = $1", &[&account]).await?;
    }
    Ok(true)
}

/// Uses an invitation once. False when there is none of this hash that may be used.
async fn take(server: Server<'_>, hash: &Hash) -> Result<bool, Trouble> {
    const TAKE: &str = "
        UPDATE invitation SET uses_left = uses_left - 1, used = used + 1
        WHERE hash = $1 AND uses_left > 0 AND (expires IS NULL OR expires > extract(epoch FROM now()))";
    Ok(server.run(TAKE, &[&&hash.as_bytes()[..]]).await? > 0)
}
