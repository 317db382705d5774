//! Foreign text as spans: what may be shown as it is, what matched, and tokens for what may not, set apart by style so
//! that a token is told from text that looks like one.

use std::ops::Range;

use ratatui::{
    style::{Modifier, Style},
    text::Span,
};

use crate::output::visible::{self, Kind};

/// How matched text looks.
fn matched_style(base: Style) -> Style {
    base.add_modifier(Modifier::BOLD | Modifier::UNDERLINED)
}

/// How a token looks.
fn token_style(base: Style) -> Style {
    base.add_modifier(Modifier::REVERSED)
}

/// A part of a text on one line. `matched` are byte ranges of the whole text.
pub(super) fn one_line(bytes: &[u8], part: Range<usize>, matched: &[(u32, u32)], base: Style) -> Vec<Span<'static>> {
    let mut spans = Vec::new();
    for piece in visible::pieces(&bytes[part.clone()]) {
        let at = part.start + piece.at;
        match piece.kind {
            Kind::Plain(text) => plain(text, at, matched, base, &mut spans),
            Kind::Token(token) => spans.push(Span::styled(token, token_style(base))),
            Kind::Newline => spans.push(Span::styled(visible::NEWLINE.to_string(), token_style(base))),
        }
    }
    spans
}

/// Cuts plain text where matches begin and end.
fn plain(text: &str, at: usize, matched: &[(u32, u32)], base: Style, spans: &mut Vec<Span<'static>>) {
    let mut done = 0;
    for (from, to) in matched {
        let from = boundary(text, (*from as usize).saturating_sub(at));
        let to = boundary(text, (*to as usize).saturating_sub(at));
        if to <= done || from >= to {
            continue;
        }
        let from = from.max(done);
        if done < from {
            spans.push(Span::styled(text[done..from].to_owned(), base));
        }
        spans.push(Span::styled(text[from..to].to_owned(), matched_style(base)));
        done = to;
    }
    if done < text.len() {
        spans.push(Span::styled(text[done..].to_owned(), base));
    }
}

/// The nearest place at or before which text may be cut. Ranges come from another program.
fn boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// A place at or before `at` where no letter is cut in two.
pub(super) fn letter_start(bytes: &[u8], at: usize) -> usize {
    let at = at.min(bytes.len());
    // A letter has at most four bytes, of which all but the first look like this.
    let continues = |at: &usize| bytes.get(*at).is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000);
    (at.saturating_sub(3)..=at).rev().find(|at| !continues(at)).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(bytes: &[u8], matched: &[(u32, u32)]) -> Vec<(String, bool)> {
        let spans = one_line(bytes, 0..bytes.len(), matched, Style::new());
        spans.iter().map(|span| (span.content.to_string(), span.style != Style::new())).collect()
    }

    #[test]
    fn matches_are_set_apart() {
        let parts = shown(b"git commit", &[(0, 1), (4, 6)]);
        let parts: Vec<(&str, bool)> = parts.iter().map(|(text, set)| (text.as_str(), *set)).collect();
        assert_eq!(parts, [("g", true), ("it ", false), ("co", true), ("mmit", false)]);
    }

    #[test]
    fn trap_43_a_token_is_told_from_text_that_looks_like_one() {
        assert_eq!(shown(b"\x1b", &[]), [("^[".to_owned(), true)]);
        assert_eq!(shown(b"^[", &[]), [("^[".to_owned(), false)]);
    }

    proptest! {
        #[test]
        fn any_ranges_over_any_bytes_lose_nothing(bytes: Vec<u8>, matched: Vec<(u32, u32)>) {
            let text: String = shown(&bytes, &matched).into_iter().map(|(text, _)| text).collect();
            prop_assert_eq!(text, visible::line(&bytes));
        }

        #[test]
        fn a_letter_is_never_cut(text: String, at in 0..40usize) {
            prop_assert!(text.is_char_boundary(letter_start(text.as_bytes(), at)));
        }
    }
}
