//! Which commands are sent at all: what goes and what stays, kept here by hand, sent again, withdrawn.

use caro_core::history::History;
use caro_schema::{
    id::RecordId,
    ipc::{
        Fault, Reply,
        history::Selection,
        selecting::{Group, Preview, Stays},
    },
};

use super::history::selected;
use crate::{
    clock::Moment,
    state::{State, fault},
};

/// Samples of one group. A person looks at a few; all of them are what a list is for.
const SAMPLES_MAX: u32 = 100;

/// What goes and what stays.
pub(crate) fn preview(state: &State, samples: u32) -> Result<Reply, Fault> {
    let history = state.shared.history();
    let now_ms = Moment::now().now_ms();
    let found = state.device.preview(&history, state.applier.store(), now_ms).map_err(fault)?;
    let samples = samples.min(SAMPLES_MAX) as usize;
    let mut preview = Preview {
        joined: state.device.account().is_some(),
        total: history.len() as u64,
        go: group(&found.go, &history, samples),
        stay: Vec::new(),
    };
    let sent: std::collections::BTreeSet<&RecordId> = found.sent.iter().collect();
    let mut reasons: Vec<Stays> = found.stay.iter().map(|(_, why)| *why).collect();
    reasons.sort_unstable();
    reasons.dedup();
    for why in reasons {
        let ids: Vec<RecordId> = found.stay.iter().filter(|(_, of)| *of == why).map(|(id, _)| *id).collect();
        let sent = ids.iter().filter(|id| sent.contains(id)).count() as u64;
        preview.stay.push((why, Group { sent, ..group(&ids, &history, samples) }));
    }
    Ok(Reply::Preview(Box::new(preview)))
}

fn group(ids: &[RecordId], history: &History, samples: usize) -> Group {
    let samples = ids.iter().take(samples).filter_map(|id| history.record(id)).collect();
    Group { count: ids.len() as u64, sent: 0, samples }
}

/// Keeps what is selected on this device alone.
pub(crate) fn keep_here(state: &mut State, selection: Selection) -> Result<Reply, Fault> {
    let ids = selected(&state.config.filter, &state.shared.history(), selection)?;
    if !ids.is_empty() {
        state.decide_with_rows(|device, history, rows, env| device.keep_here(&ids, history, rows, env))?;
    }
    Ok(Reply::Count(ids.len() as u64))
}

/// Keeps what is selected here no longer, and sends what was kept by what held before.
pub(crate) fn share(state: &mut State, selection: Selection) -> Result<Reply, Fault> {
    let ids = selected(&state.config.filter, &state.shared.history(), selection)?;
    let now_ms = Moment::now().now_ms();
    let (step, count) =
        state.choose_with_rows(|device, history, rows, _| device.share(&ids, history, rows, now_ms)).map_err(fault)?;
    state.carry_out(step)?;
    Ok(Reply::Count(count))
}

/// Withdraws what was sent before there was the rule by which it stays.
pub(crate) fn withdraw(state: &mut State) -> Result<Reply, Fault> {
    let now_ms = Moment::now().now_ms();
    let found = state.device.preview(&state.shared.history(), state.applier.store(), now_ms).map_err(fault)?;
    let count = found.sent.len() as u64;
    if count > 0 {
        state.decide(|device, history, env| Ok((device.withdraw(&found.sent, false, history, env)?, ())))?;
    }
    Ok(Reply::Count(count))
}
