//! Deleting, and taking it back.

use super::*;

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
    assert_eq!((model.list.shown(), selected(&model).as_str()), (3, "a"), "what is back is chosen");
    assert!(deletes(&update(&mut model, Message::Tick, 1_000_000)).is_empty());
    press(&mut model, "ctrl-z");
    assert!(model.notice.contains("nothing to take back"));
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
    update(&mut model, Message::Found { ticket: before, window: FIRST, found: found(&["a", "b"]) }, 0);
    assert_eq!(model.list.shown(), 1, "asked before it was deleted");
    update(&mut model, Message::Found { ticket: after, window: FIRST, found: found(&["b"]) }, 0);
    assert_eq!((model.list.shown(), model.deletions.len()), (1, 0));
}

/// What is said of a deletion by this key of the first row, which stands for three runs.
fn said(prepare: impl Fn(&mut Model), key: &str) -> String {
    let mut rows = hits(&["a", "b"]);
    rows[0].runs = 3;
    let mut model = with_rows(rows.clone());
    prepare(&mut model);
    answer(&mut model, rows);
    press(&mut model, key);
    model.notice
}

#[test]
fn a_deletion_says_how_many_runs_go_only_where_that_is_known() {
    let dir = |model: &mut Model| drop(type_in(model, "dir:/srv/b "));
    let here = |model: &mut Model| drop(press(model, "alt-h"));
    let reading = |model: &mut Model| model.list.complete = false;
    assert_eq!(said(|_| {}, "ctrl-d"), "deleted on every device, all 3 runs");
    assert_eq!(said(|model| drop(type_in(model, "a")), "ctrl-d"), "deleted on every device, all 3 runs");
    assert_eq!(said(|_| {}, "alt-d"), "this run deleted on every device, 2 stay");
    for narrow in [&dir as &dyn Fn(&mut Model), &here, &reading] {
        assert_eq!(said(narrow, "ctrl-d"), "deleted on every device: all its runs, everywhere");
        assert_eq!(said(narrow, "alt-d"), "only this run deleted on every device");
        assert_eq!(said(narrow, "ctrl-space ctrl-d"), "deleted on every device: all its runs, everywhere");
    }
    let both = "ctrl-space ctrl-space";
    assert_eq!(said(|_| {}, &format!("{both} ctrl-d")), "2 commands deleted on every device: all runs, everywhere");
    assert_eq!(said(|_| {}, &format!("{both} alt-d")), "2 runs deleted on every device");
}

#[test]
fn when_a_deletion_is_done_the_number_of_runs_is_said() {
    for (runs, expected) in [(1, "done: 1 run deleted on every device"), (6, "done: 6 runs deleted on every device")] {
        let mut model = with_rows(hits(&["a", "b"]));
        press(&mut model, "ctrl-d");
        update(&mut model, Message::Tick, 1_000_000);
        update(&mut model, Message::Deleted { number: 1, outcome: Ok(runs) }, 1_000_000);
        assert_eq!(model.notice, expected);
    }
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
