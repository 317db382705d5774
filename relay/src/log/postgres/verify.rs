//! The check of a whole database: each account's list, cells, chain of heads and counts, from the first entry, as they
//! stood at one moment, beside relays that run. Reads only; prints no id. What the server itself can be asked about its
//! files is asked with its own tools (`pg_amcheck`, checksums).

use std::time::Duration;

use caro_link::proof;
use caro_schema::id::{CellId, Handle, Hash};
use tokio_postgres::Row;

use super::{
    super::{LogError, sqlite::verify::Report},
    OpenError, Trouble,
    link::Server,
    open::{self, Purpose},
    read::{Found, hash, number},
    source::Source,
};
use crate::{members, quota};

/// Rows that are looked at at a time.
const PAGE: i64 = 256;

/// How long one step may take. A large log is walked through once.
const PATIENCE: Duration = Duration::from_secs(600);

const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

const NEXT: &str = "
    SELECT id, list_version, public, list, list_signature, added, cursor, head, used_bytes, quota_bytes, dropped, closed,
           restored, handle
    FROM account WHERE id > $1 ORDER BY id LIMIT 1";

const ENTRIES: &str = "
    SELECT cursor, cell_id, head, cell FROM entry WHERE account = $1 AND cursor > $2 ORDER BY cursor LIMIT $3";

const STRAY: &str = "
    SELECT count(*) FROM entry e
    WHERE NOT EXISTS (SELECT FROM account a WHERE a.id = e.account)
    AND NOT EXISTS (SELECT FROM leaving l WHERE l.account = e.account)";

/// Checks a database.
///
/// # Errors
/// When it cannot be read at all.
pub fn verify(source: &Source) -> Result<Report, VerifyError> {
    let (link, _) = open::open(source, Purpose::Look)?;
    let mut report = Report::default();
    link.ask_within(PATIENCE, |server| async move { Ok::<_, Trouble>(server.client.batch_execute(BEGIN).await?) })?;
    let mut last = 0_i64;
    loop {
        let row =
            link.ask_within(PATIENCE, |server| async move { Ok::<_, Trouble>(server.maybe(NEXT, &[&last]).await?) })?;
        let Some(row) = row else { break };
        last = row.try_get(0).map_err(Trouble::from)?;
        let found = Found::read(&row)?;
        link.ask_within(PATIENCE, |server| account(server, &row, &found, &mut report))?;
    }
    let stray = link.ask_within(PATIENCE, |server| async move { number(&server.row(STRAY, &[]).await?, 0) })?;
    if stray > 0 {
        report.fault(format!("{stray} entries belong to no account"));
    }
    Ok(report)
}

/// Why a database could not be checked.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// It was not opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It could not be read.
    #[error("the database cannot be read: {0}")]
    Read(LogError),
}

impl From<Trouble> for VerifyError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Link(error) => Self::Open(error.into()),
            Trouble::Log(error) => Self::Read(error),
        }
    }
}

async fn account(server: Server<'_>, row: &Row, found: &Found, report: &mut Report) -> Result<(), Trouble> {
    let number_here = found.id;
    let account = &found.account;
    report.accounts += 1;
    if Handle::from_slice(row.try_get(13)?) != Some(proof::handle_of(&account.public)) {
        report.fault(format!("account {number_here}: the handle is not the key's"));
    }
    let signed = caro_schema::relay::list::SignedList { added: Vec::new(), ..account.list.clone() };
    match members::verify(&account.public, &signed) {
        Ok(list) if list.version == found.list_version => {}
        Ok(_) => report.fault(format!("account {number_here}: the device list has another version than the row says")),
        Err(_) => report.fault(format!("account {number_here}: the device list is not signed by the account")),
    }
    entries(server, found, report).await
}

async fn entries(server: Server<'_>, found: &Found, report: &mut Report) -> Result<(), Trouble> {
    let number_here = found.id;
    let mut walk = Walk { account: number_here, cursor: 0, head: Hash([0; 32]), used: 0 };
    loop {
        let after = super::read::signed(walk.cursor);
        let rows = server.rows(ENTRIES, &[&number_here, &after, &PAGE]).await?;
        for row in &rows {
            if let Some(fault) = walk.step(row, report)? {
                report.fault(format!("account {number_here}: {fault}"));
                return Ok(());
            }
        }
        if (rows.len() as i64) < PAGE {
            break;
        }
    }
    let account = &found.account;
    if walk.cursor != account.cursor || walk.head != account.head {
        report.fault(format!(
            "account {number_here}: the log ends at {}, the account says {}",
            walk.cursor, account.cursor
        ));
    }
    if walk.used != account.used_bytes {
        report.fault(format!(
            "account {number_here}: {} bytes are held, the account says {}",
            walk.used, account.used_bytes
        ));
    }
    Ok(())
}

/// How far a log has been looked at.
struct Walk {
    account: i64,
    cursor: u64,
    head: Hash,
    used: u64,
}

impl Walk {
    /// One entry on. What is wrong, when nothing after it can be right.
    fn step(&mut self, row: &Row, report: &mut Report) -> Result<Option<String>, Trouble> {
        let id = CellId::from_slice(row.try_get(1)?).ok_or(LogError::Damaged)?;
        let cell: Option<&[u8]> = row.try_get(3)?;
        self.cursor += 1;
        let cursor = self.cursor;
        self.head = proof::chain_head(&self.head, cursor, &id);
        report.entries += 1;
        report.purged += u64::from(cell.is_none());
        self.used += quota::cost(cell.map_or(0, <[u8]>::len));
        if number(row, 0)? != cursor {
            return Ok(Some(format!("entry {cursor} is missing")));
        }
        if hash(row, 2)? != self.head {
            return Ok(Some(format!("the chain is broken at entry {cursor}")));
        }
        if cell.is_some_and(|cell| proof::cell_id(cell) != id) {
            report.fault(format!("account {}: entry {cursor} does not have the bytes that it had", self.account));
        }
        Ok(None)
    }
}
