//! The mouse: a click chooses, a second one takes, the wheel moves.

use super::{go, see, take};
use crate::{
    config::Direction,
    tui::{
        effect::Effect,
        input::{Mouse, MouseKind},
        model::{Clicked, Model, Take},
    },
};

/// Two clicks on one row within this are one double click.
const DOUBLE_MS: u64 = 400;

/// Rows that the wheel moves by.
const WHEEL_ROWS: i64 = 3;

/// The mouse did something.
pub(super) fn on_mouse(model: &mut Model, mouse: Mouse, now_ms: u64) -> Vec<Effect> {
    // A question is answered by keys: nobody runs a command by a click beside it.
    if model.confirm.is_some() {
        return Vec::new();
    }
    match mouse.kind {
        MouseKind::WheelUp => wheel(model, mouse, -WHEEL_ROWS),
        MouseKind::WheelDown => wheel(model, mouse, WHEEL_ROWS),
        MouseKind::Press => press(model, mouse, now_ms),
        MouseKind::Release => release(model, mouse, now_ms),
    }
}

fn wheel(model: &mut Model, mouse: Mouse, down: i64) -> Vec<Effect> {
    let preview = model.layout().preview;
    if model.pane.is_some() {
        see::scroll_pane(model, down);
        return Vec::new();
    }
    if (preview.top()..preview.bottom()).contains(&mouse.row) {
        return see::scroll_preview(model, down.signum() as isize);
    }
    let older = match model.setup.direction {
        Direction::Up => -down,
        Direction::Down => down,
    };
    go(model, model.list.stepped(older))
}

fn press(model: &mut Model, mouse: Mouse, now_ms: u64) -> Vec<Effect> {
    if model.pane.is_some() || !model.is_current() {
        return Vec::new();
    }
    let Some(index) = row_at(model, mouse.row) else { return Vec::new() };
    model.notice.clear();
    let before = model.clicked.take();
    let again = |before: &Clicked| before.index == index && now_ms.saturating_sub(before.at_ms) <= DOUBLE_MS;
    model.clicked = Some(Clicked { index, at_ms: now_ms, is_second: before.as_ref().is_some_and(again) });
    go(model, index)
}

/// A double click takes when the button is up again: a screen that closed on the press would leave the terminal's word
/// of the release to the shell, as if it had been typed.
fn release(model: &mut Model, mouse: Mouse, now_ms: u64) -> Vec<Effect> {
    let Some(Clicked { index, is_second: true, .. }) = model.clicked else { return Vec::new() };
    model.clicked = None;
    if !model.is_current() || row_at(model, mouse.row) != Some(index) {
        return Vec::new();
    }
    let how = if model.setup.enter_runs { Take::Run } else { Take::Put };
    take::take(model, how, now_ms)
}

/// Which match is drawn in this row.
fn row_at(model: &Model, row: u16) -> Option<u64> {
    let list = model.layout().list;
    if !(list.top()..list.bottom()).contains(&row) {
        return None;
    }
    let from_best = match model.setup.direction {
        Direction::Up => list.bottom() - 1 - row,
        Direction::Down => row - list.top(),
    };
    model.list.in_sight(list.height).nth(usize::from(from_best))
}
