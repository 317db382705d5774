//! Keys and what they mean: a table. What a meaning does is in `update.rs`.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// What a key means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// A letter is typed.
    Type(char),
    /// To the next older, or next worse, match.
    Up,
    /// Back towards the best.
    Down,
    /// A screenful up.
    PageUp,
    /// A screenful down.
    PageDown,
    /// To the best match.
    First,
    /// To the last one.
    Last,
    /// Take it: on the prompt, or run it if the configuration says so.
    Accept,
    /// Take it to the prompt, whatever the configuration says.
    Put,
    /// Leave, with the line as it was.
    Cancel,
    /// Look elsewhere: everywhere, this host, this directory, this session.
    NextScope,
    /// Read what is typed in another way.
    NextMode,
    /// Delete the chosen command.
    Delete,
    /// Draw anew.
    Redraw,
    /// Something in the line.
    Edit(Edit),
}

/// What a key does in the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edit {
    Left,
    Right,
    WordLeft,
    WordRight,
    Start,
    End,
    DeleteBefore,
    DeleteAfter,
    DeleteWord,
    DeleteToStart,
    DeleteToEnd,
}

const NONE: KeyModifiers = KeyModifiers::NONE;
const CTRL: KeyModifiers = KeyModifiers::CONTROL;
const ALT: KeyModifiers = KeyModifiers::ALT;

const KEYS: &[(KeyModifiers, KeyCode, Meaning)] = &[
    (NONE, KeyCode::Up, Meaning::Up),
    (CTRL, KeyCode::Char('p'), Meaning::Up),
    (NONE, KeyCode::Down, Meaning::Down),
    (CTRL, KeyCode::Char('n'), Meaning::Down),
    (NONE, KeyCode::PageUp, Meaning::PageUp),
    (NONE, KeyCode::PageDown, Meaning::PageDown),
    (NONE, KeyCode::Home, Meaning::First),
    (NONE, KeyCode::End, Meaning::Last),
    (NONE, KeyCode::Enter, Meaning::Accept),
    (CTRL, KeyCode::Char('m'), Meaning::Accept),
    (CTRL, KeyCode::Char('j'), Meaning::Accept),
    (NONE, KeyCode::Tab, Meaning::Put),
    (NONE, KeyCode::Esc, Meaning::Cancel),
    (CTRL, KeyCode::Char('c'), Meaning::Cancel),
    (CTRL, KeyCode::Char('g'), Meaning::Cancel),
    (CTRL, KeyCode::Char('r'), Meaning::NextScope),
    (CTRL, KeyCode::Char('t'), Meaning::NextMode),
    (CTRL, KeyCode::Char('d'), Meaning::Delete),
    (ALT, KeyCode::Char('d'), Meaning::Delete),
    (CTRL, KeyCode::Char('l'), Meaning::Redraw),
    (NONE, KeyCode::Left, Meaning::Edit(Edit::Left)),
    (CTRL, KeyCode::Char('b'), Meaning::Edit(Edit::Left)),
    (NONE, KeyCode::Right, Meaning::Edit(Edit::Right)),
    (CTRL, KeyCode::Char('f'), Meaning::Edit(Edit::Right)),
    (CTRL, KeyCode::Left, Meaning::Edit(Edit::WordLeft)),
    (ALT, KeyCode::Left, Meaning::Edit(Edit::WordLeft)),
    (ALT, KeyCode::Char('b'), Meaning::Edit(Edit::WordLeft)),
    (CTRL, KeyCode::Right, Meaning::Edit(Edit::WordRight)),
    (ALT, KeyCode::Right, Meaning::Edit(Edit::WordRight)),
    (ALT, KeyCode::Char('f'), Meaning::Edit(Edit::WordRight)),
    (CTRL, KeyCode::Char('a'), Meaning::Edit(Edit::Start)),
    (CTRL, KeyCode::Char('e'), Meaning::Edit(Edit::End)),
    (NONE, KeyCode::Backspace, Meaning::Edit(Edit::DeleteBefore)),
    (CTRL, KeyCode::Char('h'), Meaning::Edit(Edit::DeleteBefore)),
    (NONE, KeyCode::Delete, Meaning::Edit(Edit::DeleteAfter)),
    (CTRL, KeyCode::Char('w'), Meaning::Edit(Edit::DeleteWord)),
    (ALT, KeyCode::Backspace, Meaning::Edit(Edit::DeleteWord)),
    (CTRL, KeyCode::Char('u'), Meaning::Edit(Edit::DeleteToStart)),
    (CTRL, KeyCode::Char('k'), Meaning::Edit(Edit::DeleteToEnd)),
];

/// What a key means, if anything.
pub(super) fn meaning(key: KeyEvent) -> Option<Meaning> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    // Shift only chooses the letter, and some terminals say so.
    let modifiers = key.modifiers - KeyModifiers::SHIFT;
    if let KeyCode::Char(letter) = key.code
        && modifiers.is_empty()
    {
        return Some(Meaning::Type(letter));
    }
    let code = match key.code {
        KeyCode::Char(letter) => KeyCode::Char(letter.to_ascii_lowercase()),
        other => other,
    };
    KEYS.iter().find(|(with, on, _)| (*with, *on) == (modifiers, code)).map(|(_, _, meaning)| *meaning)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_means_two_things() {
        for (index, (modifiers, code, _)) in KEYS.iter().enumerate() {
            let again = KEYS[index + 1..].iter().any(|(with, on, _)| (with, on) == (modifiers, code));
            assert!(!again, "{modifiers:?} {code:?}");
        }
    }

    #[test]
    fn letters_are_typed_and_unknown_keys_mean_nothing() {
        let press = |code, modifiers| meaning(KeyEvent::new(code, modifiers));
        assert_eq!(press(KeyCode::Char('A'), KeyModifiers::SHIFT), Some(Meaning::Type('A')));
        assert_eq!(press(KeyCode::Char('C'), CTRL), Some(Meaning::Cancel));
        assert_eq!(press(KeyCode::Char('x'), CTRL), None);
        assert_eq!(press(KeyCode::F(9), NONE), None);
    }
}
