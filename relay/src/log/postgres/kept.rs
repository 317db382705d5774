//! The mailbox mode: what is forgotten because every listed device has it, or because it is old. Each account forgets from
//! its beginning on, so that one number says how far, and nothing is looked at twice. Of several relays one forgets by age
//! at a time; it does not matter which.

use caro_schema::id::{Handle, Hash};

use super::{
    super::{FORGOTTEN_BYTES, FORGOTTEN_ENTRIES, LogError, Noted},
    Trouble,
    link::Server,
    read::{Found, LOCKED, number, signed},
};
use crate::members;

const NOTE: &str = "
    INSERT INTO delivered (account, device, cursor) VALUES ($1, $2, $3)
    ON CONFLICT (account, device) DO UPDATE SET cursor = greatest(delivered.cursor, excluded.cursor)";

/// As many entries as one transaction forgets, and no further than it takes bytes; where nothing more follows, all up to the end.
const DROP: &str = "
    WITH next AS (
        SELECT cursor, octet_length(cell) AS bytes FROM entry
        WHERE account = $1 AND cursor > $2 AND cursor <= $3 ORDER BY cursor LIMIT $4),
    along AS (
        SELECT cursor, bytes, sum(coalesce(bytes, 0)) OVER (ORDER BY cursor) - coalesce(bytes, 0) AS before FROM next),
    held AS (SELECT cursor, bytes FROM along WHERE before < $5),
    reached AS (
        SELECT CASE WHEN count(*) = $4 OR count(*) < (SELECT count(*) FROM next) THEN max(cursor) ELSE $3 END AS last
        FROM held),
    forgotten AS (
        UPDATE entry SET cell = NULL FROM held
        WHERE entry.account = $1 AND entry.cursor = held.cursor AND entry.cell IS NOT NULL),
    moved AS (
        UPDATE account SET dropped = (SELECT last FROM reached),
            used_bytes = greatest(0, used_bytes - (SELECT coalesce(sum(bytes), 0) FROM held)::bigint)
        WHERE id = $1)
    SELECT count(bytes), coalesce(sum(bytes), 0)::bigint, (SELECT last FROM reached) FROM held";

/// The next account with something to forget: from the beginning of its log up to what is too young.
const OLD: &str = "
    SELECT a.id, a.dropped, old.last
    FROM account a, LATERAL (SELECT least(a.cursor, a.dropped + $2, coalesce(
        (SELECT min(cursor) - 1 FROM entry
         WHERE account = a.id AND cursor > a.dropped AND cell IS NOT NULL AND (day IS NULL OR day >= $1)),
        a.cursor)) AS last) old
    WHERE a.dropped < a.cursor AND old.last > a.dropped
    ORDER BY a.id LIMIT 1 FOR UPDATE OF a";

/// Notes how far a device has come, and forgets what all have, as much of it as fits.
pub(super) async fn note(server: Server<'_>, found: &mut Found, device: Hash, cursor: u64) -> Result<Noted, Trouble> {
    let listed = members::devices(&found.account.list).ok_or(LogError::Damaged)?;
    if !listed.contains(&device) {
        return Ok(Noted::default());
    }
    let cursor = signed(cursor.min(found.account.cursor));
    server.run(NOTE, &[&found.id, &&device.as_bytes()[..], &cursor]).await?;
    drop_what_all_have(server, found).await
}

/// Forgets more of what all have.
pub(super) async fn note_on(server: Server<'_>, handle: Handle) -> Result<Noted, Trouble> {
    let wanted = [&handle.as_bytes()[..]];
    let Some(row) = server.maybe(LOCKED, &[&&wanted[..]]).await? else { return Ok(Noted::default()) };
    let mut found = Found::read(&row)?;
    if found.closed { Ok(Noted::default()) } else { drop_what_all_have(server, &mut found).await }
}

async fn drop_what_all_have(server: Server<'_>, found: &mut Found) -> Result<Noted, Trouble> {
    let listed = members::devices(&found.account.list).ok_or(LogError::Damaged)?;
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
        return Ok(Noted::default());
    }
    let Dropped { count, bytes, last } = drop_some(server, found.id, found.account.dropped, all).await?;
    found.account.dropped = last;
    found.account.used_bytes = found.account.used_bytes.saturating_sub(bytes);
    Ok(Noted { forgotten: count, more: last < all })
}

/// Forgets what came before a day, of one account, in the transaction that is open: whoever held several would wait for
/// those that push, and they for it. Gives how many cells those were, and whether there may be more.
pub(super) async fn expire(server: Server<'_>, before_day: i32) -> Result<(u64, bool), Trouble> {
    let Some(row) = server.maybe(OLD, &[&before_day, &(FORGOTTEN_ENTRIES as i64)]).await? else {
        return Ok((0, false));
    };
    let (dropped, last) = (number(&row, 1)?, number(&row, 2)?);
    Ok((drop_some(server, row.try_get(0)?, dropped, last).await?.count, true))
}

/// Gives those cells a day that came while no day was kept. Gives the newest that is stored, or today.
pub(super) async fn date(server: Server<'_>, today: i32) -> Result<i32, Trouble> {
    let today = server.row("SELECT greatest($1, max(day)) FROM entry", &[&today]).await?.try_get(0)?;
    server.run("UPDATE entry SET day = $1 WHERE day IS NULL AND cell IS NOT NULL", &[&today]).await?;
    Ok(today)
}

struct Dropped {
    count: u64,
    bytes: u64,
    /// Nothing is left up to here.
    last: u64,
}

async fn drop_some(server: Server<'_>, account: i64, dropped: u64, cursor: u64) -> Result<Dropped, Trouble> {
    let (entries, bytes) = (FORGOTTEN_ENTRIES as i64, signed(FORGOTTEN_BYTES));
    let row = server.row(DROP, &[&account, &signed(dropped), &signed(cursor), &entries, &bytes]).await?;
    Ok(Dropped { count: number(&row, 0)?, bytes: number(&row, 1)?, last: number(&row, 2)? })
}
