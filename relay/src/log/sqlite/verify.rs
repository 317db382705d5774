//! The offline check of a whole database: SQLite's own check, then each account's list, cells, chain of heads and
//! counts, from the first entry. Reads only; prints no id.

use std::path::Path;

use caro_link::proof;
use caro_schema::{
    id::{CellId, Hash, Signature},
    relay::list::SignedList,
};
use rusqlite::Connection;
use serde_bytes::ByteBuf;

use super::{
    open::{self, OpenError},
    read::place,
    write::leaving,
};
use crate::{members, quota};

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Accounts that were checked.
    pub accounts: u64,
    /// Entries that were checked.
    pub entries: u64,
    /// Of these, purged ones.
    pub purged: u64,
    /// What does not hold, in sentences without an id: an account is named by its number in this file.
    pub faults: Vec<String>,
}

impl Report {
    /// Whether everything holds.
    pub fn is_sound(&self) -> bool {
        self.faults.is_empty()
    }
}

/// Faults that are listed before the check only counts on. One torn file can break every entry after it.
const FAULTS_MAX: usize = 100;

/// Checks a database, as it stands at one moment: a relay may be using it.
///
/// # Errors
/// When it cannot be read for another reason than that it is damaged.
pub fn verify(path: &Path) -> Result<Report, OpenError> {
    let mut report = Report::default();
    match walk(path, &mut report) {
        // What was found up to there says more than that it ended.
        Err(OpenError::Damaged) => report.fault("the database is damaged: SQLite cannot read it to the end".to_owned()),
        other => other?,
    }
    Ok(report)
}

fn walk(path: &Path, report: &mut Report) -> Result<(), OpenError> {
    let mut connection = open::reader(path)?;
    let connection = connection.transaction()?;
    integrity(&connection, report)?;
    let mut statement = connection.prepare(
        "SELECT id, handle, public, list, list_signature, list_version, cursor, head, used_bytes FROM account ORDER BY id",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let account = Kept {
            id: row.get(0)?,
            handle: row.get(1)?,
            public: Hash(row.get(2)?),
            list: SignedList {
                list: ByteBuf::from(row.get::<_, Vec<u8>>(3)?),
                signature: Signature(row.get(4)?),
                added: Vec::new(),
            },
            list_version: row.get(5)?,
            cursor: row.get(6)?,
            head: Hash(row.get(7)?),
            used_bytes: row.get(8)?,
        };
        report.accounts += 1;
        account.verify(&connection, report)?;
    }
    let strays: u64 = connection.query_row(
        "SELECT count(*) FROM entry WHERE account NOT IN (SELECT id FROM account)",
        [],
        |row| row.get(0),
    )?;
    if strays > 0 {
        report.fault(format!("{strays} entries belong to no account"));
    }
    Ok(())
}

fn integrity(connection: &Connection, report: &mut Report) -> Result<(), OpenError> {
    let mut statement = connection.prepare("PRAGMA integrity_check(20)")?;
    let lines: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for line in lines.into_iter().filter(|line| line != "ok") {
        report.fault(format!("SQLite says: {line}"));
    }
    Ok(())
}

impl Report {
    pub(crate) fn fault(&mut self, fault: String) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(fault);
        }
    }
}

struct Kept {
    id: i64,
    handle: [u8; 16],
    public: Hash,
    list: SignedList,
    list_version: u64,
    cursor: u64,
    head: Hash,
    used_bytes: u64,
}

impl Kept {
    fn verify(&self, connection: &Connection, report: &mut Report) -> Result<(), OpenError> {
        let number = self.id;
        // A closed account that is being forgotten has none of its own any more.
        if self.handle != leaving(number) && proof::handle_of(&self.public).as_bytes() != &self.handle {
            report.fault(format!("account {number}: the handle is not the key's"));
        }
        match members::verify(&self.public, &self.list) {
            Ok(list) if list.version == self.list_version => {}
            Ok(_) => report.fault(format!("account {number}: the device list has another version than the row says")),
            Err(_) => report.fault(format!("account {number}: the device list is not signed by the account")),
        }
        self.verify_entries(connection, report)
    }

    fn verify_entries(&self, connection: &Connection, report: &mut Report) -> Result<(), OpenError> {
        let number = self.id;
        let (mut cursor, mut head, mut used) = (0_u64, Hash([0; 32]), 0_u64);
        let mut statement = connection
            .prepare_cached("SELECT place, cell_id, head, cell FROM entry WHERE account = ?1 ORDER BY place")?;
        let mut rows = statement.query([number])?;
        while let Some(row) = rows.next()? {
            let at: i64 = row.get(0)?;
            let id = CellId(row.get(1)?);
            let stored = Hash(row.get(2)?);
            let cell: Option<Vec<u8>> = row.get(3)?;
            cursor += 1;
            head = proof::chain_head(&head, cursor, &id);
            report.entries += 1;
            report.purged += u64::from(cell.is_none());
            used += quota::cost(cell.as_ref().map_or(0, Vec::len));
            if place(number, cursor) != Some(at) {
                report.fault(format!("account {number}: entry {cursor} is missing"));
                return Ok(());
            }
            if stored != head {
                report.fault(format!("account {number}: the chain is broken at entry {cursor}"));
                return Ok(());
            }
            if cell.is_some_and(|cell| proof::cell_id(&cell) != id) {
                report.fault(format!("account {number}: entry {cursor} does not have the bytes that it had"));
            }
        }
        if cursor != self.cursor || head != self.head {
            report.fault(format!("account {number}: the log ends at {cursor}, the account says {}", self.cursor));
        }
        if used != self.used_bytes {
            report.fault(format!("account {number}: {used} bytes are held, the account says {}", self.used_bytes));
        }
        Ok(())
    }
}
