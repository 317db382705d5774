//! What is chosen stays chosen while rows come and go by themselves.

use super::*;

/// Rows of which each is told by its command, wherever it stands.
fn named(commands: &str) -> Vec<Hit> {
    let row = |letter: char| {
        let mut row = hit(&letter.to_string());
        row.record.id.0[0] = u8::try_from(letter).expect("a letter");
        row
    };
    commands.chars().map(row).collect()
}

/// Asks the same question again, and answers it.
fn again(model: &mut Model, commands: &str) {
    model.search();
    answer(model, named(commands));
}

/// What is drawn, the best first, with the chosen one in capitals.
fn drawn(model: &Model) -> String {
    let letter = |at: u64| model.list.row(at).map_or('?', |row| char::from(row.record.command[0]));
    let shown = |at| if at == model.list.chosen { letter(at).to_ascii_uppercase() } else { letter(at) };
    model.list.in_sight(model.list_rows()).map(shown).collect()
}

#[test]
fn a_deletion_that_is_carried_out_leaves_the_highlight_where_it_is() {
    let mut model = with_rows(named("abcde"));
    press(&mut model, "up ctrl-d");
    assert_eq!(drawn(&model), "aCde");
    assert_eq!(deletes(&update(&mut model, Message::Tick, 1_000_000)), [(1, true)]);
    update(&mut model, Message::Deleted { number: 1, outcome: Ok(1) }, 1_000_000);
    answer(&mut model, named("acde"));
    assert_eq!(drawn(&model), "aCde");
    press(&mut model, "ctrl-d");
    assert!(model.deletions[0].covers(&named("c")[0]));
}

#[test]
fn a_row_that_comes_or_goes_elsewhere_leaves_the_highlight_on_its_command() {
    for (now, expected) in [
        ("xabcde", "xabCde"),
        ("abcde", "abCde"),
        ("bcde", "bCde"),
        ("cabde", "Cabde"),
        ("abde", "abDe"),
        ("ab", "aB"),
        ("xyzabdec", "xyzabdeC"),
    ] {
        let mut model = with_rows(named("abcde"));
        press(&mut model, "up up");
        again(&mut model, now);
        assert_eq!(drawn(&model), expected);
    }
}

#[test]
fn the_highlight_stays_on_its_line_of_a_list_that_is_scrolled() {
    for (now, expected) in
        [("abcdefghijklmno", "efghijkL"), ("xyabcdefghijklmno", "efghijkL"), ("acdeghijklmno", "deghijkL")]
    {
        let mut model = with_rows(named("abcdefghijklmno"));
        assert_eq!(model.list_rows(), 8);
        (0..11).for_each(|_| drop(press(&mut model, "up")));
        assert_eq!(drawn(&model), "efghijkL");
        again(&mut model, now);
        assert_eq!(drawn(&model), expected);
    }
}

#[test]
fn another_question_begins_at_its_best_match() {
    let mut model = with_rows(named("abcde"));
    press(&mut model, "up up");
    type_in(&mut model, "x");
    answer(&mut model, named("xyzabcde"));
    assert_eq!(model.list.chosen, 0);
}

#[test]
fn a_row_that_is_not_here_yet_moves_up_by_what_was_deleted_in_front() {
    let mut model = model();
    let ticket = model.search().ticket;
    let found = |commands: &str, total| Ok(Hits { total, of: total, rows: named(commands), complete: true });
    update(&mut model, Message::Found { ticket, window: FIRST, found: found("abcdefghijklmnopqrstuvwxyz", 1000) }, 0);
    press(&mut model, "up ctrl-d");
    update(&mut model, Message::Tick, 1_000_000);
    let effects = update(&mut model, Message::Deleted { number: 1, outcome: Ok(1) }, 1_000_000);
    let ticket = searches(&effects)[0].ticket;
    (0..10).for_each(|_| drop(press(&mut model, "page-up")));
    let before = model.list.chosen;
    update(&mut model, Message::Found { ticket, window: FIRST, found: found("acdefghijklmnopqrstuvwxyz", 999) }, 0);
    assert_eq!(model.list.chosen, before - 1);
}

#[test]
fn two_clicks_on_one_line_are_no_double_click_when_the_row_has_gone_on() {
    let ends = |now: &str| {
        let mut model = with_rows(named("abcde"));
        update(&mut model, Message::Mouse(click(6)), 0);
        assert_eq!(drawn(&model), "aBcde");
        again(&mut model, now);
        update(&mut model, Message::Mouse(click(6)), 100);
        left_with(&update(&mut model, Message::Mouse(release(6)), 150))
    };
    assert_eq!(ends("abcde"), chosen(b"b", false));
    assert_eq!(ends("xabcde"), None);
    assert_eq!(ends("acde"), None);
}
