//! `caro sync rotate-identity`: a new phrase, and with it a new account that everything moves to. For when somebody else may
//! know the old phrase: no other command helps then.

use caro_schema::{
    ipc::{Request, sync::MoveRequest},
    redacted::Redacted,
};
use clap::Args;

use super::{init, join::JOIN_WITHIN, revoke, status, sync_status};
use crate::{
    client::Client,
    error::{Failure, Outcome},
    output::{Out, say},
    terminal::{self, ask, secret},
};

/// Move everything to a new account with a new phrase
///
/// For when somebody else may know the phrase. Makes a new account at every relay that this device uses, sends everything
/// there that is here, and then empties the old account at each relay. The other devices do not follow by themselves: each
/// is told, and asks for the new phrase (caro sync restore). Asks for the present phrase, shows the new one once, and asks
/// some of its words back before anything is done.
#[derive(Args)]
pub(crate) struct RotateIdentity {
    /// Read the present phrase from standard input
    #[arg(long)]
    phrase_stdin: bool,
    /// Read an invitation for the relays from standard input
    #[arg(long, conflicts_with = "phrase_stdin")]
    token_stdin: bool,
    /// Print the new phrase to standard output and ask nothing but the present one, for scripts
    #[arg(long, short = 'y')]
    yes: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

impl RotateIdentity {
    pub(crate) fn run(self) -> Outcome {
        secret::close_to_others();
        if !self.yes {
            // Before anything is begun: without a terminal nobody could see the phrase.
            terminal::open().map_err(|failure| failure.hint("--yes prints the new phrase to standard output"))?;
        }
        let mut client = Client::open()?;
        let others = status::devices(&mut client)?;
        let others = others.iter().filter(|device| !device.this && device.revoked.is_none()).count();
        if !self.yes {
            say("Everything moves to a new account with a new phrase, and the old one is emptied at every relay.");
            if others > 0 {
                say("The other devices do not follow by themselves: on each, caro sync restore with the new phrase.");
            }
            if !ask::yes("Move to a new phrase?", "--yes")? {
                return Err(Failure::cancelled());
            }
        }
        let token = if self.token_stdin {
            Some(Redacted::new(std::mem::take(&mut *secret::from_stdin("an invitation")?)))
        } else {
            None
        };
        let mut phrase = revoke::phrase(self.phrase_stdin)?;
        let request = MoveRequest { phrase: Redacted::new(std::mem::take(&mut *phrase)), token };
        let new = init::begun(client.ask_within(Request::SyncMove(request), JOIN_WITHIN)?)?;
        let shown = if self.yes { init::print(&new, self.json) } else { init::show_and_check(&new) };
        drop(new);
        if let Err(failure) = shown {
            client.ask(Request::SyncAbandon)?;
            if failure == Failure::cancelled() {
                say("nothing was changed; that phrase is worth nothing");
            }
            return Err(failure);
        }
        let status = sync_status(client.ask_within(Request::SyncConfirm, JOIN_WITHIN)?)?;
        let mut out = Out::new();
        if self.json {
            out.json(&status::json(&status, &[]))?;
        } else {
            out.line("this device is in the new account; what is here is sent there, then the old one is emptied")?;
            out.line("the old phrase is worth nothing from then on; see how it goes: caro sync status")?;
        }
        out.finish()
    }
}
