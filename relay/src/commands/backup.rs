//! `caro-relay backup`: a folder with everything that a relay needs to come back, taken while it runs.

use std::process::ExitCode;

use caro_relay::backup;
use clap::Args;

use super::{Outcome, Place, bytes, in_folder, print};

#[derive(Args)]
pub(crate) struct Backup {
    #[command(flatten)]
    place: Place,
    /// The folder to make; it must not be there yet
    #[arg(value_name = "FOLDER")]
    to: std::path::PathBuf,
}

impl Backup {
    pub(crate) fn run(self) -> Outcome {
        let config = self.place.load()?;
        in_folder(&config)?;
        let size = backup::make(&config.data, &self.to)?;
        print(&format!("{}: keys and database, {}", self.to.display(), bytes(size)))?;
        Ok(ExitCode::SUCCESS)
    }
}
