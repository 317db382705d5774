//! What happens on a message: a pure function from the model and the message to the model and what is to be done.

use caro_schema::ipc::history::Mode;
use crossterm::event::{KeyCode, KeyEvent};

use super::{
    effect::{Chosen, Delete, Effect},
    keymap::{self, Edit, Meaning},
    message::Message,
    model::Model,
};
use crate::{config::Scope, output::visible};

/// Changes the model, and says what is to be done.
pub(super) fn update(model: &mut Model, message: Message) -> Vec<Effect> {
    match message {
        Message::Key(key) => on_key(model, key),
        Message::Paste(text) => {
            model.notice.clear();
            model.line.insert(&text);
            ask_anew(model)
        }
        Message::Resize(columns, rows) => {
            model.size = (columns, rows);
            model.select(model.selected);
            ask_if_needed(model)
        }
        Message::Found { ticket, offset, found } => on_found(model, ticket, offset, found),
        Message::Deleted(Ok(count)) => {
            model.notice = format!("deleted {count} on every device");
            vec![Effect::Search(model.search())]
        }
        Message::Deleted(Err(failure)) => {
            model.notice = failure.message;
            Vec::new()
        }
        // The daemon has read more of its history by now.
        Message::Quiet if !model.complete && !model.is_waiting() => vec![Effect::Search(model.search())],
        Message::Quiet => Vec::new(),
        Message::NoTerminal => vec![Effect::Leave(None)],
    }
}

fn on_found(
    model: &mut Model,
    ticket: u64,
    offset: u64,
    found: Result<caro_schema::ipc::history::Hits, crate::error::Failure>,
) -> Vec<Effect> {
    // Answers that were overtaken by a newer one.
    if ticket <= model.answered {
        return Vec::new();
    }
    model.answered = ticket;
    match found {
        Ok(hits) => {
            model.take(offset, hits);
            ask_if_needed(model)
        }
        Err(failure) => {
            model.trouble = Some(failure);
            (model.rows, model.total) = (Vec::new(), 0);
            Vec::new()
        }
    }
}

fn on_key(model: &mut Model, key: KeyEvent) -> Vec<Effect> {
    model.notice.clear();
    if model.deleting.is_some() {
        return on_answer(model, key);
    }
    let Some(meaning) = keymap::meaning(key) else { return Vec::new() };
    let page = u64::from(model.list_rows().max(1));
    match meaning {
        Meaning::Up => go(model, model.selected.saturating_add(1)),
        Meaning::Down if model.by_up_key && model.selected == 0 => vec![Effect::Leave(None)],
        Meaning::Down => go(model, model.selected.saturating_sub(1)),
        Meaning::PageUp => go(model, model.selected.saturating_add(page)),
        Meaning::PageDown => go(model, model.selected.saturating_sub(page)),
        Meaning::First => go(model, 0),
        Meaning::Last => go(model, u64::MAX),
        Meaning::Accept => accept(model, model.enter_runs),
        Meaning::Put => accept(model, false),
        Meaning::Cancel => vec![Effect::Leave(None)],
        Meaning::NextScope => {
            model.scope = model.next_scope();
            ask_anew(model)
        }
        Meaning::NextMode => {
            model.mode = next_mode(model.mode);
            ask_anew(model)
        }
        Meaning::Delete => {
            model.deleting = model.chosen().cloned();
            Vec::new()
        }
        Meaning::Redraw => vec![Effect::Redraw, Effect::Search(model.search())],
        Meaning::Type(letter) => {
            model.line.insert(letter.encode_utf8(&mut [0; 4]));
            ask_anew(model)
        }
        Meaning::Edit(edit) => on_edit(model, edit),
    }
}

/// Yes, only this one, or anything else, which is no.
fn on_answer(model: &mut Model, key: KeyEvent) -> Vec<Effect> {
    let Some(hit) = model.deleting.take() else { return Vec::new() };
    match key.code {
        KeyCode::Char('y' | 'Y') => vec![Effect::Delete(Delete { hit, all_runs: true })],
        KeyCode::Char('o' | 'O') if hit.runs > 1 => vec![Effect::Delete(Delete { hit, all_runs: false })],
        _ => Vec::new(),
    }
}

fn on_edit(model: &mut Model, edit: Edit) -> Vec<Effect> {
    let line = &mut model.line;
    let before = line.text().len();
    match edit {
        Edit::Left => line.left(),
        Edit::Right => line.right(),
        Edit::WordLeft => line.word_left(),
        Edit::WordRight => line.word_right(),
        Edit::Start => line.start(),
        Edit::End => line.end(),
        Edit::DeleteBefore => line.delete_before(),
        Edit::DeleteAfter => line.delete_after(),
        Edit::DeleteWord => line.delete_word(),
        Edit::DeleteToStart => line.delete_to_start(),
        Edit::DeleteToEnd => line.delete_to_end(),
    }
    // These only take away: the same length is the same text.
    if line.text().len() == before { Vec::new() } else { ask_anew(model) }
}

fn go(model: &mut Model, index: u64) -> Vec<Effect> {
    model.select(index);
    ask_if_needed(model)
}

/// Takes the chosen command. One that a person cannot see whole on one line is never run at once.
fn accept(model: &mut Model, run: bool) -> Vec<Effect> {
    let Some(hit) = model.chosen() else { return Vec::new() };
    let command = hit.record.command.to_vec();
    let run = run && visible::is_plain_line(&command);
    vec![Effect::Leave(Some(Chosen { command, run }))]
}

/// The question changed: back to the best match.
fn ask_anew(model: &mut Model) -> Vec<Effect> {
    (model.selected, model.top) = (0, 0);
    vec![Effect::Search(model.search())]
}

/// The question is the same, but rows in sight are not here. While an answer is on its way it is waited for.
fn ask_if_needed(model: &mut Model) -> Vec<Effect> {
    if model.has_what_is_in_sight() || model.is_waiting() { Vec::new() } else { vec![Effect::Search(model.search())] }
}

fn next_mode(mode: Mode) -> Mode {
    match mode {
        Mode::Fuzzy => Mode::Substring,
        Mode::Substring => Mode::Prefix,
        Mode::Prefix => Mode::Regex,
        Mode::Regex => Mode::Fuzzy,
    }
}

/// A scope that means something here, for the beginning.
pub(super) fn usable(scope: Scope, session: &str) -> Scope {
    if scope == Scope::Session && session.is_empty() { Scope::All } else { scope }
}

#[cfg(test)]
pub(in crate::tui) mod tests;
