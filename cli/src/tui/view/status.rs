//! The last row: a question that waits for an answer, something to say, or how many match and what the keys do.

use caro_schema::ipc::history::Mode;
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::{Modifier, Style},
    text::Line,
    widgets::Widget,
};

use crate::{config::Scope, output::visible, tui::model::Model};

pub(super) fn draw(model: &Model, area: Rect, buffer: &mut Buffer) {
    if area.height == 0 {
        return;
    }
    let style = if model.deleting.is_some() {
        Style::new().add_modifier(Modifier::BOLD)
    } else {
        Style::new().add_modifier(Modifier::DIM)
    };
    Line::styled(words(model), style).render(area, buffer);
}

fn words(model: &Model) -> String {
    if let Some(hit) = &model.deleting {
        return match hit.runs {
            0 | 1 => "delete this command on every device, for ever? y = yes, any other key = no".to_owned(),
            runs => {
                format!("delete on every device, for ever? y = all {runs} runs, o = only this one, any other key = no")
            }
        };
    }
    if !model.notice.is_empty() {
        return visible::line(model.notice.as_bytes());
    }
    let reading = if model.complete { "" } else { " (older ones are still being read)" };
    let enter = match (model.for_prompt, model.enter_runs) {
        (true, true) => "Enter run  Tab edit",
        (true, false) => "Enter take",
        (false, _) => "Enter print",
    };
    format!(
        "{} of {}{reading}  {}  {}  |  {enter}  Ctrl-R where  Ctrl-T how  Ctrl-D delete  Esc leave",
        model.total,
        model.of,
        scope(model),
        mode(model.mode)
    )
}

fn scope(model: &Model) -> &'static str {
    match model.scope {
        Scope::All => "everywhere",
        Scope::Host => "this host",
        Scope::Directory => "this directory",
        Scope::Session => "this session",
    }
}

fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Fuzzy => "fuzzy",
        Mode::Substring => "words",
        Mode::Prefix => "beginning",
        Mode::Regex => "regex",
    }
}
