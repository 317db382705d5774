//! `caro sync pair` and `caro sync join`: one machine lets another one into the account, with a short code that a person
//! reads from one screen and types at the other, and words that they compare. Neither is ever an argument.

use std::time::Duration;

use caro_schema::{
    ipc::{
        Fault, Request,
        pair::{Attempted, Invitation, JoinRequest, Pairing},
    },
    redacted::Redacted,
};
use clap::Args;
use zeroize::Zeroizing;

use super::{
    join::{checked_name, host_name},
    meeting::{Meeting, pairing},
    picture,
};
use crate::{
    client::Client,
    error::{Failure, Outcome},
    output::{Out, say, visible},
    terminal::{self, ask, secret},
};

/// Let another machine in: shows a short code to type there
///
/// The code serves one machine, for ten minutes. When it was typed there, both screens show words: if they are the same,
/// nobody stands in between. Ctrl-C takes the code away.
///
/// Example: caro sync pair
#[derive(Args)]
pub(crate) struct Pair {}

/// Join an account with the code that caro sync pair shows on a machine that is in it
///
/// Asks for the code. It is never an argument: other programs on this machine could read it there.
///
/// Example: caro sync join --relay wss://desk.example:7490/#...
#[derive(Args)]
pub(crate) struct Join {
    /// The relay's address, as caro sync pair shows it; asked for if not given
    #[arg(long, value_name = "ADDRESS")]
    relay: Option<String>,
    /// What to call this device; its host name if not given
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

/// What a script does without a person.
const WITHOUT_TERMINAL: &str = "a script joins with the phrase: caro sync restore --phrase-stdin";

/// The daemon only begins; the rest is seen from how it stands.
const BEGUN_WITHIN: Duration = Duration::from_secs(20);

/// Codes that may be mistyped before it is given up.
const TRIES_MAX: u32 = 5;

impl Pair {
    pub(crate) fn run(self) -> Outcome {
        secret::close_to_others();
        // Before anything is begun: without a terminal nobody could see the code.
        terminal::open().map_err(|failure| failure.hint(WITHOUT_TERMINAL))?;
        let mut client = Client::open()?;
        pairing(client.ask(Request::PairInvite)?)?;
        let mut shown: Option<(u8, Option<Attempted>)> = None;
        let name = Meeting::new(&mut client)?.run(|meeting, stands| match stands {
            Pairing::Waiting(invitation) => {
                let now = (invitation.tries_left, invitation.last);
                let before = shown.replace(now);
                if before.is_none() {
                    show_code(meeting, invitation)?;
                }
                if before != Some(now) { show_attempt(meeting, invitation) } else { Ok(()) }
            }
            _ => Ok(()),
        })??;
        let mut out = Out::new();
        out.line(&format!("\"{}\" is in the account", visible::text(name.as_bytes())))?;
        out.line("see all devices: caro sync devices")?;
        out.finish()
    }
}

/// Lines that stand above and below the picture, and one for what comes next.
const LINES_BESIDE_PICTURE: usize = 12;

fn show_code(meeting: &mut Meeting<'_>, invitation: &Invitation) -> Outcome {
    let Invitation { code, relay, left_ms, .. } = invitation;
    let minutes = left_ms.div_ceil(60_000);
    meeting.print(&format!(
        "On the other machine:\n\n    caro sync join --relay '{relay}'\n\nand type this code there:\n"
    ))?;
    meeting.print(&format!("    {}\n", code.reveal()))?;
    // Both in one, as the other machine's prompt takes them.
    let both = Zeroizing::new(format!("{relay} {}", code.reveal()));
    if let Some(lines) = picture::draw(&both, meeting.columns()) {
        // The code must stay in sight.
        let rows = lines.len() + LINES_BESIDE_PICTURE;
        if rows <= meeting.rows() {
            meeting.print("or scan this and paste it there:\n")?;
            lines.iter().try_for_each(|line| meeting.print(line))?;
        } else {
            meeting.print(&format!("(In a window of {rows} lines there is a picture to scan as well.)"))?;
        }
    }
    let plural = if minutes == 1 { "" } else { "s" };
    meeting.print(&format!("\nIt serves one machine, for {minutes} minute{plural}. Ctrl-C takes it away."))
}

fn show_attempt(meeting: &mut Meeting<'_>, invitation: &Invitation) -> Outcome {
    let Some(last) = invitation.last else { return Ok(()) };
    let tries = match invitation.tries_left {
        1 => "1 try is left".to_owned(),
        left => format!("{left} tries are left"),
    };
    let what = match last {
        Attempted::WrongCode => "Somebody typed a wrong code",
        Attempted::Left => "Somebody came with this code's number and went away again",
        Attempted::Contested => "Two came with this code's number at once",
    };
    meeting.print(&format!("{what}; {tries}. If that was not you, press Ctrl-C and show a new one."))
}

impl Join {
    pub(crate) fn run(self) -> Outcome {
        secret::close_to_others();
        let device_name = match &self.name {
            Some(name) => checked_name(name)?,
            None => host_name(),
        };
        terminal::open().map_err(|failure| failure.hint(WITHOUT_TERMINAL))?;
        let mut client = Client::open()?;
        let mut tries = 1;
        let name = loop {
            match self.try_once(&mut client, &device_name)? {
                Ok(name) => break name,
                Err(fault) if tries < TRIES_MAX && is_mistyped(&fault) => {
                    ask::forget_typed_ahead();
                    say(&visible::text(Failure::from(fault).to_string().as_bytes()));
                    tries += 1;
                }
                Err(fault) => return Err(fault.into()),
            }
        };
        let mut out = Out::new();
        out.line(&format!("this device has joined; \"{}\" let it in", visible::text(name.as_bytes())))?;
        out.line("see how it goes: caro sync status")?;
        out.finish()
    }

    fn try_once(&self, client: &mut Client, device_name: &str) -> Outcome<Result<String, Fault>> {
        let (relay, code) = self.ask()?;
        let request = JoinRequest { relay, code: Redacted::new(code), device_name: device_name.to_owned() };
        match client.try_ask(Request::PairJoin(request), BEGUN_WITHIN)? {
            Ok(reply) => drop(pairing(reply)?),
            Err(fault) => return Ok(Err(fault)),
        }
        Meeting::new(client)?.run(|_, _| Ok(()))
    }

    /// The relay's address and the code: both may come in one line, as the picture has them.
    fn ask(&self) -> Outcome<(String, String)> {
        let typed = ask::line("Code from the other machine:", WITHOUT_TERMINAL)?;
        let (relay, code) = split(&typed);
        if let Some(relay) = relay.map(str::to_owned).or_else(|| self.relay.clone()) {
            return Ok((relay.trim().to_owned(), code.to_owned()));
        }
        let relay = ask::line("Relay's address (wss://…), from there as well:", WITHOUT_TERMINAL)?;
        Ok((relay.trim().to_owned(), code.to_owned()))
    }
}

/// An address in front of a code, if there is one.
fn split(typed: &str) -> (Option<&str>, &str) {
    match typed.trim().split_once(char::is_whitespace) {
        Some((first, rest)) if first.contains("://") => (Some(first), rest.trim()),
        _ => (None, typed.trim()),
    }
}

/// What a person can put right at once: a word that is none, no code at all, or a wrong one with tries left.
fn is_mistyped(fault: &Fault) -> bool {
    matches!(fault, Fault::CodeForm | Fault::CodeWord { .. } | Fault::WrongCode { tries_left: 1.. })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_stand_in_front_of_the_code() {
        assert_eq!(split(" 7-abandon-zoo "), (None, "7-abandon-zoo"));
        assert_eq!(split("7 abandon zoo"), (None, "7 abandon zoo"));
        assert_eq!(split("wss://r:1/#k 7-abandon-zoo"), (Some("wss://r:1/#k"), "7-abandon-zoo"));
    }

    #[test]
    fn what_was_mistyped_is_asked_again_and_nothing_else_is() {
        let word = Fault::CodeWord { position: 2, nearest: "zoo".into() };
        for fault in [Fault::CodeForm, word, Fault::WrongCode { tries_left: 1 }] {
            assert!(is_mistyped(&fault), "{fault:?}");
        }
        for fault in [Fault::WrongCode { tries_left: 0 }, Fault::NoSuchCode, Fault::CodeTaken, Fault::PairDeclined] {
            assert!(!is_mistyped(&fault), "{fault:?}");
        }
    }
}
