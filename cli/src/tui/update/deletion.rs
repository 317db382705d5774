//! Deleting with a way back. A deletion hides its rows at once, and is carried out when its time is over or the screen
//! closes: what is deleted is deleted for ever and on every device, so the way back is only before that.

use std::collections::HashSet;

use caro_schema::ipc::history::Hit;

use super::{ask_if_needed, bring_into_sight};
use crate::{
    error::Failure,
    output::counted,
    tui::{
        effect::{Delete, Effect},
        model::{Deletion, Model, Stage},
    },
};

/// How long a deletion can be taken back, while the screen is open.
pub(in crate::tui) const UNDO_MS: u64 = 10_000;

/// Deletes what is marked or chosen: only these runs, or all runs of these commands.
pub(super) fn delete(model: &mut Model, all_runs: bool, now_ms: u64) -> Vec<Effect> {
    // Rows of an older question are not what the person means.
    if !model.is_current() || model.pane.is_some() {
        return Vec::new();
    }
    // Of marks nobody knows any more among which rows they were made.
    let is_counted = model.marks.is_empty() && model.counts_all_runs();
    let hits = if model.marks.is_empty() {
        model.list.chosen().cloned().into_iter().collect()
    } else {
        std::mem::take(&mut model.marks)
    };
    let Some(first) = hits.first() else { return Vec::new() };
    let said = words(&hits, all_runs, is_counted.then_some(first.runs));
    model.notice.clone_from(&said);
    model.deleted += 1;
    let stage = Stage::Waiting(now_ms.saturating_add(UNDO_MS));
    model.deletions.push(Deletion { number: model.deleted, hits, all_runs, said, stage });
    hide(model)
}

/// What a deletion takes. Without the number of all runs of the only row: that there are perhaps more than are shown.
fn words(hits: &[Hit], all_runs: bool, runs: Option<u32>) -> String {
    if !all_runs {
        return match (hits.len(), runs) {
            (1, Some(runs @ 2..)) => format!("this run deleted on every device, {} stay", runs - 1),
            (1, Some(_)) => "this run deleted on every device".to_owned(),
            (1, None) => "only this run deleted on every device".to_owned(),
            (count, _) => format!("{count} runs deleted on every device"),
        };
    }
    let commands: HashSet<&[u8]> = hits.iter().map(|hit| hit.record.command.as_slice()).collect();
    match (commands.len(), runs) {
        (1, Some(runs @ 2..)) => format!("deleted on every device, all {runs} runs"),
        (1, Some(_)) => "deleted on every device".to_owned(),
        (1, None) => "deleted on every device: all its runs, everywhere".to_owned(),
        (count, _) => format!("{count} commands deleted on every device: all runs, everywhere"),
    }
}

/// Takes the last deletion back, if it was not carried out.
pub(super) fn undo(model: &mut Model) -> Vec<Effect> {
    let waits = |deletion: &Deletion| matches!(deletion.stage, Stage::Waiting(_));
    match model.deletions.iter().rposition(waits) {
        Some(last) => {
            let back = model.deletions.remove(last);
            model.notice = "taken back".to_owned();
            // Whoever wanted it back wants to see it.
            let is_back = |hit: &Hit| back.hits.first().is_some_and(|first| first.record.id == hit.record.id);
            let place = model.list.rows().find(|(_, hit)| is_back(hit)).map(|(place, _)| place);
            if let Some(place) = place {
                model.list.choose_ahead(place);
            }
            hide(model)
        }
        None => {
            model.notice = "there is nothing to take back".to_owned();
            Vec::new()
        }
    }
}

/// Hides what is deleted, and shows what is not.
fn hide(model: &mut Model) -> Vec<Effect> {
    let deletions = std::mem::take(&mut model.deletions);
    model.list.hide(|hit| deletions.iter().any(|deletion| deletion.covers(hit)));
    model.deletions = deletions;
    bring_into_sight(model);
    ask_if_needed(model)
}

/// Carries out those whose time is of this kind.
pub(super) fn carry_out(model: &mut Model, is_time: impl Fn(u64) -> bool) -> Vec<Effect> {
    let mut effects = Vec::new();
    for deletion in &mut model.deletions {
        if let Stage::Waiting(until_ms) = deletion.stage
            && is_time(until_ms)
        {
            deletion.stage = Stage::Sent;
            let Deletion { number, hits, all_runs, said: _, stage: _ } = deletion;
            effects.push(Effect::Delete(Delete { number: *number, hits: hits.clone(), all_runs: *all_runs }));
        }
    }
    effects
}

/// A deletion is done: the rows stay hidden until an answer comes that no longer has them.
pub(super) fn on_deleted(model: &mut Model, number: u64, outcome: Result<u64, Failure>) -> Vec<Effect> {
    match outcome {
        Ok(runs) => {
            // Only now it is known how many there were everywhere.
            model.notice = format!("done: {} deleted on every device", counted(runs, "run"));
            let search = model.search();
            for deletion in model.deletions.iter_mut().filter(|deletion| deletion.number == number) {
                deletion.stage = Stage::Done(search.ticket);
            }
            vec![Effect::Search(search)]
        }
        Err(failure) => {
            model.deletions.retain(|deletion| deletion.number != number);
            model.notice = format!("not deleted: {}", failure.message);
            hide(model)
        }
    }
}
