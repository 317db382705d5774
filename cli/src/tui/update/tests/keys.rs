//! Keys, vim's and the person's own, the mouse, and any of them in any order.

use super::*;

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

#[test]
fn a_click_chooses_a_second_one_takes_and_the_wheel_moves() {
    let mut model = with_rows(hits(&["0", "1", "2", "3", "4", "5"]));
    let mouse = |model: &mut Model, mouse, now_ms| update(model, Message::Mouse(mouse), now_ms);
    // Ten rows: eight of the list, the line, the status; the best at the bottom.
    mouse(&mut model, click(5), 0);
    assert_eq!(selected(&model), "2");
    assert_eq!(left_with(&mouse(&mut model, click(5), 1000)), None, "too late for a double click");
    mouse(&mut model, release(5), 1050);
    assert_eq!(left_with(&mouse(&mut model, click(5), 1200)), None, "the release would reach the shell");
    assert_eq!(left_with(&mouse(&mut model, release(5), 1250)), chosen(b"2", false));
    assert_eq!(left_with(&mouse(&mut model, release(5), 1260)), None, "once");
    mouse(&mut model, click(5), 1270);
    mouse(&mut model, click(5), 1280);
    assert_eq!(left_with(&mouse(&mut model, release(6), 1290)), None, "let go on another row");
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
