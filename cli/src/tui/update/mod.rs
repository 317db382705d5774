//! What happens on a message: a pure function from the model, the message and the time to the model and what is to be
//! done. Here is what comes from outside; keys are in `keys.rs`, and what actions do in the files of their groups.

mod deletion;
mod edit;
mod keys;
mod mouse;
mod see;
mod take;

use caro_schema::ipc::history::{Hit, Hits, Window};

use super::{
    effect::Effect,
    message::Message,
    model::{Clicked, Model, Pane, Stage, is_same},
};
use crate::error::Failure;

/// Changes the model, and says what is to be done. `now_ms` counts from when the screen was opened.
pub(super) fn update(model: &mut Model, message: Message, now_ms: u64) -> Vec<Effect> {
    match message {
        Message::Key(key) => keys::on_key(model, key, now_ms),
        Message::Paste(text) => on_paste(model, &text),
        Message::Mouse(mouse) => mouse::on_mouse(model, mouse, now_ms),
        Message::Resize(columns, rows) => {
            model.size = (columns, rows);
            bring_into_sight(model);
            ask_if_needed(model)
        }
        Message::Found { ticket, window, found } => on_found(model, ticket, window, found),
        Message::Located { ticket, newer } => see::on_located(model, ticket, newer),
        Message::Details(id, details) => {
            if let Some(Pane::Details(pane)) = &mut model.pane
                && pane.hit.record.id == id
            {
                pane.details = Some(details);
            }
            Vec::new()
        }
        Message::Deleted { number, outcome } => deletion::on_deleted(model, number, outcome),
        Message::Tick => on_tick(model, now_ms),
        // The daemon has read more of its history by now.
        Message::Quiet if !model.list.complete && !model.is_waiting() => vec![Effect::Search(model.search())],
        Message::Quiet => Vec::new(),
        Message::NoTerminal => take::leave(model, None),
    }
}

fn on_paste(model: &mut Model, text: &str) -> Vec<Effect> {
    model.notice.clear();
    // Whoever pastes does not answer a question with it.
    model.confirm = None;
    model.keys.clear();
    if !model.line.insert(text) {
        model.notice = format!("cut after {} bytes: more has no room here", model.line.text().len());
    }
    edit::changed(model)
}

fn on_found(model: &mut Model, ticket: u64, window: Window, found: Result<Hits, Failure>) -> Vec<Effect> {
    // Answers that were overtaken by a newer one.
    if ticket <= model.answered {
        return Vec::new();
    }
    let is_same_question = model.is_current();
    model.answered = ticket;
    match found {
        Ok(hits) => {
            model.trouble = None;
            let gone = |stage: Stage| matches!(stage, Stage::Done(question) if question <= ticket);
            model.deletions.retain(|deletion| !gone(deletion.stage));
            take_in(model, window, hits, is_same_question);
            let here = &model.setup.place.host;
            model.other_hosts |= model.list.rows().any(|(_, hit)| hit.record.host != *here);
            if model.is_current() {
                see::seek(model);
                bring_into_sight(model);
            }
        }
        Err(failure) => {
            model.trouble = Some(failure);
            model.list.clear();
            model.held = None;
        }
    }
    let mut effects = ask_if_needed(model);
    effects.extend(take::held(model));
    effects
}

/// Takes rows in. What was chosen or clicked among others of the same question is looked for: its place may be another.
fn take_in(model: &mut Model, window: Window, hits: Hits, is_same_question: bool) {
    let deletions = std::mem::take(&mut model.deletions);
    let is_hidden = |hit: &Hit| deletions.iter().any(|deletion| deletion.covers(hit));
    if is_same_question && model.list.goes_on_with(window, &hits) {
        model.list.append(window, hits, model.list_rows(), is_hidden);
    } else {
        let by_run = model.context.is_some();
        let is_same = |one: &Hit, other: &Hit| is_same(by_run, one, other);
        let before = model.list.take(window, hits, is_hidden);
        let clicked = model.clicked.take().filter(|_| is_same_question);
        if is_same_question {
            model.list.follow(&before, is_same, |hit| !is_hidden(hit));
        }
        model.clicked = clicked.and_then(|clicked| {
            let index = model.list.place_of(before.row(clicked.index)?, is_same)?;
            Some(Clicked { index, ..clicked })
        });
    }
    model.deletions = deletions;
}

/// What was held waits no longer, and deletions whose time has come are carried out.
fn on_tick(model: &mut Model, now_ms: u64) -> Vec<Effect> {
    if model.held.is_some_and(|held| held.until_ms <= now_ms) {
        model.held = None;
        model.notice = "the daemon has not answered yet; press the key again".to_owned();
    }
    deletion::carry_out(model, |until_ms| until_ms <= now_ms)
}

/// Chooses what is chosen again, within what there is.
fn bring_into_sight(model: &mut Model) {
    let rows = model.list_rows();
    model.list.choose(model.list.chosen, rows);
}

/// Goes to a match. Its place is only known when the rows belong to the question.
fn go(model: &mut Model, index: u64) -> Vec<Effect> {
    let rows = model.list_rows();
    model.preview_top = 0;
    if model.is_current() {
        model.list.choose(index, rows);
    } else {
        model.list.choose_ahead(index);
    }
    ask_if_needed(model)
}

/// The question changed: back to the best match.
fn ask_anew(model: &mut Model) -> Vec<Effect> {
    model.read_line();
    if let Some(context) = &mut model.context {
        // Who narrows looks for something else than the run that was chosen.
        (context.locating, context.seeking) = (None, false);
    }
    model.list.rewind();
    model.preview_top = 0;
    let search = model.search();
    model.question = search.ticket;
    vec![Effect::Search(search)]
}

/// The question is the same, but rows in sight are not here. While an answer is on its way it is waited for.
fn ask_if_needed(model: &mut Model) -> Vec<Effect> {
    let rows = model.list_rows();
    if model.is_waiting() || model.trouble.is_some() || model.list.has_what_is_in_sight(rows) {
        Vec::new()
    } else {
        vec![Effect::Search(model.search_missing())]
    }
}

#[cfg(test)]
pub(in crate::tui) mod tests;
