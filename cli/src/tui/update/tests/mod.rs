//! Keys in, model and effects out.

use caro_schema::ipc::history::{Details, ExitFilter, Hit, Hits, Mode, Order, Place};
use jiff::{Timestamp, tz::TimeZone};

mod cut;
mod deleting;
mod following;
mod keys;
mod seeing;
mod taking;

use super::*;
use crate::{
    config::{Column, Direction, Join, Theme},
    query::Parsed,
    testing::hit,
    tui::{
        danger::Danger,
        effect::{Chosen, Search},
        input::{Mouse, MouseKind},
        key::{Code, Key},
        keymap::{Binding, Keymap},
        line::Line,
        list::List,
        message::About,
        model::Setup,
        narrow::Narrow,
    },
};

pub(in crate::tui) fn setup() -> Setup {
    Setup {
        place: Place {
            directory: b"/here/deep".to_vec().into(),
            host: "laptop".into(),
            session: "s1".into(),
            now_us: 1_700_000_060_000_000,
        },
        repository: Some(b"/here".to_vec()),
        home: b"/home/ada".to_vec(),
        now: Timestamp::from_second(1_700_000_060).expect("a moment").to_zoned(TimeZone::UTC),
        keymap: Keymap::new(Vec::new()),
        theme: Theme::plain(),
        columns: vec![Column::Exit, Column::Duration, Column::Age, Column::Host, Column::Directory],
        direction: Direction::Up,
        enter_runs: false,
        for_prompt: true,
        by_up_key: false,
        vim: false,
        inline: false,
        join: Join::Newline,
    }
}

pub(in crate::tui) fn model() -> Model {
    Model {
        setup: setup(),
        line: Line::default(),
        parsed: Parsed::default(),
        mode: Mode::Fuzzy,
        narrow: Narrow::default(),
        size: (80, 10),
        list: List::default(),
        other_hosts: false,
        asked: 0,
        answered: 0,
        question: 0,
        trouble: None,
        notice: String::new(),
        pane: None,
        context: None,
        marks: Vec::new(),
        deletions: Vec::new(),
        deleted: 0,
        confirm: None,
        editing: None,
        vim_normal: false,
        keys: Vec::new(),
        held: None,
        preview: true,
        preview_top: 0,
        clicked: None,
    }
}

/// The window of a first question.
const FIRST: Window = Window { offset: 0, limit: 24 };

/// Answers the newest question with these rows.
pub(in crate::tui) fn answer(model: &mut Model, rows: Vec<Hit>) -> Vec<Effect> {
    let hits = Hits { total: rows.len() as u64, of: 1000, rows, complete: true };
    let ticket = model.asked;
    update(model, Message::Found { ticket, window: FIRST, found: Ok(hits) }, 0)
}

pub(in crate::tui) fn with_rows(rows: Vec<Hit>) -> Model {
    let mut model = model();
    model.question = model.search().ticket;
    assert!(answer(&mut model, rows).is_empty());
    model
}

/// Different records of these commands.
pub(in crate::tui) fn hits(commands: &[&str]) -> Vec<Hit> {
    let one = |(number, command): (usize, &&str)| {
        let mut hit = hit(command);
        hit.record.id.0[0] = u8::try_from(number).expect("few");
        hit
    };
    commands.iter().enumerate().map(one).collect()
}

/// Presses keys, written as in the configuration.
pub(in crate::tui) fn press(model: &mut Model, keys: &str) -> Vec<Effect> {
    press_at(model, keys, 0)
}

fn press_at(model: &mut Model, keys: &str, now_ms: u64) -> Vec<Effect> {
    let key = |name: &str| Key::parse(name).unwrap_or_else(|| panic!("{name} is no key"));
    keys.split_whitespace().flat_map(|name| update(model, Message::Key(key(name)), now_ms)).collect()
}

/// Types letters.
pub(in crate::tui) fn type_in(model: &mut Model, text: &str) -> Vec<Effect> {
    let key = |letter| Message::Key(Key::plain(Code::Char(letter)));
    text.chars().flat_map(|letter| update(model, key(letter), 0)).collect()
}

fn searches(effects: &[Effect]) -> Vec<&Search> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Search(search) => Some(search),
            _ => None,
        })
        .collect()
}

fn left_with(effects: &[Effect]) -> Option<Option<Chosen>> {
    effects.iter().find_map(|effect| match effect {
        Effect::Leave(chosen) => Some(chosen.clone()),
        _ => None,
    })
}

fn chosen(command: &[u8], run: bool) -> Option<Option<Chosen>> {
    Some(Some(Chosen { command: command.to_vec(), run }))
}

fn selected(model: &Model) -> String {
    model.list.chosen().map(|hit| String::from_utf8_lossy(&hit.record.command).into_owned()).unwrap_or_default()
}

/// A press of the first button in this row.
fn click(row: u16) -> Mouse {
    Mouse { kind: MouseKind::Press, column: 3, row }
}

/// Its release there.
fn release(row: u16) -> Mouse {
    Mouse { kind: MouseKind::Release, ..click(row) }
}

fn deletes(effects: &[Effect]) -> Vec<(usize, bool)> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Delete(delete) => Some((delete.hits.len(), delete.all_runs)),
            _ => None,
        })
        .collect()
}

#[test]
fn each_letter_asks_and_the_newest_answer_wins() {
    let mut model = model();
    let effects = type_in(&mut model, "ls");
    let asked = searches(&effects);
    assert_eq!(asked.iter().map(|search| search.query.text.as_str()).collect::<Vec<_>>(), ["l", "ls"]);
    let (first, second) = (asked[0].ticket, asked[1].ticket);
    let found = |command: &str| Ok(Hits { total: 1, of: 9, rows: vec![hit(command)], complete: true });
    update(&mut model, Message::Found { ticket: second, window: FIRST, found: found("newer") }, 0);
    update(&mut model, Message::Found { ticket: first, window: FIRST, found: found("older") }, 0);
    assert_eq!(selected(&model), "newer");
}

#[test]
fn without_words_the_newest_comes_first_and_with_words_the_best() {
    let mut model = model();
    assert_eq!(model.query().order, Order::Newest);
    type_in(&mut model, "x");
    assert_eq!(model.query().order, Order::Rank);
    press(&mut model, "ctrl-u");
    type_in(&mut model, "exit:1 ");
    assert_eq!((model.query().order, model.query().filter.exit), (Order::Newest, Some(ExitFilter::Is(1))));
}

#[test]
fn choosing_moves_within_what_there_is() {
    let mut model = with_rows(hits(&["0", "1", "2", "3", "4"]));
    let go = |model: &mut Model, key| {
        press(model, key);
        model.list.chosen
    };
    for (key, expected) in [
        ("down", 0),
        ("up", 1),
        ("ctrl-p", 2),
        ("page-up", 4),
        ("up", 4),
        ("home", 0),
        ("end", 4),
        ("ctrl-n", 3),
        ("page-down", 0),
    ] {
        assert_eq!(go(&mut model, key), expected, "{key}");
    }
}

#[test]
fn with_the_line_above_the_keys_go_where_the_rows_are() {
    let mut model = with_rows(hits(&["0", "1", "2"]));
    model.setup.direction = Direction::Down;
    press(&mut model, "down down");
    assert_eq!(selected(&model), "2");
    press(&mut model, "up");
    assert_eq!(selected(&model), "1");
}

#[test]
fn rows_that_come_into_sight_are_asked_for_once() {
    let mut model = model();
    let ticket = model.search().ticket;
    let rows: Vec<Hit> = (0..8).map(|number| hit(&number.to_string())).collect();
    let hits = Hits { total: 1_000_000, of: 1_000_000, rows, complete: true };
    assert!(update(&mut model, Message::Found { ticket, window: FIRST, found: Ok(hits) }, 0).is_empty());
    let effects = press(&mut model, "end");
    let asked = searches(&effects);
    assert_eq!(asked.len(), 1);
    let window = asked[0].window;
    assert!(window.offset <= 999_992 && window.offset + u64::from(window.limit) >= 1_000_000, "{window:?}");
    assert!(press(&mut model, "up").is_empty(), "an answer is on its way");
}

#[test]
fn down_on_the_newest_goes_back_to_the_prompt_only_for_the_up_key() {
    let mut model = with_rows(hits(&["a", "b"]));
    assert_eq!(left_with(&press(&mut model, "down")), None);
    model.setup.by_up_key = true;
    assert_eq!(left_with(&press(&mut model, "up down")), None);
    assert_eq!(left_with(&press(&mut model, "down")), Some(None));
}

#[test]
fn where_and_how_are_changed_by_keys_and_asked_anew() {
    let mut model = model();
    let check = |model: &mut Model, key: &str, words: &[&str]| {
        assert_eq!(searches(&press(model, key)).len(), 1, "{key}");
        assert_eq!(model.narrow.words(), words, "{key}");
    };
    check(&mut model, "ctrl-r", &["this host"]);
    check(&mut model, "ctrl-r", &["this repository"]);
    check(&mut model, "alt-h", &["this host", "this repository"]);
    check(&mut model, "alt-.", &["this host", "this directory"]);
    check(&mut model, "alt-/", &["this host", "here and below"]);
    check(&mut model, "alt-r", &["this host", "this repository"]);
    check(&mut model, "alt-s", &["this host", "this session", "this repository"]);
    check(&mut model, "alt-x", &["this host", "this session", "this repository", "failed"]);
    check(&mut model, "alt-a", &["this host", "this session", "this repository", "failed", "typed by you"]);
    let filter = model.query().filter;
    assert_eq!(filter.host.as_deref(), Some("laptop"));
    assert_eq!(filter.repository.as_deref().map(|top| top.as_slice()), Some(&b"/here"[..]));
    check(&mut model, "alt-0", &["everywhere"]);
    let modes: Vec<Mode> = std::iter::repeat_with(|| {
        assert_eq!(searches(&press(&mut model, "ctrl-t")).len(), 1);
        model.mode
    })
    .take(4)
    .collect();
    assert_eq!(modes, [Mode::Substring, Mode::Prefix, Mode::Regex, Mode::Fuzzy]);
}

#[test]
fn what_is_not_here_is_said_and_not_asked() {
    let mut model = model();
    model.setup.place.session.clear();
    model.setup.repository = None;
    assert!(press(&mut model, "alt-s").is_empty() && model.notice.contains("no session"));
    assert!(press(&mut model, "alt-r").is_empty() && model.notice.contains("no repository"));
}

#[test]
fn a_filter_that_is_typed_takes_the_place_of_a_chosen_one() {
    let mut model = model();
    press(&mut model, "alt-h");
    type_in(&mut model, "host:desk ls");
    let query = model.query();
    assert_eq!((query.filter.host.as_deref(), query.text.trim()), (Some("desk"), "ls"));
}

#[test]
fn an_absent_daemon_is_said_and_typing_goes_on() {
    let mut model = model();
    let ticket = model.search().ticket;
    let failure = Failure::new(69, "no daemon").hint("start it");
    update(&mut model, Message::Found { ticket, window: FIRST, found: Err(failure.clone()) }, 0);
    assert_eq!(model.trouble, Some(failure));
    assert_eq!(searches(&type_in(&mut model, "a")).len(), 1);
}

#[test]
fn while_the_daemon_reads_its_history_it_is_asked_again_in_quiet_moments() {
    let mut model = with_rows(vec![hit("a")]);
    assert!(update(&mut model, Message::Quiet, 0).is_empty());
    model.list.complete = false;
    assert_eq!(searches(&update(&mut model, Message::Quiet, 0)).len(), 1);
    assert!(update(&mut model, Message::Quiet, 0).is_empty(), "an answer is on its way");
}
