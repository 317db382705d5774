//! Draws the model: results from the bottom up, the best nearest to the line; below them a preview where there is room,
//! the line, and a status. Everything foreign is made visible first. Colour only repeats what a sign or a number says.

mod preview;
mod results;
mod status;
mod text;

use ratatui::{
    Frame,
    layout::{Position, Rect},
    style::{Modifier, Style},
    text::{Line, Span},
    widgets::Widget,
};
use unicode_width::UnicodeWidthStr;

use super::model::Model;

/// What stands before the line.
const PROMPT: &str = "> ";

/// One frame.
pub(super) fn draw(model: &Model, frame: &mut Frame<'_>) {
    let area = frame.area();
    let [list, preview, line, status] = parts(model, area);
    results::draw(model, list, frame.buffer_mut());
    preview::draw(model, preview, frame.buffer_mut());
    status::draw(model, status, frame.buffer_mut());
    let cursor = draw_line(model, line, frame);
    if let Some(cursor) = cursor {
        frame.set_cursor_position(cursor);
    }
}

/// List, preview, line and status, from above. On a terminal too small for all of them the line comes first.
fn parts(model: &Model, area: Rect) -> [Rect; 4] {
    let rows = |top: u16, height: u16| Rect::new(area.x, area.y + top.min(area.height), area.width, height);
    let (list, preview) = (model.list_rows().min(area.height), model.preview_rows());
    match area.height {
        0 => [rows(0, 0); 4],
        1 => [rows(0, 0), rows(0, 0), rows(0, 1), rows(0, 0)],
        height => [rows(0, list), rows(list, preview), rows(height - 2, 1), rows(height - 1, 1)],
    }
}

/// Draws the line and says where its cursor is. A long line is shown around its cursor.
fn draw_line(model: &Model, area: Rect, frame: &mut Frame<'_>) -> Option<Position> {
    if area.height == 0 || area.width == 0 {
        return None;
    }
    let room = usize::from(area.width).saturating_sub(PROMPT.len() + 1);
    let before = model.line.before_cursor();
    let mut start = 0;
    while before[start..].width() > room {
        start += before[start..].chars().next().map_or(1, char::len_utf8);
    }
    let shown = &model.line.text()[start..];
    let line = Line::from(vec![
        Span::styled(PROMPT, Style::new().add_modifier(Modifier::BOLD)),
        Span::raw(crate::output::visible::line(shown.as_bytes())),
    ]);
    line.render(area, frame.buffer_mut());
    let column = crate::output::visible::line(&before.as_bytes()[start..]).width() + PROMPT.len();
    let column = u16::try_from(column).unwrap_or(u16::MAX).min(area.width - 1);
    Some(Position::new(area.x + column, area.y))
}

#[cfg(test)]
mod tests;
