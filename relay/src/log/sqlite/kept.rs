//! The mailbox mode: what is forgotten because every listed device has it, or because it is old. Each account forgets from
//! its beginning on, so that one number says how far, and nothing is looked at twice.

use caro_schema::id::Hash;
use rusqlite::{Connection, OptionalExtension};

use super::{
    super::{Changed, LogError},
    classify,
    read::{Found, cursor_of, place},
    write::Failure,
};
use crate::members;

/// Cells that one transaction forgets. More would keep devices that push waiting for it.
const EXPIRED_MAX: usize = 4_096;

/// Gives those cells a day that came while no day was kept.
pub(super) fn date(connection: &Connection, today: u32) -> Result<(), LogError> {
    connection
        .execute("UPDATE entry SET day = ?1 WHERE day IS NULL AND cell IS NOT NULL", [today])
        .map_err(|error| classify(&error))?;
    Ok(())
}

/// Notes how far a device has come, and forgets what all have.
pub(super) fn note(connection: &Connection, found: &Found, device: Hash, cursor: u64) -> Result<Changed, Failure> {
    let listed = members::devices(&found.account.list).ok_or(LogError::Damaged)?;
    if !listed.contains(&device) {
        return Ok(Changed::Noted(0));
    }
    connection
        .prepare_cached(
            "INSERT INTO delivered (account, device, cursor) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET cursor = max(cursor, excluded.cursor)",
        )?
        .execute((found.id, device.as_bytes(), cursor.min(found.account.cursor)))?;
    let mut statement = connection.prepare_cached("SELECT device, cursor FROM delivered WHERE account = ?1")?;
    let rows = statement.query_map([found.id], |row| Ok((Hash(row.get(0)?), row.get::<_, u64>(1)?)))?;
    let noted: Vec<(Hash, u64)> = rows.collect::<Result<_, _>>()?;
    let of = |device: &Hash| noted.iter().find(|(noted, _)| noted == device).map_or(0, |(_, cursor)| *cursor);
    let all = listed.iter().map(of).min().unwrap_or(0);
    Ok(Changed::Noted(drop_up_to(connection, found.id, found.account.dropped, all)?))
}

/// Forgets what came before a day, up to so many cells.
pub(super) fn expire(connection: &Connection, before_day: u32) -> Result<(u64, bool), LogError> {
    expire_some(connection, before_day).map_err(Failure::into_log_error)
}

fn expire_some(connection: &Connection, before_day: u32) -> Result<(u64, bool), Failure> {
    let mut statement =
        connection.prepare_cached("SELECT id, dropped, cursor FROM account WHERE dropped < cursor ORDER BY id")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let accounts: Vec<(i64, u64, u64)> = rows.collect::<Result<_, _>>()?;
    let (mut count, mut left) = (0, EXPIRED_MAX as u64);
    for (account, dropped, cursor) in accounts {
        if left == 0 {
            return Ok((count, true));
        }
        let last = last_before(connection, account, dropped, cursor.min(dropped + left), before_day)?;
        count += drop_up_to(connection, account, dropped, last)?;
        left -= last - dropped;
    }
    Ok((count, left == 0))
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

fn drop_up_to(connection: &Connection, account: i64, dropped: u64, cursor: u64) -> Result<u64, Failure> {
    if cursor <= dropped {
        return Ok(0);
    }
    let (from, to) = (place(account, dropped), place(account, cursor));
    let (Some(from), Some(to)) = (from, to) else { return Err(LogError::Damaged.into()) };
    let bytes: u64 = connection
        .prepare_cached("SELECT coalesce(sum(length(cell)), 0) FROM entry WHERE place > ?1 AND place <= ?2")?
        .query_row((from, to), |row| row.get(0))?;
    let count = connection
        .prepare_cached("UPDATE entry SET cell = NULL WHERE place > ?1 AND place <= ?2 AND cell IS NOT NULL")?
        .execute((from, to))?;
    connection
        .prepare_cached("UPDATE account SET dropped = ?2, used_bytes = max(0, used_bytes - ?3) WHERE id = ?1")?
        .execute((account, cursor, bytes))?;
    Ok(count as u64)
}
