//! Taking a command: Enter, its second key, marks, copying and editing.

use super::*;

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
