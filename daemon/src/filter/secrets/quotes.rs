//! Where a value ends: the quotes that it stands in, as a shell reads them, and those within them (`'{"password":"…"}'`).
//!
//! Knows the bytes of one line and nothing of secrets. Goes through the line once from its beginning to its end, however
//! many values are asked for, so that a long line costs no more than its length. What is left open ends with the line.

use std::ops::Range;

/// A line and how far it has been read.
#[derive(Clone)]
pub(super) struct Quotes<'a> {
    line: &'a [u8],
    at: usize,
    /// The shell's own.
    outer: Option<Open>,
    /// One of another kind within it, as in JSON, SQL or a command for another machine.
    inner: Option<Open>,
    /// The last blank, and the last sign that begins a field of an address or a form.
    blank: Option<usize>,
    field: Option<usize>,
    /// The last of each that was followed to its end, and where that is.
    known: [Option<(Open, usize)>; 2],
}

/// An opening quote.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Open {
    mark: Mark,
    /// Where what it quotes begins.
    from: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Single,
    Double,
    /// `\"`, within double quotes.
    Escaped,
}

/// A value in a line.
pub(super) struct Value {
    /// All of it.
    pub(super) span: Range<usize>,
    /// The shell takes it as it is: a `$` is a dollar.
    pub(super) is_literal: bool,
}

impl<'a> Quotes<'a> {
    pub(super) fn new(line: &'a [u8]) -> Self {
        Self { line, at: 0, outer: None, inner: None, blank: None, field: None, known: [None; 2] }
    }

    /// The value behind the quote at a place, none if that quote only closes something. Places are asked for in order.
    pub(super) fn opened_at(&mut self, quote: usize) -> Option<Value> {
        let from = quote + 1;
        self.walk(from);
        let end = match self.innermost() {
            Some(open) if open.from == from => self.end(open),
            // It closes, or seems to because there was an apostrophe before it.
            _ if self.line.get(from).is_none_or(|next| b" \t\n;&|)<>,+.:]}\\".contains(next)) => return None,
            _ => self.find(from, &[self.line[quote]]).or_else(|| self.find(from, BLANKS)).unwrap_or(self.line.len()),
        };
        Some(Value { span: from..end, is_literal: self.is_literal(from) })
    }

    /// The value that begins with this piece, with what belongs to it by the quotes around it. Among other words it ends
    /// with its own, unless it is known to be the rest of what is quoted.
    pub(super) fn around(&mut self, piece: Range<usize>, is_rest: bool) -> Value {
        self.walk(piece.start);
        let end = match self.innermost() {
            None => self.word_end(piece.end),
            Some(open) => {
                let end = self.end(open);
                let within = |seen: Option<usize>| !is_rest && seen.is_some_and(|at| at >= open.from);
                let stops: &[u8] = if within(self.blank) {
                    BLANKS
                } else if within(self.field) {
                    b"&"
                } else {
                    b""
                };
                self.find(piece.end, stops).map_or(end, |found| found.min(end))
            }
        };
        let is_literal = self.is_literal(piece.start);
        Value { span: piece.start..end.max(piece.end), is_literal }
    }

    pub(super) fn text(&self, span: &Range<usize>) -> &'a [u8] {
        &self.line[span.clone()]
    }

    /// Whether the shell expands nothing there. In `'ada:…'` a name goes before; a longer text may be a command, and
    /// another shell expands what is in it.
    fn is_literal(&self, place: usize) -> bool {
        let Some(Open { mark: Mark::Single, from }) = self.outer else { return false };
        let before = &self.line[from.min(place)..place];
        let is_name = |name: &[u8]| name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"._@-".contains(byte));
        self.inner.is_none() && before.split_last().is_none_or(|(last, name)| b":%,".contains(last) && is_name(name))
    }

    fn innermost(&self) -> Option<Open> {
        self.inner.or(self.outer)
    }

    fn walk(&mut self, place: usize) {
        while self.at < place {
            self.step();
        }
    }

    /// Takes one byte, or several when the first changes what the others mean.
    fn step(&mut self) {
        let rest = &self.line[self.at..];
        let mut length = 1;
        match (self.outer.map(|open| open.mark), rest[0]) {
            (None, b'\\') => length = 2,
            (None, b'\'') => self.outer = Some(self.open(Mark::Single)),
            (None, b'"') => self.outer = Some(self.open(Mark::Double)),
            (Some(Mark::Single), b'\'') | (Some(Mark::Double), b'"') => (self.outer, self.inner) = (None, None),
            (Some(Mark::Double), b'\'') => self.turn(Mark::Single),
            (Some(Mark::Single), b'"') => self.turn(Mark::Double),
            // A quote within JSON's own quotes, once the shell has taken its backslashes away.
            (Some(Mark::Double), b'\\') if rest.starts_with(b"\\\\\\\"") => length = 4,
            (Some(Mark::Double), b'\\') => {
                length = 2;
                if rest.starts_with(b"\\\"") {
                    self.turn(Mark::Escaped);
                }
            }
            (Some(Mark::Single), b'\\') if self.inner.is_some() && !rest.starts_with(b"\\'") => length = 2,
            (_, b' ' | b'\t' | b'\n') => self.blank = Some(self.at),
            (_, b'?' | b'&') => self.field = Some(self.at),
            _ => {}
        }
        self.at = (self.at + length).min(self.line.len());
    }

    /// Opens one within the shell's own, or closes it.
    fn turn(&mut self, mark: Mark) {
        match self.inner {
            None => self.inner = Some(self.open(mark)),
            Some(open) if open.mark == mark => self.inner = None,
            Some(_) => {}
        }
    }

    fn open(&self, mark: Mark) -> Open {
        Open { mark, from: self.at + mark.length() }
    }

    /// Where what an open quote holds ends. What is joined to it is of the same word: `'it'\''s'`, and `'it''s'` in SQL.
    fn end(&mut self, open: Open) -> usize {
        let is_inner = self.inner == Some(open);
        let known = self.known[usize::from(is_inner)].filter(|(known, _)| *known == open);
        if let Some((_, end)) = known {
            return end;
        }
        let mut ahead = self.clone();
        let is_open = |ahead: &Self| if is_inner { ahead.inner.is_some() } else { ahead.outer.is_some() };
        let joins = |ahead: &Self| match ahead.line.get(ahead.at) {
            Some(b'\'') if is_inner => ahead.outer.is_some() && open.mark == Mark::Single,
            Some(b'\'' | b'"' | b'\\') => !is_inner,
            _ => false,
        };
        let mut end;
        loop {
            end = ahead.at;
            while ahead.at < ahead.line.len() && is_open(&ahead) {
                end = ahead.at;
                ahead.step();
            }
            if is_open(&ahead) {
                end = ahead.at;
            }
            if !joins(&ahead) {
                break;
            }
            ahead.step();
        }
        self.known[usize::from(is_inner)] = Some((open, end));
        end
    }

    /// Where a word goes on to whose first piece ends here: `two\ words`, `a'b c'`.
    fn word_end(&self, piece_end: usize) -> usize {
        let mut ahead = self.clone();
        ahead.walk(piece_end);
        if !ahead.line.get(ahead.at).is_some_and(|byte| b"\\'\"".contains(byte)) {
            return piece_end;
        }
        let until = ahead.line.len().min(piece_end + WORD_BYTES_MAX);
        while ahead.at < until && (ahead.outer.is_some() || !b" \t\n;&|()<>".contains(&ahead.line[ahead.at])) {
            ahead.step();
        }
        // A quote that nothing closes is an apostrophe.
        if ahead.outer.is_some() { piece_end } else { ahead.at }
    }

    /// The first of some bytes.
    fn find(&self, from: usize, bytes: &[u8]) -> Option<usize> {
        let near = &self.line[from.min(self.line.len())..self.line.len().min(from + WORD_BYTES_MAX)];
        near.iter().position(|byte| bytes.contains(byte)).map(|found| from + found)
    }
}

impl Mark {
    fn length(self) -> usize {
        if self == Self::Escaped { 2 } else { 1 }
    }
}

const BLANKS: &[u8] = b" \t\n";

/// How far the end of a word is looked for. No password is as long; a line of nothing but passwords would be gone through
/// once for each if this had no limit.
const WORD_BYTES_MAX: usize = 4096;
