//! What both ends of a joining by code have in common on the screen: looking at how it stands several times a second, with
//! one eye on the keys, until it is over. Ctrl-C ends it at any time, here, in the daemon and on the relay.

use std::{
    fs::File,
    io::{Read, Write},
};

use caro_schema::ipc::{Fault, Reply, Request, pair::Pairing};
use rustix::termios::tcgetwinsize;

use crate::{
    client::Client,
    commands::unexpected,
    error::{Failure, Outcome},
    output::{say, visible},
    terminal::{self, Guard, ask},
};

/// The terminal while a joining is under way.
pub(super) struct Meeting<'a> {
    client: &'a mut Client,
    tty: File,
    guard: Guard,
    shown: Option<Shown>,
}

/// What was shown last, so that it is shown once.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    Meeting,
    Words { contested: bool },
    Agreed,
}

/// A key that means something here.
enum Key {
    Yes,
    No,
    Leave,
}

impl<'a> Meeting<'a> {
    pub(super) fn new(client: &'a mut Client) -> Outcome<Self> {
        let tty = terminal::open()?;
        let guard = Guard::new(&tty, b"")?;
        ask::at_times(&tty)?;
        Ok(Self { client, tty, guard, shown: None })
    }

    /// Goes on until it is over. Gives the other device's name, or why nothing came of it. `show` shows what only one end
    /// has to show.
    pub(super) fn run(
        mut self,
        mut show: impl FnMut(&mut Self, &Pairing) -> Outcome,
    ) -> Outcome<Result<String, Fault>> {
        let outcome = self.watch(&mut show);
        let is_left = outcome == Err(Failure::cancelled());
        // Whatever ended it, nothing stays open.
        let cancelled = self.client.ask(Request::PairCancel);
        drop(self.guard);
        if is_left {
            cancelled?;
            say("ended; the code is worth nothing any more, and nothing was changed");
        }
        outcome
    }

    fn watch(&mut self, show: &mut impl FnMut(&mut Self, &Pairing) -> Outcome) -> Outcome<Result<String, Fault>> {
        let mut stands = pairing(self.client.ask(Request::PairState)?)?;
        loop {
            match &stands {
                Pairing::Done { name } => return Ok(Ok(name.clone())),
                Pairing::Failed(fault) => return Ok(Err(fault.clone())),
                Pairing::Connecting | Pairing::Waiting(_) => self.shown = None,
                Pairing::Meeting => self.once(Shown::Meeting, "The other device is there.")?,
                Pairing::Compare { words, name, contested } => self.compare(words, name, *contested)?,
                Pairing::Agreed => self.once(Shown::Agreed, "Waiting for the same answer on the other device.")?,
            }
            show(self, &stands)?;
            let asked = match (self.key()?, &stands) {
                (Some(Key::Leave), _) => return Err(Failure::cancelled()),
                (Some(Key::Yes), Pairing::Compare { .. }) => Request::PairAnswer { same: true },
                (Some(Key::No), Pairing::Compare { .. }) => Request::PairAnswer { same: false },
                (Some(Key::Yes | Key::No) | None, _) => Request::PairState,
            };
            stands = pairing(self.client.ask(asked)?)?;
        }
    }

    fn compare(&mut self, words: &[String], name: &str, contested: bool) -> Outcome {
        let now = Shown::Words { contested };
        if self.shown == Some(now) {
            return Ok(());
        }
        let first = !matches!(self.shown, Some(Shown::Words { .. }));
        self.shown = Some(now);
        if contested {
            self.print("Somebody else came with this code's number and was sent away. Look twice.")?;
        }
        if !first {
            return Ok(());
        }
        // What was typed before the words were there is no answer to them.
        ask::forget_typed_ahead();
        let name = visible::text(name.as_bytes());
        self.print(&format!("\"{name}\" knows the code. Both screens must show the same words:\n"))?;
        self.print(&format!("    {}\n", words.join(" ")))?;
        self.print("Are they the same on the other screen? y or n")
    }

    fn once(&mut self, now: Shown, words: &str) -> Outcome {
        if self.shown == Some(now) {
            return Ok(());
        }
        self.shown = Some(now);
        self.print(words)
    }

    /// A line on the terminal, or several.
    pub(super) fn print(&mut self, text: &str) -> Outcome {
        let text = format!("{}\r\n", text.replace('\n', "\r\n"));
        self.tty.write_all(text.as_bytes()).map_err(|error| Failure::at("/dev/tty".as_ref(), &error))
    }

    /// How wide the terminal is.
    pub(super) fn columns(&self) -> usize {
        tcgetwinsize(&self.tty).map_or(80, |size| usize::from(size.ws_col))
    }

    /// How many lines the terminal has.
    pub(super) fn rows(&self) -> usize {
        tcgetwinsize(&self.tty).map_or(24, |size| usize::from(size.ws_row))
    }

    /// The key that was pressed in the last moment, if one was. A terminal that is gone is as good as Ctrl-C.
    fn key(&mut self) -> Outcome<Option<Key>> {
        let mut bytes = [0];
        match self.tty.read(&mut bytes) {
            Ok(0) => Ok(None),
            Ok(_) => Ok(match bytes[0] {
                b'y' | b'Y' => Some(Key::Yes),
                b'n' | b'N' => Some(Key::No),
                // Ctrl-C, Ctrl-D, Ctrl-G and Ctrl-\.
                3 | 4 | 7 | 28 => Some(Key::Leave),
                _ => None,
            }),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => Ok(None),
            Err(_) => Ok(Some(Key::Leave)),
        }
    }
}

pub(super) fn pairing(reply: Reply) -> Outcome<Pairing> {
    match reply {
        Reply::Pairing(pairing) => Ok(pairing),
        _ => Err(unexpected()),
    }
}
