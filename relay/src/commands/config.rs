//! `caro-relay config check|show|limits`.

use std::process::ExitCode;

use caro_relay::{
    config::{Admission, Loaded},
    limits, tls,
};
use clap::Subcommand;

use super::{Outcome, Place, Serving, print, say};

#[derive(Subcommand)]
pub(crate) enum Config {
    /// Say whether a relay would start with this configuration, and everything that is wrong with it
    ///
    /// Reads the file, the environment, and the certificate and invitations that they name. Does not look at the folder or
    /// the database, listens nowhere, and connects to no server.
    Check(Place),
    /// Print what holds, as a configuration file, and where each part of it comes from
    Show(Place),
    /// Print the table of limits with the reason for the size of each
    Limits,
}

impl Config {
    pub(crate) fn run(self) -> Outcome {
        match self {
            Self::Check(place) => check(&place),
            Self::Show(place) => {
                print(place.load_with(Serving::default())?.show().trim_end())?;
                Ok(ExitCode::SUCCESS)
            }
            Self::Limits => {
                print(limits::page().trim_end())?;
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

fn check(place: &Place) -> Outcome {
    let Loaded { config, file, .. } = place.load_with(Serving::default())?;
    config.registration()?;
    if let (Some(certificate), Some(key)) = (&config.certificate, &config.certificate_key) {
        tls::from_files(certificate, key)?;
    }
    let anybody = config.registration == Admission::Open && !config.listen.ip().is_loopback();
    match file {
        Some(file) => print(&format!("a relay would start with this, from {}", file.display()))?,
        None => print("a relay would start with this; no configuration file was named")?,
    }
    if anybody {
        say("note: registration = \"open\" lets anybody who can reach it make an account");
    }
    Ok(ExitCode::SUCCESS)
}
