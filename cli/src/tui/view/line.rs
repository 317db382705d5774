//! The line that is typed in, with the filters in it set apart, shown around its cursor when it is long.

use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    style::Style,
    text::{Line, Span},
};
use unicode_width::UnicodeWidthStr;

use super::{
    row_of,
    text::{Paint, one_line},
};
use crate::{output::visible, query::Kind, tui::model::Model};

/// Draws the line and says where its cursor is.
pub(super) fn draw(model: &Model, area: Rect, buffer: &mut Buffer) -> Option<Position> {
    if area.height == 0 || area.width == 0 {
        return None;
    }
    let prompt = prompt(model);
    let text = model.line.text();
    let before = model.line.before_cursor();
    let room = usize::from(area.width).saturating_sub(prompt.len() + 1);
    let (start, column) = start(before, room);
    let mut spans = vec![Span::styled(prompt, model.setup.theme.prompt)];
    // Past this nothing can be in sight: a column takes few bytes.
    let end = text.len().min(start + before.len() - start + room * 8);
    let end = (end..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    spans.extend(one_line(text.as_bytes(), start..end, &paint(model)));
    row_of(area, area.y, Line::from(spans), buffer);
    let column = u16::try_from(column + prompt.len()).unwrap_or(u16::MAX).min(area.width - 1);
    Some(Position::new(area.x + column, area.y))
}

/// What stands before the line, and says what it is.
fn prompt(model: &Model) -> &'static str {
    match (model.editing.is_some(), model.vim_normal) {
        (true, false) => "edit> ",
        (true, true) => "edit: ",
        (false, false) => "> ",
        (false, true) => ": ",
    }
}

fn paint(model: &Model) -> Paint<'_> {
    let theme = &model.setup.theme;
    if model.editing.is_some() {
        return Paint::command(theme, Style::new(), model.line.text().as_bytes(), &[]);
    }
    let style = |kind: &Kind| match kind {
        Kind::Filter => theme.filter,
        Kind::Unfinished => theme.dim,
        Kind::Wrong => theme.failed,
        Kind::Sign => theme.operator,
    };
    let parts = model.parsed.spans.iter().map(|(range, kind)| (range.clone(), style(kind))).collect();
    Paint { parts, ..Paint::plain(theme, Style::new()) }
}

/// Where to begin so that the cursor is in sight, and in which column it then is.
fn start(before: &str, room: usize) -> (usize, usize) {
    let mut column = 0;
    for (at, letter) in before.char_indices().rev() {
        let width = visible::line(letter.encode_utf8(&mut [0; 4]).as_bytes()).width();
        if column + width > room {
            let start = at + letter.len_utf8();
            return (start, visible::line(&before.as_bytes()[start..]).width());
        }
        column += width;
    }
    (0, visible::line(before.as_bytes()).width())
}
