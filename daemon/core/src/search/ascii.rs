//! A regular expression for texts of ASCII alone, which nearly all commands are: what it says of other letters is left out,
//! and what is left is mostly small enough to be worked out once for all texts, as one table.
//!
//! Says the same of such a text as the whole expression does, and nothing of any other. Where the table would be large
//! there is none.

use regex_automata::{
    Anchored,
    dfa::{Automaton, StartKind, dense},
    nfa::thompson::{self, WhichCaptures},
    util::{primitives::StateID, start},
};
use regex_syntax::hir::{
    Class, ClassBytes, ClassBytesRange, ClassUnicode, ClassUnicodeRange, Hir, HirKind, Look, Repetition,
};

/// An expression as a table.
pub(super) struct Ascii {
    table: dense::DFA<Vec<u32>>,
    /// Where each text begins.
    start: StateID,
}

/// Texts that are looked at together. Each step in a text waits for the one before; more texts than this have no room in the
/// processor, fewer would leave it waiting.
pub(super) const TOGETHER: usize = 4;

/// Letters of each text after which it is looked whether all have matched already.
const LOOKED: usize = 16;

/// Bytes of a table, and of what it takes to make one. Making it takes about a millisecond for each 100 KiB; less would
/// leave out classes of letters that are repeated.
const TABLE_BYTES_MAX: usize = 64 * 1024;

impl Ascii {
    /// Of an expression, if it is small.
    pub(super) fn new(hir: &Hir) -> Option<Self> {
        let compiling = thompson::Config::new()
            .utf8(false)
            .which_captures(WhichCaptures::None)
            .nfa_size_limit(Some(TABLE_BYTES_MAX));
        let nfa = thompson::Compiler::new().configure(compiling).build_from_hir(&to_the_end(ascii(hir))).ok()?;
        let building = dense::Config::new()
            .start_kind(StartKind::Unanchored)
            .accelerate(false)
            .dfa_size_limit(Some(TABLE_BYTES_MAX))
            .determinize_size_limit(Some(TABLE_BYTES_MAX));
        let table = dense::Builder::new().configure(building).build_from_nfa(&nfa).ok()?;
        let start = table.start_state(&start::Config::new().anchored(Anchored::No)).ok()?;
        Some(Self { table, start })
    }

    /// Whether it matches each of these texts of ASCII.
    pub(super) fn are_in(&self, texts: [&[u8]; TOGETHER]) -> [bool; TOGETHER] {
        let table = &self.table;
        let shortest = texts.iter().map(|text| text.len()).min().unwrap_or(0);
        let [one, two, three, four] = texts.map(|text| text[..shortest].chunks(LOOKED));
        // Four variables and no array: a processor keeps them at hand.
        let (mut a, mut b, mut c, mut d) = (self.start, self.start, self.start, self.start);
        for (((one, two), three), four) in one.zip(two).zip(three).zip(four) {
            for (((one, two), three), four) in one.iter().zip(two).zip(three).zip(four) {
                a = table.next_state(a, *one);
                b = table.next_state(b, *two);
                c = table.next_state(c, *three);
                d = table.next_state(d, *four);
            }
            if [a, b, c, d].iter().all(|state| table.is_match_state(*state)) {
                return [true; TOGETHER];
            }
        }
        let mut rest = texts.iter().map(|text| &text[shortest..]);
        [a, b, c, d].map(|state| {
            let rest = rest.next().unwrap_or_default();
            let end = rest.iter().fold(state, |state, byte| table.next_state(state, *byte));
            table.is_match_state(table.next_eoi_state(end))
        })
    }
}

/// The same, and then anything: what has matched once stays so to the end of the text, and no step has to ask.
fn to_the_end(hir: Hir) -> Hir {
    let any = Hir::class(Class::Bytes(ClassBytes::new([ClassBytesRange::new(0, 0xff)])));
    let rest = Hir::repetition(Repetition { min: 0, max: None, greedy: true, sub: Box::new(any) });
    Hir::concat(vec![hir, rest])
}

/// What an expression says of texts of ASCII.
fn ascii(hir: &Hir) -> Hir {
    match hir.kind() {
        HirKind::Empty => Hir::empty(),
        HirKind::Literal(literal) if literal.0.is_ascii() => Hir::literal(literal.0.clone()),
        HirKind::Literal(_) => Hir::fail(),
        HirKind::Class(Class::Unicode(class)) => {
            let mut class = class.clone();
            class.intersect(&ClassUnicode::new([ClassUnicodeRange::new('\0', '\x7f')]));
            Hir::class(Class::Unicode(class))
        }
        HirKind::Class(Class::Bytes(class)) => {
            let mut class = class.clone();
            class.intersect(&ClassBytes::new([ClassBytesRange::new(0, 0x7f)]));
            Hir::class(Class::Bytes(class))
        }
        HirKind::Look(look) => Hir::look(ascii_look(*look)),
        HirKind::Repetition(repetition) => {
            let Repetition { min, max, greedy, sub } = repetition;
            Hir::repetition(Repetition { min: *min, max: *max, greedy: *greedy, sub: Box::new(ascii(sub)) })
        }
        // Nobody asks what a group has found.
        HirKind::Capture(capture) => ascii(&capture.sub),
        HirKind::Concat(parts) => Hir::concat(parts.iter().map(ascii).collect()),
        HirKind::Alternation(ways) => Hir::alternation(ways.iter().map(ascii).collect()),
    }
}

/// The letters of words are the same, as far as they are ASCII.
fn ascii_look(look: Look) -> Look {
    match look {
        Look::WordUnicode => Look::WordAscii,
        Look::WordUnicodeNegate => Look::WordAsciiNegate,
        Look::WordStartUnicode => Look::WordStartAscii,
        Look::WordEndUnicode => Look::WordEndAscii,
        Look::WordStartHalfUnicode => Look::WordStartHalfAscii,
        Look::WordEndHalfUnicode => Look::WordEndHalfAscii,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex_syntax::ParserBuilder;

    use super::*;

    fn table(text: &str, case_insensitive: bool) -> Option<Ascii> {
        let parsed = ParserBuilder::new().case_insensitive(case_insensitive).utf8(false).build().parse(text);
        Ascii::new(&parsed.ok()?)
    }

    #[test]
    fn what_people_type_has_a_table_and_what_is_large_has_none() {
        for text in
            [r"\d{3,}$", r"\bcase_\d+7\b", r"^ls\b.*7$", "(push|pull) origin", r"\w+\s\w+", "git.*main-1", "é|e"]
        {
            assert!(table(text, true).is_some(), "{text}");
        }
        assert!(table(r"(a|b)*a(a|b){14}c", false).is_none());
        assert!(table(r"\w{2000}", false).is_none());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn it_says_what_the_expression_says(
            expression in r"(\^|\\b|\\B|\(\?m:\^\)|\\b\{start\})?([kKsSaéſ]|\[aé\]|\[\^a\]|\\w|\\W|\\d|\\s|\.|\(a\|ſ\|\)|\(\?-u:\\xC3\)|\(\?-u:.\)){0,4}([*+?]|\{2\})?(\$|\\b|\\b\{end-half\})?",
            texts in prop::array::uniform4("[aksAKS 1-]{0,40}"),
            case_insensitive: bool,
        ) {
            let mut builder = regex::bytes::RegexBuilder::new(&expression);
            let Ok(regex) = builder.case_insensitive(case_insensitive).build() else { return Ok(()) };
            let Some(table) = table(&expression, case_insensitive) else { return Ok(()) };
            let texts = texts.each_ref().map(String::as_bytes);
            prop_assert_eq!(table.are_in(texts), texts.map(|text| regex.is_match(text)));
        }
    }
}
