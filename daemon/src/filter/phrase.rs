//! Recognises a line that carries a recovery phrase. Such a line is never recorded, whatever the settings say: whoever
//! has the phrase has the account. Knows the words' shape and asks the core for the list.

use std::collections::HashSet;

use caro_core::vault::phrase::{self, Phrase};
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
    // Who typed a phrase in capitals gave it as well.
    let text = Zeroizing::new(String::from_utf8_lossy(command).to_ascii_lowercase());
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
    if after[0] == "revoke" {
        return after.split(|word| !phrase::is_word(word)).any(|run| run.len() > NAME_WORDS_MAX);
    }
    // A word behind an option is its value.
    let takes_a_value = |word: &str| word.starts_with('-') && !word.contains('=');
    after.windows(2).any(|pair| looks_like_phrase_word(pair[1]) && !takes_a_value(pair[0]))
}

/// Commands of `caro sync` that ask for a phrase.
const PHRASE_VERBS: [&str; 4] = ["restore", "revoke", "rotate", "rotate-identity"];

/// Words of the list in a row that may be the name of a device, which `revoke` takes: `laptop` is one of them. More would let
/// pieces of a phrase pass, fewer would refuse the name `work laptop`.
const NAME_WORDS_MAX: usize = 2;

/// Every word of the list has three to eight small letters.
fn looks_like_phrase_word(word: &str) -> bool {
    (3..=8).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_lowercase())
}

fn longest_run(words: &[&str]) -> usize {
    words.split(|word| !looks_like_phrase_word(word)).map(<[_]>::len).max().unwrap_or(0)
}

/// Whether a text of somebody's has a whole phrase among its words, in small or in capital letters, with whatever signs between
/// them. Prose of words as short is told from it by the core, which knows the list and the checksum.
pub(super) fn has_phrase(text: &str) -> bool {
    let text = Zeroizing::new(text.to_lowercase());
    // A phrase is often written with numbers.
    let is_word = |word: &&str| !word.is_empty() && !word.bytes().all(|byte| byte.is_ascii_digit());
    let words: Vec<&str> = text.split(|letter: char| !letter.is_alphanumeric()).filter(is_word).collect();
    let runs = words.split(|word| !(looks_like_phrase_word(word) && phrase::is_word(word)));
    let mut windows = runs.flat_map(|run| PHRASE_LENGTHS.into_iter().flat_map(|length| run.windows(length)));
    windows.any(|window| is_varied(window) && Phrase::parse(&Zeroizing::new(window.join(" "))).is_ok())
}

/// Whether most of the words are different ones, as in every phrase that was drawn: one word over and over is no phrase, and has
/// a right checksum once in sixteen times.
fn is_varied(words: &[&str]) -> bool {
    words.iter().collect::<HashSet<_>>().len() * 2 > words.len()
}

/// Whether a phrase with its checksum is in a command, whatever the command is and however long: one that was pasted a question
/// too late, or into another window.
pub(super) fn is_phrase(command: &[u8]) -> bool {
    // Almost every line ends here.
    let ends_a_word = |pair: &[u8]| pair[0].is_ascii_alphabetic() && !pair[1].is_ascii_alphabetic();
    let words = command.windows(2).filter(|pair| ends_a_word(pair)).count() + 1;
    words >= PHRASE_WORDS_MIN && has_phrase(&String::from_utf8_lossy(command))
}

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
            format!("caro sync restore {}", PHRASE.to_uppercase()),
            "caro sync restore Legal Winner".to_owned(),
            format!("cd /tmp && caro sync restore \\\n{PHRASE}"),
            format!("caro sync revoke laptop --lost {PHRASE}"),
            "caro sync revoke laptop --lost legal winner thank".to_owned(),
            "caro sync revoke legal winner thank".to_owned(),
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
            "caro sync revoke laptop",
            "caro sync revoke laptop --lost",
            "caro sync revoke 'work laptop' --retired --with-admitted",
            "caro sync revoke --yes --stolen phone",
            "caro sync devices rename laptop desk",
            "caro history delete sync",
            "rsync -a caro/ host:caro",
            "git commit -m 'caro: sync what was kept'",
            "echo legal winner thank year wave sausage worth useful legal winner thank yellow",
        ] {
            assert!(!carries_phrase(line.as_bytes()), "{line}");
        }
    }

    #[test]
    fn trap_27_a_whole_phrase_is_found_however_it_is_written_and_wherever_it_stands() {
        let numbered =
            PHRASE.split(' ').enumerate().map(|(at, word)| format!("{}.{word}\n", at + 1)).collect::<String>();
        for line in [
            PHRASE.to_owned(),
            PHRASE.to_uppercase(),
            PHRASE.replacen("legal", "Legal", 1),
            numbered,
            PHRASE.replace(' ', "-"),
            PHRASE.replace(' ', " | "),
            format!("echo {PHRASE} > notes"),
            format!("cat <<E\n{}\n{PHRASE}\nE", "some line of a book\n".repeat(20_000)),
        ] {
            assert!(is_phrase(line.as_bytes()), "{}", line.len());
        }
        let one_wrong = PHRASE.replacen("winner", "winter", 1);
        let one_short = PHRASE.replacen("legal ", "", 1);
        for line in [one_wrong, one_short, "legal ".repeat(12), "the words of a book ".repeat(20_000)] {
            assert!(!is_phrase(line.as_bytes()), "{}", line.len());
        }
    }
}
