//! What a person sees, on a terminal of the test's own.

use ratatui::{Terminal, backend::TestBackend};

use super::draw;
use crate::{
    config::Scope,
    error::Failure,
    testing::hit,
    tui::{
        model::Model,
        update::tests::{model, with_rows},
    },
};

fn screen(model: &mut Model, columns: u16, rows: u16) -> Vec<String> {
    model.size = (columns, rows);
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).expect("a terminal");
    terminal.draw(|frame| draw(model, frame)).expect("drawn");
    let buffer = terminal.backend().buffer();
    let row = |y| (0..columns).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
    (0..rows).map(row).collect()
}

#[test]
fn the_best_is_nearest_to_the_line() {
    let mut first = hit("cargo test");
    (first.record.exit, first.record.duration_us) = (Some(101), Some(2_300_000));
    let mut second = hit("cargo build");
    (second.record.exit, second.record.duration_us) = (Some(0), Some(61_000_000));
    let mut model = with_rows(vec![first, second]);
    model.line.insert("cargo");
    assert_eq!(
        screen(&mut model, 80, 6),
        [
            "",
            "",
            "        1m01   1m  cargo build",
            "▌  101  2.3s   1m  cargo test",
            "> cargo",
            "2 of 1000  everywhere  fuzzy  |  Enter take  Ctrl-R where  Ctrl-T how  Ctrl-D de",
        ]
    );
}

#[test]
fn a_preview_shows_all_lines_and_everything_that_is_known() {
    let mut long = hit("for i in 1 2\ndo\n  echo $i\ndone");
    (long.record.exit, long.runs) = (Some(0), 3);
    let shown = screen(&mut with_rows(vec![long]), 100, 24).join("\n");
    assert!(shown.contains("for i in 1 2⏎do⏎  echo $i⏎done"), "{shown}");
    assert!(shown.contains("for i in 1 2\ndo\n  echo $i\ndone\n"), "{shown}");
    assert!(shown.contains("status 0  ada@laptop  /tmp  3 runs"), "{shown}");
}

#[test]
fn trap_43_nothing_foreign_reaches_the_terminal_as_an_instruction() {
    let evil = "a\x1b[2J\x1b]0;t\x07\u{9b}31m\r\u{202e}b\u{200b}\n\x1b[201~rm\u{e0041}";
    let mut record = hit(evil);
    record.record.directory = b"/tmp/\x1b[31m".to_vec().into();
    record.record.host = "h\x1bc".into();
    record.record.user = "u\u{202e}".into();
    let shown = screen(&mut with_rows(vec![record]), 120, 24).join("");
    assert!(!shown.chars().any(|letter| letter.is_control() || crate::output::visible::is_hidden(letter)), "{shown:?}");
    assert!(shown.contains("a^[[2J^[]0;t^G<U+009B>31m^M<U+202E>b<U+200B>⏎"), "{shown}");
}

#[test]
fn wide_letters_and_accents_keep_the_columns() {
    let mut shown = with_rows(vec![hit("echo 你好 e\u{301} end"), hit(&"宽".repeat(100))]);
    let rows = screen(&mut shown, 60, 5);
    assert!(rows[2].contains("echo 你 好  e\u{301} end"), "{rows:?}");
    assert!(rows[1].ends_with('…'), "{rows:?}");
}

#[test]
fn a_match_far_to_the_right_is_brought_into_sight() {
    let mut far = hit(&format!("{}needle{}", "x".repeat(500), "y".repeat(500)));
    far.matched = vec![(500, 506)];
    let rows = screen(&mut with_rows(vec![far]), 60, 4);
    assert!(rows[1].contains("…xxxxxxxxxxneedleyy"), "{rows:?}");
}

#[test]
fn a_large_command_is_drawn_without_being_read_to_its_end() {
    let mut large = with_rows(vec![hit(&"x".repeat(4_000_000)); 20]);
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
    let shown = screen(&mut trouble, 80, 6).join("\n");
    assert!(shown.contains("the daemon cannot start: disk full") && shown.contains("make room"), "{shown}");
    let mut nothing = with_rows(Vec::new());
    assert!(screen(&mut nothing, 80, 6).join("\n").contains("nothing matches"));
    nothing.of = 0;
    assert!(screen(&mut nothing, 80, 6).join("\n").contains("no history yet"));
}

#[test]
fn a_question_stands_where_the_keys_stood() {
    let mut model = with_rows(vec![hit("x")]);
    model.deleting = model.chosen().cloned();
    assert!(screen(&mut model, 100, 6)[5].starts_with("delete this command on every device"));
    model.deleting = None;
    model.scope = Scope::Directory;
    assert!(screen(&mut model, 100, 6)[5].contains("this directory"));
}

#[test]
fn a_long_line_is_shown_around_its_cursor() {
    let mut model = model();
    model.line.insert(&"abcdefghij".repeat(20));
    let rows = screen(&mut model, 20, 5);
    assert_eq!(rows[3], "> defghijabcdefghij");
    model.line.start();
    assert!(screen(&mut model, 20, 5)[3].starts_with("> abcdefghij"));
}

#[test]
fn any_size_is_drawn() {
    for columns in [1, 2, 3, 10, 49, 50, 90, 300] {
        for rows in [1, 2, 3, 4, 5, 11, 12, 24, 60] {
            let mut model = with_rows((0..100).map(|number| hit(&format!("echo 宽 {number}\n\x1b"))).collect());
            assert_eq!(screen(&mut model, columns, rows).len(), usize::from(rows));
        }
    }
}
