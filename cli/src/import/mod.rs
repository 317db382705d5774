//! Reads the history files of shells, line by line, without holding more than one command. Knows formats and nothing
//! of the daemon: what is read goes to `commands/import.rs`.
//!
//! Any bytes are read without a panic; what makes no sense is counted and passed over, and text is kept byte for byte.
//! A record's id comes from its content ([`identity`]), so that reading a file twice, or on two machines, adds nothing.

mod bash;
mod fish;
pub(crate) mod identity;
mod lines;
pub(crate) mod times;
mod zsh;

use std::io::{self, BufRead};

use self::lines::Lines;
use crate::shell::Shell;

/// Bytes of one command. A larger one is no command, and would not fit into a message to the daemon with others.
pub(crate) const COMMAND_BYTES_MAX: usize = 4 * 1024 * 1024;

/// One command of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The text.
    pub(crate) command: Vec<u8>,
    /// When it started, in seconds since 1970, where the file says so.
    pub(crate) start_s: Option<i64>,
    /// How long it took, in seconds, where the file says so.
    pub(crate) duration_s: Option<u64>,
}

/// Something found in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A command.
    Entry(Entry),
    /// A line that makes no sense here, or is too long.
    Odd,
}

/// Reads one format.
trait Format<R: BufRead> {
    /// The next thing in the file; none at its end.
    fn next(&mut self, lines: &mut Lines<R>) -> io::Result<Option<Found>>;
}

/// Everything in a file, in order.
pub(crate) struct Reader<R> {
    lines: Lines<R>,
    format: Box<dyn Format<R>>,
}

impl<R: BufRead + 'static> Reader<R> {
    /// Reads the history of this shell.
    pub(crate) fn new(shell: Shell, reader: R) -> Self {
        let format: Box<dyn Format<R>> = match shell {
            Shell::Bash => Box::new(bash::Bash::default()),
            Shell::Zsh => Box::new(zsh::Zsh),
            Shell::Fish => Box::new(fish::Fish::default()),
        };
        Self { lines: Lines::new(reader), format }
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = io::Result<Found>;

    fn next(&mut self) -> Option<Self::Item> {
        self.format.next(&mut self.lines).transpose()
    }
}

/// A number and nothing else.
fn number(digits: &[u8]) -> Option<i64> {
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits).ok().filter(|_| is_number)?.parse().ok()
}

/// What a format makes of some bytes, for tests.
#[cfg(test)]
fn read_all(shell: Shell, bytes: &[u8]) -> (Vec<Entry>, usize) {
    let mut entries = Vec::new();
    let mut odd = 0;
    for found in Reader::new(shell, io::Cursor::new(bytes.to_vec())) {
        match found.expect("memory can be read") {
            Found::Entry(entry) => entries.push(entry),
            Found::Odd => odd += 1,
        }
    }
    (entries, odd)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

    /// Bytes that are likely to mean something to one of the formats.
    fn likely() -> impl Strategy<Value = Vec<u8>> {
        let parts = [
            "\n",
            "\\",
            "\\\n",
            ":",
            ": 1700000000:5;",
            ": 1:1;",
            "#1700000000\n",
            "#",
            "- cmd: ",
            "  when: 17\n",
            "  paths:\n",
            "    - /x\n",
            "ls",
            " ",
            "99999999999999999999",
            ";",
            "\r",
            "\t",
            "\\n",
            "\\\\",
        ];
        let part = prop_oneof![
            4 => prop::sample::select(parts.to_vec()).prop_map(|part| part.as_bytes().to_vec()),
            1 => prop::collection::vec(any::<u8>(), 0..4),
            1 => Just(vec![0x83]),
        ];
        prop::collection::vec(part, 0..40).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn s20_any_file_is_read_without_panic_and_with_progress(bytes in likely()) {
            for shell in SHELLS {
                let (entries, odd) = read_all(shell, &bytes);
                prop_assert!(entries.len() + odd <= bytes.len() + 1);
                for entry in entries {
                    prop_assert!(!entry.command.is_empty());
                    prop_assert!(entry.command.len() <= bytes.len());
                }
            }
        }

        #[test]
        fn a_last_line_without_its_end_counts(line in "[a-z]{1,9}") {
            for shell in [Shell::Bash, Shell::Zsh] {
                let with = read_all(shell, format!("{line}\n").as_bytes());
                prop_assert_eq!(read_all(shell, line.as_bytes()), with);
            }
        }
    }

    #[test]
    fn s20_a_line_without_end_costs_no_more_memory_than_a_command_may_have() {
        for shell in SHELLS {
            let long = vec![b'x'; COMMAND_BYTES_MAX + 10];
            let file = [b"- cmd: ".to_vec(), long, b"\nls\n- cmd: ls\n".to_vec()].concat();
            let (entries, odd) = read_all(shell, &file);
            assert!(odd >= 1, "{shell:?}");
            assert!(entries.iter().any(|entry| entry.command.ends_with(b"ls")), "{shell:?}");
            assert!(entries.iter().all(|entry| entry.command.len() < 100), "{shell:?}");
        }
    }
}
