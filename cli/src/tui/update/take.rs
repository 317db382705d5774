//! Taking a command: to the prompt, to be run, to be edited, to the clipboard; and leaving.
//!
//! A command is only taken from rows that belong to what was typed: Enter that comes before the answer waits for it.

use super::{deletion, edit, keys, see};
use crate::tui::{
    danger::danger,
    effect::{Chosen, Effect},
    key::Key,
    line::Line,
    model::{Confirm, Held, Model, Take, Waits},
};

/// How long a key waits for the answer to what was typed just before it. Searching a million commands takes
/// milliseconds; a daemon that has to be started takes longer.
const HELD_MS_MAX: u64 = 2000;

/// Takes what is edited, marked or chosen.
pub(super) fn take(model: &mut Model, how: Take, now_ms: u64) -> Vec<Effect> {
    if model.editing.is_some() {
        let command = model.line.text().as_bytes().to_vec();
        return done(model, how, command);
    }
    if !model.marks.is_empty() {
        let between = model.setup.join.text();
        let commands: Vec<&[u8]> = model.marks.iter().map(|mark| mark.record.command.as_slice()).collect();
        let command = commands.join(between);
        return done(model, how, command);
    }
    if is_held(model, Waits::Take(how), now_ms) {
        return Vec::new();
    }
    let Some(hit) = model.list.chosen() else { return Vec::new() };
    let command = hit.record.command.to_vec();
    done(model, how, command)
}

/// Whether the row that a key is about is still on its way. Then the key waits for it, and those behind it too.
pub(super) fn is_held(model: &mut Model, what: Waits, now_ms: u64) -> bool {
    let is_away = !model.is_current() || model.list.chosen().is_none() && model.is_waiting();
    if is_away {
        model.held = Some(Held { what, until_ms: now_ms.saturating_add(HELD_MS_MAX) });
    }
    is_away
}

/// Goes on with what waited, if its answer is here.
pub(super) fn held(model: &mut Model) -> Vec<Effect> {
    let Some(Held { what, until_ms }) = model.held.take() else { return Vec::new() };
    let effects = match what {
        Waits::Take(how) => take(model, how, 0),
        Waits::Details => see::details(model, 0),
    };
    // Held again: it waits no longer than it would have.
    if let Some(held) = &mut model.held {
        held.until_ms = until_ms;
    }
    effects
}

fn done(model: &mut Model, how: Take, command: Vec<u8>) -> Vec<Effect> {
    match how {
        Take::Put => leave(model, Some(Chosen { command, run: false })),
        // Without a prompt there is nothing that could run it.
        Take::Run if !model.setup.for_prompt => leave(model, Some(Chosen { command, run: false })),
        Take::Run => match danger(&command) {
            Some(danger) => {
                model.confirm = Some(Confirm { command, danger });
                Vec::new()
            }
            None => leave(model, Some(Chosen { command, run: true })),
        },
        Take::Edit => edit::begin(model, command),
        Take::Copy => {
            model.notice = "copied".to_owned();
            vec![Effect::Copy(command)]
        }
    }
}

/// The second key for a command that is not run at once.
pub(super) fn on_second_key(model: &mut Model, key: Key) -> Vec<Effect> {
    let Some(Confirm { command, danger: _ }) = model.confirm.take() else { return Vec::new() };
    match keys::answer(key) {
        Some(Take::Run) => leave(model, Some(Chosen { command, run: true })),
        Some(_) => leave(model, Some(Chosen { command, run: false })),
        None => Vec::new(),
    }
}

/// Leaves. Deletions that could still be taken back are carried out now.
pub(super) fn leave(model: &mut Model, chosen: Option<Chosen>) -> Vec<Effect> {
    let mut effects = deletion::carry_out(model, |_| true);
    effects.push(Effect::Leave(chosen));
    effects
}

/// A command in the line, if it can be typed.
pub(super) fn as_line(command: &[u8]) -> Option<Line> {
    std::str::from_utf8(command).ok().and_then(Line::of_command)
}
