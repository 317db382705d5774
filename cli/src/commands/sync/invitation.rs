//! Invitations of relays that let in only who has one: asked for when the relay says so, typed where nobody sees it, and
//! never an argument, which other users see and shells keep.

use caro_schema::{ipc::Fault, redacted::Redacted};

use crate::{error::Outcome, terminal};

/// Whether a relay refused because it wants an invitation, or another one.
pub(super) fn is_wanted(fault: &Fault) -> bool {
    matches!(fault, Fault::Refused { code } if code == "RegistrationRefused")
}

/// Asks for one.
pub(super) fn ask(again: bool) -> Outcome<Redacted<String>> {
    let question = if again {
        "The relay does not take that one: it is used up, has expired, or is not its own. Invitation:"
    } else {
        "This relay makes accounts by invitation only. Invitation:"
    };
    let mut token = terminal::ask::phrase(question, "--token-stdin reads an invitation from standard input")?;
    Ok(Redacted::new(std::mem::take(&mut *token)))
}
