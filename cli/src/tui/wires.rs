//! What leads into the screen and out of it: bytes of the terminal, answers of the daemon, changes of size, all through
//! one channel; and questions to the daemon. What is made of them is in `run.rs`.

use std::{
    collections::VecDeque,
    fs::File,
    io::Write,
    sync::mpsc::{self, Receiver, Sender},
    thread,
    time::{Duration, Instant},
};

use signal_hook::{consts::SIGWINCH, iterator::Signals};

use super::{
    daemon_link::{self, Job},
    input::{Decoder, Input},
    keyboard::{Heard, Keyboard, Next},
    message::Message,
};
use crate::{
    error::{Failure, Outcome},
    exit, output,
};

/// How long a terminal may take to say where its cursor is.
const CURSOR_WITHIN: Duration = Duration::from_millis(500);

/// How long the last deletions may take when the screen is closed already.
const DELETED_WITHIN: Duration = Duration::from_secs(5);

/// Something happened outside.
pub(super) enum Event {
    /// From the terminal.
    Heard(Heard),
    /// The terminal has another size.
    Resized,
    /// From the daemon.
    Answer(Message),
}

/// What leads in and out.
pub(super) struct Wires {
    pub(super) events: Receiver<Event>,
    pub(super) to_daemon: Sender<Job>,
    pub(super) keyboard: Keyboard,
    pub(super) decoder: Decoder,
    /// Read, and not yet looked at: what was typed while the terminal was asked where its cursor is.
    pub(super) typed: VecDeque<Input>,
    /// The terminal is gone.
    pub(super) is_gone: bool,
    /// Deletions that are under way.
    pub(super) deleting: usize,
    /// Deletions that failed after the screen was closed.
    not_deleted: Option<Failure>,
}

impl Wires {
    pub(super) fn connect(tty: &File) -> Outcome<Self> {
        let (heard, events) = mpsc::channel();
        let (to_daemon, jobs) = mpsc::channel();
        let answers = heard.clone();
        daemon_link::start(jobs, move |message| answers.send(Event::Answer(message)).is_ok());
        watch_size(heard.clone());
        let tty = tty.try_clone().map_err(|error| Failure::at("/dev/tty".as_ref(), &error))?;
        let keyboard = Keyboard::start(tty, move |byte| heard.send(Event::Heard(byte)).is_ok());
        Ok(Self {
            events,
            to_daemon,
            keyboard,
            decoder: Decoder::default(),
            typed: VecDeque::new(),
            is_gone: false,
            deleting: 0,
            not_deleted: None,
        })
    }

    /// What came is dealt with: what may be read next follows from what stands there.
    pub(super) fn read_on(&mut self) {
        self.keyboard.go_on(match (self.decoder.paste_lacks(), self.decoder.patience()) {
            (Some(lacks), _) => Next::Paste(lacks),
            (None, Some(within)) => Next::Within(within),
            (None, None) => Next::Byte,
        });
    }

    /// Asks the terminal where its cursor is. Keys that come meanwhile are kept.
    pub(super) fn cursor(&mut self, mut tty: &File) -> Option<(u16, u16)> {
        tty.write_all(b"\x1b[6n").ok()?;
        let deadline = Instant::now() + CURSOR_WITHIN;
        while let Ok(event) = self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            if matches!(event, Event::Heard(_)) {
                self.keyboard.arrived();
            }
            let bytes = match event {
                Event::Heard(Heard::Bytes(bytes)) => bytes,
                // The answer begins like the Escape key. Taking it for that because the rest is slow to come would close
                // the screen that it is asked for.
                Event::Heard(Heard::Pause) => {
                    self.keyboard.go_on(Next::Byte);
                    continue;
                }
                Event::Heard(Heard::Nothing) => {
                    self.is_gone = true;
                    return None;
                }
                // Nothing was asked yet, and the size is looked at afterwards.
                Event::Answer(_) | Event::Resized => continue,
            };
            // Of several bytes, which are of a paste, only the last can make something whole.
            let input = bytes.into_iter().fold(None, |input, byte| self.decoder.push(byte).or(input));
            self.read_on();
            match input {
                Some(Input::Cursor(column, row)) => return Some((column, row)),
                Some(other) => self.typed.push_back(other),
                None => {}
            }
        }
        self.typed.extend(self.decoder.give_up());
        None
    }

    /// Waits for the deletions that were still to be carried out. The screen is closed already: what cannot be done is
    /// said where the person is now.
    pub(super) fn finish_deletions(&mut self) {
        let deadline = Instant::now() + DELETED_WITHIN;
        while self.deleting > 0 {
            match self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Event::Answer(Message::Deleted { outcome, .. })) => {
                    self.deleting -= 1;
                    self.not_deleted = outcome.err().or(self.not_deleted.take());
                }
                Ok(_) => {}
                Err(_) => {
                    self.not_deleted = Some(Failure::new(exit::UNAVAILABLE, "the daemon does not answer"));
                    break;
                }
            }
        }
        if let Some(failure) = self.not_deleted.take() {
            output::say(&output::visible::text(format!("caro: not deleted: {}", failure.message).as_bytes()));
        }
    }
}

/// Says when the terminal has another size. Without the thread the screen keeps its size.
fn watch_size(heard: Sender<Event>) {
    let Ok(mut signals) = Signals::new([SIGWINCH]) else { return };
    thread::spawn(move || {
        for _ in signals.forever() {
            if heard.send(Event::Resized).is_err() {
                return;
            }
        }
    });
}
