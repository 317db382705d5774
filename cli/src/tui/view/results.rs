//! The list of what matches, the best at the bottom: a mark, how it ended, how long it took, how long ago, where, and
//! the command with what matched set apart.

use caro_schema::ipc::history::Hit;
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::Widget,
};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use super::text::{letter_start, one_line};
use crate::{
    commands::state,
    output::{time, visible},
    tui::model::Model,
};

/// Narrower than this only the mark and the command are shown.
const COLUMNS_FOR_DETAILS: u16 = 50;

/// Narrower than this the host is not shown.
const COLUMNS_FOR_HOST: u16 = 90;

/// Columns of a host's name.
const HOST_COLUMNS: usize = 10;

/// Bytes in front of the first match that stay in sight when the rest does not fit.
const BEFORE_MATCH: usize = 10;

pub(super) fn draw(model: &Model, area: Rect, buffer: &mut Buffer) {
    if let Some(failure) = &model.trouble {
        let lines = [visible::line(failure.message.as_bytes()), visible::line(failure.hint.as_bytes())];
        return words(&lines, area, buffer);
    }
    if model.total == 0 {
        let nothing = match (model.is_waiting(), model.of) {
            (true, _) => "…",
            (false, 0) => "no history yet",
            (false, _) => "nothing matches",
        };
        return words(&[nothing.to_owned()], area, buffer);
    }
    for row in 0..area.height {
        let index = model.top + u64::from(row);
        let at = Rect::new(area.x, area.bottom() - 1 - row, area.width, 1);
        if let Some(hit) = model.row(index) {
            line(model, hit, index == model.selected, area.width).render(at, buffer);
        }
    }
}

fn words(lines: &[String], area: Rect, buffer: &mut Buffer) {
    for (row, text) in lines.iter().rev().filter(|text| !text.is_empty()).enumerate() {
        let Ok(row) = u16::try_from(row) else { return };
        if row < area.height {
            let at = Rect::new(area.x, area.bottom() - 1 - row, area.width, 1);
            Line::from(format!("  {text}")).render(at, buffer);
        }
    }
}

fn line(model: &Model, hit: &Hit, is_selected: bool, columns: u16) -> Line<'static> {
    let base = if is_selected { Style::new().add_modifier(Modifier::BOLD) } else { Style::new() };
    let mark = if is_selected { "▌ " } else { "  " };
    let mut spans = vec![Span::styled(mark, base)];
    if columns >= COLUMNS_FOR_DETAILS {
        spans.extend(details(model, hit, columns));
    }
    let used: usize = spans.iter().map(|span| span.content.width()).sum();
    spans.extend(command(hit, usize::from(columns).saturating_sub(used), base));
    Line::from(spans)
}

fn details(model: &Model, hit: &Hit, columns: u16) -> Vec<Span<'static>> {
    let record = &hit.record;
    let failed = record.exit.is_some_and(|exit| exit != 0);
    let state_style = if failed { Style::new().fg(Color::Red) } else { Style::new().fg(Color::Green) };
    // Nobody needs to read that a command went well.
    let ended = if record.exit == Some(0) { String::new() } else { state(record) };
    let took = record.duration_us.map(time::duration).unwrap_or_default();
    let age = time::age(record.start_us, model.place.now_us);
    let dim = Style::new().add_modifier(Modifier::DIM);
    let mut spans =
        vec![Span::styled(format!("{ended:>4} "), state_style), Span::styled(format!("{took:>5} {age:>4}  "), dim)];
    if columns >= COLUMNS_FOR_HOST {
        let here = record.host == model.place.host;
        let host = if here { String::new() } else { visible::line(record.host.as_bytes()) };
        spans.push(Span::styled(fitted(&host, HOST_COLUMNS), dim));
        spans.push(Span::raw("  "));
    }
    spans
}

/// Exactly so many columns.
fn fitted(text: &str, columns: usize) -> String {
    let mut shown = String::new();
    let mut used = 0;
    for letter in text.graphemes(true) {
        if used + letter.width() > columns {
            break;
        }
        used += letter.width();
        shown.push_str(letter);
    }
    shown + &" ".repeat(columns - used)
}

/// The command, from a place where the first match is in sight. Of a long one only what can be in sight is looked at.
fn command(hit: &Hit, columns: usize, base: Style) -> Vec<Span<'static>> {
    let bytes: &[u8] = &hit.record.command;
    let first = hit.matched.first().map_or(0, |(from, _)| *from as usize);
    let start = if first < columns { 0 } else { letter_start(bytes, first.saturating_sub(BEFORE_MATCH)) };
    // A letter has at most four bytes, and one column takes few letters; more would only cost time.
    let end = letter_start(bytes, start.saturating_add(columns.saturating_mul(8)));
    let mut spans = Vec::new();
    if start > 0 {
        spans.push(Span::styled("…", base));
    }
    spans.extend(one_line(bytes, start..end.max(start), &hit.matched, base));
    let width: usize = spans.iter().map(|span| span.content.width()).sum();
    if width > columns { with_ellipsis(spans, columns) } else { spans }
}

/// Cut to the columns, with a sign that something is missing.
fn with_ellipsis(spans: Vec<Span<'static>>, columns: usize) -> Vec<Span<'static>> {
    let mut kept = Vec::new();
    let mut room = columns.saturating_sub(1);
    for span in spans {
        let width = span.content.width();
        if width <= room {
            room -= width;
            kept.push(span);
            continue;
        }
        let cut = fitted(&span.content, room);
        kept.push(Span::styled(cut.trim_end().to_owned(), span.style));
        break;
    }
    if columns > 0 {
        kept.push(Span::raw("…"));
    }
    kept
}
