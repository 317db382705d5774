//! Asks whoever started the program for a passphrase: on the terminal, unseen, or as a line of the standard input where
//! that is no terminal. Never as an argument or a variable, which others can see.

use std::{
    fs::File,
    io::{self, Write},
};

use rustix::{
    fd::{AsFd, BorrowedFd},
    termios::{LocalModes, OptionalActions, Termios, isatty, tcgetattr, tcsetattr},
};
use zeroize::{Zeroize, Zeroizing};

/// What was typed, wiped when dropped.
pub type Typed = Zeroizing<String>;

/// Bytes of a passphrase. Room for whole sentences; the buffer is as large from the start, so that no copy is left
/// where it grew.
const TYPED_BYTES_MAX: usize = 1024;

/// What Ctrl-C is while the terminal passes it on.
const CANCEL: u8 = 3;

/// Asks for a passphrase. An empty answer is an answer.
///
/// # Errors
/// When nobody answers, or not with text.
pub fn passphrase(question: &str) -> io::Result<Typed> {
    let input = rustix::stdio::stdin();
    if !isatty(input) {
        return line(input);
    }
    let terminal = File::options().read(true).write(true).open("/dev/tty")?;
    // Before the question: who answers fast must not see it either.
    let unseen = Unseen::on(terminal.as_fd())?;
    write!(&terminal, "caro-daemon: {question}: ")?;
    let typed = line(terminal.as_fd());
    drop(unseen);
    writeln!(&terminal)?;
    typed
}

/// Whether a person at a terminal will answer.
pub fn is_a_person() -> bool {
    isatty(rustix::stdio::stdin())
}

/// One line, byte by byte: what follows it is for the next question, and no buffer keeps it.
fn line(input: BorrowedFd<'_>) -> io::Result<Typed> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(TYPED_BYTES_MAX));
    let mut byte = [0];
    loop {
        match rustix::io::read(input, &mut byte) {
            Ok(0) if bytes.is_empty() => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "nothing was given")),
            Ok(0) => break,
            Ok(_) if byte[0] == b'\n' => break,
            Ok(_) if byte[0] == CANCEL => return Err(io::Error::new(io::ErrorKind::Interrupted, "cancelled")),
            Ok(_) if bytes.len() == TYPED_BYTES_MAX => {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "too long for a passphrase"));
            }
            Ok(_) => bytes.push(byte[0]),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    byte.zeroize();
    let text = str::from_utf8(&bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "not text"))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// While it lives, the terminal does not show what is typed. It also passes Ctrl-C on as a letter: ended by it, the
/// program would leave a terminal behind that shows nothing.
struct Unseen<'a> {
    terminal: BorrowedFd<'a>,
    before: Termios,
}

impl<'a> Unseen<'a> {
    fn on(terminal: BorrowedFd<'a>) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut unseen = before.clone();
        unseen.local_modes.remove(LocalModes::ECHO | LocalModes::ISIG);
        tcsetattr(terminal, OptionalActions::Flush, &unseen)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Unseen<'_> {
    fn drop(&mut self) {
        // There is nobody to tell, and a terminal that is gone needs nothing.
        let _ = tcsetattr(self.terminal, OptionalActions::Flush, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(bytes: &[u8]) -> (io::Result<Typed>, io::Result<Typed>) {
        let (reader, mut writer) = io::pipe().expect("a pipe");
        writer.write_all(bytes).expect("written");
        drop(writer);
        (line(reader.as_fd()), line(reader.as_fd()))
    }

    #[test]
    fn one_line_is_taken_and_the_next_is_left_for_the_next_question() {
        let (first, second) = answer(b"one two\nthree");
        assert_eq!((first.unwrap().as_str(), second.unwrap().as_str()), ("one two", "three"));
        let (first, second) = answer(b"\n");
        assert_eq!(first.unwrap().as_str(), "");
        assert_eq!(second.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn what_is_too_long_or_no_text_is_refused_and_not_cut() {
        let longest = vec![b'x'; TYPED_BYTES_MAX];
        assert_eq!(answer(&longest).0.unwrap().len(), TYPED_BYTES_MAX);
        let longer = vec![b'x'; TYPED_BYTES_MAX + 1];
        for bad in [&longer[..], b"\xff\n", b"abc\x03\n"] {
            let error = answer(bad).0.unwrap_err();
            assert!(!error.to_string().contains("abc"), "{error}");
        }
    }
}
