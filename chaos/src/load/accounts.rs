//! What is stored, and what it costs while nobody uses it: bytes on the disk for an account and for a cell, and the memory of a
//! relay that has them.
//!
//! The relay is ended before its files are looked at, so that its write-ahead log is in the database and counts for nothing.

use crate::{crowd, figures::Figures, relay::Loaded, restore::fill, session::Lost};

/// Accounts that are made before their sessions are let go.
const AT_ONCE: usize = 1_000;

pub(crate) async fn run(
    relay: &mut Loaded,
    figures: &mut Figures,
    accounts: usize,
    devices: usize,
    (cells, bytes): (u64, usize),
) -> Result<(), Lost> {
    let place = relay.place();
    let empty = at_rest(relay)?;
    figures.one("relay resident with nothing stored", "MiB", resident(relay)?);
    let members = crowd::members(accounts, devices);
    for some in members.chunks(AT_ONCE) {
        crowd::found(place, some).await?;
    }
    let with_accounts = at_rest(relay)?;
    figures.one("accounts", "", accounts as f64);
    figures.one("devices on the list of each", "", devices as f64);
    figures.one("an account on the disk", "bytes", with_accounts.saturating_sub(empty) as f64 / accounts as f64);
    let (mut writers, _) = crowd::found(place, &crowd::members(1, 1)).await?;
    fill(writers.first_mut().ok_or(Lost::Gone)?, cells, bytes).await?;
    drop(writers);
    let with_cells = at_rest(relay)?;
    figures.one("cells", "", cells as f64);
    figures.one("a million cells on the disk", "MB", with_cells.saturating_sub(with_accounts) as f64 / cells as f64);
    figures.one("  of which are the cells themselves", "MB", bytes as f64);
    figures.one("relay resident with all of it stored", "MiB", resident(relay)?);
    Ok(())
}

/// Bytes of what is stored, once the relay has ended. It runs again afterwards.
fn at_rest(relay: &mut Loaded) -> Result<u64, Lost> {
    let told = || Lost::Told("the relay is ended to look at its files: leave --relay out".to_owned());
    relay.own_mut().ok_or_else(told)?.stop();
    let bytes = relay.stored_bytes().ok_or_else(told)?;
    relay.own_mut().ok_or_else(told)?.start();
    Ok(bytes)
}

fn resident(relay: &Loaded) -> Result<f64, Lost> {
    let unknown = || Lost::Told("the relay's memory cannot be seen here".to_owned());
    relay.resident_kib().map(|kib| kib / 1024.0).ok_or_else(unknown)
}
