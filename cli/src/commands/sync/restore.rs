//! `caro sync restore`: joins an account with its phrase. It never makes one.

use caro_schema::{
    ipc::{Fault, Reply, Request, sync::RestoreRequest},
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
    error::{Failure, Outcome},
    output::{say, visible},
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
        // A phrase is 24 words: nobody should type them to be told that the address has a slip.
        client.ask(Request::SyncCheck { relay: self.place.relay(), joins: true })?;
        if !self.phrase_stdin {
            return ask_and_restore(&mut client, &self.place, &device_name);
        }
        let phrase = secret::from_stdin("a phrase")?;
        joined(&self.place, try_restore(&mut client, &self.place, phrase, &device_name)??)
    }
}

/// Phrases that may be mistyped before it is given up.
const TRIES_MAX: u32 = 5;

/// Asks for the phrase, again when it was mistyped: nobody should have to begin anew for one letter.
pub(super) fn ask_and_restore(client: &mut Client, place: &Where, device_name: &str) -> Outcome {
    let mut tries = 1;
    loop {
        let phrase = ask::phrase("Recovery phrase:", "--phrase-stdin reads the phrase from standard input");
        let phrase = phrase.inspect_err(|_| ask::forget_typed_ahead())?;
        match try_restore(client, place, phrase, device_name)? {
            Ok(reply) => return joined(place, reply),
            Err(fault) => {
                // The rest of a phrase that was pasted as several lines.
                ask::forget_typed_ahead();
                let mistyped =
                    matches!(fault, Fault::PhraseWord { .. } | Fault::PhraseLength { .. } | Fault::PhraseChecksum);
                if !mistyped || tries == TRIES_MAX {
                    return Err(fault.into());
                }
                say(&visible::text(Failure::from(fault).to_string().as_bytes()));
                tries += 1;
            }
        }
    }
}

fn try_restore(
    client: &mut Client,
    place: &Where,
    mut phrase: Zeroizing<String>,
    device_name: &str,
) -> Outcome<Result<Reply, Fault>> {
    let request = RestoreRequest {
        relay: place.relay(),
        // Moved, not copied; the bytes that carry it are wiped by the client.
        phrase: Redacted::new(std::mem::take(&mut *phrase)),
        device_name: device_name.to_owned(),
    };
    client.try_ask(Request::SyncRestore(request), JOIN_WITHIN)
}

fn joined(place: &Where, reply: Reply) -> Outcome {
    place.tell(&sync_status(reply)?, "this device has joined; its history and the others' come together now")
}
