//! The id of an imported command, from its content alone: shell, time, duration, text, and which of several equal ones
//! it is. Not from the machine or the file's name, so that one file on two machines gives one history.

use std::collections::HashMap;

use caro_schema::id::RecordId;

use super::Entry;
use crate::shell::Shell;

/// Separates these ids from every other use of the hash. A change would make every import new.
const CONTEXT: &str = "caro 2026 import record id v1";

/// Gives ids, in the order of the file.
pub(crate) struct Identities {
    shell: Shell,
    /// How often each content was seen: a command without a time may stand in a file many times. Twelve bytes for each
    /// different one.
    seen: HashMap<u64, u32>,
}

impl Identities {
    /// For a file of this shell.
    pub(crate) fn new(shell: Shell) -> Self {
        Self { shell, seen: HashMap::new() }
    }

    /// The id of the next command in the file.
    pub(crate) fn next(&mut self, entry: &Entry) -> RecordId {
        let Entry { command, start_s, duration_s } = entry;
        let mut hash = blake3::Hasher::new_derive_key(CONTEXT);
        // Every field has a fixed length or is the last one, so that no two contents have the same bytes.
        hash.update(&[self.shell as u8, u8::from(start_s.is_some()), u8::from(duration_s.is_some())]);
        hash.update(&start_s.unwrap_or_default().to_be_bytes());
        hash.update(&duration_s.unwrap_or_default().to_be_bytes());
        hash.update(command);
        let content = *hash.finalize().as_bytes();
        let (short, _) = content.split_first_chunk::<8>().unwrap_or((&[0; 8], &[]));
        let nth = self.seen.entry(u64::from_be_bytes(*short)).or_insert(0);
        let mut hash = blake3::Hasher::new_derive_key(CONTEXT);
        hash.update(&content).update(&nth.to_be_bytes());
        *nth = nth.saturating_add(1);
        let mut id = [0; RecordId::LEN];
        hash.finalize_xof().fill(&mut id);
        RecordId(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(command: &str, start_s: Option<i64>) -> Entry {
        Entry { command: command.into(), start_s, duration_s: None }
    }

    #[test]
    fn one_file_twice_gives_the_same_ids_and_equal_commands_different_ones() {
        let file =
            [entry("ls", None), entry("ls", None), entry("cd", Some(1)), entry("cd", Some(2)), entry("ls", None)];
        let ids = |shell| {
            let mut identities = Identities::new(shell);
            file.iter().map(|entry| identities.next(entry)).collect::<Vec<_>>()
        };
        let first = ids(Shell::Zsh);
        assert_eq!(first, ids(Shell::Zsh));
        let mut different = first.clone();
        different.sort();
        different.dedup();
        assert_eq!(different.len(), file.len());
        assert!(ids(Shell::Bash).iter().all(|id| !first.contains(id)));
    }

    #[test]
    fn the_ids_of_a_released_version_stay() {
        let mut identities = Identities::new(Shell::Bash);
        let first =
            identities.next(&Entry { command: b"ls -l".to_vec(), start_s: Some(1_700_000_000), duration_s: None });
        let second =
            Identities::new(Shell::Zsh).next(&Entry { command: b"ls".to_vec(), start_s: None, duration_s: Some(3) });
        assert_eq!(
            (first.hex().as_str(), second.hex().as_str()),
            ("62aa2baac89a0437a1f2dfd96e3d7605", "952fca50f185c196ae2537b65d8a0b9b")
        );
    }
}
