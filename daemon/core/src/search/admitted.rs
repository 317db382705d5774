//! The runs that a filter lets through, and what they make of each command: how often it ran among them, and when last.
//!
//! A filter stays while one types, so this is worked out once and kept. Words and directories are compared once each,
//! rows only by their numbers.

use std::ops::Range;

use caro_schema::ipc::history::{Except, ExitFilter, Filter};

use super::{
    bits::Bits,
    made::was_made,
    parallel::{in_columns, in_parts},
};
use crate::history::{Commands, History, NO_ROW, Revision, Rows, Span, Words};

/// Which runs count, and which of each command.
#[derive(Clone, Copy)]
pub(super) enum Runs<'a> {
    /// All of them.
    All(&'a Commands),
    /// Those that a filter admits.
    Some(&'a Admitted),
}

impl Runs<'_> {
    /// How often a command ran.
    pub(super) fn count(self, command: u32) -> u32 {
        match self {
            Self::All(commands) => commands.runs(command),
            Self::Some(admitted) => admitted.commands[command as usize].runs,
        }
    }

    /// Its newest run and when that started, if there is one.
    pub(super) fn newest(self, command: u32) -> (u32, i64) {
        match self {
            Self::All(commands) => (commands.newest(command), commands.newest_start_us(command)),
            Self::Some(admitted) => {
                let Counted { newest, newest_start_us, .. } = admitted.commands[command as usize];
                (newest, newest_start_us)
            }
        }
    }

    /// Whether any run counts of each of 64 commands that ran, from the one with 64 times this number.
    pub(super) fn ran(self, word: usize) -> u64 {
        match self {
            Self::All(_) => u64::MAX,
            Self::Some(admitted) => admitted.ran.word(word),
        }
    }

    /// Whether a run counts.
    pub(super) fn admit(self, row: u32) -> bool {
        match self {
            Self::All(_) => true,
            Self::Some(admitted) => admitted.bits[row as usize / 64] >> (row % 64) & 1 == 1,
        }
    }

    /// Whether each of 64 runs counts, from the one with 64 times this number.
    pub(super) fn word(self, word: usize) -> u64 {
        match self {
            Self::All(_) => u64::MAX,
            Self::Some(admitted) => admitted.bits[word],
        }
    }
}

/// The runs that a filter admits.
pub(super) struct Admitted {
    revision: Revision,
    filter: Filter,
    /// A bit for each row.
    bits: Vec<u64>,
    /// What they make of each command. Nothing until somebody asks for [`Admitted::counted`].
    commands: Vec<Counted>,
    /// Those of which any run is admitted, as soon as they are counted.
    ran: Bits,
}

#[derive(Clone, Copy)]
struct Counted {
    newest_start_us: i64,
    newest: u32,
    runs: u32,
}

const NEVER: Counted = Counted { newest_start_us: i64::MIN, newest: NO_ROW, runs: 0 };

impl Admitted {
    /// For a filter, or what is known if it is that.
    pub(super) fn find(known: Option<Self>, history: &History, filter: &Filter) -> Self {
        if let Some(known) = known.filter(|known| known.revision == *history.revision() && known.filter == *filter) {
            return known;
        }
        let sieve = Sieve::new(history, filter);
        let bits = match &filter.ids {
            Some(ids) => {
                let mut bits = vec![0u64; history.rows().slots().div_ceil(64)];
                for row in ids.iter().filter_map(|id| history.rows().find(id)).filter(|row| sieve.admits(*row)) {
                    bits[row as usize / 64] |= 1 << (row % 64);
                }
                bits
            }
            None => in_parts(history.rows().slots(), |part| sieve.sift(part)).concat(),
        };
        Self {
            revision: history.revision().clone(),
            filter: filter.clone(),
            bits,
            commands: Vec::new(),
            ran: Bits::default(),
        }
    }

    /// The same, with what they make of each command. Who lists runs by time needs none of it.
    pub(super) fn counted(mut self, history: &History) -> Self {
        if self.commands.is_empty() {
            self.commands = count(history, &self.bits);
            let ran = (0u32..).zip(&self.commands).filter(|(_, counted)| counted.runs > 0);
            self.ran = Bits::of(self.commands.len(), ran.map(|(command, _)| command));
        }
        self
    }
}

/// Runs by command.
fn count(history: &History, bits: &[u64]) -> Vec<Counted> {
    let rows = history.rows();
    let parts = in_columns(rows.slots(), |part| {
        let mut commands = vec![NEVER; history.commands().slots()];
        for word in part.start / 64..part.end.div_ceil(64) {
            let mut bits = bits[word];
            while bits != 0 {
                let row = word as u32 * 64 + bits.trailing_zeros();
                bits &= bits - 1;
                let Some(command) = rows.command(row) else { continue };
                let run = Counted { newest_start_us: rows.start_us(row), newest: row, runs: 1 };
                commands[command as usize].add(run, rows);
            }
        }
        commands
    });
    let commands = parts.into_iter().reduce(|mut all, part| {
        all.iter_mut().zip(part).for_each(|(all, part)| all.add(part, rows));
        all
    });
    commands.unwrap_or_default()
}

impl Counted {
    fn add(&mut self, other: Self, rows: &Rows) {
        let is_newer = if self.runs == 0 || other.runs == 0 {
            self.runs == 0
        } else if other.newest_start_us == self.newest_start_us {
            rows.compare(other.newest, self.newest).is_gt()
        } else {
            other.newest_start_us > self.newest_start_us
        };
        let runs = self.runs + other.runs;
        *self = Self { runs, ..if is_newer { other } else { *self } };
    }
}

/// A filter, with its words compared already.
struct Sieve<'a> {
    rows: &'a Rows,
    filter: &'a Filter,
    contexts: Option<Vec<bool>>,
    directories: Option<Vec<bool>>,
}

impl<'a> Sieve<'a> {
    fn new(history: &'a History, filter: &'a Filter) -> Self {
        let Filter {
            host, user, session, shell, directory, subtree, repository, except, any_host, any_subtree, ..
        } = filter;
        let runs = filter.exit == Some(ExitFilter::Running);
        let context = |number: u32| {
            let words = history.contexts().words(number);
            // What was imported from a file that does not tell how a command ended does not run: it has no session.
            (!runs || !words.session.is_empty())
                && host.as_ref().is_none_or(|host| host == words.host)
                && user.as_ref().is_none_or(|user| user == words.user)
                && session.as_ref().is_none_or(|session| session == words.session)
                && shell.as_ref().is_none_or(|shell| is_kind(words.shell, shell))
                && (any_host.is_empty() || any_host.iter().any(|host| host == words.host))
                && !except.iter().any(|except| is_context(except, &words))
        };
        let place = |number: u32| {
            let text = history.directories().text(number);
            directory.as_ref().is_none_or(|directory| text == &directory[..])
                && subtree.as_ref().is_none_or(|tree| is_below(text, tree))
                && repository.as_ref().is_none_or(|top| is_below(text, top))
                && (any_subtree.is_empty() || any_subtree.iter().any(|tree| is_below(text, tree)))
                && !except.iter().any(|except| is_place(except, text))
        };
        let asks_context = [host, user, session, shell].iter().any(|word| word.is_some())
            || !(except.is_empty() && any_host.is_empty())
            || runs;
        let asks_place = [directory, subtree, repository].iter().any(|place| place.is_some())
            || !(except.is_empty() && any_subtree.is_empty());
        Self {
            rows: history.rows(),
            filter,
            contexts: asks_context.then(|| (0..history.contexts().slots() as u32).map(context).collect()),
            directories: asks_place.then(|| (0..history.directories().slots() as u32).map(place).collect()),
        }
    }

    /// The bits of a part of the rows.
    fn sift(&self, part: Range<usize>) -> Vec<u64> {
        let words = part.start / 64..part.end.div_ceil(64);
        words.map(|word| self.sift_word(word * 64..part.end.min(word * 64 + 64))).collect()
    }

    fn sift_word(&self, part: Range<usize>) -> u64 {
        let Span { earliest, latest, .. } = self.rows.span(part.start / 64);
        let Filter { since_us, until_us, .. } = self.filter;
        if since_us.is_some_and(|since| latest < since) || until_us.is_some_and(|until| earliest >= until) {
            return 0;
        }
        part.enumerate().fold(0, |bits, (at, row)| bits | u64::from(self.admits(row as u32)) << at)
    }

    /// Whether a row passes, but for its id.
    fn admits(&self, row: u32) -> bool {
        let Filter { exit, since_us, until_us, took_from_us, took_below_us, assistant, made, .. } = self.filter;
        let rows = self.rows;
        rows.command(row).is_some()
            && self.contexts.as_ref().is_none_or(|contexts| contexts[rows.context(row) as usize])
            && self.directories.as_ref().is_none_or(|directories| directories[rows.directory(row) as usize])
            && since_us.is_none_or(|since| rows.start_us(row) >= since)
            && until_us.is_none_or(|until| rows.start_us(row) < until)
            && took_from_us.is_none_or(|from| rows.duration_us(row).is_some_and(|took| took >= from))
            && took_below_us.is_none_or(|below| rows.duration_us(row).is_some_and(|took| took < below))
            && assistant.is_none_or(|assistant| rows.has_assistant(row) == assistant)
            && (made.is_empty() || was_made(made, rows.assistant(row)))
            && match exit {
                None => true,
                Some(ExitFilter::Is(status)) => rows.exit(row) == Some(*status),
                Some(ExitFilter::Not(status)) => rows.exit(row).is_some_and(|exit| exit != *status),
                Some(ExitFilter::Running) => !rows.has_ended(row),
            }
    }
}

/// Whether a context is what must not be.
fn is_context(except: &Except, words: &Words<'_>) -> bool {
    match except {
        Except::Host(host) => host == words.host,
        Except::User(user) => user == words.user,
        Except::Session(session) => session == words.session,
        Except::Shell(shell) => is_kind(words.shell, shell),
        Except::Directory(_) | Except::Subtree(_) => false,
    }
}

/// Whether a directory is what must not be.
fn is_place(except: &Except, directory: &[u8]) -> bool {
    match except {
        Except::Directory(other) => directory == &other[..],
        Except::Subtree(tree) => is_below(directory, tree),
        Except::Host(_) | Except::User(_) | Except::Session(_) | Except::Shell(_) => false,
    }
}

/// The directories where commands ran that are a certain one or below it.
pub fn directories_below(history: &History, tree: &[u8]) -> Vec<Vec<u8>> {
    let directories = history.directories();
    let texts = (0..directories.slots() as u32).filter(|number| directories.uses(*number) > 0);
    texts.map(|number| directories.text(number)).filter(|text| is_below(text, tree)).map(<[u8]>::to_vec).collect()
}

/// Whether a shell, such as `zsh 5.9`, is of a kind, such as `zsh`.
fn is_kind(shell: &str, kind: &str) -> bool {
    shell.strip_prefix(kind).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}

/// Whether a directory is a certain one, or below it.
fn is_below(directory: &[u8], tree: &[u8]) -> bool {
    let end = tree.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
    let rest = directory.strip_prefix(&tree[..end]);
    // Without its last slashes the root is nothing, and everything that begins with a slash is below that.
    let is_there = rest.is_some_and(|rest| rest.starts_with(b"/") || (rest.is_empty() && end > 0));
    is_there || directory == tree
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn below_a_directory_is_not_beside_it() {
        for (directory, tree, below) in [
            ("/home/ada", "/home/ada", true),
            ("/home/ada/src", "/home/ada", true),
            ("/home/ada/src", "/home/ada/", true),
            ("/home/ada", "/home/ada/", true),
            ("/home/adam", "/home/ada", false),
            ("/home", "/home/ada", false),
            ("/", "/", true),
            ("/etc", "/", true),
            ("", "/", false),
            ("", "", true),
        ] {
            assert_eq!(is_below(directory.as_bytes(), tree.as_bytes()), below, "{directory} {tree}");
        }
    }

    #[test]
    fn a_kind_of_shell_is_its_first_word() {
        assert!(is_kind("zsh 5.9", "zsh") && is_kind("zsh 5.9", "zsh 5.9") && is_kind("bash", "bash"));
        assert!(!is_kind("zsh 5.9", "z") && !is_kind("bash 5.2", "zsh") && !is_kind("", "sh"));
    }
}
