//! Keys in, model and effects out.

use caro_schema::ipc::history::{Hit, Hits, Mode, Order, Place};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::*;
use crate::{
    error::Failure,
    testing::hit,
    tui::{effect::Search, line::Line},
};

pub(in crate::tui) fn model() -> Model {
    Model {
        line: Line::default(),
        mode: Mode::Fuzzy,
        scope: Scope::All,
        place: Place {
            directory: b"/here".to_vec().into(),
            host: "laptop".into(),
            session: "s1".into(),
            now_us: 1_700_000_060_000_000,
        },
        size: (80, 10),
        rows: Vec::new(),
        offset: 0,
        total: 0,
        of: 0,
        complete: true,
        selected: 0,
        top: 0,
        asked: 0,
        answered: 0,
        trouble: None,
        notice: String::new(),
        deleting: None,
        enter_runs: false,
        for_prompt: true,
        by_up_key: false,
    }
}

pub(in crate::tui) fn with_rows(rows: Vec<Hit>) -> Model {
    let mut model = model();
    let total = rows.len() as u64;
    let ticket = model.search().ticket;
    let hits = Hits { total, of: 1000, rows, complete: true };
    assert!(update(&mut model, Message::Found { ticket, offset: 0, found: Ok(hits) }).is_empty());
    model
}

fn press(model: &mut Model, code: KeyCode) -> Vec<Effect> {
    update(model, Message::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

fn ctrl(model: &mut Model, letter: char) -> Vec<Effect> {
    update(model, Message::Key(KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL)))
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

#[test]
fn each_letter_asks_and_the_newest_answer_wins() {
    let mut model = model();
    let first = press(&mut model, KeyCode::Char('l'));
    let second = press(&mut model, KeyCode::Char('s'));
    let (first, second) = (searches(&first)[0].clone(), searches(&second)[0].clone());
    assert_eq!((first.query.text.as_str(), second.query.text.as_str()), ("l", "ls"));
    let found = |command: &str| Ok(Hits { total: 1, of: 9, rows: vec![hit(command)], complete: true });
    update(&mut model, Message::Found { ticket: second.ticket, offset: 0, found: found("newer") });
    update(&mut model, Message::Found { ticket: first.ticket, offset: 0, found: found("older") });
    assert_eq!(model.chosen().map(|hit| hit.record.command.to_vec()), Some(b"newer".to_vec()));
}

#[test]
fn without_words_the_newest_comes_first_and_with_words_the_best() {
    let mut model = model();
    assert_eq!(model.query().order, Order::Newest);
    press(&mut model, KeyCode::Char('x'));
    assert_eq!(model.query().order, Order::Rank);
}

#[test]
fn enter_and_tab_take_and_escape_takes_nothing() {
    let mut model = with_rows(vec![hit("first"), hit("second")]);
    assert_eq!(left_with(&press(&mut model, KeyCode::Enter)), chosen(b"first", false));
    press(&mut model, KeyCode::Up);
    assert_eq!(left_with(&press(&mut model, KeyCode::Tab)), chosen(b"second", false));
    assert_eq!(left_with(&press(&mut model, KeyCode::Esc)), Some(None));
    for letter in ['c', 'g'] {
        assert_eq!(left_with(&ctrl(&mut model, letter)), Some(None));
    }
    assert!(press(&mut self::model(), KeyCode::Enter).is_empty(), "nothing to take");
}

#[test]
fn s19_what_cannot_be_seen_whole_is_never_run_at_once() {
    for (command, run) in [("ls", true), ("ls\nrm -rf ~", false), ("ls \x1b[8m; rm", false), ("a\u{202e}b", false)] {
        let mut model = with_rows(vec![hit(command)]);
        model.enter_runs = true;
        assert_eq!(left_with(&press(&mut model, KeyCode::Enter)), chosen(command.as_bytes(), run), "{command:?}");
        assert_eq!(left_with(&press(&mut model, KeyCode::Tab)), chosen(command.as_bytes(), false), "{command:?}");
    }
}

#[test]
fn choosing_moves_within_what_there_is() {
    let mut model = with_rows((0..5).map(|number| hit(&number.to_string())).collect());
    let go = |model: &mut Model, code| {
        press(model, code);
        model.selected
    };
    assert_eq!(go(&mut model, KeyCode::Down), 0);
    assert_eq!(go(&mut model, KeyCode::Up), 1);
    assert_eq!(go(&mut model, KeyCode::PageUp), 4);
    assert_eq!(go(&mut model, KeyCode::Up), 4);
    assert_eq!(go(&mut model, KeyCode::Home), 0);
    assert_eq!(go(&mut model, KeyCode::End), 4);
    assert_eq!(go(&mut model, KeyCode::PageDown), 0);
}

#[test]
fn rows_that_come_into_sight_are_asked_for_once() {
    let mut model = model();
    let rows: Vec<Hit> = (0..8).map(|number| hit(&number.to_string())).collect();
    let ticket = model.search().ticket;
    let hits = Hits { total: 1_000_000, of: 1_000_000, rows, complete: true };
    assert!(update(&mut model, Message::Found { ticket, offset: 0, found: Ok(hits) }).is_empty());
    let effects = press(&mut model, KeyCode::End);
    let asked = searches(&effects);
    assert_eq!(asked.len(), 1);
    let window = asked[0].window;
    assert!(window.offset <= 999_992 && window.offset + u64::from(window.limit) >= 1_000_000, "{window:?}");
    assert!(press(&mut model, KeyCode::Up).is_empty(), "an answer is on its way");
}

#[test]
fn down_on_the_newest_goes_back_to_the_prompt_only_for_the_up_key() {
    let mut model = with_rows(vec![hit("a"), hit("b")]);
    assert_eq!(left_with(&press(&mut model, KeyCode::Down)), None);
    model.by_up_key = true;
    press(&mut model, KeyCode::Up);
    assert_eq!(left_with(&press(&mut model, KeyCode::Down)), None);
    assert_eq!(left_with(&press(&mut model, KeyCode::Down)), Some(None));
}

#[test]
fn where_and_how_go_round_and_ask_anew() {
    let mut model = model();
    let mut scopes = Vec::new();
    for _ in 0..4 {
        assert_eq!(searches(&ctrl(&mut model, 'r')).len(), 1);
        scopes.push(model.scope);
    }
    assert_eq!(scopes, [Scope::Host, Scope::Directory, Scope::Session, Scope::All]);
    model.place.session.clear();
    model.scope = Scope::Directory;
    assert_eq!(model.next_scope(), Scope::All, "outside a shell there is no session");
    let mut modes = Vec::new();
    for _ in 0..4 {
        assert_eq!(searches(&ctrl(&mut model, 't')).len(), 1);
        modes.push(model.mode);
    }
    assert_eq!(modes, [Mode::Substring, Mode::Prefix, Mode::Regex, Mode::Fuzzy]);
}

#[test]
fn each_scope_narrows_to_where_the_person_is() {
    let mut model = model();
    let narrowed = |model: &mut Model, scope| {
        model.scope = scope;
        let filter = model.query().filter;
        (filter.host.is_some(), filter.subtree.is_some(), filter.session.is_some())
    };
    assert_eq!(narrowed(&mut model, Scope::All), (false, false, false));
    assert_eq!(narrowed(&mut model, Scope::Host), (true, false, false));
    assert_eq!(narrowed(&mut model, Scope::Directory), (false, true, false));
    assert_eq!(narrowed(&mut model, Scope::Session), (false, false, true));
}

fn deleted(effects: &[Effect]) -> Option<(u32, bool)> {
    effects.iter().find_map(|effect| match effect {
        Effect::Delete(delete) => Some((delete.hit.runs, delete.all_runs)),
        _ => None,
    })
}

#[test]
fn deleting_asks_first() {
    let runs = |runs| Hit { runs, ..hit("secret") };
    for (key, of, expected) in [
        ('y', 1, Some((1, true))),
        ('y', 3, Some((3, true))),
        ('o', 3, Some((3, false))),
        ('o', 1, None),
        ('n', 3, None),
        ('x', 3, None),
    ] {
        let mut model = with_rows(vec![runs(of)]);
        assert_eq!(deleted(&ctrl(&mut model, 'd')), None);
        assert!(model.deleting.is_some());
        assert_eq!(deleted(&press(&mut model, KeyCode::Char(key))), expected, "{key} of {of}");
        assert!(model.deleting.is_none());
        assert_eq!(model.line.text(), "", "the answer is not typed");
    }
}

#[test]
fn escape_from_the_question_does_not_leave() {
    let mut model = with_rows(vec![hit("x")]);
    ctrl(&mut model, 'd');
    assert_eq!(left_with(&press(&mut model, KeyCode::Esc)), None);
    assert!(model.deleting.is_none());
}

#[test]
fn an_absent_daemon_is_said_and_typing_goes_on() {
    let mut model = model();
    let ticket = model.search().ticket;
    let failure = Failure::new(69, "no daemon").hint("start it");
    update(&mut model, Message::Found { ticket, offset: 0, found: Err(failure.clone()) });
    assert_eq!(model.trouble, Some(failure));
    assert_eq!(searches(&press(&mut model, KeyCode::Char('a'))).len(), 1);
}

#[test]
fn after_deleting_the_list_is_asked_for_again_at_the_same_place() {
    let mut model = with_rows(vec![hit("a"), hit("b"), hit("c")]);
    press(&mut model, KeyCode::Up);
    assert_eq!(searches(&update(&mut model, Message::Deleted(Ok(2)))).len(), 1);
    assert_eq!(model.selected, 1);
    assert!(model.notice.contains('2'));
    press(&mut model, KeyCode::Up);
    assert_eq!(model.notice, "", "until the next key");
}

#[test]
fn while_the_daemon_reads_its_history_it_is_asked_again_in_quiet_moments() {
    let mut model = with_rows(vec![hit("a")]);
    assert!(update(&mut model, Message::Quiet).is_empty());
    model.complete = false;
    assert_eq!(searches(&update(&mut model, Message::Quiet)).len(), 1);
    assert!(update(&mut model, Message::Quiet).is_empty(), "an answer is on its way");
}

#[test]
fn a_paste_is_text_and_no_keys() {
    let mut model = with_rows(vec![hit("a")]);
    let effects = update(&mut model, Message::Paste("rm -rf /\nyes\x1b[A".into()));
    assert_eq!(left_with(&effects), None);
    assert_eq!(model.line.text(), "rm -rf / yes[A");
}

#[test]
fn moving_in_the_line_asks_nothing() {
    let mut model = model();
    press(&mut model, KeyCode::Char('a'));
    for letter in ['a', 'e', 'b', 'f'] {
        assert!(ctrl(&mut model, letter).is_empty(), "{letter}");
    }
    assert_eq!(searches(&ctrl(&mut model, 'u')).len(), 1);
    assert!(ctrl(&mut model, 'u').is_empty(), "nothing was left to take away");
}

#[test]
fn any_size_and_any_keys_are_survived() {
    for size in [(0, 0), (1, 1), (3, 2), (80, 3), (10, 200), (500, 12)] {
        let mut model = with_rows((0..50).map(|number| hit(&number.to_string())).collect());
        update(&mut model, Message::Resize(size.0, size.1));
        for code in [KeyCode::PageUp, KeyCode::Up, KeyCode::End, KeyCode::PageDown, KeyCode::Down, KeyCode::Home] {
            press(&mut model, code);
            assert!(model.top <= model.selected && model.selected < 50, "{size:?}");
        }
    }
}
