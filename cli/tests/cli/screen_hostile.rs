//! The 300 hostile strings through the screen and the lists, on a terminal that is read by an emulator: its state is
//! afterwards as before, it was asked for nothing, and nothing was obeyed. The daemon is a thread of the test, so that
//! every string is there byte for byte, in every place where foreign text is shown.

use std::num::NonZero;

use caro_schema::{
    body::history::{Assistant, Record},
    id::RecordId,
    ipc::{
        Reply, Request,
        history::{Details, Hit, Hits, Tally},
    },
};

use crate::{corpus, fake::Fake, support::CARO, terminal::Terminal};

const SIZE: (u16, u16) = (120, 40);

/// Each string as a command, a directory, a host, a user, a shell, a session and what an assistant said.
fn rows() -> Vec<Hit> {
    let strings = corpus::strings();
    let count = strings.len();
    let row = |(number, hostile): (usize, corpus::Hostile)| {
        let bytes = hostile.bytes;
        // Names of hosts and users are short, in the worst of cases as well.
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned();
        let mut id = [0; 16];
        id[..8].copy_from_slice(&(number as u64).to_be_bytes());
        let record = Record {
            id: RecordId(id),
            command: bytes.clone().into(),
            directory: bytes[..bytes.len().min(4096)].to_vec().into(),
            host: text.clone(),
            user: text.clone(),
            shell: text.clone(),
            session: text.clone(),
            start_us: 1_700_000_000_000_000 + number as i64,
            duration_us: Some(1000),
            exit: Some(0),
            assistant: Some(Box::new(Assistant {
                prompt: text.clone(),
                explanation: text.clone(),
                model: text,
                ..Assistant::default()
            })),
        };
        Hit { record, runs: 2, matched: vec![(0, u32::try_from(bytes.len() / 2).unwrap_or(u32::MAX))] }
    };
    let rows: Vec<Hit> = strings.into_iter().enumerate().map(row).collect();
    assert_eq!(rows.len(), count);
    rows
}

/// A daemon with nothing but hostile history.
fn daemon() -> Fake {
    let rows = rows();
    Fake::new(move |request| match request {
        Request::Search { window, .. } => {
            let from = usize::try_from(window.offset).expect("few").min(rows.len());
            let to = (from + window.limit as usize).min(rows.len());
            let total = rows.len() as u64;
            Ok(Reply::Hits(Hits { total, of: total, rows: rows[from..to].to_vec(), complete: true }))
        }
        Request::Details { id } => {
            let row = rows.iter().find(|row| row.record.id == *id).expect("one of ours");
            let tally = || vec![Tally { text: row.record.command.clone(), runs: 1 }];
            Ok(Reply::Details(Box::new(Details {
                runs: 2,
                directories: tally(),
                directories_total: 1,
                hosts: tally(),
                hosts_total: 1,
                followed_by: tally(),
                before: Some(row.record.clone()),
                after: Some(row.record.clone()),
                ..Details::default()
            })))
        }
        _ => Ok(Reply::Done),
    })
}

/// What an emulator was asked for beside showing text.
#[derive(Default)]
struct Asked(Vec<String>);

impl Asked {
    fn add(&mut self, what: impl Into<String>) {
        self.0.push(what.into());
    }
}

impl vt100::Callbacks for Asked {
    fn audible_bell(&mut self, _: &mut vt100::Screen) {
        self.add("bell");
    }

    fn visual_bell(&mut self, _: &mut vt100::Screen) {
        self.add("flash");
    }

    fn resize(&mut self, _: &mut vt100::Screen, _: (u16, u16)) {
        self.add("another size");
    }

    fn set_window_icon_name(&mut self, _: &mut vt100::Screen, _: &[u8]) {
        self.add("icon");
    }

    fn set_window_title(&mut self, _: &mut vt100::Screen, _: &[u8]) {
        self.add("title");
    }

    fn copy_to_clipboard(&mut self, _: &mut vt100::Screen, _: &[u8], _: &[u8]) {
        self.add("copy");
    }

    fn paste_from_clipboard(&mut self, _: &mut vt100::Screen, _: &[u8]) {
        self.add("paste");
    }

    fn unhandled_control(&mut self, _: &mut vt100::Screen, byte: u8) {
        self.add(format!("control {byte:02x}"));
    }

    fn unhandled_escape(&mut self, _: &mut vt100::Screen, _: Option<u8>, _: Option<u8>, byte: u8) {
        self.add(format!("escape {byte:02x}"));
    }

    fn unhandled_csi(
        &mut self,
        _: &mut vt100::Screen,
        _: Option<u8>,
        _: Option<u8>,
        parameters: &[&[u16]],
        last: char,
    ) {
        self.add(format!("sequence {parameters:?} {last}"));
    }

    fn unhandled_osc(&mut self, _: &mut vt100::Screen, _: &[&[u8]]) {
        self.add("command of the system");
    }
}

/// Reads everything that was written, as a terminal does.
fn replayed(bytes: &[u8]) -> vt100::Parser<Asked> {
    let some = |number| NonZero::new(number).expect("not zero");
    let mut parser = vt100::Parser::new_with_callbacks(some(SIZE.1), some(SIZE.0), 0, Asked::default());
    parser.process(bytes);
    parser
}

/// What would be obeyed beside escapes, or be seen by nobody.
fn smuggled(text: &str) -> Vec<char> {
    let hidden = ['\u{200b}'..='\u{200f}', '\u{2028}'..='\u{202e}', '\u{2060}'..='\u{206f}', '\u{e0000}'..='\u{e0fff}'];
    let is_smuggled = |letter: &char| {
        let is_own = ['\x1b', '\r', '\n'].contains(letter);
        letter.is_control() && !is_own || *letter == '\u{feff}' || hidden.iter().any(|range| range.contains(letter))
    };
    text.chars().filter(is_smuggled).collect()
}

#[test]
fn trap_43_three_hundred_hostile_strings_change_nothing_about_the_terminal() {
    let fake = daemon();
    let count = rows().len();
    let mut terminal = Terminal::run(&fake.home, &[CARO, "history"], SIZE);
    terminal.wait_for(&format!("{count} commands"));
    for number in 1..count {
        // Each is chosen, and so in the preview; its details are opened and closed again.
        terminal.press("\x1b[A\x0f\x0f");
        if number % 25 == 0 {
            terminal.wait_for(&format!("{count} commands"));
        }
    }
    terminal.press("\x1b[F\x0f");
    terminal.wait_for("2 runs");
    terminal.press("\x0f\x1b");
    assert_eq!(terminal.end(), 130);
    let bytes = terminal.bytes();
    let parser = replayed(&bytes);
    // Its own wishes: no reordering while it is there, and as before afterwards. What underlines are coloured like is set
    // back with each style, which this emulator does not know.
    let asked: Vec<&String> = parser.callbacks().0.iter().filter(|what| *what != "sequence [[59]] m").collect();
    assert_eq!(asked, ["sequence [[8]] l", "sequence [[8]] h"]);
    let screen = parser.screen();
    assert_eq!(screen.contents(), "");
    assert_eq!(screen.cursor_position(), (0, 0));
    assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
    let modes = [
        screen.alternate_screen(),
        screen.bracketed_paste(),
        screen.hide_cursor(),
        screen.application_keypad(),
        screen.application_cursor(),
    ];
    assert_eq!(modes, [false; 5]);
    let text = String::from_utf8(bytes).expect("everything written is text");
    assert_eq!(smuggled(&text), Vec::<char>::new());
}

#[test]
fn trap_43_three_hundred_hostile_strings_in_the_lists() {
    let fake = daemon();
    for arguments in [&["history", "list"][..], &["search", "x", "-n", "1000"], &["history", "list", "-c"]] {
        let words: Vec<&str> = [CARO].iter().chain(arguments).copied().collect();
        let mut terminal = Terminal::run(&fake.home, &words, SIZE);
        assert_eq!(terminal.end(), 0, "{arguments:?}");
        let bytes = terminal.bytes();
        let parser = replayed(&bytes);
        assert_eq!(parser.callbacks().0, Vec::<String>::new(), "{arguments:?}");
        assert!(!parser.screen().alternate_screen() && !parser.screen().hide_cursor());
        let text = String::from_utf8(bytes).expect("everything written is text");
        assert!(text.len() > 10_000, "{arguments:?}");
        assert_eq!(smuggled(&text), Vec::<char>::new(), "{arguments:?}");
    }
}
