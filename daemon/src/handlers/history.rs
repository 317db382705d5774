//! Searching, deleting and importing.

use caro_core::{history::History, search::Searcher};
use caro_schema::{
    id::RecordId,
    ipc::{
        Fault, Reply,
        history::{Hits, Import, Imported, Order, Query, Selection, Window},
    },
};

use crate::{filter::carries_phrase, state::State};

/// Rows of one answer. A screen shows fewer; whoever wants more asks for the next window.
const ROWS_MAX: u32 = 10_000;

/// Bytes of command text in one answer, so that it fits into a message. The first row always does.
const TEXT_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Answers a search from the history as it is now.
pub(crate) fn search(
    history: &History,
    searcher: &mut Searcher,
    query: &Query,
    window: Window,
) -> Result<Reply, Fault> {
    let window = Window { limit: window.limit.min(ROWS_MAX), ..window };
    let mut hits = searcher.search(history, query, window)?;
    keep_to_size(&mut hits);
    Ok(Reply::Hits(hits))
}

/// Leaves out the rows that would not fit. The total says that there are more.
fn keep_to_size(hits: &mut Hits) {
    let mut bytes = 0;
    let fits = |hit: &caro_schema::ipc::history::Hit| {
        bytes += hit.record.command.len() + hit.record.directory.len() + hit.matched.len() * 10;
        bytes <= TEXT_BYTES_MAX
    };
    let count = hits.rows.iter().map(fits).take_while(|fits| *fits).count();
    hits.rows.truncate(count.max(1));
}

/// Deletes what is selected, here and on every device, or counts it.
pub(crate) fn delete(state: &mut State, selection: Selection, dry_run: bool) -> Result<Reply, Fault> {
    let ids = selected(&state.shared.history(), selection)?;
    if !dry_run && !ids.is_empty() {
        state.decide(|device, history, env| Ok((device.delete(&ids, history, env)?, ())))?;
    }
    Ok(Reply::Count(ids.len() as u64))
}

fn selected(history: &History, selection: Selection) -> Result<Vec<RecordId>, Fault> {
    let query = match selection {
        Selection::Ids(ids) => return Ok(ids.into_iter().filter(|id| history.contains(id)).collect()),
        // Every run of a command, not only the one that stands for all.
        Selection::Matching(query) => Query { unique: false, order: Order::Newest, ..*query },
    };
    let mut searcher: Searcher = Default::default();
    let mut ids = Vec::new();
    loop {
        let window = Window { offset: ids.len() as u64, limit: ROWS_MAX };
        let hits = searcher.search(history, &query, window)?;
        ids.extend(hits.rows.iter().map(|hit| hit.record.id));
        if hits.rows.is_empty() || ids.len() as u64 >= hits.total {
            return Ok(ids);
        }
    }
}

/// Takes in a batch of foreign history. A line that carries a phrase stays outside, as it would when recorded live.
pub(crate) fn import(state: &mut State, import: Import) -> Result<Reply, Fault> {
    let mut records = import.records;
    records.retain(|record| !carries_phrase(&record.command));
    let outcome = state.decide(|device, history, _| Ok(device.import(records, history)))?;
    Ok(Reply::Imported(Imported { added: outcome.added, known: outcome.known, deleted: outcome.deleted }))
}
