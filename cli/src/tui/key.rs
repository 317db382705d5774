//! A key as the person presses it, and how it is written in the configuration: `ctrl-r`, `alt-enter`, `g g`.
//!
//! Knows nothing of what keys do. Writing a key and reading it again gives the same key.

use std::fmt;

use caro_schema::settings::nearest_word;

/// What is pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// A letter, digit or sign. With control or alt in its small form.
    Char(char),
    Enter,
    Tab,
    Esc,
    Backspace,
    Delete,
    Insert,
    Home,
    End,
    PageUp,
    PageDown,
    Up,
    Down,
    Left,
    Right,
    /// A function key, from 1.
    F(u8),
}

/// A key with what is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) code: Code,
    pub(crate) ctrl: bool,
    pub(crate) alt: bool,
    /// Only where it changes more than the letter.
    pub(crate) shift: bool,
}

impl Key {
    /// With nothing held.
    pub(crate) const fn plain(code: Code) -> Self {
        Self { code, ctrl: false, alt: false, shift: false }
    }

    /// With control.
    pub(crate) const fn ctrl(letter: char) -> Self {
        Self { code: Code::Char(letter), ctrl: true, alt: false, shift: false }
    }

    /// The letter that is typed, if this key types one.
    pub(crate) fn letter(self) -> Option<char> {
        match self {
            Self { code: Code::Char(letter), ctrl: false, alt: false, .. } => Some(letter),
            _ => None,
        }
    }

    /// Reads one key.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut key = Self::plain(Code::Esc);
        let mut rest = text;
        loop {
            let held = [("ctrl-", 0), ("alt-", 1), ("shift-", 2)];
            // A lone sign after the dash, as in `alt--`, is the key itself.
            let Some((name, which)) = held.iter().find(|(name, _)| rest.starts_with(name) && rest.len() > name.len())
            else {
                break;
            };
            match which {
                0 => key.ctrl = true,
                1 => key.alt = true,
                _ => key.shift = true,
            }
            rest = &rest[name.len()..];
        }
        key.code = code(rest)?;
        if let Code::Char(letter) = key.code {
            if key.shift {
                // Shift only chooses the letter: it is written as that letter.
                return None;
            }
            if key.ctrl {
                key.code = Code::Char(letter.to_ascii_lowercase());
            }
        }
        Some(key)
    }
}

impl Key {
    /// What was probably meant by keys between blanks: the same, with the names of keys put right.
    pub(super) fn nearest_sequence(text: &str) -> Option<String> {
        let right = |key: &str| {
            let small = key.to_lowercase();
            if let Some(known) = [key, &small].into_iter().find(|key| Self::parse(key).is_some()) {
                return Some(known.to_owned());
            }
            let held = small.rfind('-').filter(|at| at + 1 < small.len()).map_or(0, |at| at + 1);
            let (held, name) = small.split_at(held);
            let right = format!("{held}{}", nearest_word(name, NAMES.iter().map(|(known, _)| *known))?);
            Self::parse(&right).map(|_| right)
        };
        let keys: Option<Vec<String>> = text.split_whitespace().map(right).collect();
        keys.filter(|keys| (1..=SEQUENCE_MAX).contains(&keys.len())).map(|keys| keys.join(" "))
    }
}

/// Names of keys that are no letters, each as it is written.
const NAMES: [(&str, Code); 16] = [
    ("enter", Code::Enter),
    ("tab", Code::Tab),
    ("esc", Code::Esc),
    ("backspace", Code::Backspace),
    ("delete", Code::Delete),
    ("insert", Code::Insert),
    ("home", Code::Home),
    ("end", Code::End),
    ("page-up", Code::PageUp),
    ("page-down", Code::PageDown),
    ("up", Code::Up),
    ("down", Code::Down),
    ("left", Code::Left),
    ("right", Code::Right),
    ("space", Code::Char(' ')),
    ("comma", Code::Char(',')),
];

fn code(name: &str) -> Option<Code> {
    if let Some((_, code)) = NAMES.iter().find(|(known, _)| *known == name) {
        return Some(*code);
    }
    let mut letters = name.chars();
    match (letters.next(), letters.next()) {
        (Some(letter), None) if !letter.is_whitespace() && !letter.is_control() => Some(Code::Char(letter)),
        (Some('f'), Some(_)) => name[1..].parse().ok().filter(|number| (1..=24).contains(number)).map(Code::F),
        _ => None,
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (held, name) in [(self.ctrl, "ctrl-"), (self.alt, "alt-"), (self.shift, "shift-")] {
            if held {
                f.write_str(name)?;
            }
        }
        if let Some((name, _)) = NAMES.iter().find(|(_, code)| *code == self.code) {
            return f.write_str(name);
        }
        match self.code {
            Code::Char(letter) => write!(f, "{letter}"),
            Code::F(number) => write!(f, "f{number}"),
            _ => Ok(()),
        }
    }
}

/// Keys as people write them, in few places where there is room: `Ctrl-R`, `Esc`, `F1`, `Alt-h`.
pub(crate) fn shown(keys: &[Key]) -> String {
    let large = |text: &str| {
        let mut letters = text.chars();
        letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
    };
    let one = |key: &Key| {
        let name = key.to_string();
        let is_lone = key.letter().is_some() && name.chars().count() == 1;
        let parts: Vec<String> = match name.rsplit_once('-') {
            _ if is_lone => vec![name],
            // Alt tells small letters from large ones.
            Some((held, code)) if key.alt && code.chars().count() == 1 => {
                held.split('-').map(large).chain([code.to_owned()]).collect()
            }
            _ => name.split('-').map(large).collect(),
        };
        parts.join("-")
    };
    keys.iter().map(one).collect::<Vec<_>>().join(" ")
}

/// Reads keys that are pressed one after the other, such as `g g`.
pub(crate) fn parse_sequence(text: &str) -> Option<Vec<Key>> {
    let keys: Option<Vec<Key>> = text.split_whitespace().map(Key::parse).collect();
    keys.filter(|keys| (1..=SEQUENCE_MAX).contains(&keys.len()))
}

/// Keys of a sequence. Nobody remembers longer ones.
const SEQUENCE_MAX: usize = 3;

/// Writes keys that are pressed one after the other.
pub(crate) fn sequence_name(keys: &[Key]) -> String {
    keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_written_is_read_as_the_same() {
        for text in ["ctrl-r", "alt-enter", "f12", "x", "?", "alt--", "ctrl-alt-x", "shift-tab", "space", "alt-.", "é"]
        {
            let key = Key::parse(text).expect(text);
            assert_eq!(key.to_string(), text);
        }
        assert_eq!(Key::parse("ctrl-R"), Key::parse("ctrl-r"), "control does not tell small from large");
        assert_ne!(Key::parse("alt-R"), Key::parse("alt-r"), "alt does");
    }

    #[test]
    fn keys_are_shown_as_people_write_them() {
        for (text, expected) in [
            ("ctrl-r", "Ctrl-R"),
            ("esc", "Esc"),
            ("alt-h", "Alt-h"),
            ("g g", "g g"),
            ("f1", "F1"),
            ("page-up", "Page-Up"),
        ] {
            assert_eq!(shown(&parse_sequence(text).expect(text)), expected);
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in ["", "ctrl-", "strg-r", "f0", "f25", "ab", "shift-a", "\u{7}"] {
            assert_eq!(Key::parse(text), None, "{text:?}");
        }
        assert_eq!(parse_sequence(""), None);
        assert_eq!(parse_sequence("a b c d"), None);
        let nearest = |text| Key::nearest_sequence(text);
        assert_eq!(nearest("Ctrl-X alt-entre").as_deref(), Some("ctrl-x alt-enter"));
        assert_eq!((nearest("strg-r"), nearest("a b c d")), (None, None));
        assert_eq!(parse_sequence("g g").map(|keys| sequence_name(&keys)).as_deref(), Some("g g"));
    }
}
