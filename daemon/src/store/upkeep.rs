//! Keeping the files small, and checking every row of them when somebody asks.

use rusqlite::Connection;

use super::{
    Store, StoreError, open,
    read::{open_block, open_listed, unsigned},
    seal::{Place, Sealer},
};

/// Free pages that are kept for what comes next. More are given back to the system.
const FREE_PAGES_MAX: i64 = 256;

/// Problems of the structure that are told. The first ones say what a person needs.
const PROBLEMS_MAX: usize = 10;

impl Store {
    /// Moves the log into the file, so that nothing that was deleted is left in it, and gives free pages back. Costs
    /// nothing when nothing was written since.
    ///
    /// # Errors
    /// When the disk does not let it. What was committed is durable all the same.
    pub fn checkpoint(&mut self) -> Result<(), StoreError> {
        if !self.unsettled.get() {
            return Ok(());
        }
        self.with(|connection| {
            give_back(connection)?;
            open::settle(connection)?;
            Ok(connection.execute_batch("PRAGMA shrink_memory")?)
        })?;
        self.unsettled.set(false);
        Ok(())
    }

    /// Checks the structure of the file and opens every row of it. Gives what was found, in words; nothing when all is
    /// well.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn verify(&self) -> Result<Vec<String>, StoreError> {
        self.with(|connection| {
            let mut problems = structure(connection)?;
            let damaged = Damaged {
                blocks: count_damaged_blocks(connection, &self.sealer)?,
                queued: count_damaged_queue(connection, &self.sealer)?,
                rows: count_damaged_rows(connection, &self.sealer)?,
            };
            problems.extend(damaged.in_words());
            Ok(problems)
        })
    }
}

fn give_back(connection: &Connection) -> Result<(), StoreError> {
    let free: i64 = connection.pragma_query_value(None, "freelist_count", |row| row.get(0))?;
    if free > FREE_PAGES_MAX {
        // One row for each page that it gives back.
        let mut pages = connection.prepare("PRAGMA incremental_vacuum")?;
        let mut pages = pages.query([])?;
        while pages.next()?.is_some() {}
    }
    Ok(())
}

fn structure(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let mut check = connection.prepare("PRAGMA integrity_check(10)")?;
    let lines = check.query_map([], |row| row.get::<_, String>(0))?;
    let mut problems = lines.take(PROBLEMS_MAX).collect::<Result<Vec<_>, _>>()?;
    problems.retain(|line| line != "ok");
    Ok(problems)
}

/// How many of each kind do not open.
struct Damaged {
    blocks: u64,
    queued: u64,
    rows: u64,
}

impl Damaged {
    fn in_words(&self) -> impl Iterator<Item = String> {
        let Self { blocks, queued, rows } = self;
        let counts = [(*blocks, "blocks of history"), (*queued, "cells that wait to be sent"), (*rows, "rows")];
        counts.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what} are damaged"))
    }
}

fn count_damaged_blocks(connection: &Connection, sealer: &Sealer) -> Result<u64, StoreError> {
    let mut all = connection.prepare("SELECT n FROM blocks")?;
    let mut found = all.query([])?;
    let mut count = 0;
    while let Some(row) = found.next()? {
        match unsigned(row.get(0)?).and_then(|n| open_block(connection, sealer, n)) {
            Ok(_) => {}
            Err(StoreError::Row(_) | StoreError::Damaged(_)) => count += 1,
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

fn count_damaged_queue(connection: &Connection, sealer: &Sealer) -> Result<u64, StoreError> {
    let mut all = connection.prepare("SELECT remote, n, sealed FROM queue")?;
    let mut found = all.query([])?;
    let mut count = 0;
    while let Some(row) = found.next()? {
        let place = Some(row.get(0)?).zip(unsigned(row.get(1)?).ok()).map(|(remote, n)| Place::Queue(remote, n));
        let sealed = row.get_ref(2)?.as_blob().ok();
        let is_whole = place.zip(sealed).is_some_and(|(place, sealed)| sealer.open(place, sealed).is_ok());
        count += u64::from(!is_whole);
    }
    Ok(count)
}

fn count_damaged_rows(connection: &Connection, sealer: &Sealer) -> Result<u64, StoreError> {
    let mut all = connection.prepare("SELECT space, key, sealed FROM rows")?;
    let mut found = all.query([])?;
    let mut count = 0;
    while let Some(row) = found.next()? {
        let is_whole = open_listed(sealer, row.get(0)?, row.get_ref(1)?.as_blob(), row.get_ref(2)?.as_blob()).is_some();
        count += u64::from(!is_whole);
    }
    Ok(count)
}
