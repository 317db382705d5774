//! What a person sees, on a terminal of the test's own. Whole screens are kept in `snapshots/`, as plain text; with
//! `CARO_UPDATE_SNAPSHOTS=1` they are written anew, to be looked at before they are committed.

use std::{fs, path::Path};

use caro_schema::{
    body::history::Assistant,
    ipc::history::{Details, Hit, Tally},
};
use ratatui::{Terminal, backend::TestBackend, buffer::Buffer, style::Color};

use super::draw;
use crate::{
    config::{Column, Direction, Theme},
    error::Failure,
    testing::hit,
    tui::{
        message::{About, Message},
        model::Model,
        update::{
            tests::{answer, hits, model, press, type_in, with_rows},
            update,
        },
    },
};

fn buffer(model: &mut Model, columns: u16, rows: u16) -> Buffer {
    update(model, Message::Resize(columns, rows), 0);
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).expect("a terminal");
    terminal.draw(|frame| draw(model, frame)).expect("drawn");
    terminal.backend().buffer().clone()
}

fn screen(model: &mut Model, columns: u16, rows: u16) -> Vec<String> {
    let buffer = buffer(model, columns, rows);
    let row = |y| {
        let mut shown = String::new();
        let mut skip = 0;
        for x in 0..columns {
            // The second half of a wide letter holds a blank that nobody sees.
            if skip == 0 {
                let symbol = buffer[(x, y)].symbol();
                skip = unicode_width::UnicodeWidthStr::width(symbol).saturating_sub(1);
                shown.push_str(symbol);
            } else {
                skip -= 1;
            }
        }
        shown.trim_end().to_owned()
    };
    (0..rows).map(row).collect()
}

/// Compares a screen with the one that is kept under this name.
fn snapshot(name: &str, model: &mut Model, columns: u16, rows: u16) {
    let shown = screen(model, columns, rows).join("\n") + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tui/view/snapshots").join(format!("{name}.txt"));
    if std::env::var_os("CARO_UPDATE_SNAPSHOTS").is_some() {
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(&path, &shown).expect("written");
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == shown, "{name} differs from what is kept:\n{kept}\nnow it is:\n{shown}");
}

/// A history like anybody's.
fn day() -> Vec<Hit> {
    let mut rows = hits(&[
        "git commit -m 'keep unsent ops when a remote is removed'",
        "cargo nextest run -p caro-core 2>&1 | tail -n 40",
        "for host in desk laptop; do\n  ssh $host uptime\ndone",
        "docker run --rm -it -v \"$PWD\":/src debian:stable bash # try it elsewhere",
        "echo 'naïve 你好 שלום'",
        "kubectl --context prod get pods -A -o wide",
    ]);
    /// Seconds ago, status, microseconds, host, directory, runs.
    type Facts = (i64, Option<i32>, Option<u64>, &'static str, &'static [u8], u32);
    let facts: [Facts; 6] = [
        (42, Some(0), Some(120_000), "laptop", b"/here/deep", 3),
        (400, Some(101), Some(62_000_000), "laptop", b"/here", 17),
        (7_300, Some(0), Some(2_300_000), "desk", b"/home/ada/src/infra", 1),
        (90_000, Some(130), Some(5_000_000_000), "laptop", b"/home/ada/src/a/very/long/path/to/somewhere", 2),
        (800_000, Some(0), Some(3_000), "desk", b"/tmp", 1),
        (40_000_000, None, None, "build-server-7.example.org", b"/", 1),
    ];
    for (row, (age_s, exit, duration_us, host, directory, runs)) in rows.iter_mut().zip(facts) {
        row.record.start_us = 1_700_000_060_000_000 - age_s * 1_000_000;
        (row.record.exit, row.record.duration_us, row.runs) = (exit, duration_us, runs);
        row.record.host = host.to_owned();
        row.record.directory = directory.to_vec().into();
    }
    rows
}

fn with_day() -> Model {
    let mut model = with_rows(day());
    type_in(&mut model, "c");
    let rows = day().into_iter().map(|hit| Hit { matched: vec![(0, 1)], ..hit }).collect();
    answer(&mut model, rows);
    model
}

#[test]
fn screens_of_several_sizes() {
    for (columns, rows) in [(80, 24), (40, 10), (200, 50), (120, 15), (20, 5), (10, 3), (1, 1)] {
        snapshot(&format!("list-{columns}x{rows}"), &mut with_day(), columns, rows);
    }
}

#[test]
fn the_line_above_and_the_best_below_it() {
    let mut model = with_day();
    model.setup.direction = Direction::Down;
    snapshot("down-80x24", &mut model, 80, 24);
    snapshot("down-40x10", &mut model, 40, 10);
}

#[test]
fn every_column_in_the_order_that_is_configured() {
    let mut rows = day();
    rows[1].record.assistant = Some(Box::new(Assistant { model: "a-model".into(), ..Assistant::default() }));
    let mut model = with_rows(rows);
    model.setup.columns = vec![
        Column::Time,
        Column::Author,
        Column::User,
        Column::Host,
        Column::Shell,
        Column::Session,
        Column::Command,
        Column::Directory,
        Column::Runs,
        Column::Exit,
        Column::Age,
        Column::Duration,
    ];
    snapshot("columns-300x10", &mut model, 300, 10);
}

#[test]
fn marks_a_second_command_and_a_deletion() {
    let mut model = with_day();
    press(&mut model, "ctrl-space ctrl-space up");
    snapshot("marked-80x12", &mut model, 80, 12);
    press(&mut model, "alt-n end ctrl-d");
    snapshot("deleted-80x12", &mut model, 80, 12);
}

#[test]
fn only_what_is_said_of_a_deletion_offers_to_take_it_back() {
    let mut model = with_rows(hits(&["a", "b", "c"]));
    press(&mut model, "ctrl-d ctrl-d");
    let status = |model: &mut Model| screen(model, 80, 6)[5].clone();
    assert_eq!(status(&mut model), "deleted on every device  Ctrl-Z takes it back");
    press(&mut model, "ctrl-y");
    assert_eq!(status(&mut model), "copied");
}

#[test]
fn the_second_key_and_editing() {
    let mut model = with_day();
    press(&mut model, "up up alt-enter");
    snapshot("second-key-80x12", &mut model, 80, 12);
    press(&mut model, "esc alt-e");
    snapshot("editing-80x12", &mut model, 80, 12);
}

#[test]
fn the_help_of_all_keys() {
    let mut model = with_day();
    press(&mut model, "f1");
    snapshot("help-80x24", &mut model, 80, 24);
    snapshot("help-100x110", &mut model, 100, 110);
    model.setup.vim = true;
    snapshot("help-vim-100x130", &mut model, 100, 130);
}

fn about() -> About {
    let mut older = day()[1].record.clone();
    older.start_us -= 86_400_000_000;
    About { details: details(), runs: vec![day()[1].record.clone(), older] }
}

fn details() -> Details {
    let tally = |text: &str, runs| Tally { text: text.as_bytes().to_vec().into(), runs };
    let record = |command: &str| Some(hit(command).record);
    Details {
        runs: 17,
        succeeded: 12,
        failed: 4,
        first_us: 1_600_000_000_000_000,
        last_us: 1_700_000_000_000_000,
        mean_us: Some(61_000_000),
        longest_us: Some(122_000_000),
        directories: vec![tally("/home/ada/src/caro", 15), tally("/tmp", 2)],
        directories_total: 5,
        hosts: vec![tally("laptop", 16), tally("desk\x1b[31m", 1)],
        hosts_total: 2,
        followed_by: vec![tally("git add -p", 9), tally("vim src/main.rs", 3)],
        before: record("vim daemon/core/src/device/mod.rs"),
        after: record("git add -p\ngit commit"),
    }
}

#[test]
fn the_details_of_a_command() {
    let mut model = with_day();
    press(&mut model, "up ctrl-o");
    snapshot("details-waiting-80x12", &mut model, 80, 12);
    let id = model.list.chosen().expect("a row").record.id;
    update(&mut model, Message::Details(id, Ok(Box::new(about()))), 0);
    snapshot("details-80x30", &mut model, 80, 30);
    snapshot("details-30x8", &mut model, 30, 8);
}

#[test]
fn the_session_around_a_run() {
    let mut model = with_day();
    press(&mut model, "alt-c");
    let ticket = model.asked;
    update(&mut model, Message::Located { ticket, newer: Ok(2) }, 0);
    answer(&mut model, day());
    snapshot("context-80x12", &mut model, 80, 12);
}

#[test]
fn vim_shows_its_mode() {
    let mut model = with_day();
    model.setup.vim = true;
    assert!(screen(&mut model, 80, 6)[4].starts_with("> c"));
    press(&mut model, "esc");
    assert!(screen(&mut model, 80, 6)[4].starts_with(": c"));
    press(&mut model, "g");
    assert!(screen(&mut model, 80, 6)[5].starts_with("g …"));
}

#[test]
fn trap_43_nothing_foreign_reaches_the_terminal_as_an_instruction() {
    let evil = "a\x1b[2J\x1b]0;t\x07\u{9b}31m\r\u{202e}b\u{200b}\n\x1b[201~rm\u{e0041}";
    let mut record = hit(evil);
    record.record.directory = b"/tmp/\x1b[31m".to_vec().into();
    (record.record.host, record.record.user) = ("h\x1b[0m\u{200f}".into(), "u\n\x07".into());
    record.record.assistant = Some(Box::new(Assistant { model: evil.into(), ..Assistant::default() }));
    let mut model = with_rows(vec![record]);
    model.setup.columns.extend([Column::User, Column::Author]);
    for keys in ["", "ctrl-o", "esc f1", "esc alt-e"] {
        press(&mut model, keys);
        let shown = screen(&mut model, 300, 30).concat();
        let obeyed = |letter: char| letter.is_control() || crate::output::visible::is_hidden(letter);
        assert!(!shown.chars().any(obeyed), "{keys}: {}", shown.escape_debug());
    }
}

#[test]
fn text_from_right_to_left_keeps_to_its_cells() {
    // An isolate or an override inside it would move what stands around it: they are shown instead.
    let mut model = with_rows(hits(&["echo \u{2067}שלום\u{2069} ok", "echo عربي \u{202e}x"]));
    let rows = screen(&mut model, 80, 6);
    assert!(rows[3].ends_with("echo <U+2067>שלום<U+2069> ok"), "{rows:?}");
    assert!(rows[2].ends_with("echo عربي <U+202E>x"), "{rows:?}");
}

#[test]
fn a_wide_letter_is_never_cut_in_two() {
    let mut model = with_rows(hits(&["你好你好你好你好你好你好你好你好", "e\u{301}e\u{301}e\u{301} wide 你"]));
    for columns in 1..40 {
        let rows = screen(&mut model, columns, 6);
        assert!(rows.iter().all(|row| unicode_width::UnicodeWidthStr::width(row.as_str()) <= usize::from(columns)));
    }
}

#[test]
fn a_match_far_to_the_right_is_in_sight() {
    let mut far = hit(&format!("{}needle", "x".repeat(500)));
    far.matched = vec![(500, 506)];
    let rows = screen(&mut with_rows(vec![far]), 40, 5);
    assert!(rows[2].contains('…') && rows[2].ends_with("needle"), "{rows:?}");
}

#[test]
fn a_command_of_a_megabyte_costs_no_more_than_what_is_in_sight() {
    let rows: Vec<Hit> = (0..50).map(|_| hit(&"long ".repeat(200_000))).collect();
    let mut large = with_rows(rows);
    let begin = std::time::Instant::now();
    let rows = screen(&mut large, 80, 24);
    assert!(rows.iter().any(|row| row.ends_with('…')), "{rows:?}");
    // Reading each to its end takes seconds in this build.
    assert!(begin.elapsed() < std::time::Duration::from_secs(1));
}

#[test]
fn trouble_and_emptiness_say_what_to_do() {
    let mut trouble = model();
    trouble.trouble = Some(Failure::new(69, "the daemon cannot start: disk full").hint("make room"));
    let rows = screen(&mut trouble, 80, 6);
    assert_eq!(rows[2..4], ["  the daemon cannot start: disk full", "  make room"]);
    trouble.setup.direction = Direction::Down;
    assert_eq!(screen(&mut trouble, 80, 6)[1..3], ["  the daemon cannot start: disk full", "  make room"]);
    let mut nothing = with_rows(Vec::new());
    assert!(screen(&mut nothing, 80, 6).join("\n").contains("nothing matches"));
    nothing.list.of = 0;
    assert!(screen(&mut nothing, 80, 6).join("\n").contains("no history yet"));
}

#[test]
fn a_filter_that_cannot_be_understood_is_said() {
    let mut model = with_rows(hits(&["a"]));
    type_in(&mut model, "exit:maybe");
    answer(&mut model, hits(&["a"]));
    let status = screen(&mut model, 80, 6)[5].clone();
    assert!(status.contains("exit") && !status.contains("everywhere"), "{status}");
}

#[test]
fn a_long_line_is_shown_around_its_cursor() {
    let mut model = model();
    type_in(&mut model, &"abcdefghij".repeat(20));
    assert_eq!(screen(&mut model, 20, 5)[3], "> defghijabcdefghij");
    press(&mut model, "ctrl-a");
    assert!(screen(&mut model, 20, 5)[3].starts_with("> abcdefghij"));
}

#[test]
fn any_size_is_drawn() {
    for columns in [1, 2, 3, 10, 49, 50, 90, 300] {
        for rows in [1, 2, 3, 4, 5, 11, 12, 24, 60] {
            for direction in [Direction::Up, Direction::Down] {
                let mut model = with_rows((0..100).map(|number| hit(&format!("echo 宽 {number}\n\x1b"))).collect());
                model.setup.direction = direction;
                for keys in ["", "f1", "esc ctrl-o"] {
                    press(&mut model, keys);
                    assert_eq!(screen(&mut model, columns, rows).len(), usize::from(rows));
                }
            }
        }
    }
}

#[test]
fn without_colour_no_cell_has_any() {
    let mut model = with_day();
    let colours = |model: &mut Model| {
        let buffer = buffer(model, 100, 24);
        buffer.content().iter().filter(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset).count()
    };
    assert_eq!(colours(&mut model), 0);
    for name in ["dark", "light", "16"] {
        model.setup.theme = Theme::named(name).expect("built in");
        assert!(colours(&mut model) > 50, "{name}");
    }
}
