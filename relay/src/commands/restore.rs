//! `caro-relay restore`: a relay's folder from a backup, as a new life of its database.

use std::process::ExitCode;

use caro_relay::backup;
use clap::Args;

use super::{Outcome, Place, in_folder, print};

#[derive(Args)]
pub(crate) struct Restore {
    #[command(flatten)]
    place: Place,
    /// What caro-relay backup made
    #[arg(value_name = "FOLDER")]
    from: std::path::PathBuf,
}

impl Restore {
    pub(crate) fn run(self) -> Outcome {
        let config = self.place.load()?;
        in_folder(&config)?;
        let report = backup::restore(&self.from, &config.data)?;
        print(&format!(
            "restored into {}: {} accounts, {} entries; devices will offer again what it lacks",
            config.data.display(),
            report.accounts,
            report.entries
        ))?;
        Ok(ExitCode::SUCCESS)
    }
}
