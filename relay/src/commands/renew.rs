//! `caro-relay renew`.

use std::process::ExitCode;

use caro_relay::{
    folder::Folder,
    log::{postgres::PostgresLog, sqlite::SqliteLog},
    serve::fresh_generation,
    storage,
};

use super::{Outcome, Place, print};

pub(crate) fn run(place: &Place) -> Outcome {
    let config = place.load()?;
    if let Some(source) = storage::server(&config)? {
        PostgresLog::renew(&source, fresh_generation()?)?;
        print("renewed: devices will offer again what this database lacks")?;
        return Ok(ExitCode::SUCCESS);
    }
    let folder = Folder::open(&config.data)?;
    anyhow::ensure!(folder.database().exists(), "there is no database in {}", config.data.display());
    SqliteLog::open(&folder.database(), fresh_generation()?)?.renew(fresh_generation()?)?;
    print("renewed: devices will offer again what this database lacks")?;
    Ok(ExitCode::SUCCESS)
}
