//! `caro sync restore`: joins an account with its phrase. It never makes one.

use caro_schema::{
    ipc::{Request, sync::RestoreRequest},
    redacted::Redacted,
};
use clap::Args;
use zeroize::Zeroizing;

use super::{
    join::{JOIN_WITHIN, Where},
    sync_status,
};
use crate::{
    client::Client,
    error::Outcome,
    terminal::{ask, secret},
};

/// Join an account with its phrase
///
/// Asks for the phrase without showing it. The phrase is never an argument: other programs on this machine could read
/// it there.
///
/// Example: caro sync restore --relay wss://desk.example:7490/#...
#[derive(Args)]
pub(crate) struct Restore {
    #[command(flatten)]
    place: Where,
    /// Read the phrase from standard input
    #[arg(long)]
    phrase_stdin: bool,
}

impl Restore {
    pub(crate) fn run(self) -> Outcome {
        secret::close_to_others();
        let device_name = self.place.device_name()?;
        let mut client = Client::open()?;
        let phrase = if self.phrase_stdin { secret::from_stdin("a phrase")? } else { ask_phrase()? };
        restore(&mut client, &self.place, phrase, device_name)
    }
}

pub(super) fn ask_phrase() -> Outcome<Zeroizing<String>> {
    ask::phrase("Recovery phrase:", "--phrase-stdin reads the phrase from standard input")
}

pub(super) fn restore(
    client: &mut Client,
    place: &Where,
    mut phrase: Zeroizing<String>,
    device_name: String,
) -> Outcome {
    let request = RestoreRequest {
        relay: place.relay(),
        // Moved, not copied; the bytes that carry it are wiped by the client.
        phrase: Redacted::new(std::mem::take(&mut *phrase)),
        device_name,
    };
    let status = sync_status(client.ask_within(Request::SyncRestore(request), JOIN_WITHIN)?)?;
    place.tell(&status, "this device has joined; its history and the others' come together now")
}
