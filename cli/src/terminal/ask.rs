//! Questions to the person, asked on the terminal and never on standard input: that may be a file.
//!
//! Keys are read one by one, so that Ctrl-C is a key like any other: whoever asked can put things right before leaving.
//! A phrase is not shown while it is typed, only how many words there are; what was typed is wiped and appears in no
//! message.

use std::{
    fs::File,
    io::{Read, Write},
};

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, tcgetattr, tcsetattr};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};
use zeroize::Zeroizing;

use super::Guard;
use crate::{
    error::{Failure, Outcome},
    exit,
    output::visible,
};

/// Bytes of an answer: 24 words of at most eight letters are 215; with room for odd spacing.
pub(super) const ANSWER_BYTES_MAX: usize = 2048;

/// Asks for yes or no; anything but yes is no. `otherwise` says how to do without a terminal.
pub(crate) fn yes(question: &str, otherwise: &str) -> Outcome<bool> {
    let answer = line(&format!("{question} [y/N]"), otherwise)?;
    Ok(is_yes(&answer))
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}

/// Asks for a line.
pub(crate) fn line(question: &str, otherwise: &str) -> Outcome<Zeroizing<String>> {
    ask(question, Echo::Shown, otherwise)
}

/// Throws away what was typed and not read: the rest of a phrase that was given up must not reach the shell, which would
/// run and record it.
pub(crate) fn forget_typed_ahead() {
    if let Ok(tty) = super::open() {
        // A terminal that is going away has nothing left that could reach a shell.
        rustix::termios::tcflush(&tty, rustix::termios::QueueSelector::IFlush).ok();
    }
}

/// Asks for a phrase.
pub(crate) fn phrase(question: &str, otherwise: &str) -> Outcome<Zeroizing<String>> {
    ask(question, Echo::Counted, otherwise)
}

/// Waits for Enter, which may follow anything.
pub(crate) fn enter(tty: &mut File) -> Outcome {
    one_by_one(tty)?;
    read_line(tty, "", Echo::None, usize::MAX).map(drop)
}

/// What is seen of an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Echo {
    /// What is typed.
    Shown,
    /// The number of words.
    Counted,
    /// Nothing.
    None,
}

fn ask(question: &str, echo: Echo, otherwise: &str) -> Outcome<Zeroizing<String>> {
    let mut tty = super::open().map_err(|failure| failure.hint(otherwise))?;
    let guard = Guard::new(&tty, b"\r\n")?;
    one_by_one(&tty)?;
    let columns = rustix::termios::tcgetwinsize(&tty).map_or(0, |size| usize::from(size.ws_col));
    // Some terminals do not say how wide they are.
    let answer = read_line(&mut tty, question, echo, if columns == 0 { 80 } else { columns });
    drop(guard);
    answer
}

/// No echo, no lines, no signals from keys; waits for each.
fn one_by_one(tty: &File) -> Outcome {
    keys_alone(tty, 1, 0)
}

/// As for a question, but a read comes back after a fifth of a second with nothing when no key was pressed.
pub(crate) fn at_times(tty: &File) -> Outcome {
    keys_alone(tty, 0, 2)
}

fn keys_alone(tty: &File, least: u8, tenths: u8) -> Outcome {
    let failed = |error: rustix::io::Errno| Failure::at("/dev/tty".as_ref(), &error.into());
    let mut modes = tcgetattr(tty).map_err(failed)?;
    modes.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
    modes.special_codes[SpecialCodeIndex::VMIN] = least;
    modes.special_codes[SpecialCodeIndex::VTIME] = tenths;
    tcsetattr(tty, OptionalActions::Now, &modes).map_err(failed)
}

/// Reads up to Enter, and shows it on one line of so many columns: of what is longer the end is seen.
fn read_line(tty: &mut (impl Read + Write), question: &str, echo: Echo, columns: usize) -> Outcome<Zeroizing<String>> {
    let failed = |error: std::io::Error| Failure::at("/dev/tty".as_ref(), &error);
    // With its full size from the start, so that growing leaves no copy behind.
    let mut typed = Zeroizing::new(Vec::with_capacity(ANSWER_BYTES_MAX));
    let mut shown = None;
    // A question that leaves no room stands on lines of its own.
    let (before, question) = match columns.checked_sub(question.width() + ANSWER_COLUMNS_MIN) {
        Some(_) => (String::new(), question),
        None => (format!("{question}\r\n"), ">"),
    };
    tty.write_all(before.as_bytes()).map_err(failed)?;
    let room = columns.saturating_sub(question.width() + 2);
    loop {
        let now = Zeroizing::new(end_of(&seen(&typed, echo), room).to_owned());
        if shown.as_ref() != Some(&now) {
            if echo != Echo::None {
                write!(tty, "\r\x1b[K{question} {}", *now).and_then(|()| tty.flush()).map_err(failed)?;
            }
            shown = Some(now);
        }
        let mut byte = [0];
        if tty.read(&mut byte).map_err(failed)? == 0 {
            return Err(Failure::cancelled());
        }
        match byte[0] {
            b'\r' | b'\n' => return text(&typed),
            // Ctrl-C, Ctrl-D, Ctrl-G and Escape.
            3 | 4 | 7 | 27 => return Err(Failure::cancelled()),
            8 | 127 => take_back_letter(&mut typed),
            // Ctrl-U, Ctrl-W.
            21 => typed.clear(),
            23 => {
                let end = typed.trim_ascii_end().iter().rposition(u8::is_ascii_whitespace).map_or(0, |at| at + 1);
                typed.truncate(end);
            }
            other if typed.len() < ANSWER_BYTES_MAX => typed.push(other),
            _ => {}
        }
    }
}

/// Columns for an answer beside its question.
const ANSWER_COLUMNS_MIN: usize = 12;

/// The end of a text, as much as fits.
fn end_of(text: &str, columns: usize) -> &str {
    let mut width = 0;
    let fits = |(_, letter): &(usize, char)| {
        width += letter.width().unwrap_or(0);
        width <= columns
    };
    text.char_indices().rev().take_while(fits).last().map_or("", |(at, _)| &text[at..])
}

/// A letter of several bytes goes as a whole.
fn take_back_letter(typed: &mut Vec<u8>) {
    while typed.pop().is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000) {}
}

fn seen(typed: &[u8], echo: Echo) -> Zeroizing<String> {
    Zeroizing::new(match echo {
        Echo::Shown => visible::line(typed),
        Echo::Counted => {
            let words = typed.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).count();
            format!("({words} words) ")
        }
        Echo::None => String::new(),
    })
}

pub(super) fn text(bytes: &[u8]) -> Outcome<Zeroizing<String>> {
    let text = std::str::from_utf8(bytes).map_err(|_| Failure::new(exit::DATA, "what was typed is not text"))?;
    Ok(Zeroizing::new(text.trim().to_owned()))
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

    fn type_in(keys: &[u8], echo: Echo) -> (Outcome<Zeroizing<String>>, String) {
        let mut person = Person { types: io::Cursor::new(keys.to_vec()), sees: Vec::new() };
        let typed = read_line(&mut person, "Question:", echo, 40);
        (typed, String::from_utf8(person.sees).expect("text"))
    }

    #[test]
    fn only_yes_is_yes() {
        for (answer, yes) in [("y", true), ("YES ", true), ("", false), ("n", false), ("yy", false)] {
            assert_eq!(is_yes(answer), yes, "{answer:?}");
        }
    }

    #[test]
    fn trap_27_a_phrase_is_read_and_never_shown() {
        let (typed, seen) = type_in(b"legal winner  thank\r", Echo::Counted);
        assert_eq!(typed.expect("typed").as_str(), "legal winner  thank");
        assert!(seen.contains("(3 words)"), "{seen:?}");
        for word in ["legal", "winner", "thank"] {
            assert!(!seen.contains(word), "{seen:?}");
        }
    }

    #[test]
    fn a_line_is_shown_as_it_is_typed() {
        let (typed, seen) = type_in("aé\x7f\u{9b}b\r".as_bytes(), Echo::Shown);
        assert_eq!(typed.expect("typed").as_str(), "a\u{9b}b");
        assert!(seen.ends_with("Question: a<U+009B>b"), "{seen:?}");
    }

    #[test]
    fn an_answer_longer_than_the_line_stays_on_it() {
        let answer = "a long value ".repeat(9);
        let (typed, seen) = type_in(format!("{answer}\r").as_bytes(), Echo::Shown);
        assert_eq!(typed.expect("typed").as_str(), answer.trim());
        for line in seen.split("\r\x1b[K").skip(1) {
            assert!(line.width() < 40 && line.starts_with("Question: "), "{line:?}");
        }
        assert!(seen.ends_with("g value a long value "), "{seen:?}");
        let mut person = Person { types: io::Cursor::new(b"yes\r".to_vec()), sees: Vec::new() };
        let question = "A question that is as long as the line is wide?";
        assert_eq!(read_line(&mut person, question, Echo::Shown, 40).expect("typed").as_str(), "yes");
        let seen = String::from_utf8(person.sees).expect("text");
        assert!(seen.starts_with(&format!("{question}\r\n\r\x1b[K> ")) && seen.ends_with("> yes"), "{seen:?}");
    }

    #[test]
    fn keys_that_take_back() {
        for (keys, expected) in [("ab\x7fc\r", "ac"), ("one two \x17x\r", "one x"), ("one\x15two\r", "two")] {
            assert_eq!(type_in(keys.as_bytes(), Echo::Counted).0.expect("typed").as_str(), expected);
        }
    }

    #[test]
    fn leaving_is_possible_at_any_time_and_says_nothing() {
        for keys in [&b"legal\x03"[..], b"\x04", b"legal", b"\x1b"] {
            assert_eq!(type_in(keys, Echo::Counted).0.expect_err("cancelled"), Failure::cancelled());
        }
    }

    #[test]
    fn typing_has_a_limit() {
        let keys = [vec![b'a'; ANSWER_BYTES_MAX + 500], b"\r".to_vec()].concat();
        assert_eq!(type_in(&keys, Echo::Counted).0.expect("typed").len(), ANSWER_BYTES_MAX);
    }
}
