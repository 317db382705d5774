//! Deleting with a look before and a way back: what a deletion would take, the deletion itself, taking it back. What it
//! means for other devices and the relays is the core's.

use std::collections::BTreeSet;

use caro_core::{device::ASIDE_MS_MAX, history::History, step::Rows};
use caro_schema::{
    id::RecordId,
    ipc::{
        Fault, Reply,
        deleting::{Aside, Discard, Discarded, Weight},
        history::Selection,
    },
};

use super::history::selected;
use crate::{clock::Moment, state::State};

/// What a deletion would take.
pub(crate) fn weigh(state: &State, selection: Selection) -> Result<Reply, Fault> {
    let history = state.shared.history();
    let ids = chosen(state, &history, selection)?;
    let starts = || ids.iter().filter_map(|id| history.record(id)).map(|record| record.start_us);
    let account = state.device.account();
    let carried = match account {
        Some(_) if !ids.is_empty() => state.device.carried(rows(state)).map_err(crate::state::fault)?,
        _ => BTreeSet::new(),
    };
    Ok(Reply::Weight(Weight {
        count: ids.len() as u64,
        first_us: starts().min().unwrap_or_default(),
        last_us: starts().max().unwrap_or_default(),
        elsewhere: ids.iter().filter(|id| carried.contains(id)).count() as u64,
        others: account.map_or(0, |account| account.devices().len().saturating_sub(1) as u64),
        joined: account.is_some(),
        undo_ms: state.config.undo_ms,
    }))
}

/// Deletes what is selected, with a way back unless it is to be at once.
pub(crate) fn discard(state: &mut State, discard: Discard) -> Result<Reply, Fault> {
    let Discard { selection, by, now, here, confirmed } = discard;
    let ids = chosen(state, &state.shared.history(), selection)?;
    let count = ids.len() as u64;
    // A person was asked, and thought about it: what was recorded or synced meanwhile they have not seen.
    if confirmed.is_some_and(|confirmed| confirmed != count) {
        return Err(Fault::Changed { count });
    }
    if ids.is_empty() {
        return Ok(Reply::Discarded(Discarded::default()));
    }
    // Nobody waits for what is only here.
    let undo_ms = if now { 0 } else { state.config.undo_ms.min(ASIDE_MS_MAX) };
    if undo_ms == 0 && !here {
        state.decide(|device, history, env| Ok((device.delete(&ids, history, env)?, ())))?;
        return Ok(Reply::Discarded(Discarded { count, ..Discarded::default() }));
    }
    let until_ms = Moment::now().now_ms().saturating_add(undo_ms);
    let aside = state.decide(|device, history, _| Ok(device.put_aside(&ids, &by, until_ms, here, history)))?;
    let number = aside.filter(|_| undo_ms > 0).map(|aside| aside.number);
    Ok(Reply::Discarded(Discarded { count, number, until_ms }))
}

/// What is selected, each once: an id may have been named twice, and a person is told a number.
fn chosen(state: &State, history: &History, selection: Selection) -> Result<Vec<RecordId>, Fault> {
    let mut ids = selected(&state.config.filter, history, selection)?;
    let mut known = BTreeSet::new();
    ids.retain(|id| known.insert(*id));
    Ok(ids)
}

/// Takes a deletion back, if it is not too late.
pub(crate) fn take_back(state: &mut State, number: u64) -> Result<Reply, Fault> {
    let mut count = 0;
    state.decide_with_rows(|device, history, rows, _| {
        let (step, back) = device.take_back(number, history, rows)?;
        count = back;
        Ok(step)
    })?;
    Ok(Reply::Count(count))
}

/// What can be taken back.
pub(crate) fn aside(state: &State) -> Reply {
    let shown = |aside: caro_core::device::Aside| {
        let caro_core::device::Aside { number, count, until_ms, by } = aside;
        Aside { number, count, until_ms, by }
    };
    Reply::Aside(state.device.aside().map(shown).collect())
}

fn rows(state: &State) -> &dyn Rows {
    state.applier.store()
}
