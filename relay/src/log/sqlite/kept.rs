//! The mailbox mode: what is forgotten because every listed device has it, or because it is old. Each account forgets from
//! its beginning on, so that one number says how far, and nothing is looked at twice.

use caro_schema::id::{Handle, Hash};
use rusqlite::{Connection, OptionalExtension};

use super::{
    super::{LogError, Noted},
    classify,
    read::{Found, cursor_of, find, place},
    write::{Failure, Portion},
};
use crate::members;

/// Gives those cells a day that came while no day was kept. Gives the newest that is stored, or today.
pub(super) fn date(connection: &Connection, today: u32) -> Result<u32, LogError> {
    let date = || {
        let newest: Option<u32> = connection.query_row("SELECT max(day) FROM entry", [], |row| row.get(0))?;
        let today = newest.map_or(today, |newest| newest.max(today));
        connection.execute("UPDATE entry SET day = ?1 WHERE day IS NULL AND cell IS NOT NULL", [today])?;
        Ok(today)
    };
    date().map_err(|error| classify(&error))
}

/// Notes how far a device has come, and forgets what all have, as much of it as fits.
pub(super) fn note(connection: &Connection, found: &Found, device: Hash, cursor: u64) -> Result<Noted, Failure> {
    let listed = members::devices(&found.account.list).ok_or(LogError::Damaged)?;
    if !listed.contains(&device) {
        return Ok(Noted::default());
    }
    connection
        .prepare_cached(
            "INSERT INTO delivered (account, device, cursor) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET cursor = max(cursor, excluded.cursor)",
        )?
        .execute((found.id, device.as_bytes(), cursor.min(found.account.cursor)))?;
    drop_what_all_have(connection, found)
}

/// Forgets more of what all have.
pub(super) fn note_on(connection: &Connection, handle: &Handle) -> Result<Noted, LogError> {
    let Some(found) = find(connection, handle)? else { return Ok(Noted::default()) };
    drop_what_all_have(connection, &found).map_err(Failure::into_log_error)
}

fn drop_what_all_have(connection: &Connection, found: &Found) -> Result<Noted, Failure> {
    let listed = members::devices(&found.account.list).ok_or(LogError::Damaged)?;
    let mut statement = connection.prepare_cached("SELECT device, cursor FROM delivered WHERE account = ?1")?;
    let rows = statement.query_map([found.id], |row| Ok((Hash(row.get(0)?), row.get::<_, u64>(1)?)))?;
    let noted: Vec<(Hash, u64)> = rows.collect::<Result<_, _>>()?;
    let of = |device: &Hash| noted.iter().find(|(noted, _)| noted == device).map_or(0, |(_, cursor)| *cursor);
    let all = listed.iter().map(of).min().unwrap_or(0);
    let (forgotten, last) = drop_some(connection, found.id, (found.account.dropped, all), &mut Portion::new())?;
    Ok(Noted { forgotten, more: last < all })
}

/// Forgets what came before a day, as much of it as fits.
pub(super) fn expire(connection: &Connection, before_day: u32) -> Result<(u64, bool), LogError> {
    expire_some(connection, before_day).map_err(Failure::into_log_error)
}

fn expire_some(connection: &Connection, before_day: u32) -> Result<(u64, bool), Failure> {
    let mut statement =
        connection.prepare_cached("SELECT id, dropped, cursor FROM account WHERE dropped < cursor ORDER BY id")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let accounts: Vec<(i64, u64, u64)> = rows.collect::<Result<_, _>>()?;
    let (mut count, mut portion) = (0, Portion::new());
    for (account, dropped, cursor) in accounts {
        if portion.is_spent() {
            return Ok((count, true));
        }
        let last = last_before(connection, account, dropped, cursor, before_day)?;
        count += drop_some(connection, account, (dropped, last), &mut portion)?.0;
    }
    Ok((count, portion.is_spent()))
}

/// The cursor of the last of those entries, from `dropped` on, of which none is as young as this day. What was purged
/// meanwhile counts for the entries around it.
fn last_before(connection: &Connection, account: i64, dropped: u64, to: u64, before_day: u32) -> Result<u64, Failure> {
    let (from, last) = (place(account, dropped), place(account, to));
    let (Some(from), Some(last)) = (from, last) else { return Err(LogError::Damaged.into()) };
    let young: Option<i64> = connection
        .prepare_cached(
            "SELECT place FROM entry WHERE place > ?1 AND place <= ?2 AND cell IS NOT NULL AND (day IS NULL OR day >= ?3)
             ORDER BY place LIMIT 1",
        )?
        .query_row((from, last, before_day), |row| row.get(0))
        .optional()?;
    Ok(young.map_or(to, |young| cursor_of(young) - 1))
}

/// Forgets cells from the first cursor on, up to the second, as far as there is room in the portion. Gives how many, and the
/// cursor up to which nothing is left.
fn drop_some(
    connection: &Connection,
    account: i64,
    (dropped, cursor): (u64, u64),
    portion: &mut Portion,
) -> Result<(u64, u64), Failure> {
    if cursor <= dropped {
        return Ok((0, dropped));
    }
    let (from, to) = (place(account, dropped), place(account, cursor));
    let (Some(from), Some(to)) = (from, to) else { return Err(LogError::Damaged.into()) };
    let mut statement = connection.prepare_cached(
        "SELECT place, coalesce(length(cell), 0) FROM entry WHERE place > ?1 AND place <= ?2 ORDER BY place",
    )?;
    let mut rows = statement.query((from, to))?;
    let (mut last, mut bytes) = (from, 0);
    while !portion.is_spent() {
        // Where nothing more follows, nothing is left up to the end.
        let Some(row) = rows.next()? else {
            last = to;
            break;
        };
        last = row.get(0)?;
        let size: u64 = row.get(1)?;
        portion.take(size);
        bytes += size;
    }
    let count = connection
        .prepare_cached("UPDATE entry SET cell = NULL WHERE place > ?1 AND place <= ?2 AND cell IS NOT NULL")?
        .execute((from, last))?;
    let last = cursor_of(last);
    connection
        .prepare_cached("UPDATE account SET dropped = ?2, used_bytes = max(0, used_bytes - ?3) WHERE id = ?1")?
        .execute((account, last, bytes))?;
    Ok((count as u64, last))
}
