//! What a terminal sends, byte by byte, as keys, pastes, mouse and answers. No I/O and no clock.
//!
//! It is fed one byte at a time and says at once when something is complete, so that whoever reads the terminal can
//! stop after any key and leave the rest to the shell: nothing that is typed after Enter may be lost here. Bytes that
//! mean nothing are passed over; a sequence and a paste have limits.

use std::time::Duration;

use super::key::{Code, Key};

/// Something that the terminal sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// A key.
    Key(Key),
    /// Pasted text, which is never taken for keys.
    Paste(String),
    /// The mouse.
    Mouse(Mouse),
    /// Where the cursor is: column and row, from 0. Only sent when asked for.
    Cursor(u16, u16),
}

/// What the mouse did, and where: column and row, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mouse {
    pub(super) kind: MouseKind,
    pub(super) column: u16,
    pub(super) row: u16,
}

/// What the mouse did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MouseKind {
    /// The first button went down.
    Press,
    /// And up again.
    Release,
    WheelUp,
    WheelDown,
}

/// Bytes of a paste. More than any line holds.
const PASTE_BYTES_MAX: usize = 64 * 1024;

/// Bytes of one sequence. Real ones have at most twenty or so; more is noise.
const SEQUENCE_BYTES_MAX: usize = 64;

/// How long an escape waits for what may belong to it. A terminal sends a key at once, but a network may cut it in two.
const ESCAPE_WITHIN: Duration = Duration::from_millis(25);

/// How long the beginning of a sequence waits for its end: it is no key by itself, so nobody waits for it.
const SEQUENCE_WITHIN: Duration = Duration::from_millis(250);

/// What a terminal sends behind a paste.
pub(super) const PASTE_END: &[u8] = b"\x1b[201~";

/// Puts bytes together.
#[derive(Default)]
pub(super) struct Decoder {
    bytes: Vec<u8>,
    paste: Option<Vec<u8>>,
}

impl Decoder {
    /// Takes a byte, and says what is complete with it.
    pub(super) fn push(&mut self, byte: u8) -> Option<Input> {
        if let Some(paste) = &mut self.paste {
            paste.push(byte);
            if paste.ends_with(PASTE_END) {
                let end = paste.len() - PASTE_END.len();
                let text = String::from_utf8_lossy(&paste[..end.min(PASTE_BYTES_MAX)]).into_owned();
                self.paste = None;
                return Some(Input::Paste(text));
            }
            // Past the limit only the end is looked for.
            if paste.len() > PASTE_BYTES_MAX + 2 * PASTE_END.len() {
                paste.drain(PASTE_BYTES_MAX..PASTE_BYTES_MAX + PASTE_END.len());
            }
            return None;
        }
        self.bytes.push(byte);
        match read(&self.bytes) {
            Read::More if self.bytes.len() < SEQUENCE_BYTES_MAX => None,
            Read::Input(input) => {
                self.bytes.clear();
                Some(input)
            }
            Read::PasteBegins => {
                self.bytes.clear();
                self.paste = Some(Vec::new());
                None
            }
            Read::More | Read::Nothing => {
                self.bytes.clear();
                None
            }
        }
    }

    /// Within a paste, how many bytes of it are still to come at least. So many can be read at once: none of them is
    /// anybody else's.
    pub(super) fn paste_lacks(&self) -> Option<usize> {
        self.paste.as_deref().map(end_lacks)
    }

    /// How long to wait for bytes that may belong to what came; none when it is complete, or when nothing but its end can
    /// follow.
    pub(super) fn patience(&self) -> Option<Duration> {
        match self.bytes.as_slice() {
            [0x1b] | [0x1b, 0x1b] => Some(ESCAPE_WITHIN),
            [0x1b, ..] => Some(SEQUENCE_WITHIN),
            _ => None,
        }
    }

    /// No more bytes came in time: what stands there is all. A lone escape is the key.
    pub(super) fn give_up(&mut self) -> Option<Input> {
        let bytes = std::mem::take(&mut self.bytes);
        match bytes.as_slice() {
            [0x1b] => Some(Input::Key(Key::plain(Code::Esc))),
            [0x1b, 0x1b] => Some(Input::Key(Key { alt: true, ..Key::plain(Code::Esc) })),
            [0x1b, byte @ (b'[' | b'O')] => {
                Some(Input::Key(Key { alt: true, ..Key::plain(Code::Char(char::from(*byte))) }))
            }
            _ => None,
        }
    }
}

/// How many bytes the end of a paste still lacks behind these.
pub(super) fn end_lacks(bytes: &[u8]) -> usize {
    let begun = (0..=PASTE_END.len()).rev().find(|begun| bytes.ends_with(&PASTE_END[..*begun]));
    PASTE_END.len() - begun.unwrap_or(0)
}

enum Read {
    More,
    Input(Input),
    PasteBegins,
    Nothing,
}

fn key(code: Code) -> Read {
    Read::Input(Input::Key(Key::plain(code)))
}

fn read(bytes: &[u8]) -> Read {
    match bytes {
        [] | [0x1b] | [0x1b, b'[' | b'O'] | [0x1b, 0x1b] => Read::More,
        [0x1b, b'[', rest @ ..] => control_sequence(rest),
        [0x1b, b'O', last] => function(*last).map_or(Read::Nothing, key),
        [0x1b, rest @ ..] => match read(rest) {
            // Alt sends escape in front of the key.
            Read::Input(Input::Key(key)) => Read::Input(Input::Key(Key { alt: true, ..key })),
            other => other,
        },
        [byte] if *byte < 0x20 || *byte == 0x7f => control(*byte),
        letter => match std::str::from_utf8(letter) {
            Ok(text) => text.chars().next().map_or(Read::Nothing, |letter| key(Code::Char(letter))),
            // The first bytes of a letter: the rest is on its way.
            Err(error) if error.error_len().is_none() => Read::More,
            Err(_) => Read::Nothing,
        },
    }
}

fn control(byte: u8) -> Read {
    let letter = match byte {
        b'\r' => return key(Code::Enter),
        b'\t' => return key(Code::Tab),
        0x7f => return key(Code::Backspace),
        0 => ' ',
        1..=26 => char::from(byte - 1 + b'a'),
        _ => char::from(byte + b'@').to_ascii_lowercase(),
    };
    Read::Input(Input::Key(Key::ctrl(letter)))
}

/// The key that ends a sequence with a letter.
fn function(last: u8) -> Option<Code> {
    Some(match last {
        b'A' => Code::Up,
        b'B' => Code::Down,
        b'C' => Code::Right,
        b'D' => Code::Left,
        b'F' => Code::End,
        b'H' => Code::Home,
        b'M' => Code::Enter,
        b'P'..=b'S' => Code::F(last - b'P' + 1),
        _ => return None,
    })
}

/// The key that ends a sequence with a number and a tilde.
fn numbered(number: u16) -> Option<Code> {
    Some(match number {
        1 | 7 => Code::Home,
        2 => Code::Insert,
        3 => Code::Delete,
        4 | 8 => Code::End,
        5 => Code::PageUp,
        6 => Code::PageDown,
        // The numbers have gaps where old terminals had other keys.
        11..=15 => Code::F(u8::try_from(number - 10).ok()?),
        17..=21 => Code::F(u8::try_from(number - 11).ok()?),
        23 | 24 => Code::F(u8::try_from(number - 12).ok()?),
        _ => return None,
    })
}

/// What follows escape and a bracket.
fn control_sequence(rest: &[u8]) -> Read {
    // The old Linux console writes its first function keys with a second bracket.
    if let [b'[', after @ ..] = rest {
        return match after {
            [] => Read::More,
            [last @ b'A'..=b'E'] => key(Code::F(last - b'A' + 1)),
            _ => Read::Nothing,
        };
    }
    let Some((last, parameters)) = rest.split_last() else { return Read::More };
    match last {
        b'0'..=b'?' | b' '..=b'/' => Read::More,
        b'@'..=b'~' => complete(parameters, *last),
        _ => Read::Nothing,
    }
}

fn complete(parameters: &[u8], last: u8) -> Read {
    if let Some(mouse) = parameters.strip_prefix(b"<") {
        return mouse_event(&numbers(mouse), last);
    }
    let numbers = numbers(parameters);
    let first = numbers.first().copied().unwrap_or(0);
    let held = numbers.get(1).copied().unwrap_or(1);
    let code = match last {
        b'~' if first == 200 => return Read::PasteBegins,
        b'~' => numbered(first),
        b'R' if numbers.len() == 2 => {
            return Read::Input(Input::Cursor(held.saturating_sub(1), first.saturating_sub(1)));
        }
        b'Z' => return Read::Input(Input::Key(Key { shift: true, ..Key::plain(Code::Tab) })),
        b'u' => char::from_u32(u32::from(first)).and_then(from_number),
        other => function(other),
    };
    match code {
        Some(code) => Read::Input(Input::Key(with_held(code, held))),
        None => Read::Nothing,
    }
}

/// A key by its number, as terminals send it that tell more keys apart.
fn from_number(letter: char) -> Option<Code> {
    Some(match letter {
        '\r' => Code::Enter,
        '\t' => Code::Tab,
        '\u{1b}' => Code::Esc,
        '\u{7f}' | '\u{8}' => Code::Backspace,
        letter if letter.is_control() => return None,
        letter => Code::Char(letter),
    })
}

/// One more than the sum of shift 1, alt 2 and control 4.
fn with_held(code: Code, held: u16) -> Key {
    let bits = held.saturating_sub(1);
    let is_letter = matches!(code, Code::Char(_));
    Key { code, shift: bits & 1 != 0 && !is_letter, alt: bits & 2 != 0, ctrl: bits & 4 != 0 }
}

fn mouse_event(numbers: &[u16], last: u8) -> Read {
    let [button, column, row] = numbers else { return Read::Nothing };
    // Shift, alt and control, added as 4, 8 and 16, make no difference here.
    let kind = match (button & !0b1_1100, last) {
        (0, b'M') => MouseKind::Press,
        (0, b'm') => MouseKind::Release,
        (64, b'M') => MouseKind::WheelUp,
        (65, b'M') => MouseKind::WheelDown,
        _ => return Read::Nothing,
    };
    Read::Input(Input::Mouse(Mouse { kind, column: column.saturating_sub(1), row: row.saturating_sub(1) }))
}

/// Numbers between semicolons. What follows a colon refines a number and is passed over.
fn numbers(bytes: &[u8]) -> Vec<u16> {
    let number = |part: &[u8]| {
        let digits: Vec<u8> = part.iter().copied().take_while(u8::is_ascii_digit).collect();
        std::str::from_utf8(&digits).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
    };
    bytes.split(|byte| *byte == b';').map(number).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn inputs(bytes: &[u8]) -> Vec<Input> {
        let mut decoder = Decoder::default();
        let mut inputs: Vec<Input> = bytes.iter().filter_map(|byte| decoder.push(*byte)).collect();
        inputs.extend(decoder.give_up());
        inputs
    }

    fn keys(bytes: &[u8]) -> String {
        let names = inputs(bytes).into_iter().map(|input| match input {
            Input::Key(key) => key.to_string(),
            other => format!("{other:?}"),
        });
        names.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn keys_are_told_by_what_terminals_send_for_them() {
        for (bytes, expected) in [
            ("aé你\u{1f600}", "a é 你 \u{1f600}"),
            ("\r\n\t\x7f\x08", "enter ctrl-j tab backspace ctrl-h"),
            ("\0\x01\x1a\x1c\x1f", "ctrl-space ctrl-a ctrl-z ctrl-\\ ctrl-_"),
            ("\x1b[A\x1bOB\x1b[1;5C\x1b[1;3D", "up down ctrl-right alt-left"),
            ("\x1b[H\x1b[4~\x1b[5~\x1b[6~\x1b[3~\x1b[2~", "home end page-up page-down delete insert"),
            ("\x1bOP\x1b[15~\x1b[17~\x1b[24~\x1b[[A", "f1 f5 f6 f12 f1"),
            ("\x1bx\x1b\r\x1b\x7f\x1b.", "alt-x alt-enter alt-backspace alt-."),
            ("\x1b[Z\x1b[13;5u\x1b[97;5u", "shift-tab ctrl-enter ctrl-a"),
            ("\x1b", "esc"),
            ("\x1b\x1b[A", "alt-up"),
            ("a\x1b", "a esc"),
            ("\x1b[?1;2c\x1b]x", "alt-] x"),
        ] {
            assert_eq!(keys(bytes.as_bytes()), expected, "{bytes:?}");
        }
        assert_eq!(keys(b"\xffa\xc3(b"), "a b", "what is no letter is passed over");
    }

    #[test]
    fn a_paste_is_text_whatever_it_holds() {
        assert_eq!(
            inputs(b"\x1b[200~rm\r\x1b[A\x1b[201~x"),
            [Input::Paste("rm\r\x1b[A".into()), Input::Key(Key::plain(Code::Char('x'))),]
        );
        let long = [b"\x1b[200~".to_vec(), vec![b'a'; 3 * PASTE_BYTES_MAX], PASTE_END.to_vec(), b"z".to_vec()].concat();
        let Input::Paste(text) = &inputs(&long)[0] else { panic!("no paste") };
        assert_eq!(text.len(), PASTE_BYTES_MAX);
        assert_eq!(inputs(&long).len(), 2);
    }

    #[test]
    fn the_mouse_and_the_cursor_tell_where_they_are() {
        let mouse = |kind, column, row| Input::Mouse(Mouse { kind, column, row });
        assert_eq!(
            inputs(b"\x1b[<0;3;5M\x1b[<0;3;5m\x1b[<64;1;1M\x1b[<69;2;2M"),
            [
                mouse(MouseKind::Press, 2, 4),
                mouse(MouseKind::Release, 2, 4),
                mouse(MouseKind::WheelUp, 0, 0),
                mouse(MouseKind::WheelDown, 1, 1),
            ]
        );
        assert_eq!(inputs(b"\x1b[12;7R"), [Input::Cursor(6, 11)]);
    }

    #[test]
    fn a_key_is_complete_with_its_last_byte() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.push(0x1b), None);
        assert_eq!(decoder.patience(), Some(ESCAPE_WITHIN));
        assert_eq!(decoder.push(b'['), None);
        assert_eq!(decoder.push(b'A'), Some(Input::Key(Key::plain(Code::Up))));
        assert_eq!(decoder.patience(), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived_and_never_pile_up(bytes: Vec<u8>) {
            let mut decoder = Decoder::default();
            for byte in bytes {
                decoder.push(byte);
                prop_assert!(decoder.bytes.len() < SEQUENCE_BYTES_MAX);
            }
        }
    }
}
