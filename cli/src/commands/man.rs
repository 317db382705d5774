//! `caro man`: manual pages, made from the command line's own description.

use std::{fs, path::PathBuf};

use clap::{Args, CommandFactory};

use super::Caro;
use crate::{
    error::{Failure, Outcome},
    output::Out,
};

/// Print the manual page, or write all of them into a folder
///
/// Example: caro man | man -l -
#[derive(Args)]
pub(crate) struct Man {
    /// Write caro.1 and a page for each command into this folder
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
}

impl Man {
    pub(crate) fn run(self) -> Outcome {
        if let Some(folder) = self.output {
            fs::create_dir_all(&folder).map_err(|error| Failure::at(&folder, &error))?;
            return clap_mangen::generate_to(Caro::command(), &folder).map_err(|error| Failure::at(&folder, &error));
        }
        let mut page = Vec::new();
        clap_mangen::Man::new(Caro::command()).render(&mut page).map_err(|error| Failure::output(&error))?;
        let mut out = Out::new();
        out.bytes(&page)?;
        out.finish()
    }
}
