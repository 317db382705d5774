//! Answers that are cut, because their rows have more text than fits into a message.

use super::*;

/// Answers what is asked until nothing is, as a daemon whose answers have so many rows at most. Gives the windows.
fn serve(model: &mut Model, effects: Vec<Effect>, total: u64, rows_max: u64) -> Vec<Window> {
    let mut windows = Vec::new();
    let mut searches: Vec<Search> = searches(&effects).into_iter().cloned().collect();
    while let Some(Search { ticket, window, .. }) = searches.pop() {
        windows.push(window);
        assert!(windows.len() < 50, "asked without end: {windows:?}");
        let end = (window.offset + rows_max.min(window.limit.into())).min(total);
        let rows = (window.offset..end).map(|number| hit(&number.to_string())).collect();
        let found = Ok(Hits { total, of: total, rows, complete: true });
        let effects = update(model, Message::Found { ticket, window, found }, 0);
        searches.extend(super::searches(&effects).into_iter().cloned());
    }
    windows
}

/// A screen of eight rows on which the first answers have come.
fn begun(total: u64, rows_max: u64) -> (Model, Vec<Window>) {
    let mut model = model();
    let search = model.search();
    model.question = search.ticket;
    let windows = serve(&mut model, vec![Effect::Search(search)], total, rows_max);
    (model, windows)
}

#[test]
fn after_an_answer_that_was_cut_the_rest_is_asked_for_and_not_the_same_again() {
    let (model, windows) = begun(40, 3);
    let offsets: Vec<u64> = windows.iter().map(|window| window.offset).collect();
    assert_eq!(offsets, [0, 3, 6]);
    assert!((0..8).all(|at| model.list.row(at).is_some()), "everything in sight is here");
}

#[test]
fn every_row_can_be_chosen_when_answers_are_cut() {
    for rows_max in [1, 3, 10] {
        let (mut model, _) = begun(40, rows_max);
        let mut go = |key: &str| {
            let effects = press(&mut model, key);
            serve(&mut model, effects, 40, rows_max);
            assert!(model.list.rows().count() < 40, "what is far away is not kept");
            selected(&model)
        };
        for number in 1..40 {
            assert_eq!(go("up"), number.to_string());
        }
        for number in (0..39).rev() {
            assert_eq!(go("down"), number.to_string());
        }
        assert_eq!((go("end"), go("home"), go("page-up")), ("39".into(), "0".into(), "8".into()));
    }
}

#[test]
fn rows_that_are_counted_and_never_come_are_not_asked_for_without_end() {
    let (model, windows) = begun(40, 0);
    assert_eq!((windows.len(), model.list.shown()), (1, 0));
}

#[test]
fn a_rest_that_does_not_fit_because_history_changed_is_not_put_behind_the_first_part() {
    let mut model = model();
    let search = model.search();
    model.question = search.ticket;
    let found = |commands: &[&str], total| Ok(Hits { total, of: total, rows: hits(commands), complete: true });
    let Search { ticket, window, .. } = search;
    let effects = update(&mut model, Message::Found { ticket, window, found: found(&["a", "b"], 4) }, 0);
    let rest = searches(&effects)[0].clone();
    // Another shell has added a row in front.
    let (ticket, window) = (rest.ticket, rest.window);
    let effects = update(&mut model, Message::Found { ticket, window, found: found(&["b", "c", "d"], 5) }, 0);
    assert_eq!(searches(&effects)[0].window.offset, 0);
    serve(&mut model, effects, 5, 3);
    assert_eq!(model.list.rows().map(|(at, _)| at).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
}
