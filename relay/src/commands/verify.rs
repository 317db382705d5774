//! `caro-relay verify`.

use std::process::ExitCode;

use caro_relay::{
    folder::database,
    log::{postgres, sqlite::verify},
    storage,
};

use super::{Outcome, Place, print, say};
use crate::advice;

/// Exit status when something does not hold.
const UNSOUND: u8 = 3;

pub(crate) fn run(place: &Place) -> Outcome {
    let config = place.load()?;
    let report = match storage::server(&config)? {
        Some(source) => postgres::verify::verify(&source)?,
        None => {
            let path = database(&config.data);
            anyhow::ensure!(path.exists(), "there is no database in {}", config.data.display());
            verify::verify(&path)?
        }
    };
    for fault in &report.faults {
        say(&format!("caro-relay: {fault}"));
    }
    print(&format!(
        "{}: {} accounts, {} entries, {} of them purged",
        if report.is_sound() { "sound" } else { "damaged" },
        report.accounts,
        report.entries,
        report.purged
    ))?;
    if report.is_sound() {
        return Ok(ExitCode::SUCCESS);
    }
    let hint = if config.storage.is_some() { advice::DAMAGED_IN_SERVER } else { advice::DAMAGED };
    say(&format!("hint: {hint}"));
    Ok(ExitCode::from(UNSOUND))
}
