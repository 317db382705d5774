//! Reads a phrase without showing it: from the terminal with echo off, or from standard input for programs.
//!
//! What was typed is wiped when it is done with, and appears in no message. Only the number of words is shown, so that
//! a person knows where they are.

use std::{
    fs::File,
    io::{Read, Write},
};

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use super::Guard;
use crate::{
    error::{Failure, Outcome},
    exit,
};

/// Bytes of a phrase: 24 words of at most eight letters are 215; with room for odd spacing.
const PHRASE_BYTES_MAX: usize = 2048;

/// Asks on the terminal.
pub(crate) fn ask(question: &str, otherwise: &str) -> Outcome<Zeroizing<String>> {
    let mut tty = super::open().map_err(|failure| failure.hint(otherwise))?;
    let guard = Guard::new(&tty, b"\r\n")?;
    hide(&tty)?;
    let typed = read_hidden(&mut tty, question);
    drop(guard);
    typed
}

/// Reads standard input to its end.
pub(crate) fn from_stdin(what: &str) -> Outcome<Zeroizing<String>> {
    // With its full size from the start, so that growing leaves no copy behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(PHRASE_BYTES_MAX + 1));
    let limit = u64::try_from(PHRASE_BYTES_MAX + 1).unwrap_or(u64::MAX);
    std::io::stdin()
        .lock()
        .take(limit)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::at("standard input".as_ref(), &error))?;
    if bytes.len() > PHRASE_BYTES_MAX {
        return Err(Failure::new(exit::DATA, format!("standard input is too long for {what}")));
    }
    text(&bytes)
}

fn text(bytes: &[u8]) -> Outcome<Zeroizing<String>> {
    let text = std::str::from_utf8(bytes).map_err(|_| Failure::new(exit::DATA, "what was typed is not text"))?;
    Ok(Zeroizing::new(text.trim().to_owned()))
}

/// No echo, no lines, no signals from keys: Ctrl-C is read as a key, so that the terminal is put right first.
fn hide(tty: &File) -> Outcome {
    let failed = |error: rustix::io::Errno| Failure::at("/dev/tty".as_ref(), &error.into());
    let mut modes = tcgetattr(tty).map_err(failed)?;
    modes.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
    modes.special_codes[SpecialCodeIndex::VMIN] = 1;
    modes.special_codes[SpecialCodeIndex::VTIME] = 0;
    tcsetattr(tty, OptionalActions::Now, &modes).map_err(failed)
}

fn read_hidden(tty: &mut (impl Read + Write), question: &str) -> Outcome<Zeroizing<String>> {
    let failed = |error: std::io::Error| Failure::at("/dev/tty".as_ref(), &error);
    let mut typed = Zeroizing::new(Vec::with_capacity(PHRASE_BYTES_MAX));
    let mut shown = usize::MAX;
    loop {
        let words = words(&typed);
        if words != shown {
            write!(tty, "\r\x1b[K{question} ({words} words) ").and_then(|()| tty.flush()).map_err(failed)?;
            shown = words;
        }
        let mut byte = [0];
        if tty.read(&mut byte).map_err(failed)? == 0 {
            return Err(Failure::cancelled());
        }
        match byte[0] {
            b'\r' | b'\n' => return text(&typed),
            // Ctrl-C, Ctrl-D, Ctrl-G and Escape.
            3 | 4 | 7 | 27 => return Err(Failure::cancelled()),
            8 | 127 => drop(typed.pop()),
            // Ctrl-U, Ctrl-W.
            21 => typed.clear(),
            23 => {
                let end = typed.trim_ascii_end().iter().rposition(u8::is_ascii_whitespace).map_or(0, |at| at + 1);
                typed.truncate(end);
            }
            other if typed.len() < PHRASE_BYTES_MAX => typed.push(other),
            _ => {}
        }
    }
}

fn words(typed: &[u8]) -> usize {
    typed.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).count()
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    struct Person {
        types: io::Cursor<Vec<u8>>,
        sees: Vec<u8>,
    }

    impl Read for Person {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            self.types.read(to)
        }
    }

    impl Write for Person {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.sees.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn type_in(keys: &[u8]) -> (Outcome<Zeroizing<String>>, String) {
        let mut person = Person { types: io::Cursor::new(keys.to_vec()), sees: Vec::new() };
        let typed = read_hidden(&mut person, "Phrase:");
        (typed, String::from_utf8(person.sees).expect("text"))
    }

    #[test]
    fn trap_27_a_phrase_is_read_and_never_shown() {
        let (typed, seen) = type_in(b"legal winner  thank\r");
        assert_eq!(typed.expect("typed").as_str(), "legal winner  thank");
        assert!(seen.contains("(3 words)"), "{seen:?}");
        for word in ["legal", "winner", "thank"] {
            assert!(!seen.contains(word), "{seen:?}");
        }
    }

    #[test]
    fn keys_that_take_back() {
        assert_eq!(type_in(b"ab\x7fc\r").0.expect("typed").as_str(), "ac");
        assert_eq!(type_in(b"one two \x17x\r").0.expect("typed").as_str(), "one x");
        assert_eq!(type_in(b"one\x15two\r").0.expect("typed").as_str(), "two");
    }

    #[test]
    fn leaving_is_possible_at_any_time_and_says_nothing() {
        for keys in [&b"legal\x03"[..], b"\x04", b"legal", b"\x1b"] {
            assert_eq!(type_in(keys).0.expect_err("cancelled"), Failure::cancelled());
        }
    }

    #[test]
    fn typing_has_a_limit() {
        let keys = [vec![b'a'; PHRASE_BYTES_MAX + 500], b"\r".to_vec()].concat();
        assert_eq!(type_in(&keys).0.expect("typed").len(), PHRASE_BYTES_MAX);
    }
}
