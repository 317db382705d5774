//! The mailbox mode: what is forgotten because every listed device has it, or because it is old. Each account forgets from
//! its beginning on, so that one number says how far, and nothing is looked at twice. Of several relays one forgets by age
//! at a time; it does not matter which.

use caro_schema::id::Hash;

use super::{
    super::LogError,
    Trouble,
    link::Server,
    read::{Found, number, signed},
};
use crate::members;

/// Cells that one transaction forgets. More would keep devices that push waiting for it.
const EXPIRED_MAX: i64 = 4_096;

const NOTE: &str = "
    INSERT INTO delivered (account, device, cursor) VALUES ($1, $2, $3)
    ON CONFLICT (account, device) DO UPDATE SET cursor = greatest(delivered.cursor, excluded.cursor)";

const DROP: &str = "
    WITH held AS (
        SELECT cursor, octet_length(cell) AS bytes FROM entry
        WHERE account = $1 AND cursor > $2 AND cursor <= $3 AND cell IS NOT NULL),
    forgotten AS (
        UPDATE entry SET cell = NULL FROM held WHERE entry.account = $1 AND entry.cursor = held.cursor),
    moved AS (
        UPDATE account SET dropped = $3,
            used_bytes = greatest(0, used_bytes - (SELECT coalesce(sum(bytes), 0) FROM held)::bigint)
        WHERE id = $1)
    SELECT count(*), coalesce(sum(bytes), 0)::bigint FROM held";

/// The next account with something to forget: from the beginning of its log up to what is too young.
const OLD: &str = "
    SELECT a.id, a.dropped, old.last
    FROM account a, LATERAL (SELECT least(a.cursor, a.dropped + $2, coalesce(
        (SELECT min(cursor) - 1 FROM entry
         WHERE account = a.id AND cursor > a.dropped AND cell IS NOT NULL AND (day IS NULL OR day >= $1)),
        a.cursor)) AS last) old
    WHERE a.dropped < a.cursor AND old.last > a.dropped
    ORDER BY a.id LIMIT 1 FOR UPDATE OF a";

/// Notes how far a device has come, and forgets what all have. Gives how many cells that were.
pub(super) async fn note(server: Server<'_>, found: &mut Found, device: Hash, cursor: u64) -> Result<u64, Trouble> {
    let listed = members::devices(&found.account.list).ok_or(LogError::Damaged)?;
    if !listed.contains(&device) {
        return Ok(0);
    }
    let cursor = signed(cursor.min(found.account.cursor));
    server.run(NOTE, &[&found.id, &&device.as_bytes()[..], &cursor]).await?;
    let devices: Vec<&[u8]> = listed.iter().map(|device| &device.as_bytes()[..]).collect();
    let row = server
        .row(
            "SELECT coalesce(min(cursor), 0), count(*) FROM delivered WHERE account = $1 AND device = ANY($2)",
            &[&found.id, &devices],
        )
        .await?;
    // A device of which nothing is noted has nothing.
    let all = if number(&row, 1)? == listed.len() as u64 { number(&row, 0)? } else { 0 };
    if all <= found.account.dropped {
        return Ok(0);
    }
    let (count, bytes) = drop_up_to(server, found.id, found.account.dropped, all).await?;
    found.account.dropped = all;
    found.account.used_bytes = found.account.used_bytes.saturating_sub(bytes);
    Ok(count)
}

/// Forgets what came before a day, of one account, in the transaction that is open: whoever held several would wait for
/// those that push, and they for it. Gives how many cells those were, and whether there may be more.
pub(super) async fn expire(server: Server<'_>, before_day: i32) -> Result<(u64, bool), Trouble> {
    let Some(row) = server.maybe(OLD, &[&before_day, &EXPIRED_MAX]).await? else { return Ok((0, false)) };
    let (dropped, last) = (number(&row, 1)?, number(&row, 2)?);
    Ok((drop_up_to(server, row.try_get(0)?, dropped, last).await?.0, true))
}

/// Gives those cells a day that came while no day was kept.
pub(super) async fn date(server: Server<'_>, today: i32) -> Result<(), Trouble> {
    server.run("UPDATE entry SET day = $1 WHERE day IS NULL AND cell IS NOT NULL", &[&today]).await?;
    Ok(())
}

async fn drop_up_to(server: Server<'_>, account: i64, dropped: u64, cursor: u64) -> Result<(u64, u64), Trouble> {
    let row = server.row(DROP, &[&account, &signed(dropped), &signed(cursor)]).await?;
    Ok((number(&row, 0)?, number(&row, 1)?))
}
