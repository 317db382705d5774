//! The id of an imported command, from its content alone: source, time, duration, text, what else the source knows, and
//! which of several equal ones it is. Not from the machine or the file's name, so that one file on two machines gives one
//! history.

use std::collections::HashMap;

use caro_schema::id::RecordId;

use super::{About, Entry, Source};

/// Separates these ids from every other use of the hash. A change would make every import new.
const CONTEXT: &str = "caro 2026 import record id v1";

/// The same for entries of which more is known than a shell keeps.
const CONTEXT_ABOUT: &str = "caro 2026 import record id with circumstances v1";

/// Gives ids, in the order of the file.
pub(crate) struct Identities {
    source: Source,
    /// How often each content was seen: a command without a time may stand in a file many times. Twelve bytes for each
    /// different one.
    seen: HashMap<u64, u32>,
}

impl Identities {
    /// For a file of this source.
    pub(crate) fn new(source: Source) -> Self {
        Self { source, seen: HashMap::new() }
    }

    /// The id of the next command in the file, and how many equal ones were before it.
    pub(crate) fn next(&mut self, entry: &Entry) -> (RecordId, u32) {
        let content = content(self.source, entry);
        let nth = self.seen.entry(short(&content)).or_insert(0);
        let before = *nth;
        let mut hash = blake3::Hasher::new_derive_key(CONTEXT);
        hash.update(&content).update(&nth.to_be_bytes());
        *nth = nth.saturating_add(1);
        let mut id = [0; RecordId::LEN];
        hash.finalize_xof().fill(&mut id);
        (RecordId(id), before)
    }
}

/// How often each content without a time stands in a file.
#[derive(Default)]
pub(crate) struct Counts(HashMap<u64, u32>);

impl Counts {
    /// Counts one more.
    pub(crate) fn count(&mut self, source: Source, entry: &Entry) {
        let count = self.0.entry(short(&content(source, entry))).or_insert(0);
        *count = count.saturating_add(1);
    }

    /// How many equal ones come after one that has so many before it.
    pub(crate) fn after(&self, source: Source, entry: &Entry, before: u32) -> u32 {
        let count = self.0.get(&short(&content(source, entry))).copied().unwrap_or_default();
        count.saturating_sub(before).saturating_sub(1)
    }
}

fn short(content: &[u8; 32]) -> u64 {
    let (short, _) = content.split_first_chunk::<8>().unwrap_or((&[0; 8], &[]));
    u64::from_be_bytes(*short)
}

fn content(source: Source, entry: &Entry) -> [u8; 32] {
    let Entry { command, start_us, duration_us, exit, about } = entry;
    let start_s = start_us.map(|us| us / 1_000_000);
    let duration_s = duration_us.map(|us| us / 1_000_000);
    let context = if about.is_some() || exit.is_some() { CONTEXT_ABOUT } else { CONTEXT };
    let mut hash = blake3::Hasher::new_derive_key(context);
    // Every field has a fixed length or its length before it, or is the last one, so that no two contents have the
    // same bytes.
    hash.update(&[source.tag(), u8::from(start_s.is_some()), u8::from(duration_s.is_some())]);
    if let Some(about) = about {
        let About { key, directory, host, user, shell: _, session, assistant: _ } = &**about;
        let fields = [key, directory, host.as_bytes(), user.as_bytes(), session.as_bytes()];
        for field in fields {
            hash.update(&(field.len() as u64).to_be_bytes()).update(field);
        }
        if !key.is_empty() {
            return *hash.finalize().as_bytes();
        }
    }
    if context == CONTEXT {
        hash.update(&start_s.unwrap_or_default().to_be_bytes());
        hash.update(&duration_s.unwrap_or_default().to_be_bytes());
    } else {
        hash.update(&start_us.unwrap_or_default().to_be_bytes());
        hash.update(&duration_us.unwrap_or_default().to_be_bytes());
        hash.update(&[u8::from(exit.is_some())]).update(&exit.unwrap_or_default().to_be_bytes());
    }
    hash.update(command);
    *hash.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(command: &str, start_s: Option<i64>) -> Entry {
        Entry::plain(command.into(), start_s, None)
    }

    #[test]
    fn one_file_twice_gives_the_same_ids_and_equal_commands_different_ones() {
        let file =
            [entry("ls", None), entry("ls", None), entry("cd", Some(1)), entry("cd", Some(2)), entry("ls", None)];
        let ids = |source| {
            let mut identities = Identities::new(source);
            file.iter().map(|entry| identities.next(entry).0).collect::<Vec<_>>()
        };
        let first = ids(Source::Zsh);
        assert_eq!(first, ids(Source::Zsh));
        let mut different = first.clone();
        different.sort();
        different.dedup();
        assert_eq!(different.len(), file.len());
        assert!(ids(Source::Bash).iter().all(|id| !first.contains(id)));
    }

    #[test]
    fn the_ids_of_a_released_version_stay() {
        let (first, _) =
            Identities::new(Source::Bash).next(&Entry::plain(b"ls -l".to_vec(), Some(1_700_000_000), None));
        let (second, _) = Identities::new(Source::Zsh).next(&Entry::plain(b"ls".to_vec(), None, Some(3)));
        assert_eq!(
            (first.hex().as_str(), second.hex().as_str()),
            ("62aa2baac89a0437a1f2dfd96e3d7605", "952fca50f185c196ae2537b65d8a0b9b")
        );
    }

    #[test]
    fn what_a_tool_knows_tells_runs_apart() {
        let with = |about: About, exit| Entry { exit, about: Some(Box::new(about)), ..entry("ls", Some(1)) };
        let about = |directory: &str, session: &str, key: &str| About {
            directory: directory.into(),
            session: session.into(),
            key: key.into(),
            ..About::default()
        };
        let different = [
            entry("ls", Some(1)),
            with(about("", "", ""), None),
            with(about("/a", "", ""), None),
            with(about("", "/a", ""), None),
            with(about("", "", "/a"), None),
            with(about("/a", "", ""), Some(0)),
        ];
        let mut ids: Vec<_> = different.iter().map(|entry| Identities::new(Source::Atuin).next(entry).0).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), different.len());
        // A tool's own id is all that counts.
        let (one, other) = (with(about("", "", "k"), None), with(about("", "", "k"), Some(3)));
        assert_eq!(Identities::new(Source::Atuin).next(&one).0, Identities::new(Source::Atuin).next(&other).0);
    }

    #[test]
    fn how_many_equal_ones_follow() {
        let file = [entry("ls", None), entry("cd", None), entry("ls", None), entry("ls", None)];
        let mut counts = Counts::default();
        file.iter().for_each(|entry| counts.count(Source::Bash, entry));
        let mut identities = Identities::new(Source::Bash);
        let after: Vec<u32> = file
            .iter()
            .map(|entry| {
                let (_, before) = identities.next(entry);
                counts.after(Source::Bash, entry, before)
            })
            .collect();
        assert_eq!(after, [2, 0, 1, 0]);
    }
}
