//! Recognises secrets in commands: which bytes of a line are a password, a token or a key.
//!
//! Knows a line's bytes and nothing of shells, sessions or settings; keeps nothing of what it has seen. An ordinary
//! command costs one pass for the needles of all patterns, and an expression only where one of its needles is. What a
//! secret looks like is in `patterns/`, how far it goes in `quotes.rs`, what only looks like one in `value.rs` and
//! `program.rs`; how well all do is measured by `corpus.rs`.

#[cfg(test)]
mod corpus;
mod patterns;
mod program;
mod quotes;
#[cfg(test)]
mod template;
#[cfg(test)]
mod tests;
mod value;

use std::{ops::Range, sync::LazyLock};

use aho_corasick::{AhoCorasick, AhoCorasickBuilder};
use regex::bytes::{Captures, Regex, RegexBuilder};

use self::{
    patterns::{Pattern, Proof},
    quotes::{Quotes, Value},
};

/// A secret in a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Which kind, by its name in the set.
    pub id: &'static str,
    /// What it is, in a few words.
    pub what: &'static str,
    /// Where it is.
    pub span: Range<usize>,
}

/// The first secret of a line, if there is one.
pub fn first(line: &[u8]) -> Option<Found> {
    RECOGNIZER.candidates(line).find_map(|kind| kind.search(line).next())
}

/// All secrets of a line, in order and apart from each other.
pub fn all(line: &[u8]) -> Vec<Found> {
    let mut found: Vec<Found> = RECOGNIZER.candidates(line).flat_map(|kind| kind.search(line)).collect();
    found.sort_by_key(|found| (found.span.start, std::cmp::Reverse(found.span.end)));
    let mut apart: Vec<Found> = Vec::new();
    for next in found {
        match apart.last_mut() {
            Some(last) if next.span.start < last.span.end => last.span.end = last.span.end.max(next.span.end),
            _ => apart.push(next),
        }
    }
    apart
}

/// The line with each secret replaced by [`MASK`], none when it holds no secret.
pub fn masked(line: &[u8]) -> Option<Vec<u8>> {
    let found = all(line);
    if found.is_empty() {
        return None;
    }
    let mut text = Vec::with_capacity(line.len());
    let mut at = 0;
    for Found { span, .. } in found {
        text.extend_from_slice(&line[at..span.start]);
        text.extend_from_slice(MASK);
        at = span.end;
    }
    text.extend_from_slice(&line[at..]);
    Some(text)
}

/// The table of all kinds, for the page that describes them; a test keeps that in step.
pub fn page() -> String {
    let in_line = |template: &str| template.replace('\n', "⏎").replace('|', "\\|").replace('`', "'");
    let row = |pattern: &Pattern| {
        let Pattern { id, what, example, lookalike, .. } = pattern;
        format!("| `{id}` | {what} | `{}` | `{}` |\n", in_line(example), in_line(lookalike))
    };
    let head = "| kind | what | found in | and not in |\n|---|---|---|---|\n".to_owned();
    patterns::all().fold(head, |page, pattern| page + &row(pattern))
}

/// What stands for a secret in a command that is kept masked. Its length says nothing of the secret's.
pub const MASK: &[u8] = b"****";

/// Bytes of a line that are looked through. A longer one is a script or a file, and its secret is near its beginning or
/// in no form that is known; looking through all of it would hold up the shells behind it.
const LOOK_BYTES_MAX: usize = 256 * 1024;

/// All patterns, ready to be used. Made at the first line that any needle is in.
static RECOGNIZER: LazyLock<Recognizer> = LazyLock::new(Recognizer::new);

struct Recognizer {
    needles: AhoCorasick,
    /// The pattern of each needle.
    owners: Vec<usize>,
    kinds: Vec<Kind>,
}

/// One pattern, its expression compiled when it is first needed: a person's commands need few of them.
struct Kind {
    pattern: &'static Pattern,
    regex: LazyLock<Regex, Box<dyn FnOnce() -> Regex + Send>>,
}

impl Recognizer {
    fn new() -> Self {
        let (mut needles, mut owners, mut kinds) = (Vec::<&str>::new(), Vec::new(), Vec::new());
        for (number, pattern) in patterns::all().enumerate() {
            needles.extend(pattern.needles);
            owners.extend(pattern.needles.iter().map(|_| number));
            kinds.push(Kind { pattern, regex: LazyLock::new(Box::new(|| compile(pattern.regex))) });
        }
        assert!(kinds.len() <= u64::BITS as usize, "a word has a bit for each pattern");
        let needles = AhoCorasickBuilder::new().ascii_case_insensitive(true).build(needles);
        Self { needles: needles.expect("the needles are few and short"), owners, kinds }
    }

    /// The patterns of which a needle is in the line.
    fn candidates(&self, line: &[u8]) -> impl Iterator<Item = &Kind> {
        let mut bits = 0u64;
        for found in self.needles.find_overlapping_iter(look_at(line)) {
            bits |= 1 << self.owners[found.pattern().as_usize()];
        }
        self.kinds.iter().enumerate().filter(move |(number, _)| bits >> number & 1 == 1).map(|(_, kind)| kind)
    }
}

impl Kind {
    fn search<'a>(&'a self, line: &'a [u8]) -> impl Iterator<Item = Found> + 'a {
        let Pattern { id, what, .. } = self.pattern;
        let mut quotes = Quotes::new(line);
        let spans = self.matches(line).filter_map(move |captures| self.proved(&captures, &mut quotes));
        spans.map(|span| Found { id, what, span })
    }

    /// Where the expression matches, but not where the name of a program is an argument of another.
    fn matches<'a>(&'a self, line: &'a [u8]) -> impl Iterator<Item = Captures<'a>> + 'a {
        let (mut at, mut arguments) = (0, 0);
        std::iter::from_fn(move || {
            loop {
                let captures = self.regex.captures_at(look_at(line), at)?;
                let run = captures.name("run").map(|run| run.start());
                let name = run.filter(|run| arguments < ARGUMENTS_MAX && !program::is_run(line, *run));
                at = name.map_or(captures.get(0)?.end(), |name| name + 1);
                if name.is_none() {
                    return Some(captures);
                }
                arguments += 1;
            }
        })
    }

    /// Where the secret is, if it is one.
    fn proved(&self, captures: &Captures<'_>, quotes: &mut Quotes<'_>) -> Option<Range<usize>> {
        let mut groups = ["s", "t", "u", "v", "w", "rest"].into_iter().filter_map(|group| captures.name(group));
        let secret = groups.next().or_else(|| captures.get(0))?;
        let (piece, name) = (secret.as_bytes(), captures.name("name").map_or(&b""[..], |name| name.as_bytes()));
        if matches!(piece, b"'" | b"\"") {
            let Value { span, is_literal } = quotes.opened_at(secret.start())?;
            return self.holds_quoted(quotes.text(&span), name, is_literal).then_some(span);
        }
        // A login whose password is its name is what databases are delivered with.
        let same = captures.name("user").is_some_and(|user| user.as_bytes() == piece);
        let is_plain = self.holds(piece, name, false);
        if same || !is_plain && !value::may_be_literal(piece) {
            return None;
        }
        let Value { span, is_literal } = quotes.around(secret.range(), captures.name("rest").is_some());
        let goes_on = self.pattern.proof != Proof::Form && captures.get(0)?.end() == secret.end();
        let span = if goes_on { span } else { secret.range() };
        (is_plain || is_literal && self.holds(piece, name, true)).then_some(span)
    }

    fn holds(&self, value: &[u8], name: &[u8], is_literal: bool) -> bool {
        match self.pattern.proof {
            // As in the documents of their makers.
            Proof::Form => memchr::memmem::find(value, b"EXAMPLE").is_none(),
            Proof::Value => value::is_value(value, is_literal) && !value::is_other_name(name, value),
            Proof::Random => value::is_random(value) && !value::is_public_name(name),
        }
    }

    /// As a whole, or by how it begins: a password of several words may have one of those among them that stand for another.
    fn holds_quoted(&self, whole: &[u8], name: &[u8], is_literal: bool) -> bool {
        let ends = |byte: &u8| b" \t\r\n'\"\\;&|,)".contains(byte);
        let piece = &whole[..whole.iter().position(ends).unwrap_or(whole.len())];
        self.holds(whole, name, is_literal) || piece.len() >= PIECE_BYTES_MIN && self.holds(piece, name, is_literal)
    }
}

/// Names of programs in a line that are passed over. Behind each one the line is looked through again; without a limit a
/// list of such names would cost its length for every one of them.
const ARGUMENTS_MAX: usize = 64;

/// How a quoted text begins is judged from so many bytes on. Shorter pieces are words such as `the`.
const PIECE_BYTES_MIN: usize = 4;

fn look_at(line: &[u8]) -> &[u8] {
    &line[..line.len().min(LOOK_BYTES_MAX)]
}

fn compile(expression: &str) -> Regex {
    // Secrets are ASCII: without Unicode the expressions are small and any bytes can be searched.
    let regex = RegexBuilder::new(expression).unicode(false).build();
    regex.expect("each pattern is compiled by a test")
}
