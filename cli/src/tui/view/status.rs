//! The last row: a question that waits for an answer, something to say, or how many match, where is looked, and the most
//! important keys.

use caro_schema::ipc::history::Mode;
use ratatui::{buffer::Buffer, layout::Rect, text::Line};
use unicode_width::UnicodeWidthStr;

use super::row_of;
use crate::{
    commands::grouped,
    output::{time, visible},
    tui::{
        action::Action,
        danger::Danger,
        key,
        model::{Deletion, Model, Pane, Stage},
        narrow::Narrow,
    },
};

pub(super) fn draw(model: &Model, area: Rect, buffer: &mut Buffer) {
    if area.height == 0 {
        return;
    }
    let theme = &model.setup.theme;
    let (words, style) = match (&model.confirm, question(model)) {
        (Some(_), words) => (words, theme.failed),
        (None, words) if !words.is_empty() => (words, theme.text),
        _ => (standing(model), theme.dim),
    };
    row_of(area, area.y, Line::styled(words, style), buffer);
}

/// What has to be said now, and empty when there is nothing.
fn question(model: &Model) -> String {
    if let Some(confirm) = &model.confirm {
        let why = match confirm.danger {
            Danger::Lines => "it has several lines".to_owned(),
            Danger::Hidden => "it holds what cannot be seen".to_owned(),
            Danger::Destroys(what) => format!("it can destroy ({what})"),
        };
        return format!("run it? {why}:  y run  Enter put on the prompt  any other key back");
    }
    if !model.keys.is_empty() {
        return format!("{} …", key::sequence_name(&model.keys));
    }
    if !model.notice.is_empty() {
        let can_be_undone = |last: &Deletion| matches!(last.stage, Stage::Waiting(_)) && last.said == model.notice;
        let undo = match model.deletions.last() {
            Some(last) if can_be_undone(last) => format!("  {} takes it back", first_key(model, Action::Undo)),
            _ => String::new(),
        };
        return visible::line(model.notice.as_bytes()) + &undo;
    }
    // One at a time: the first is being typed.
    model.parsed.problems.first().map(|problem| visible::line(problem.as_bytes())).unwrap_or_default()
}

/// What always stands there.
fn standing(model: &Model) -> String {
    let hint = |action: Action, words: &str| match first_key(model, action) {
        key if key.is_empty() => String::new(),
        key => format!("  {key} {words}"),
    };
    match &model.pane {
        Some(Pane::Help(_)) => {
            return format!("all keys{}{}", hint(Action::Down, "more"), hint(Action::Close, "close"));
        }
        Some(Pane::Details(_)) => {
            return format!("all runs{}{}", hint(Action::Accept, "take"), hint(Action::Close, "close"));
        }
        None => {}
    }
    if model.editing.is_some() {
        let keys = [hint(Action::Accept, "take"), hint(Action::NewLine, "new line"), hint(Action::Close, "back")];
        return format!("editing{}", keys.concat());
    }
    let list = &model.list;
    let reading = if list.complete { "" } else { " (older ones are still being read)" };
    let marked = if model.marks.is_empty() { String::new() } else { format!("  {} marked", model.marks.len()) };
    let take = match (model.setup.for_prompt, model.setup.enter_runs) {
        (true, true) => "run",
        (true, false) => "take",
        (false, _) => "print",
    };
    let keys = [
        hint(Action::Accept, take),
        hint(Action::Help, "all keys"),
        hint(Action::NextScope, "where"),
        hint(Action::NextMode, "how"),
        hint(Action::Leave, "leave"),
    ];
    let words = format!("{}{reading}{marked}  {}  {}", how_many(model), place(model), mode(model.mode));
    with_what_fits(words, &keys, usize::from(model.size.0))
}

/// How many match, and of how many. Where nothing narrows that would be how many different ones there are of how many
/// runs, which tells nobody anything.
fn how_many(model: &Model) -> String {
    let list = &model.list;
    if model.line.text().is_empty()
        && model.context.is_none()
        && model.narrow == Narrow::default()
        && model.deletions.is_empty()
    {
        let commands = if list.of == 1 { "command" } else { "commands" };
        return format!("{} {commands}", grouped(list.of));
    }
    format!("{} of {}", grouped(list.shown()), grouped(list.of))
}

/// Hints behind the words, as many as there is room for: half a hint is none.
fn with_what_fits(mut words: String, hints: &[String], columns: usize) -> String {
    for hint in hints {
        if words.width() + hint.width() > columns {
            break;
        }
        words.push_str(hint);
    }
    words
}

fn place(model: &Model) -> String {
    match &model.context {
        None => model.narrow.words().join(", "),
        Some(context) => {
            let at = time::local(context.anchor.record.start_us, model.setup.now.time_zone());
            let narrowed: String = model.narrow.words().iter().skip(1).map(|words| format!(", {words}")).collect();
            format!("session around {at}{narrowed}")
        }
    }
}

fn first_key(model: &Model, action: Action) -> String {
    model.setup.keymap.keys_of(action, |fact| model.is(fact)).map(key::shown).unwrap_or_default()
}

fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Fuzzy => "fuzzy",
        Mode::Substring => "words",
        Mode::Prefix => "beginning",
        Mode::Regex => "regex",
    }
}
