//! Questions to the person, asked on the terminal and never on standard input: that may be a file.

use std::io::{BufRead, BufReader, Read, Write};

use crate::{
    error::{Failure, Outcome},
    exit,
};

/// Bytes of an answer. Nobody types more.
const ANSWER_BYTES_MAX: u64 = 4096;

/// Asks for yes or no; anything but yes is no. `otherwise` says how to do without a terminal.
pub(crate) fn yes(question: &str, otherwise: &str) -> Outcome<bool> {
    let answer = line(&format!("{question} [y/N] "), otherwise)?;
    Ok(is_yes(&answer))
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}

/// Asks for a line.
pub(crate) fn line(question: &str, otherwise: &str) -> Outcome<String> {
    let mut tty = super::open().map_err(|failure| failure.hint(otherwise))?;
    let failed = |error: std::io::Error| Failure::at("/dev/tty".as_ref(), &error);
    tty.write_all(question.as_bytes()).map_err(failed)?;
    let mut answer = Vec::new();
    let read = BufReader::new(tty.take(ANSWER_BYTES_MAX)).read_until(b'\n', &mut answer).map_err(failed)?;
    if read == 0 {
        return Err(Failure::cancelled());
    }
    String::from_utf8(answer).map_err(|_| Failure::new(exit::DATA, "the answer is not text"))
}

#[cfg(test)]
mod tests {
    use super::is_yes;

    #[test]
    fn only_yes_is_yes() {
        for (answer, yes) in [("y\n", true), ("YES\n", true), ("\n", false), ("n\n", false), ("yy\n", false)] {
            assert_eq!(is_yes(answer), yes, "{answer:?}");
        }
    }
}
