//! What keys do in the line, which is the query or a command that is edited.

use super::{ask_anew, take};
use crate::tui::{action::Action, effect::Effect, model::Model};

/// Does something in the line.
pub(super) fn edit(model: &mut Model, action: Action) -> Vec<Effect> {
    let line = &mut model.line;
    let before = line.text().to_owned();
    match action {
        Action::Left => line.left(),
        Action::Right => line.right(),
        Action::WordLeft => line.word_left(),
        Action::WordRight => line.word_right(),
        Action::Start | Action::VimInsertStart => line.start(),
        Action::End | Action::VimAppendEnd => line.end(),
        Action::VimAppend => line.right(),
        Action::DeleteBefore => line.delete_before(),
        Action::DeleteAfter => line.delete_after(),
        Action::DeleteWordBefore => line.delete_word_before(),
        Action::DeleteWordAfter | Action::VimChangeWord => line.delete_word_after(),
        Action::DeleteToStart => line.delete_to_start(),
        Action::DeleteToEnd | Action::VimChangeToEnd => line.delete_to_end(),
        Action::DeleteLine | Action::VimChangeLine => line.delete_all(),
        Action::Yank => line.yank(),
        Action::NewLine if model.editing.is_some() => drop(line.insert("\n")),
        _ => {}
    }
    match action {
        Action::VimNormal => model.vim_normal = model.setup.vim,
        Action::VimInsert
        | Action::VimAppend
        | Action::VimInsertStart
        | Action::VimAppendEnd
        | Action::VimChangeWord
        | Action::VimChangeToEnd
        | Action::VimChangeLine => model.vim_normal = false,
        _ => {}
    }
    if model.line.text() == before { Vec::new() } else { changed(model) }
}

/// The line has another text. A query is asked; a command that is edited is nobody's business yet.
pub(super) fn changed(model: &mut Model) -> Vec<Effect> {
    // What stands over the list would hide what is found.
    model.pane = None;
    if model.editing.is_some() { Vec::new() } else { ask_anew(model) }
}

/// Puts a command into the line, to be changed before it is taken.
pub(super) fn begin(model: &mut Model, command: Vec<u8>) -> Vec<Effect> {
    if model.editing.is_some() {
        return Vec::new();
    }
    match take::as_line(&command) {
        Some(line) => {
            model.editing = Some(std::mem::replace(&mut model.line, line));
            model.marks.clear();
            model.pane = None;
            model.vim_normal = false;
        }
        None => model.notice = "it holds what cannot be typed; it can be put on the prompt as it is".to_owned(),
    }
    Vec::new()
}

/// Back to the query.
pub(super) fn end(model: &mut Model) {
    if let Some(query) = model.editing.take() {
        model.line = query;
    }
}
