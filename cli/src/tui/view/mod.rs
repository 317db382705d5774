//! Draws the model: the results, the best nearest to the line; a preview where there is room, the line, and a status; or
//! the help and the details in their place. Everything foreign is made visible first. Colour only repeats what a sign or
//! a number says.

mod columns;
mod details;
mod help;
mod line;
mod preview;
mod results;
mod status;
mod text;

use ratatui::{Frame, buffer::Buffer, layout::Rect, text::Line, widgets::Widget};

pub(super) use self::preview::has_more as has_more_preview;
use super::model::{Model, Pane};

/// One frame.
pub(super) fn draw(model: &Model, frame: &mut Frame<'_>) {
    let area = frame.area();
    let layout = model.layout();
    let part = |part: Rect| Rect { x: area.x, y: area.y + part.y, ..part }.intersection(area);
    let buffer = frame.buffer_mut();
    if model.pane.is_some() {
        draw_pane(model, part(layout.pane()), buffer);
    } else {
        results::draw(model, part(layout.list), buffer);
        preview::draw(model, part(layout.preview), buffer);
    }
    status::draw(model, part(layout.status), buffer);
    if let Some(cursor) = line::draw(model, part(layout.line), buffer) {
        frame.set_cursor_position(cursor);
    }
}

fn draw_pane(model: &Model, area: Rect, buffer: &mut Buffer) {
    let lines = pane_lines(model);
    let rows = usize::from(area.height);
    let top = match &model.pane {
        Some(Pane::Help(top)) => *top,
        Some(Pane::Details(pane)) => pane.top,
        None => 0,
    };
    // After the terminal has grown there may be room for more than was scrolled to.
    let top = top.min(lines.len().saturating_sub(rows));
    for (row, line) in (area.top()..area.bottom()).zip(lines.into_iter().skip(top)) {
        row_of(area, row, line, buffer);
    }
}

/// All lines of what stands over the list, wrapped to its width.
pub(super) fn pane_lines(model: &Model) -> Vec<Line<'static>> {
    let lines = match &model.pane {
        Some(Pane::Help(_)) => help::lines(model),
        Some(Pane::Details(pane)) => details::lines(model, pane),
        None => Vec::new(),
    };
    let columns = usize::from(model.size.0);
    lines.into_iter().flat_map(|line| wrap(line, columns)).collect()
}

/// A line as several, none longer than so many columns.
fn wrap(line: Line<'static>, columns: usize) -> Vec<Line<'static>> {
    let style = line.style;
    let wrapped = preview::wrapped(line.spans, columns, LINE_ROWS_MAX);
    wrapped.into_iter().map(|line| line.style(style)).collect()
}

/// Rows of one line. What is longer is foreign, and its beginning says enough.
const LINE_ROWS_MAX: usize = 8;

fn row_of(area: Rect, row: u16, line: Line<'static>, buffer: &mut Buffer) {
    line.render(Rect::new(area.x, row, area.width, 1), buffer);
}

#[cfg(test)]
mod tests;
