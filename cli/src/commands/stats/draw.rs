//! Bars and small charts out of letters, as wide as there is room, with colours or without, in Unicode or in ASCII.
//! Knows numbers and texts that have been made harmless, nothing of history.

use std::{env, io};

use rustix::termios::tcgetwinsize;
use unicode_width::UnicodeWidthStr;

use crate::output::Out;

/// What is drawn on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Canvas {
    /// Columns.
    pub(super) width: usize,
    /// Whether colours may be used. They never carry meaning alone.
    pub(super) colour: bool,
    /// Whether more than ASCII can be shown.
    pub(super) unicode: bool,
}

/// Fewer columns are drawn on as if they were so many: there is no smaller picture.
const WIDTH_MIN: usize = 30;

/// Longer bars say nothing more.
const WIDTH_MAX: usize = 110;

impl Canvas {
    /// What standard output is.
    pub(super) fn of(out: &Out) -> Self {
        let asked = env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let seen = tcgetwinsize(io::stdout()).ok().map(|size| usize::from(size.ws_col)).filter(|width| *width > 0);
        let width = seen.or(asked).unwrap_or(80).clamp(WIDTH_MIN, WIDTH_MAX);
        Self { width, colour: out.colour, unicode: is_utf8(|name| env::var(name).ok()) }
    }

    /// A heading.
    pub(super) fn heading(&self, text: &str) -> String {
        if self.colour { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// A part of a whole as a bar of at most so many columns, filled up with blanks.
    pub(super) fn bar(&self, part: u64, whole: u64, columns: usize) -> String {
        let eighths = if whole == 0 { 0 } else { (part as f64 / whole as f64 * columns as f64 * 8.0).round() as usize };
        // What is there at all is seen.
        let eighths = if part > 0 { eighths.max(1) } else { 0 };
        let (full, rest) = (eighths / 8, eighths % 8);
        let bar = if self.unicode {
            "█".repeat(full) + ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][rest]
        } else {
            "#".repeat(full + usize::from(rest >= 4 || full == 0 && rest > 0))
        };
        let blank = " ".repeat(columns.saturating_sub(bar.width()));
        if self.colour && !bar.is_empty() { format!("\x1b[36m{bar}\x1b[0m{blank}") } else { bar + &blank }
    }

    /// Numbers as a row of levels, each so many columns wide.
    pub(super) fn levels(&self, numbers: &[u64], columns: usize) -> String {
        let steps: Vec<&str> = if self.unicode {
            "▁ ▂ ▃ ▄ ▅ ▆ ▇ █".split(' ').collect()
        } else {
            ". : - = + * # @".split(' ').collect()
        };
        let most = numbers.iter().copied().max().unwrap_or(0).max(1);
        let level = |number: &u64| match *number {
            0 => " ".repeat(columns),
            number => {
                let at = (number as f64 / most as f64 * (steps.len() - 1) as f64).round() as usize;
                steps[at.min(steps.len() - 1)].repeat(columns)
            }
        };
        let row: String = numbers.iter().map(level).collect();
        if self.colour { format!("\x1b[36m{row}\x1b[0m") } else { row }
    }
}

/// Whether the environment's letters are those of Unicode, as the first variable that is set says.
fn is_utf8(var: impl Fn(&str) -> Option<String>) -> bool {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(var).find(|value| !value.is_empty());
    set.is_some_and(|value| {
        let value = value.to_ascii_lowercase();
        value.contains("utf-8") || value.contains("utf8")
    })
}

/// A text in exactly so many columns: cut with a sign that it was, or filled up with blanks.
pub(super) fn fit(text: &str, columns: usize, unicode: bool) -> String {
    let width = text.width();
    if width <= columns {
        return text.to_owned() + &" ".repeat(columns - width);
    }
    let sign = if unicode { "…" } else { "~" };
    let mut cut = String::new();
    let mut used = 0;
    for letter in text.chars() {
        let next = unicode_width::UnicodeWidthChar::width(letter).unwrap_or(0);
        if used + next + 1 > columns {
            break;
        }
        cut.push(letter);
        used += next;
    }
    cut + sign + &" ".repeat(columns.saturating_sub(used + 1))
}

/// What tests draw on.
#[cfg(test)]
pub(super) const PLAIN: Canvas = Canvas { width: 60, colour: false, unicode: true };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_its_part() {
        assert_eq!(PLAIN.bar(1, 2, 4), "██  ");
        assert_eq!(PLAIN.bar(5, 16, 2), "▋ ");
        assert_eq!(PLAIN.bar(1, 1_000_000, 4), "▏   ", "what is there is seen");
        assert_eq!(PLAIN.bar(0, 5, 4), "    ");
        assert_eq!(PLAIN.bar(0, 0, 3), "   ");
        let ascii = Canvas { unicode: false, ..PLAIN };
        assert_eq!((ascii.bar(1, 2, 4), ascii.bar(1, 1000, 4)), ("##  ".to_owned(), "#   ".to_owned()));
        let coloured = Canvas { colour: true, ..PLAIN };
        assert_eq!(coloured.bar(1, 2, 4), "\x1b[36m██\x1b[0m  ");
    }

    #[test]
    fn levels_are_as_high_as_their_numbers() {
        assert_eq!(PLAIN.levels(&[0, 1, 4, 8], 1), " ▂▅█");
        assert_eq!(Canvas { unicode: false, ..PLAIN }.levels(&[0, 1, 4, 8], 2), "  ::++@@");
        assert_eq!(PLAIN.levels(&[0, 0], 2), "    ");
    }

    #[test]
    fn a_text_is_cut_or_filled_to_its_columns() {
        assert_eq!(fit("ls", 4, true), "ls  ");
        assert_eq!(fit("cargo build", 6, true), "cargo…");
        assert_eq!(fit("cargo build", 6, false), "cargo~");
        assert_eq!(fit("日本語", 4, true), "日… ");
        assert_eq!(fit("日本語", 4, true).width(), 4);
    }

    #[test]
    fn unicode_is_shown_where_the_environment_says_so() {
        let of = |set: &[(&str, &str)]| {
            is_utf8(|name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
        };
        assert!(of(&[("LANG", "de_AT.UTF-8")]) && of(&[("LC_ALL", "C.utf8"), ("LANG", "C")]));
        assert!(!of(&[]) && !of(&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")]));
    }
}
