//! `caro sync devices` and `rename`: who is in the account.

use caro_schema::ipc::Request;
use clap::Args;
use jiff::tz::TimeZone;

use super::{join::checked_name, status};
use crate::{client::Client, error::Outcome, output::Out};

/// List the account's devices
///
/// After this caro sync status no longer says who joined.
#[derive(Args)]
pub(crate) struct Devices {
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

/// Call this device something else
#[derive(Args)]
pub(crate) struct Rename {
    /// The new name
    #[arg(value_name = "NAME")]
    name: String,
}

impl Devices {
    pub(crate) fn run(self) -> Outcome {
        let mut client = Client::open()?;
        let devices = status::devices(&mut client)?;
        let mut out = Out::new();
        for device in &devices {
            if self.json {
                out.json(&status::device_json(device))?;
            } else {
                out.line(&status::device_line(device, &TimeZone::system()))?;
            }
        }
        out.finish()?;
        // They were listed, and whoever looked need not be told again who joined. That is said last: a list that could not
        // be written was not seen.
        client.ask(Request::SyncSeen).map(drop)
    }
}

impl Rename {
    pub(crate) fn run(self) -> Outcome {
        let name = checked_name(&self.name)?;
        Client::open()?.ask(Request::SyncRename { name })?;
        let mut out = Out::new();
        out.line("renamed")?;
        out.finish()
    }
}
