//! Keys in, model and effects out.

use caro_schema::ipc::history::{Details, ExitFilter, Hit, Hits, Mode, Order, Place};
use jiff::{Timestamp, tz::TimeZone};

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

/// Answers the newest question with these rows.
pub(in crate::tui) fn answer(model: &mut Model, rows: Vec<Hit>) -> Vec<Effect> {
    let hits = Hits { total: rows.len() as u64, of: 1000, rows, complete: true };
    let ticket = model.asked;
    update(model, Message::Found { ticket, offset: 0, found: Ok(hits) }, 0)
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

#[test]
fn each_letter_asks_and_the_newest_answer_wins() {
    let mut model = model();
    let effects = type_in(&mut model, "ls");
    let asked = searches(&effects);
    assert_eq!(asked.iter().map(|search| search.query.text.as_str()).collect::<Vec<_>>(), ["l", "ls"]);
    let (first, second) = (asked[0].ticket, asked[1].ticket);
    let found = |command: &str| Ok(Hits { total: 1, of: 9, rows: vec![hit(command)], complete: true });
    update(&mut model, Message::Found { ticket: second, offset: 0, found: found("newer") }, 0);
    update(&mut model, Message::Found { ticket: first, offset: 0, found: found("older") }, 0);
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
fn enter_and_tab_take_and_escape_takes_nothing() {
    let mut model = with_rows(hits(&["first", "second"]));
    assert_eq!(left_with(&press(&mut model, "enter")), chosen(b"first", false));
    press(&mut model, "up");
    assert_eq!(left_with(&press(&mut model, "tab")), chosen(b"second", false));
    for key in ["esc", "ctrl-c", "ctrl-g"] {
        assert_eq!(left_with(&press(&mut model, key)), Some(None));
    }
    let mut nothing = with_rows(Vec::new());
    assert!(press(&mut nothing, "enter").is_empty(), "nothing to take");
    assert_eq!(nothing.held, None);
}

#[test]
fn enter_in_the_same_instant_as_letters_takes_what_was_typed_and_not_what_stood_there() {
    let mut model = with_rows(hits(&["rm -r old", "other"]));
    type_in(&mut model, "car");
    assert_eq!(left_with(&press(&mut model, "enter")), None, "its answer is not here");
    assert!(model.held.is_some(), "and nothing more is read");
    assert_eq!(left_with(&answer(&mut model, hits(&["cargo test"]))), chosen(b"cargo test", false));
}

#[test]
fn enter_before_the_first_answer_waits_for_it() {
    let mut model = model();
    model.question = model.search().ticket;
    press(&mut model, "enter");
    assert_eq!(left_with(&answer(&mut model, hits(&["newest"]))), chosen(b"newest", false));
}

#[test]
fn keys_that_move_before_the_answer_count_when_it_comes() {
    let mut model = model();
    model.question = model.search().ticket;
    press(&mut model, "up up enter");
    assert_eq!(left_with(&answer(&mut model, hits(&["a", "b", "c", "d"]))), chosen(b"c", false));
    let mut model = self::model();
    model.question = model.search().ticket;
    press(&mut model, "end");
    answer(&mut model, hits(&["a", "b", "c"]));
    assert_eq!(selected(&model), "c");
}

#[test]
fn enter_does_not_wait_for_ever() {
    let mut model = with_rows(hits(&["old"]));
    type_in(&mut model, "x");
    press_at(&mut model, "enter", 100);
    let due = model.next_ms().expect("a time");
    assert!(due > 100);
    assert!(update(&mut model, Message::Tick, due - 1).is_empty() && model.held.is_some());
    assert!(update(&mut model, Message::Tick, due).is_empty());
    assert_eq!(model.held, None);
    assert!(model.notice.contains("has not answered"));
    assert_eq!(left_with(&answer(&mut model, hits(&["late"]))), None, "what was given up is not done later");
}

#[test]
fn s19_a_dangerous_command_is_run_by_a_second_key_alone() {
    for command in ["ls\nrm x", "rm -rf ~", "a\u{202e}b"] {
        for (key, left) in [
            ("y", chosen(command.as_bytes(), true)),
            ("enter", chosen(command.as_bytes(), false)),
            ("tab", chosen(command.as_bytes(), false)),
            ("esc", None),
            ("n", None),
        ] {
            let mut model = with_rows(hits(&[command]));
            model.setup.enter_runs = true;
            assert_eq!(left_with(&press(&mut model, "enter")), None, "{command:?}");
            assert!(model.confirm.is_some(), "{command:?}");
            assert_eq!(left_with(&press(&mut model, key)), left, "{command:?} {key}");
            assert!(model.confirm.is_none() && model.line.text().is_empty(), "the answer is not typed");
        }
        let mut model = with_rows(hits(&[command]));
        assert_eq!(left_with(&press(&mut model, "tab")), chosen(command.as_bytes(), false), "{command:?}");
        assert_eq!(left_with(&press(&mut model, "alt-enter")), None, "{command:?}");
    }
}

#[test]
fn s19_neither_a_paste_nor_a_click_answers_the_question() {
    let mut model = with_rows(hits(&["rm -rf x"]));
    model.setup.enter_runs = true;
    press(&mut model, "enter");
    assert_eq!(left_with(&update(&mut model, Message::Mouse(click(7)), 0)), None);
    assert!(model.confirm.is_some());
    assert_eq!(left_with(&update(&mut model, Message::Paste("y".into()), 0)), None);
    assert!(model.confirm.is_none());
}

#[test]
fn what_enter_means_is_configured_and_both_have_a_key() {
    let mut model = with_rows(hits(&["ls"]));
    assert_eq!(left_with(&press(&mut model, "enter")), chosen(b"ls", false));
    assert_eq!(left_with(&press(&mut model, "alt-enter")), chosen(b"ls", true));
    model.setup.enter_runs = true;
    assert_eq!(left_with(&press(&mut model, "enter")), chosen(b"ls", true));
    assert_eq!(left_with(&press(&mut model, "tab")), chosen(b"ls", false));
    model.setup.for_prompt = false;
    assert_eq!(left_with(&press(&mut model, "alt-enter")), chosen(b"ls", false), "nothing is there to run it");
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
    assert!(update(&mut model, Message::Found { ticket, offset: 0, found: Ok(hits) }, 0).is_empty());
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
fn a_deletion_hides_at_once_and_is_carried_out_when_its_time_is_over() {
    let mut model = with_rows(hits(&["a", "b", "c"]));
    press(&mut model, "up");
    assert!(deletes(&press_at(&mut model, "ctrl-d", 1000)).is_empty());
    assert_eq!((selected(&model).as_str(), model.list.shown()), ("c", 2));
    assert!(model.notice.contains("deleted"));
    assert_eq!(model.next_ms(), Some(11_000));
    assert!(deletes(&update(&mut model, Message::Tick, 10_999)).is_empty());
    assert_eq!(deletes(&update(&mut model, Message::Tick, 11_000)), [(1, true)]);
    assert!(deletes(&update(&mut model, Message::Tick, 20_000)).is_empty(), "once");
    press(&mut model, "ctrl-z");
    assert_eq!(model.list.shown(), 2, "what was carried out stays deleted");
}

#[test]
fn undo_takes_the_last_deletion_back() {
    let mut model = with_rows(hits(&["a", "b", "c"]));
    press(&mut model, "ctrl-d ctrl-d");
    assert_eq!(selected(&model), "c");
    press(&mut model, "ctrl-z");
    assert_eq!(model.list.shown(), 2);
    press(&mut model, "ctrl-z");
    assert_eq!(model.list.shown(), 3);
    assert!(deletes(&update(&mut model, Message::Tick, 1_000_000)).is_empty());
    press(&mut model, "ctrl-z");
    assert!(model.notice.contains("nothing to take back"));
}

#[test]
fn leaving_carries_out_what_could_still_be_taken_back() {
    for key in ["esc", "enter"] {
        let mut model = with_rows(hits(&["a", "b", "c"]));
        press(&mut model, "ctrl-d alt-d");
        let effects = press(&mut model, key);
        assert_eq!(deletes(&effects), [(1, true), (1, false)], "{key}");
        assert!(matches!(effects.last(), Some(Effect::Leave(_))), "and only then leaves");
    }
    let mut model = with_rows(hits(&["a"]));
    press(&mut model, "ctrl-d");
    assert_eq!(deletes(&update(&mut model, Message::NoTerminal, 0)), [(1, true)]);
}

#[test]
fn one_run_or_all_equal_ones() {
    let mut model = with_rows(hits(&["same", "same", "other"]));
    press(&mut model, "alt-d");
    assert_eq!(model.list.shown(), 2, "only this run");
    press(&mut model, "ctrl-z ctrl-d");
    assert_eq!((model.list.shown(), selected(&model).as_str()), (1, "other"), "all runs");
}

#[test]
fn rows_stay_hidden_until_an_answer_no_longer_has_them() {
    let mut model = with_rows(hits(&["a", "b"]));
    press(&mut model, "ctrl-d");
    let asked = type_in(&mut model, "x");
    let before = searches(&asked)[0].ticket;
    update(&mut model, Message::Tick, 1_000_000);
    let effects = update(&mut model, Message::Deleted { number: 1, outcome: Ok(1) }, 0);
    let after = searches(&effects)[0].ticket;
    let found = |commands: &[&str]| {
        let rows = hits(commands);
        Ok(Hits { total: rows.len() as u64, of: 9, rows, complete: true })
    };
    update(&mut model, Message::Found { ticket: before, offset: 0, found: found(&["a", "b"]) }, 0);
    assert_eq!(model.list.shown(), 1, "asked before it was deleted");
    update(&mut model, Message::Found { ticket: after, offset: 0, found: found(&["b"]) }, 0);
    assert_eq!((model.list.shown(), model.deletions.len()), (1, 0));
}

#[test]
fn a_deletion_that_fails_comes_back_and_is_said() {
    let mut model = with_rows(hits(&["a"]));
    press(&mut model, "ctrl-d");
    update(&mut model, Message::Tick, 1_000_000);
    update(&mut model, Message::Deleted { number: 1, outcome: Err(Failure::new(69, "disk full")) }, 0);
    assert_eq!(model.list.shown(), 1);
    assert!(model.notice.contains("not deleted: disk full"));
}

#[test]
fn several_are_marked_and_taken_together_in_the_order_of_marking() {
    let mut model = with_rows(hits(&["one", "two", "three"]));
    press(&mut model, "up up ctrl-space home alt-m");
    assert_eq!(left_with(&press(&mut model, "enter")), chosen(b"three\none", false));
    model.setup.join = Join::And;
    assert_eq!(left_with(&press(&mut model, "enter")), chosen(b"three && one", false));
    press(&mut model, "home alt-m");
    assert_eq!(model.marks.len(), 1, "the second key takes the mark away");
    press(&mut model, "alt-n");
    assert!(model.marks.is_empty());
    press(&mut model, "home ctrl-space ctrl-space ctrl-d");
    assert_eq!((model.list.shown(), model.marks.len()), (1, 0), "all that is marked is deleted");
}

#[test]
fn several_commands_are_never_run_without_a_second_key() {
    let mut model = with_rows(hits(&["one", "two"]));
    press(&mut model, "ctrl-space ctrl-space alt-enter");
    assert_eq!(model.confirm.as_ref().map(|confirm| confirm.danger), Some(Danger::Lines));
}

#[test]
fn a_command_is_copied_and_the_screen_stays() {
    let mut model = with_rows(hits(&["ls"]));
    let effects = press(&mut model, "ctrl-y");
    assert!(matches!(effects.as_slice(), [Effect::Copy(bytes)] if bytes == b"ls"));
}

#[test]
fn a_command_is_edited_before_it_is_taken() {
    let mut model = with_rows(hits(&["git pull"]));
    type_in(&mut model, "g");
    answer(&mut model, hits(&["git pull"]));
    press(&mut model, "alt-e");
    assert!(type_in(&mut model, " -r").is_empty(), "nothing is asked for it");
    press(&mut model, "alt-enter");
    type_in(&mut model, "ls");
    assert_eq!(left_with(&press(&mut model, "enter")), chosen(b"git pull -r\nls", false));
    press(&mut model, "esc");
    assert_eq!((model.line.text(), model.editing.is_some()), ("g", false), "and the query is as it was");
}

#[test]
fn what_cannot_be_typed_cannot_be_edited() {
    let mut model = with_rows(hits(&["a\u{1b}b"]));
    press(&mut model, "alt-e");
    assert!(model.editing.is_none() && model.notice.contains("cannot be typed"));
}

#[test]
fn details_are_asked_for_and_shown_for_their_command_alone() {
    let mut model = with_rows(hits(&["a", "b"]));
    let effects = press(&mut model, "ctrl-o");
    let Some(Effect::Details(subject)) = effects.first() else { panic!("{effects:?}") };
    let id = &subject.id;
    let about = || About { details: Details { runs: 7, ..Details::default() }, ..About::default() };
    let details = || Ok(Box::new(about()));
    let shown = |model: &Model| match &model.pane {
        Some(Pane::Details(pane)) => {
            pane.details.as_ref().and_then(|details| details.as_ref().ok().map(|it| it.details.runs))
        }
        _ => None,
    };
    let mut other = *id;
    other.0[0] = 99;
    update(&mut model, Message::Details(other, details()), 0);
    assert!(shown(&model).is_none());
    update(&mut model, Message::Details(*id, details()), 0);
    assert_eq!(shown(&model), Some(7));
    assert_eq!(left_with(&press(&mut model, "esc")), None, "it closes what is open");
    assert!(model.pane.is_none());
}

#[test]
fn the_session_of_a_run_is_looked_at_and_left_again() {
    let mut model = with_rows(hits(&["a", "b", "c"]));
    press(&mut model, "alt-h");
    type_in(&mut model, "x");
    answer(&mut model, hits(&["x1", "x2"]));
    press(&mut model, "up");
    let effects = press(&mut model, "alt-c");
    let Some(Effect::Locate(locate)) = effects.first() else { panic!("{effects:?}") };
    let filter = &locate.query.filter;
    assert_eq!((filter.session.as_deref(), filter.host.as_deref()), (Some("s1"), None));
    assert_eq!((filter.since_us, locate.query.unique), (Some(1_700_000_000_000_001), false));
    let ticket = locate.ticket;
    let effects = update(&mut model, Message::Located { ticket, newer: Ok(500) }, 0);
    let search = searches(&effects)[0].clone();
    assert!(search.window.offset < 500 && search.window.offset + u64::from(search.window.limit) > 500);
    assert_eq!((search.query.filter.since_us, search.query.order), (None, Order::Newest));
    // Others started in the same moment: the run itself is chosen.
    let rows = hits(&["other", "x2", "more"]);
    let found = Ok(Hits { total: 1000, of: 1000, rows, complete: true });
    update(&mut model, Message::Found { ticket: search.ticket, offset: 499, found }, 0);
    assert_eq!((model.list.chosen, selected(&model).as_str()), (500, "x2"));
    let effects = press(&mut model, "esc");
    assert_eq!(searches(&effects)[0].query.text, "x");
    answer(&mut model, hits(&["x1", "x2"]));
    assert_eq!((selected(&model).as_str(), model.line.text(), model.narrow.host), ("x2", "x", true));
}

#[test]
fn typing_in_a_session_narrows_it() {
    let mut model = with_rows(hits(&["a"]));
    press(&mut model, "alt-c");
    let effects = type_in(&mut model, "z");
    let query = &searches(&effects)[0].query;
    assert_eq!((query.text.as_str(), query.filter.session.as_deref()), ("z", Some("s1")));
    let ticket = model.asked - 1;
    assert!(update(&mut model, Message::Located { ticket, newer: Ok(5) }, 0).is_empty(), "overtaken");
}

#[test]
fn help_opens_scrolls_and_closes_and_typing_closes_it_too() {
    let mut model = with_rows(hits(&["a", "b"]));
    press(&mut model, "f1 down down page-down");
    let top = |model: &Model| match model.pane {
        Some(Pane::Help(top)) => Some(top),
        _ => None,
    };
    assert!(top(&model).is_some_and(|top| top > 2), "{:?}", top(&model));
    assert_eq!(model.list.chosen, 0, "the list stays where it was");
    for _ in 0..200 {
        press(&mut model, "page-down");
    }
    let last = top(&model).expect("open");
    press(&mut model, "up");
    assert_eq!(top(&model), Some(last - 1), "it goes no further than its end");
    press(&mut model, "q");
    assert_eq!((top(&model), model.line.text()), (None, ""));
    press(&mut model, "f1");
    type_in(&mut model, "a");
    assert_eq!((top(&model), model.line.text()), (None, "a"));
}

fn vim() -> Model {
    let mut model = with_rows(hits(&["a", "b", "c", "d"]));
    model.setup.vim = true;
    model
}

#[test]
fn vim_has_an_insert_and_a_normal_mode() {
    let mut model = vim();
    type_in(&mut model, "one two");
    answer(&mut model, hits(&["a", "b", "c", "d"]));
    assert_eq!(left_with(&press(&mut model, "esc")), None);
    press(&mut model, "k k j");
    assert_eq!((selected(&model).as_str(), model.line.text()), ("b", "one two"));
    press(&mut model, "G g g");
    assert_eq!(selected(&model), "d");
    press(&mut model, "b d w 0 A");
    type_in(&mut model, "x");
    assert_eq!(model.line.text(), "one x");
    press(&mut model, "esc c c");
    type_in(&mut model, "jk");
    assert_eq!(model.line.text(), "jk");
    press(&mut model, "esc");
    assert_eq!(left_with(&press(&mut model, "q")), Some(None));
    assert_eq!(left_with(&press(&mut model, "esc")), Some(None));
}

#[test]
fn what_begins_a_sequence_and_ends_as_nothing_is_forgotten() {
    let mut model = vim();
    press(&mut model, "esc g");
    assert_eq!(model.keys.len(), 1);
    press(&mut model, "x");
    assert!(model.keys.is_empty());
    assert_eq!((model.line.text(), model.list.chosen), ("", 0));
}

#[test]
fn every_key_is_the_persons_to_change_with_conditions() {
    let own = [("ctrl-r", "query-empty", "last"), ("right", "cursor-at-end", "put"), ("ctrl-d", "", "none")];
    let own = own.map(|(keys, when, action)| Binding::parse(keys, when, action).expect("a binding"));
    let mut model = with_rows(hits(&["a", "b"]));
    model.setup.keymap = Keymap::new(own.to_vec());
    press(&mut model, "ctrl-r ctrl-d");
    assert_eq!((selected(&model).as_str(), model.list.shown()), ("b", 2));
    assert_eq!(left_with(&press(&mut model, "right")), chosen(b"b", false));
}

/// A press of the first button in this row.
fn click(row: u16) -> Mouse {
    Mouse { kind: MouseKind::Press, column: 3, row }
}

#[test]
fn a_click_chooses_a_second_one_takes_and_the_wheel_moves() {
    let mut model = with_rows(hits(&["0", "1", "2", "3", "4", "5"]));
    let mouse = |model: &mut Model, mouse, now_ms| update(model, Message::Mouse(mouse), now_ms);
    // Ten rows: eight of the list, the line, the status; the best at the bottom.
    mouse(&mut model, click(5), 0);
    assert_eq!(selected(&model), "2");
    assert_eq!(left_with(&mouse(&mut model, click(5), 1000)), None, "too late for a double click");
    assert_eq!(left_with(&mouse(&mut model, click(5), 1200)), chosen(b"2", false));
    mouse(&mut model, click(6), 1300);
    assert_eq!(left_with(&mouse(&mut model, click(5), 1400)), None, "on another row");
    assert!(mouse(&mut model, click(0), 2000).is_empty(), "above the rows is nothing");
    let wheel = |kind| Mouse { kind, column: 0, row: 3 };
    mouse(&mut model, wheel(MouseKind::WheelUp), 3000);
    assert_eq!(selected(&model), "5");
    mouse(&mut model, wheel(MouseKind::WheelDown), 3000);
    assert_eq!(selected(&model), "2");
    model.setup.direction = Direction::Down;
    mouse(&mut model, click(1), 4000);
    assert_eq!(selected(&model), "0");
}

#[test]
fn an_absent_daemon_is_said_and_typing_goes_on() {
    let mut model = model();
    let ticket = model.search().ticket;
    let failure = Failure::new(69, "no daemon").hint("start it");
    update(&mut model, Message::Found { ticket, offset: 0, found: Err(failure.clone()) }, 0);
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

#[test]
fn a_paste_is_text_and_no_keys() {
    let mut model = with_rows(vec![hit("a")]);
    let effects = update(&mut model, Message::Paste("rm -rf /\nyes\x1b[A".into()), 0);
    assert_eq!(left_with(&effects), None);
    assert_eq!(model.line.text(), "rm -rf / yes[A");
}

#[test]
fn moving_in_the_line_asks_nothing() {
    let mut model = model();
    type_in(&mut model, "a");
    for key in ["ctrl-a", "ctrl-e", "ctrl-b", "ctrl-f", "home", "alt-b"] {
        assert!(searches(&press(&mut model, key)).len() <= usize::from(key == "home"), "{key}");
    }
    assert_eq!(searches(&press(&mut model, "end ctrl-e ctrl-u")).len(), 1);
    assert!(press(&mut model, "ctrl-u").is_empty(), "nothing was left to take away");
    press(&mut model, "alt-y");
    assert_eq!(model.line.text(), "a", "what was cut comes back");
}

#[test]
fn the_preview_scrolls_to_its_end_and_can_be_hidden() {
    let command = (0..40).map(|number| number.to_string()).collect::<Vec<_>>().join("\n");
    let mut model = with_rows(hits(&[&command, "other"]));
    update(&mut model, Message::Resize(80, 24), 0);
    for _ in 0..100 {
        press(&mut model, "alt-down");
    }
    let rows = usize::from(model.layout().preview.height) - 2;
    assert_eq!(model.preview_top, 40 - rows);
    press(&mut model, "up");
    assert_eq!(model.preview_top, 0, "of another command from its beginning");
    press(&mut model, "alt-p");
    assert_eq!(model.layout().preview.height, 0);
}

#[test]
fn any_size_and_any_keys_are_survived() {
    for size in [(0, 0), (1, 1), (3, 2), (80, 3), (10, 200), (500, 12)] {
        let mut model = with_rows((0..50).map(|number| hit(&number.to_string())).collect());
        update(&mut model, Message::Resize(size.0, size.1), 0);
        for key in ["page-up", "up", "end", "page-down", "down", "home", "f1", "down", "f1", "ctrl-o", "up", "esc"] {
            press(&mut model, key);
            assert!(model.list.chosen < 50, "{size:?}");
        }
    }
}

mod any {
    use proptest::prelude::*;

    use super::*;

    fn keys() -> impl Strategy<Value = Vec<Key>> {
        let named = crate::tui::keymap::DEFAULTS
            .iter()
            .flat_map(|(keys, ..)| crate::tui::key::parse_sequence(keys).expect("keys"))
            .collect::<Vec<Key>>();
        let letter = any::<char>().prop_map(|letter| Key::plain(Code::Char(letter)));
        let key = prop_oneof![3 => prop::sample::select(named), 1 => letter];
        prop::collection::vec(key, 0..60)
    }

    proptest! {
        /// Whatever is pressed, in whatever order answers come: no panic, what is chosen is within what there is, and a
        /// command that destroys is never run without its second key.
        #[test]
        fn s19_no_keys_at_all_run_a_dangerous_command_at_once(keys in keys(), vim: bool, answers in prop::collection::vec(any::<bool>(), 60)) {
            let rows = || hits(&["rm -rf a", "rm -rf b\nc", "dd of=x"]);
            let mut model = with_rows(rows());
            model.setup.vim = vim;
            model.setup.enter_runs = true;
            for (key, answers) in keys.into_iter().zip(answers) {
                let asked_before = model.confirm.is_some();
                let mut effects = update(&mut model, Message::Key(key), 0);
                if answers && model.is_waiting() {
                    effects.extend(answer(&mut model, rows()));
                }
                let ran = left_with(&effects).flatten().is_some_and(|chosen| {
                    chosen.run && crate::tui::danger::danger(&chosen.command).is_some()
                });
                prop_assert!(!ran || asked_before && matches!(key.code, Code::Char('y' | 'Y')));
                if left_with(&effects).is_some() {
                    break;
                }
                prop_assert!(!model.is_current() || model.list.total == 0 || model.list.chosen < model.list.total);
            }
        }
    }
}
