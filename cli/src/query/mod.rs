//! The language of a query: text to look for, with filters between its words, as `cargo dir:. exit:!0 after:yesterday`.
//! The same for `caro search`, `caro history list` and the screen.
//!
//! Reads what was typed and asks nobody: where the person is and what time it is come in as arguments; only the top
//! folder of a repository is looked for on the disk. A word with an unknown name before its colon is text, and what
//! cannot be understood never narrows: it becomes a problem to be shown beside the results. What the words of the text
//! mean is the daemon's to find; which of their letters are signs is in [`caro_schema::ipc::terms`].

pub(crate) mod folders;
mod meaning;
mod tokens;

use std::ops::Range;

use caro_schema::ipc::{
    history::{Filter, Made, Mode, Place},
    terms,
};
use jiff::Zoned;

use meaning::{Found, Reading};
use tokens::Token;

use crate::output::quoted;

/// What was typed, understood.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Parsed {
    /// The text without the filters, for [`caro_schema::ipc::history::Query::text`].
    pub(crate) query_text: String,
    /// What the filters say.
    pub(crate) filter: Filter,
    /// The parts of what was typed that are not text to look for: byte ranges, ascending and apart.
    pub(crate) spans: Vec<(Range<usize>, Kind)>,
    /// What could not be understood, each in a few words for a person.
    pub(crate) problems: Vec<String>,
}

/// What a part of a query is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A filter that narrows.
    Filter,
    /// A filter that has no value yet, or only the beginning of one.
    Unfinished,
    /// A filter that cannot be understood, and does not narrow.
    Wrong,
    /// A sign between letters, as `^` in a fuzzy query.
    Sign,
}

/// Reads what was typed. `place` is where the person is, for values such as `.`.
pub(crate) fn parse(text: &str, mode: Mode, place: &Place, now: &Zoned) -> Parsed {
    let mut reading = Reading::new(place, now);
    let mut parsed = Parsed::default();
    let mut rest = Rest::default();
    for token in tokens::tokens(text, mode) {
        match token {
            Token::Text(range) => rest.keep(text, range),
            Token::Escape(at) => {
                rest.skip(at..at + 1);
                parsed.spans.push((at..at + 1, Kind::Sign));
            }
            Token::Filter { name, value, range } => {
                let kind = match reading.read(name, &value) {
                    Ok(Found::Narrows) => Kind::Filter,
                    Ok(Found::Unfinished) => Kind::Unfinished,
                    Err(problem) => {
                        parsed.problems.push(problem);
                        Kind::Wrong
                    }
                };
                rest.skip(range.clone());
                parsed.spans.push((range, kind));
            }
        }
    }
    parsed.filter = reading.filter;
    if mode == Mode::Fuzzy {
        let signs = terms::signs(&rest.text).into_iter();
        parsed.spans.extend(signs.map(|sign| (rest.origin(sign.start)..rest.origin(sign.end - 1) + 1, Kind::Sign)));
    }
    parsed.spans.sort_unstable_by_key(|(range, _)| range.start);
    parsed.query_text = rest.text;
    parsed
}

impl Parsed {
    /// What keeps the answer from being one to what was asked, where nobody goes on typing: what could not be
    /// understood, and filters without their whole value. `text` is what was read.
    pub(crate) fn slips(&self, text: &str) -> Vec<String> {
        let unfinished = self.spans.iter().filter(|(_, kind)| *kind == Kind::Unfinished);
        let said = |(range, _): &(Range<usize>, Kind)| {
            format!("{} is only the beginning of a filter", quoted(&text[range.clone()]))
        };
        self.problems.iter().cloned().chain(unfinished.map(said)).collect()
    }

    /// What is typed, over what was chosen otherwise: a typed filter takes the place of a chosen one of its kind.
    pub(crate) fn over(&self, chosen: Filter) -> Filter {
        let Filter { host, user, session, shell, directory, subtree, repository, exit, .. } = self.filter.clone();
        let Filter { since_us, until_us, took_from_us, took_below_us, assistant, ids, except, .. } =
            self.filter.clone();
        let Filter { made: Made { by, tag, safety, words }, any_host, any_subtree, .. } = self.filter.clone();
        // Three ways to say where: somebody who types one of them does not mean the others too.
        let says_where = directory.is_some() || subtree.is_some() || repository.is_some();
        let or_chosen = |typed, chosen| if says_where { typed } else { chosen };
        Filter {
            host: host.or(chosen.host),
            user: user.or(chosen.user),
            session: session.or(chosen.session),
            shell: shell.or(chosen.shell),
            directory: or_chosen(directory, chosen.directory),
            subtree: or_chosen(subtree, chosen.subtree),
            repository: or_chosen(repository, chosen.repository),
            exit: exit.or(chosen.exit),
            since_us: since_us.or(chosen.since_us),
            until_us: until_us.or(chosen.until_us),
            took_from_us: took_from_us.or(chosen.took_from_us),
            took_below_us: took_below_us.or(chosen.took_below_us),
            assistant: assistant.or(chosen.assistant),
            ids: ids.or(chosen.ids),
            except: [chosen.except, except].concat(),
            made: Made {
                by: by.or(chosen.made.by),
                tag: tag.or(chosen.made.tag),
                safety: safety.or(chosen.made.safety),
                words: words.or(chosen.made.words),
            },
            any_host: if any_host.is_empty() { chosen.any_host } else { any_host },
            any_subtree: if any_subtree.is_empty() { chosen.any_subtree } else { any_subtree },
        }
    }
}

/// The text without the filters, and where each byte of it was.
#[derive(Default)]
struct Rest {
    text: String,
    origins: Vec<usize>,
}

impl Rest {
    fn keep(&mut self, text: &str, range: Range<usize>) {
        self.text.push_str(&text[range.clone()]);
        self.origins.extend(range);
    }

    /// Takes away the blank that stood before what is left out, and was only there for it.
    fn skip(&mut self, range: Range<usize>) {
        let is_before = self.origins.last().is_some_and(|last| last + 1 == range.start);
        if range.len() > 1 && is_before && self.text.ends_with(' ') {
            self.text.pop();
            self.origins.pop();
        }
    }

    fn origin(&self, at: usize) -> usize {
        self.origins.get(at).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
