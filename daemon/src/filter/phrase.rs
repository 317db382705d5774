//! Recognises a line that carries a recovery phrase. Such a line is never recorded, whatever the settings say: whoever
//! has the phrase has the account. Knows the words' shape and asks the core for the list.

use std::collections::HashSet;

use caro_core::vault::phrase::Phrase;
use zeroize::Zeroizing;

/// The fewest words of a phrase.
const PHRASE_WORDS_MIN: usize = 12;

/// Whether the line gives `caro sync restore` (or another command that reads a phrase) words that it does not take as
/// arguments, or pipes something like a phrase into it. `caro` reads a phrase from the terminal only, but people try.
pub fn carries_phrase(command: &[u8]) -> bool {
    // Almost every line ends here.
    if memchr::memmem::find(command, b"caro").is_none() || memchr::memmem::find(command, b"sync").is_none() {
        return false;
    }
    let text = String::from_utf8_lossy(command);
    let words: Vec<&str> = text
        .split(|c: char| c.is_whitespace() || "\"'`;|&()<>\\".contains(c))
        .filter(|word| !word.is_empty())
        .collect();
    let is_caro = |word: &&str| word.rsplit('/').next() == Some("caro");
    words.iter().enumerate().any(|(at, word)| is_caro(word) && gives_words(&words[at + 1..]))
        || (words.iter().any(is_caro) && longest_run(&words) >= PHRASE_WORDS_MIN)
}

/// Whether the arguments are `sync restore` and then bare words.
fn gives_words(arguments: &[&str]) -> bool {
    let mut bare = arguments.iter().filter(|word| !word.starts_with('-'));
    if bare.next() != Some(&"sync") || !bare.next().is_some_and(|verb| PHRASE_VERBS.contains(verb)) {
        return false;
    }
    let Some(verb) = arguments.iter().position(|word| PHRASE_VERBS.contains(word)) else { return false };
    let after = &arguments[verb..];
    // A word behind an option is its value.
    let takes_a_value = |word: &str| word.starts_with('-') && !word.contains('=');
    after.windows(2).any(|pair| looks_like_phrase_word(pair[1]) && !takes_a_value(pair[0]))
}

/// Commands of `caro sync` that ask for a phrase.
const PHRASE_VERBS: [&str; 4] = ["restore", "revoke", "rotate", "rotate-identity"];

/// Every word of the list has three to eight small letters.
fn looks_like_phrase_word(word: &str) -> bool {
    (3..=8).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_lowercase())
}

fn longest_run(words: &[&str]) -> usize {
    words.split(|word| !looks_like_phrase_word(word)).map(<[_]>::len).max().unwrap_or(0)
}

/// Whether a text of somebody's has a whole phrase among its words. Prose of words as short is told from it by the
/// core, which knows the list and the checksum.
pub(super) fn has_phrase(text: &str) -> bool {
    // A phrase is often written with numbers.
    let is_word = |word: &&str| !word.is_empty() && !word.bytes().all(|byte| byte.is_ascii_digit());
    let words: Vec<&str> =
        text.split(|letter: char| letter.is_whitespace() || "\"'`,.;:()".contains(letter)).filter(is_word).collect();
    let runs = words.split(|word| !looks_like_phrase_word(word));
    let mut windows = runs.flat_map(|run| PHRASE_LENGTHS.into_iter().flat_map(|length| run.windows(length)));
    windows.any(|window| is_varied(window) && Phrase::parse(&Zeroizing::new(window.join(" "))).is_ok())
}

/// Whether most of the words are different ones, as in every phrase that was drawn: one word over and over is no phrase, and has
/// a right checksum once in sixteen times.
fn is_varied(words: &[&str]) -> bool {
    words.iter().collect::<HashSet<_>>().len() * 2 > words.len()
}

/// Whether a phrase with its checksum is in a command, whatever the command is: one that was pasted a question too late, or into
/// another window.
pub(super) fn is_phrase(command: &[u8]) -> bool {
    // Almost every line ends here. A whole book is not tried word by word.
    let blanks = || command.iter().filter(|byte| byte.is_ascii_whitespace()).count();
    let could_be = command.len() <= PHRASE_LINE_BYTES_MAX && blanks() + 1 >= PHRASE_WORDS_MIN;
    could_be && has_phrase(&String::from_utf8_lossy(command))
}

/// Bytes of a line in which a phrase is looked for: 24 words of eight letters with numbers and much around them.
const PHRASE_LINE_BYTES_MAX: usize = 4096;

/// Words that a phrase may have.
const PHRASE_LENGTHS: [usize; 5] = [PHRASE_WORDS_MIN, 15, 18, 21, 24];

#[cfg(test)]
mod tests {
    use super::*;

    const PHRASE: &str = "legal winner thank year wave sausage worth useful legal winner thank yellow";

    #[test]
    fn trap_27_a_line_that_carries_a_phrase_is_never_recorded() {
        for line in [
            format!("caro sync restore {PHRASE}"),
            format!("caro sync restore \"{PHRASE}\""),
            format!("~/.local/bin/caro sync --json restore --relay wss://r.example/#k {PHRASE}"),
            format!("echo {PHRASE} | caro sync restore"),
            format!("caro sync restore <<< '{PHRASE}'"),
            format!("FOO=1 caro sync rotate-identity {PHRASE}"),
            "caro sync restore legal winner".to_owned(),
            format!("cd /tmp && caro sync restore \\\n{PHRASE}"),
        ] {
            assert!(carries_phrase(line.as_bytes()), "{line}");
        }
    }

    #[test]
    fn trap_27_lines_without_a_phrase_are_recorded() {
        for line in [
            "caro sync restore",
            "caro sync restore --relay wss://r.example:8443/#abc",
            "caro sync restore --name laptop",
            "caro sync restore --name=laptop",
            "caro sync status",
            "caro history delete sync",
            "rsync -a caro/ host:caro",
            "git commit -m 'caro: sync what was kept'",
            "echo legal winner thank year wave sausage worth useful legal winner thank yellow",
        ] {
            assert!(!carries_phrase(line.as_bytes()), "{line}");
        }
    }
}
