//! The list of what matches: the mark of the chosen row and of marked ones, the columns, and the command with its colours
//! and what matched.

use caro_schema::ipc::history::{Hit, Mode};
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Style,
    text::{Line, Span},
};
use unicode_width::UnicodeWidthStr;

use super::{
    columns, row_of,
    text::{Paint, letter_start, one_line, with_ellipsis},
};
use crate::{
    config::{Column, Direction},
    error::Failure,
    exit,
    output::visible,
    tui::{action::Action, key, model::Model},
};

/// Bytes in front of the first match that stay in sight when the rest does not fit.
const BEFORE_MATCH: usize = 10;

/// Columns of the marks in front of a row.
const MARKS: usize = 2;

pub(super) fn draw(model: &Model, area: Rect, buffer: &mut Buffer) {
    if let Some(failure) = &model.trouble {
        let lines = [visible::line(failure.message.as_bytes()), advice(model, failure)];
        return words(model, &lines, area, buffer);
    }
    if model.list.shown() == 0 {
        let nothing = match (model.is_waiting(), model.list.of) {
            (true, _) => "…",
            (false, 0) => "no history yet",
            (false, _) => "nothing matches",
        };
        return words(model, &[nothing.to_owned()], area, buffer);
    }
    let columns = columns::fitting(&model.setup.columns, model.other_hosts, area.width);
    for (number, index) in (0..area.height).zip(model.list.in_sight(area.height)) {
        if let Some(hit) = model.list.row(index) {
            let line = line(model, hit, index == model.list.chosen, &columns, area.width);
            row_of(area, row(model, area, number), line, buffer);
        }
    }
}

/// What to do about it here: a pattern that is none is no pattern in another mode, and a key changes that.
fn advice(model: &Model, failure: &Failure) -> String {
    let key = model.setup.keymap.keys_of(Action::NextMode, |fact| model.is(fact)).map(key::shown);
    match key {
        Some(key) if model.mode == Mode::Regex && failure.code == exit::DATA => {
            format!("{key} reads what is typed in another way")
        }
        _ => visible::line(failure.hint.as_bytes()),
    }
}

/// Where the row with this number from the best is drawn.
fn row(model: &Model, area: Rect, number: u16) -> u16 {
    match model.setup.direction {
        Direction::Up => area.bottom() - 1 - number,
        Direction::Down => area.top() + number,
    }
}

fn words(model: &Model, lines: &[String], area: Rect, buffer: &mut Buffer) {
    let lines: Vec<&String> = lines.iter().filter(|text| !text.is_empty()).collect();
    let count = lines.len();
    for (number, text) in (0..area.height).zip(lines.into_iter().enumerate()) {
        let (at, text) = text;
        // The first line above the others, whichever way the list grows.
        let from_line = match model.setup.direction {
            Direction::Up => u16::try_from(count - 1 - at).unwrap_or(number),
            Direction::Down => number,
        };
        if from_line < area.height {
            row_of(area, row(model, area, from_line), Line::from(format!("  {text}")), buffer);
        }
    }
}

fn line(model: &Model, hit: &Hit, is_chosen: bool, columns: &[Column], width: u16) -> Line<'static> {
    let theme = &model.setup.theme;
    let over = if is_chosen { theme.chosen } else { Style::new() };
    let mut spans = vec![
        Span::styled(if is_chosen { "▌" } else { " " }, theme.prompt.patch(over)),
        Span::styled(if model.is_marked(hit) { "•" } else { " " }, theme.marked),
    ];
    let room = columns::command_width(columns, usize::from(width).saturating_sub(MARKS));
    let is_last = |at: usize| at + 1 == columns.len();
    for (at, column) in columns.iter().enumerate() {
        if *column == Column::Command {
            // The command stands apart from what is known of it.
            let gap = usize::from(at > 0).min(room);
            spans.push(Span::raw(" ".repeat(gap)));
            let room = room - gap;
            let command = command(model, hit, room, over);
            let used: usize = command.iter().map(|span| span.content.width()).sum();
            spans.extend(command);
            if !is_last(at) {
                spans.push(Span::raw(" ".repeat((room + 1).saturating_sub(used))));
            }
        } else {
            spans.push(columns::cell(model, hit, *column));
        }
    }
    Line::from(spans)
}

/// The command, from a place where the first match is in sight. Of a long one only what can be in sight is looked at.
fn command(model: &Model, hit: &Hit, columns: usize, over: Style) -> Vec<Span<'static>> {
    let bytes: &[u8] = &hit.record.command;
    let first = hit.matched.first().map_or(0, |(from, _)| *from as usize);
    let start = if first < columns { 0 } else { letter_start(bytes, first.saturating_sub(BEFORE_MATCH)) };
    // A letter has at most four bytes, and one column takes few letters; more would only cost time.
    let end = letter_start(bytes, start.saturating_add(columns.saturating_mul(8))).max(start);
    let mut spans = Vec::new();
    if start > 0 {
        spans.push(Span::styled("…", over));
    }
    let paint = Paint::command(&model.setup.theme, over, &bytes[..end], &hit.matched);
    spans.extend(one_line(bytes, start..end, &paint));
    with_ellipsis(spans, columns)
}
