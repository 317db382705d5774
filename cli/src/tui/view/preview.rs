//! The chosen command in full, over several lines, and everything that is known of it.

use caro_schema::ipc::history::Hit;
use jiff::tz::TimeZone;
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::{Modifier, Style},
    text::{Line, Span},
    widgets::Widget,
};

use super::text::{letter_start, one_line};
use crate::{
    commands::state,
    output::{time, visible},
    tui::model::Model,
};

pub(super) fn draw(model: &Model, area: Rect, buffer: &mut Buffer) {
    if area.height == 0 || area.width == 0 {
        return;
    }
    let dim = Style::new().add_modifier(Modifier::DIM);
    let row = |number: u16| Rect::new(area.x, area.y + number, area.width, 1);
    Line::styled("─".repeat(usize::from(area.width)), dim).render(row(0), buffer);
    let Some(hit) = model.chosen() else { return };
    if area.height > 1 {
        Line::styled(about(hit, &TimeZone::system()), dim).render(row(1), buffer);
    }
    let rows = area.height.saturating_sub(2);
    for (number, line) in (2..).zip(command(hit, usize::from(area.width), usize::from(rows))) {
        line.render(row(number), buffer);
    }
}

/// Everything but the command, on one line.
fn about(hit: &Hit, zone: &TimeZone) -> String {
    let record = &hit.record;
    let mut parts = vec![time::local(record.start_us, zone)];
    let ended = state(record);
    match ended.as_str() {
        "" => {}
        "…" => parts.push("running".to_owned()),
        status => parts.push(format!("status {status}")),
    }
    parts.extend(record.duration_us.map(time::duration));
    let shown = |bytes: &[u8]| visible::line(bytes);
    parts.push(format!("{}@{}", shown(record.user.as_bytes()), shown(record.host.as_bytes())));
    if !record.directory.is_empty() {
        parts.push(shown(&record.directory));
    }
    if hit.runs > 1 {
        parts.push(format!("{} runs", hit.runs));
    }
    parts.join("  ")
}

/// The command as it is laid out, wrapped. Of a long one only what can be in sight is looked at.
fn command(hit: &Hit, columns: usize, rows: usize) -> Vec<Line<'static>> {
    let bytes: &[u8] = &hit.record.command;
    let mut lines = Vec::new();
    let mut start = 0;
    while lines.len() < rows && start <= bytes.len() {
        let newline = bytes[start..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| start + at);
        let most = columns.saturating_mul(rows).saturating_mul(4);
        let end = letter_start(bytes, newline.min(start.saturating_add(most)));
        let spans = one_line(bytes, start..end.max(start), &hit.matched, Style::new());
        lines.extend(wrapped(spans, columns, rows - lines.len()));
        start = newline + 1;
    }
    lines
}

/// Cuts spans into lines of so many columns, between letters.
fn wrapped(spans: Vec<Span<'static>>, columns: usize, rows: usize) -> Vec<Line<'static>> {
    use unicode_segmentation::UnicodeSegmentation;
    use unicode_width::UnicodeWidthStr;
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
