//! `caro sync init`: a new account. The phrase is shown once, and nothing is written anywhere before the person has
//! shown that it is on paper.

use std::{fs::File, io::Write};

use caro_schema::{
    ipc::{
        Reply, Request,
        sync::{Begun, InitRequest},
    },
    redacted::Redacted,
};
use clap::Args;
use zeroize::Zeroizing;

use super::{
    invitation,
    join::{JOIN_WITHIN, Where},
    restore, sync_status,
};
use crate::{
    client::Client,
    commands::unexpected,
    error::{Failure, Outcome},
    exit,
    output::{Out, say, visible},
    terminal::{self, Guard, ask, secret},
};

/// Make an account, with a new phrase that is shown once
///
/// The phrase of 24 words is the account: whoever has it can read everything, and without it nobody can join, you
/// included. Write it on paper. Some of its words are asked back, then the account is made.
///
/// Example: caro sync init --relay wss://desk.example:7490/#...
#[derive(Args)]
pub(crate) struct Init {
    #[command(flatten)]
    place: Where,
    /// Read an invitation for the relay from standard input
    #[arg(long)]
    token_stdin: bool,
    /// Print the phrase to standard output and ask nothing, for scripts
    #[arg(long, short = 'y')]
    yes: bool,
}

impl Init {
    pub(crate) fn run(self) -> Outcome {
        secret::close_to_others();
        let device_name = self.place.device_name()?;
        if !self.yes {
            // Before anything is begun: without a terminal nobody could see the phrase.
            terminal::open().map_err(|failure| failure.hint("--yes prints the phrase to standard output"))?;
        }
        let mut client = Client::open()?;
        client.ask(Request::SyncCheck { relay: self.place.relay(), joins: true })?;
        if !self.yes && ask::yes("Do you have a recovery phrase already, from another device?", "--yes")? {
            return restore::ask_and_restore(&mut client, &self.place, &device_name);
        }
        let token = if self.token_stdin {
            Some(Redacted::new(std::mem::take(&mut *secret::from_stdin("an invitation")?)))
        } else {
            None
        };
        let request = InitRequest { relay: self.place.relay(), token, device_name };
        let phrase = begun(client.ask_within(Request::SyncInit(request), JOIN_WITHIN)?)?;
        let shown = if self.yes { print(&phrase, self.place.json) } else { show_and_check(&phrase) };
        drop(phrase);
        if let Err(failure) = shown {
            client.ask(Request::SyncAbandon)?;
            if failure == Failure::cancelled() {
                say("no account was made; that phrase is worth nothing");
            }
            return Err(failure);
        }
        let status = sync_status(confirm(&mut client, !self.yes && !self.token_stdin)?)?;
        if self.yes && self.place.json {
            return Ok(());
        }
        let words = format!(
            "the account is made; on the other machine: caro sync restore --relay '{}'",
            visible::line(self.place.relay().as_bytes())
        );
        self.place.tell(&status, &words)
    }
}

/// Has the account made. A relay that lets in only who is invited gets an invitation, where there is somebody to ask.
fn confirm(client: &mut Client, asks: bool) -> Outcome<Reply> {
    let mut tries = 0;
    loop {
        let fault = match client.try_ask(Request::SyncConfirm, JOIN_WITHIN)? {
            Ok(reply) => return Ok(reply),
            Err(fault) => fault,
        };
        if !asks || !invitation::is_wanted(&fault) || tries == TRIES_MAX {
            return Err(fault.into());
        }
        let token = match invitation::ask(tries > 0) {
            Ok(token) => token,
            Err(failure) => {
                client.ask(Request::SyncAbandon)?;
                return Err(failure);
            }
        };
        client.ask(Request::SyncInvitation(token))?;
        tries += 1;
    }
}

pub(super) fn begun(reply: Reply) -> Outcome<Zeroizing<Vec<String>>> {
    match reply {
        Reply::Begun(Begun { phrase }) => Ok(Zeroizing::new(phrase.into_inner())),
        _ => Err(unexpected()),
    }
}

/// For scripts: to standard output, which they asked for.
pub(super) fn print(phrase: &[String], json: bool) -> Outcome {
    let mut out = Out::new();
    if json {
        out.json(&serde_json::json!({ "phrase": phrase }))?;
    } else {
        out.bytes(grid(phrase, "\n").as_bytes())?;
    }
    out.finish()
}

/// On the terminal's second screen, so that it stays in no scroll-back; then asks some words back.
pub(super) fn show_and_check(phrase: &[String]) -> Outcome {
    let mut tty = terminal::open()?;
    let mut tries = 0;
    loop {
        show(&mut tty, phrase)?;
        let places = some_places(phrase.len())?;
        if check(&places, phrase)? {
            return Ok(());
        }
        tries += 1;
        if tries == TRIES_MAX {
            return Err(Failure::new(exit::DATA, "the words asked back were not right; no account was made")
                .hint("begin again, and write the words down as they are numbered"));
        }
        if !ask::yes("That is not right. See the phrase again? (No makes no account.)", "--yes")? {
            return Err(Failure::cancelled());
        }
    }
}

/// Looks at the phrase before giving up: who misses three times is not writing it down.
const TRIES_MAX: u32 = 3;

/// Words that are asked back.
const ASKED: usize = 3;

fn show(tty: &mut File, phrase: &[String]) -> Outcome {
    let failed = |error: std::io::Error| Failure::at("/dev/tty".as_ref(), &error);
    let guard = Guard::new(tty, b"\x1b[H\x1b[2J\x1b[?1049l")?;
    let page = Zeroizing::new(format!(
        "\x1b[?1049h\x1b[H\x1b[2JYour recovery phrase. It is shown once.\r\n\r\n{}\r\nWrite it on paper, in this order. \
         Whoever has it can read your history;\r\nwithout it, and with no device left, nobody can, you \
         included.\r\n\r\nEnter when it is written down ",
        *grid(phrase, "\r\n")
    ));
    tty.write_all(page.as_bytes()).map_err(failed)?;
    let written_down = ask::enter(tty);
    drop(guard);
    written_down
}

/// Numbered, in rows of four.
fn grid(phrase: &[String], end: &str) -> Zeroizing<String> {
    // With room for everything from the start, so that growing leaves no copy behind.
    let mut grid = Zeroizing::new(String::with_capacity(phrase.len() * 32));
    for (row, words) in phrase.chunks(4).enumerate() {
        for (column, word) in words.iter().enumerate() {
            let number = row * 4 + column + 1;
            // A word is at most eight letters.
            grid.push_str(&format!("  {number:>2}. "));
            grid.push_str(word);
            (word.len()..9).for_each(|_| grid.push(' '));
        }
        grid.push_str(end);
    }
    grid
}

/// Different places in the phrase, at random, ascending.
fn some_places(words: usize) -> Outcome<Vec<usize>> {
    let mut places: Vec<usize> = Vec::new();
    while places.len() < ASKED.min(words) {
        let random = getrandom::u32()
            .map_err(|_| Failure::new(exit::INTERNAL, "the system gives no random numbers; no account was made"))?;
        let place = random as usize % words;
        if !places.contains(&place) {
            places.push(place);
        }
    }
    places.sort_unstable();
    Ok(places)
}

fn check(places: &[usize], phrase: &[String]) -> Outcome<bool> {
    for place in places {
        let answer = ask::line(&format!("Word {}:", place + 1), "--yes")?;
        if answer.to_lowercase() != phrase[*place] {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn si002_the_phrase_is_a_numbered_grid() {
        let phrase: Vec<String> = (1..=24).map(|number| format!("word{number}")).collect();
        let shown = grid(&phrase, "\n");
        assert_eq!(shown.lines().count(), 6);
        assert!(shown.starts_with("   1. word1       2. word2       3. word3       4. word4"), "{}", *shown);
        assert!(shown.trim_end().ends_with("24. word24"));
    }

    #[test]
    fn si002_different_words_are_asked_back() {
        for words in [1, 12, 24] {
            let places = some_places(words).expect("random");
            assert_eq!(places.len(), ASKED.min(words));
            assert!(places.windows(2).all(|pair| pair[0] < pair[1]));
            assert!(places.iter().all(|place| *place < words));
        }
    }
}
