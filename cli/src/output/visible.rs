//! Makes foreign text harmless and honest: what a terminal would obey or hide is shown as a token instead. Commands,
//! directories, host names and device names come from other machines and may be anything.
//!
//! The invariant: nothing that leaves here holds a control character, a character that changes the direction of text,
//! or one that takes no room, other than a few accents on a letter. Both the screen and the printed tables use it.

use std::borrow::Cow;

/// A piece of text, in order; together they are the whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece<'a> {
    /// Where it begins in the bytes that were given.
    pub(crate) at: usize,
    /// What it is.
    pub(crate) kind: Kind<'a>,
}

/// What a piece is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind<'a> {
    /// May be shown as it is.
    Plain(&'a str),
    /// Stands for something that may not.
    Token(Cow<'static, str>),
    /// The end of a line.
    Newline,
}

/// Accents on one letter. Living languages use up to four or so; more only serves to scrawl over other lines.
const MARKS_MAX: usize = 6;

/// Splits bytes into what may be shown and what may not.
pub(crate) fn pieces(bytes: &[u8]) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut at = 0;
    for chunk in bytes.utf8_chunks() {
        valid_pieces(chunk.valid(), at, &mut pieces);
        at += chunk.valid().len();
        for byte in chunk.invalid() {
            pieces.push(Piece { at, kind: Kind::Token(format!("<{byte:02X}>").into()) });
            at += 1;
        }
    }
    pieces
}

fn valid_pieces<'a>(text: &'a str, offset: usize, pieces: &mut Vec<Piece<'a>>) {
    let mut plain_from = 0;
    let mut marks = 0;
    let mut before = None;
    for (index, letter) in text.char_indices() {
        let replaced = token(letter, before, &mut marks);
        before = Some(letter);
        if let Some(kind) = replaced {
            if plain_from < index {
                pieces.push(Piece { at: offset + plain_from, kind: Kind::Plain(&text[plain_from..index]) });
            }
            pieces.push(Piece { at: offset + index, kind });
            plain_from = index + letter.len_utf8();
            before = None;
        }
    }
    if plain_from < text.len() {
        pieces.push(Piece { at: offset + plain_from, kind: Kind::Plain(&text[plain_from..]) });
    }
}

/// What stands for a character that may not be shown as it is.
fn token(letter: char, before: Option<char>, marks: &mut usize) -> Option<Kind<'static>> {
    if matches!(letter, ' '..='~') {
        *marks = 0;
        return None;
    }
    let shown: Cow<'static, str> = match letter {
        '\n' => return Some(Kind::Newline),
        '\t' => "⇥".into(),
        '\u{7f}' => "^?".into(),
        '\0'..='\u{1f}' => format!("^{}", char::from(letter as u8 + b'@')).into(),
        // Chooses between two forms of the character before it; in front of anything else it only hides.
        '\u{fe0e}' | '\u{fe0f}' if before.is_some_and(|before| !before.is_ascii() && !is_hidden(before)) => {
            return None;
        }
        _ if is_hidden(letter) => format!("<U+{:04X}>", letter as u32).into(),
        _ if unicode_width::UnicodeWidthChar::width(letter) == Some(0) => {
            *marks += 1;
            if before.is_some() && *marks <= MARKS_MAX {
                return None;
            }
            format!("<U+{:04X}>", letter as u32).into()
        }
        _ => {
            *marks = 0;
            return None;
        }
    };
    Some(Kind::Token(shown))
}

/// Whether a terminal would obey the character, or show nothing for it: C1 controls, marks of direction, joiners,
/// fillers, tags, line separators (Unicode categories Cc, Cf, Zl, Zp and the blanks that look like nothing).
pub(crate) fn is_hidden(letter: char) -> bool {
    matches!(
        letter,
        '\u{80}'..='\u{9f}'
            | '\u{ad}'
            | '\u{34f}'
            | '\u{600}'..='\u{605}'
            | '\u{61c}'
            | '\u{6dd}'
            | '\u{70f}'
            | '\u{890}'..='\u{891}'
            | '\u{8e2}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{110bd}'
            | '\u{110cd}'
            | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Whether text holds anything but plain characters on one line: something that a person cannot see before it runs.
pub(crate) fn is_plain_line(bytes: &[u8]) -> bool {
    pieces(bytes).iter().all(|piece| matches!(piece.kind, Kind::Plain(_)))
}

/// As one line, for tables and messages.
pub(crate) fn line(bytes: &[u8]) -> String {
    let mut shown = String::with_capacity(bytes.len());
    for piece in pieces(bytes) {
        match piece.kind {
            Kind::Plain(text) => shown.push_str(text),
            Kind::Token(token) => shown.push_str(&token),
            Kind::Newline => shown.push(NEWLINE),
        }
    }
    shown
}

/// What the end of a line looks like where there is only one line.
pub(crate) const NEWLINE: char = '⏎';

/// As it is laid out, over several lines.
pub(crate) fn text(bytes: &[u8]) -> String {
    let mut shown = String::with_capacity(bytes.len());
    for piece in pieces(bytes) {
        match piece.kind {
            Kind::Plain(text) => shown.push_str(text),
            Kind::Token(token) => shown.push_str(&token),
            Kind::Newline => shown.push('\n'),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn trap_43_what_a_terminal_obeys_is_shown_instead() {
        for (foreign, shown) in [
            ("ls -l", "ls -l"),
            ("\x1b[2J\x1b]0;title\x07", "^[[2J^[]0;title^G"),
            ("a\tb\nc\r", "a⇥b⏎c^M"),
            ("\x7f\u{9b}31m", "^?<U+009B>31m"),
            ("\x1b[201~\nrm -rf /\n", "^[[201~⏎rm -rf /⏎"),
            ("safe\u{202e}gpj.exe", "safe<U+202E>gpj.exe"),
            ("zero\u{200b}width\u{feff}", "zero<U+200B>width<U+FEFF>"),
            ("\u{e0041}tag", "<U+E0041>tag"),
            ("naïve 你好 é", "naïve 你好 é"),
            ("e\u{301}", "e\u{301}"),
            ("\u{301}alone", "<U+0301>alone"),
            ("❤\u{fe0f}", "❤\u{fe0f}"),
            ("a\u{fe0f}", "a<U+FE0F>"),
            ("\u{2028}", "<U+2028>"),
        ] {
            assert_eq!(line(foreign.as_bytes()), shown, "{}", foreign.escape_debug());
        }
        assert_eq!(line(b"\xff\xc3(\xf0\x9f"), "<FF><C3>(<F0><9F>");
        assert_eq!(text(b"a\nb\x1b"), "a\nb^[");
    }

    #[test]
    fn trap_43_accents_cannot_be_piled_over_other_lines() {
        let zalgo = format!("a{}", "\u{301}".repeat(40));
        let shown = line(zalgo.as_bytes());
        assert_eq!(shown.matches('\u{301}').count(), MARKS_MAX);
        assert!(shown.contains("<U+0301>"));
    }

    #[test]
    fn only_plain_lines_are_plain() {
        for (bytes, plain) in [(&b"ls"[..], true), (b"a\nb", false), (b"\x1b", false), (b"\xff", false), (b"", true)] {
            assert_eq!(is_plain_line(bytes), plain, "{}", bytes.escape_ascii());
        }
    }

    /// What a terminal can take as an instruction.
    fn is_obeyed(letter: char) -> bool {
        letter.is_control() || is_hidden(letter)
    }

    proptest! {
        #[test]
        fn trap_43_no_bytes_at_all_reach_a_terminal_as_instructions(bytes: Vec<u8>) {
            let shown = line(&bytes).replace(['\u{fe0f}', '\u{fe0e}'], "");
            prop_assert!(!shown.chars().any(is_obeyed));
        }

        #[test]
        fn trap_43_no_text_at_all_reaches_a_terminal_as_instructions(foreign: String) {
            let shown = text(foreign.as_bytes()).replace(['\u{fe0f}', '\u{fe0e}', '\n'], "");
            prop_assert!(!shown.chars().any(is_obeyed));
        }

        #[test]
        fn pieces_are_the_whole_in_order(bytes: Vec<u8>) {
            let mut at = 0;
            for piece in pieces(&bytes) {
                prop_assert_eq!(piece.at, at);
                at += match piece.kind {
                    Kind::Plain(text) => text.len(),
                    Kind::Newline => 1,
                    Kind::Token(_) => bytes[at..]
                        .utf8_chunks()
                        .next()
                        .and_then(|chunk| chunk.valid().chars().next())
                        .map_or(1, char::len_utf8),
                };
            }
            prop_assert_eq!(at, bytes.len());
        }
    }
}
