//! From a key to an action, and from an action to what does it.

use caro_schema::ipc::history::Mode;

use super::{ask_anew, deletion, edit, go, see, take};
use crate::{
    config::Direction,
    tui::{
        action::Action,
        effect::Effect,
        key::{Code, Key},
        keymap::Meaning,
        model::{Model, Take},
        narrow::{Folder, Narrow},
    },
};

/// A key was pressed.
pub(super) fn on_key(model: &mut Model, key: Key, now_ms: u64) -> Vec<Effect> {
    model.notice.clear();
    if model.confirm.is_some() {
        return take::on_second_key(model, key);
    }
    model.keys.push(key);
    let keys = std::mem::take(&mut model.keys);
    match model.setup.keymap.meaning(&keys, |fact| model.is(fact)) {
        Meaning::Begins => {
            model.keys = keys;
            Vec::new()
        }
        Meaning::Does(action) => act(model, action, now_ms),
        // What began as something else and became nothing is forgotten whole, as in vim.
        Meaning::Nothing if keys.len() > 1 => Vec::new(),
        Meaning::Nothing => typed(model, key),
    }
}

/// A key that is bound to nothing types its letter, where letters are typed.
fn typed(model: &mut Model, key: Key) -> Vec<Effect> {
    let Some(letter) = key.letter().filter(|_| !model.vim_normal) else { return Vec::new() };
    model.line.insert(letter.encode_utf8(&mut [0; 4]));
    edit::changed(model)
}

/// Does what a key is bound to.
pub(super) fn act(model: &mut Model, action: Action, now_ms: u64) -> Vec<Effect> {
    let page = i64::from(model.list_rows().max(1));
    match action {
        Action::Up => step(model, 1),
        Action::Down => step(model, -1),
        Action::PageUp => step(model, page),
        Action::PageDown => step(model, -page),
        Action::HalfPageUp => step(model, (page / 2).max(1)),
        Action::HalfPageDown => step(model, -(page / 2).max(1)),
        Action::Best => go(model, 0),
        Action::Last => go(model, u64::MAX),
        Action::Accept => take::take(model, if model.setup.enter_runs { Take::Run } else { Take::Put }, now_ms),
        Action::Put => take::take(model, Take::Put, now_ms),
        Action::Run => take::take(model, Take::Run, now_ms),
        Action::Edit => take::take(model, Take::Edit, now_ms),
        Action::Copy => take::take(model, Take::Copy, now_ms),
        Action::Leave => take::leave(model, None),
        Action::Mark => see::mark(model),
        Action::UnmarkAll => {
            model.marks.clear();
            Vec::new()
        }
        Action::DeleteRun => deletion::delete(model, false, now_ms),
        Action::DeleteCommand => deletion::delete(model, true, now_ms),
        Action::Undo => deletion::undo(model),
        Action::Details => see::details(model, now_ms),
        Action::Context => see::context(model),
        Action::Help => see::help(model),
        Action::Close => see::close(model),
        Action::Preview => see::toggle_preview(model),
        Action::PreviewUp => see::scroll_preview(model, -1),
        Action::PreviewDown => see::scroll_preview(model, 1),
        Action::Redraw => vec![Effect::Redraw, Effect::Search(model.search())],
        Action::NextMode => {
            model.mode = next_mode(model.mode);
            narrowed(model)
        }
        Action::NextScope
        | Action::ToggleHost
        | Action::ToggleSession
        | Action::ToggleDirectory
        | Action::ToggleSubtree
        | Action::ToggleRepository
        | Action::ToggleExit
        | Action::ToggleAuthor
        | Action::ClearFilters => narrow(model, action),
        Action::None => Vec::new(),
        other => edit::edit(model, other),
    }
}

/// So many rows up or down, as they are seen; or lines of what stands over them.
fn step(model: &mut Model, up: i64) -> Vec<Effect> {
    if model.pane.is_some() {
        see::scroll_pane(model, -up);
        return Vec::new();
    }
    let older = match model.setup.direction {
        Direction::Up => up,
        Direction::Down => -up,
    };
    let index = if model.is_current() {
        model.list.stepped(older)
    } else {
        // Nobody knows yet how many there are: the answer makes it right.
        model.list.chosen.saturating_add_signed(older)
    };
    go(model, index)
}

fn narrow(model: &mut Model, action: Action) -> Vec<Effect> {
    let place = &model.setup.place;
    let repository = model.setup.repository.as_deref();
    let narrow = &mut model.narrow;
    match action {
        Action::NextScope => narrow.next_scope(place, repository),
        Action::ToggleHost => narrow.host = !narrow.host,
        Action::ToggleSession if place.session.is_empty() => {
            model.notice = "this was not opened from a shell with caro's hook: there is no session".to_owned();
            return Vec::new();
        }
        Action::ToggleSession => narrow.session = !narrow.session,
        Action::ToggleDirectory => narrow.toggle_folder(Folder::Directory),
        Action::ToggleSubtree => narrow.toggle_folder(Folder::Subtree),
        Action::ToggleRepository if repository.is_none() => {
            model.notice = "this directory is in no repository".to_owned();
            return Vec::new();
        }
        Action::ToggleRepository => narrow.toggle_folder(Folder::Repository),
        Action::ToggleExit => narrow.next_ended(),
        Action::ToggleAuthor => narrow.next_author(),
        _ => *narrow = Narrow::default(),
    }
    narrowed(model)
}

/// Something else is listed. What stands over the list would hide it, and a command that is edited is no query.
fn narrowed(model: &mut Model) -> Vec<Effect> {
    model.pane = None;
    if let Some(query) = model.editing.take() {
        model.line = query;
    }
    ask_anew(model)
}

fn next_mode(mode: Mode) -> Mode {
    match mode {
        Mode::Fuzzy => Mode::Substring,
        Mode::Substring => Mode::Prefix,
        Mode::Prefix => Mode::Regex,
        Mode::Regex => Mode::Fuzzy,
    }
}

/// Keys that answer a question: yes, put it on the prompt, or anything else.
pub(super) fn answer(key: Key) -> Option<Take> {
    match key {
        Key { code: Code::Char('y' | 'Y'), ctrl: false, alt: false, .. } => Some(Take::Run),
        Key { code: Code::Tab | Code::Enter, .. } => Some(Take::Put),
        _ => None,
    }
}
