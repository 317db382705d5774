//! Foreign text as spans: what may be shown as it is, with its colours and what matched, and tokens for what may not, set
//! apart by style so that a token is told from text that looks like one.

use std::ops::Range;

use ratatui::{style::Style, text::Span};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use crate::{
    config::Theme,
    output::visible::{self, Kind},
    tui::syntax::{self, Class},
};

/// How a text is painted. Ranges are of the whole text, in bytes.
pub(super) struct Paint<'a> {
    pub(super) theme: &'a Theme,
    /// Laid over everything.
    pub(super) over: Style,
    /// Parts with a style of their own, ascending and apart.
    pub(super) parts: Vec<(Range<usize>, Style)>,
    /// What matched.
    pub(super) matched: &'a [(u32, u32)],
}

impl<'a> Paint<'a> {
    /// Nothing set apart.
    pub(super) fn plain(theme: &'a Theme, over: Style) -> Self {
        Self { theme, over, parts: Vec::new(), matched: &[] }
    }

    /// A command with its colours.
    pub(super) fn command(theme: &'a Theme, over: Style, command: &[u8], matched: &'a [(u32, u32)]) -> Self {
        let parts = syntax::classes(command).into_iter().map(|(range, class)| (range, class_style(theme, class)));
        Self { theme, over, parts: parts.collect(), matched }
    }

    fn style_at(&self, at: usize) -> Style {
        let after = self.parts.partition_point(|(range, _)| range.end <= at);
        let own = self.parts.get(after).filter(|(range, _)| range.contains(&at)).map(|(_, style)| *style);
        let style = self.theme.text.patch(own.unwrap_or_default()).patch(self.over);
        let is_matched = self.matched.iter().any(|(from, to)| (*from as usize..*to as usize).contains(&at));
        if is_matched { style.patch(self.theme.matched) } else { style }
    }

    /// Where the style may change within this part of the text, ascending.
    fn cuts(&self, part: Range<usize>) -> Vec<usize> {
        let first = self.parts.partition_point(|(range, _)| range.end <= part.start);
        let parts = self.parts[first..].iter().take_while(|(range, _)| range.start < part.end);
        let matched = self.matched.iter().flat_map(|(from, to)| [*from as usize, *to as usize]);
        let mut cuts: Vec<usize> = parts.flat_map(|(range, _)| [range.start, range.end]).chain(matched).collect();
        cuts.retain(|at| part.start < *at && *at < part.end);
        cuts.sort_unstable();
        cuts.dedup();
        cuts
    }
}

fn class_style(theme: &Theme, class: Class) -> Style {
    match class {
        Class::Command => theme.command,
        Class::Keyword => theme.keyword,
        Class::Option => theme.option,
        Class::String => theme.string,
        Class::Variable => theme.variable,
        Class::Operator => theme.operator,
        Class::Comment => theme.comment,
    }
}

/// A part of a text on one line.
pub(super) fn one_line(bytes: &[u8], part: Range<usize>, paint: &Paint<'_>) -> Vec<Span<'static>> {
    let mut spans = Vec::new();
    for piece in visible::pieces(&bytes[part.clone()]) {
        let at = part.start + piece.at;
        let token = |text: String| Span::styled(text, paint.style_at(at).patch(paint.theme.token));
        match piece.kind {
            Kind::Plain(text) => plain(text, at, paint, &mut spans),
            Kind::Token(text) => spans.push(token(text.into_owned())),
            Kind::Newline => spans.push(token(visible::NEWLINE.to_string())),
        }
    }
    spans
}

/// Cuts plain text where its style changes, between letters.
fn plain(text: &str, at: usize, paint: &Paint<'_>, spans: &mut Vec<Span<'static>>) {
    let mut done = 0;
    let cuts = paint.cuts(at..at + text.len()).into_iter().map(|cut| boundary(text, cut - at));
    for cut in cuts.chain([text.len()]) {
        if cut > done {
            spans.push(Span::styled(text[done..cut].to_owned(), paint.style_at(at + done)));
            done = cut;
        }
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

/// Exactly so many columns of a text that is visible already.
pub(super) fn fitted(text: &str, columns: usize) -> String {
    let mut shown = String::new();
    let mut used = 0;
    for letter in text.graphemes(true) {
        if used + letter.width() > columns {
            break;
        }
        used += letter.width();
        shown.push_str(letter);
    }
    shown + &" ".repeat(columns - used)
}

/// The first so many columns of it, with a sign when something is missing behind.
pub(super) fn fitted_start(text: &str, columns: usize) -> String {
    if text.width() <= columns || columns == 0 {
        return fitted(text, columns);
    }
    fitted(&format!("{}…", fitted(text, columns - 1).trim_end()), columns)
}

/// The last so many columns of it, with a sign when something is missing in front.
pub(super) fn fitted_end(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return fitted(text, columns);
    }
    let mut kept = Vec::new();
    let mut used = 1;
    for letter in text.graphemes(true).rev() {
        if used + letter.width() > columns {
            break;
        }
        used += letter.width();
        kept.push(letter);
    }
    kept.reverse();
    if columns == 0 { String::new() } else { fitted(&format!("…{}", kept.concat()), columns) }
}

/// Cut to the columns, with a sign when something is missing.
pub(super) fn with_ellipsis(spans: Vec<Span<'static>>, columns: usize) -> Vec<Span<'static>> {
    let width: usize = spans.iter().map(|span| span.content.width()).sum();
    if width <= columns {
        return spans;
    }
    let mut kept = Vec::new();
    let mut room = columns.saturating_sub(1);
    for span in spans {
        let width = span.content.width();
        if width <= room {
            room -= width;
            kept.push(span);
            continue;
        }
        let cut = fitted(&span.content, room);
        kept.push(Span::styled(cut.trim_end().to_owned(), span.style));
        break;
    }
    if columns > 0 {
        kept.push(Span::raw("…"));
    }
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ratatui::style::Modifier;

    use super::*;

    fn shown(bytes: &[u8], matched: &[(u32, u32)]) -> Vec<(String, Style)> {
        let theme = Theme::plain();
        let paint = Paint { matched, ..Paint::plain(&theme, Style::new()) };
        let spans = one_line(bytes, 0..bytes.len(), &paint);
        spans.iter().map(|span| (span.content.to_string(), span.style)).collect()
    }

    #[test]
    fn matches_are_set_apart() {
        let parts = shown(b"git commit", &[(0, 1), (4, 6)]);
        let parts: Vec<(&str, bool)> =
            parts.iter().map(|(text, style)| (text.as_str(), *style == Theme::plain().matched)).collect();
        assert_eq!(parts, [("g", true), ("it ", false), ("co", true), ("mmit", false)]);
    }

    #[test]
    fn trap_43_a_token_is_told_from_text_that_looks_like_one() {
        let reversed = Style::new().add_modifier(Modifier::REVERSED);
        assert_eq!(shown(b"\x1b", &[]), [("^[".to_owned(), reversed)]);
        assert_eq!(shown(b"^[", &[]), [("^[".to_owned(), Style::new())]);
    }

    #[test]
    fn a_command_has_its_colours_and_what_matched_lies_over_them() {
        let theme = Theme::named("16").expect("built in");
        let paint = Paint::command(&theme, Style::new(), b"ls -l", &[(0, 1)]);
        let spans = one_line(b"ls -l", 0..5, &paint);
        let parts: Vec<(&str, Style)> = spans.iter().map(|span| (span.content.as_ref(), span.style)).collect();
        assert_eq!(
            parts,
            [
                ("l", theme.command.patch(theme.matched)),
                ("s", theme.command),
                (" ", Style::new()),
                ("-l", theme.option),
            ]
        );
    }

    #[test]
    fn a_long_name_keeps_its_start() {
        assert_eq!(fitted_start("build-server", 6), "build…");
        assert_eq!(fitted_start("desk", 6), "desk  ");
        assert_eq!((fitted_start("你好你", 4), fitted_start("ab", 1)), ("你… ".to_owned(), "…".to_owned()));
    }

    #[test]
    fn a_long_directory_keeps_its_end() {
        assert_eq!(fitted_end("~/src/caro", 6), "…/caro");
        assert_eq!(fitted_end("~/src", 8), "~/src   ");
        assert_eq!(fitted_end("你好你", 4), "…你 ");
        assert_eq!((fitted_end("abc", 0), fitted_end("abc", 1)), (String::new(), "…".to_owned()));
    }

    proptest! {
        #[test]
        fn any_ranges_over_any_bytes_lose_nothing(bytes: Vec<u8>, matched: Vec<(u32, u32)>) {
            let text: String = shown(&bytes, &matched).into_iter().map(|(text, _)| text).collect();
            prop_assert_eq!(text, visible::line(&bytes));
        }

        #[test]
        fn near_ranges_lose_nothing_either(text: String, matched in prop::collection::vec((0..60u32, 0..60u32), 0..8)) {
            let theme = Theme::named("dark").expect("built in");
            let paint = Paint::command(&theme, Style::new(), text.as_bytes(), &matched);
            let spans = one_line(text.as_bytes(), 0..text.len(), &paint);
            let all: String = spans.iter().map(|span| span.content.as_ref()).collect();
            prop_assert_eq!(all, visible::line(text.as_bytes()));
        }

        #[test]
        fn a_letter_is_never_cut(text: String, at in 0..40usize) {
            prop_assert!(text.is_char_boundary(letter_start(text.as_bytes(), at)));
        }
    }
}
