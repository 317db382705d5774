//! The chosen command in full, over several lines, and what is known of it.

use caro_schema::ipc::history::Hit;
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Style,
    text::{Line, Span},
};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use super::{
    columns, row_of,
    text::{Paint, letter_start, one_line},
};
use crate::{
    commands::state,
    output::{time, visible},
    tui::model::{Model, Setup},
};

/// Rows above the command: a rule, and what is known.
const HEAD: u16 = 2;

pub(super) fn draw(model: &Model, area: Rect, buffer: &mut Buffer) {
    if area.height == 0 || area.width == 0 {
        return;
    }
    let dim = model.setup.theme.dim;
    let rule = "─".repeat(usize::from(area.width));
    row_of(area, area.y, Line::styled(rule, dim), buffer);
    let Some(hit) = model.list.chosen() else { return };
    if area.height > 1 {
        row_of(area, area.y + 1, Line::styled(about(&model.setup, hit), dim), buffer);
    }
    let rows = usize::from(area.height.saturating_sub(HEAD));
    let lines = command(&model.setup, hit, usize::from(area.width), model.preview_top + rows + 1);
    let more = lines.len() > model.preview_top + rows;
    for (row, line) in (area.y + HEAD..area.bottom()).zip(lines.into_iter().skip(model.preview_top)) {
        row_of(area, row, line, buffer);
    }
    if more && area.height > HEAD {
        let sign = Rect::new(area.right() - 1, area.bottom() - 1, 1, 1);
        row_of(sign, sign.y, Line::styled("↓", dim), buffer);
    }
}

/// Whether there are lines below those in sight.
pub(in crate::tui) fn has_more(model: &Model) -> bool {
    let area = model.layout().preview;
    let rows = usize::from(area.height.saturating_sub(HEAD));
    let lines = |hit| command(&model.setup, hit, usize::from(area.width), model.preview_top + rows + 1).len();
    rows > 0 && model.list.chosen().is_some_and(|hit| lines(hit) > model.preview_top + rows)
}

/// Everything but the command, on one line.
fn about(setup: &Setup, hit: &Hit) -> String {
    let record = &hit.record;
    let mut parts = vec![time::local(record.start_us, &columns::zone(setup))];
    let ended = state(record);
    match ended.as_str() {
        "" => {}
        "…" => parts.push("running".to_owned()),
        status => parts.push(format!("status {status}")),
    }
    parts.extend(record.duration_us.map(time::duration));
    let shown = |text: &str| visible::line(text.as_bytes());
    parts.push(match record.user.as_str() {
        "" => shown(&record.host),
        user => format!("{}@{}", shown(user), shown(&record.host)),
    });
    if !record.directory.is_empty() {
        parts.push(columns::directory(setup, &record.directory));
    }
    if hit.runs > 1 {
        parts.push(format!("{} runs", hit.runs));
    }
    parts.join("  ")
}

/// The command as it is laid out, wrapped, at most so many lines. Of a long one only what can be in sight is looked at.
pub(super) fn command(setup: &Setup, hit: &Hit, columns: usize, rows: usize) -> Vec<Line<'static>> {
    let bytes: &[u8] = &hit.record.command;
    let paint = Paint::command(&setup.theme, Style::new(), bytes, &hit.matched);
    let mut lines = Vec::new();
    let mut start = 0;
    while lines.len() < rows && start <= bytes.len() {
        let newline = bytes[start..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| start + at);
        let most = columns.saturating_mul(rows).saturating_mul(4);
        let end = letter_start(bytes, newline.min(start.saturating_add(most)));
        let spans = one_line(bytes, start..end.max(start), &paint);
        lines.extend(wrapped(spans, columns, rows - lines.len()));
        start = newline + 1;
    }
    lines
}

/// Cuts spans into at most so many lines of so many columns, between letters.
pub(super) fn wrapped(spans: Vec<Span<'static>>, columns: usize, rows: usize) -> Vec<Line<'static>> {
    let mut lines = vec![Line::default()];
    let mut used = 0;
    for span in spans {
        let mut text = String::new();
        for letter in span.content.graphemes(true) {
            let width = letter.width();
            if used + width > columns {
                push(&mut lines, std::mem::take(&mut text), span.style);
                if lines.len() == rows {
                    return lines;
                }
                lines.push(Line::default());
                used = 0;
            }
            text.push_str(letter);
            used += width;
        }
        push(&mut lines, text, span.style);
    }
    lines
}

fn push(lines: &mut [Line<'static>], text: String, style: Style) {
    if let Some(line) = lines.last_mut()
        && !text.is_empty()
    {
        line.push_span(Span::styled(text, style));
    }
}
