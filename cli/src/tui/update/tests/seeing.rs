//! Details, the session around a run, the help and the preview.

use super::*;

#[test]
fn details_of_a_row_that_is_on_its_way_open_when_it_comes() {
    let mut model = model();
    model.question = model.search().ticket;
    press(&mut model, "up ctrl-o");
    assert!(model.held.is_some() && model.pane.is_none(), "and nothing more is read");
    answer(&mut model, hits(&["a", "b"]));
    assert!(matches!(&model.pane, Some(Pane::Details(pane)) if *pane.hit.record.command == b"b"[..]));
    press(&mut model, "ctrl-o");
    assert!(model.pane.is_none());
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
    update(
        &mut model,
        Message::Found { ticket: search.ticket, window: Window { offset: 499, ..search.window }, found },
        0,
    );
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
fn in_a_session_each_run_is_marked_and_deleted_by_itself() {
    let rows = hits(&["make", "ls", "make", "make"]);
    let mut model = with_rows(rows.clone());
    press(&mut model, "alt-c");
    let ticket = model.asked;
    update(&mut model, Message::Located { ticket, newer: Ok(0) }, 0);
    answer(&mut model, rows.clone());
    let marked = |model: &Model| rows.iter().map(|row| model.is_marked(row)).collect::<Vec<_>>();
    press(&mut model, "ctrl-space up ctrl-space");
    assert_eq!(marked(&model), [true, false, true, false]);
    press(&mut model, "ctrl-space");
    assert_eq!(marked(&model), [true, false, true, true]);
    press(&mut model, "home ctrl-space");
    assert_eq!(marked(&model), [false, false, true, true]);
    press(&mut model, "alt-d");
    assert_eq!((model.notice.as_str(), model.list.shown()), ("2 runs deleted on every device", 2));
    press(&mut model, "ctrl-z ctrl-space esc");
    assert_eq!(marked(&model), [true, false, true, true], "elsewhere a row stands for all runs of its command");
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
