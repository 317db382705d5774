//! Searching, deleting and importing.

use caro_core::{
    history::History,
    search::{self, Searcher},
    stats,
};
use caro_schema::{
    id::RecordId,
    ipc::{
        Fault, Reply,
        history::{Hit, Hits, Import, Imported, Order, Query, Selection, Window},
        stats::StatsQuery,
    },
};

use super::{hiding, recording};
use crate::{clock::Moment, config::Keep, filter::Filter, retention, state::State};

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
    let mut hits = if query.masked {
        // What is hidden must leave no gap: from all rows, and then the window of those that stay.
        let all = searcher.search(history, query, Window { offset: 0, limit: ROWS_MAX })?;
        hiding::hide(all, !query.text.is_empty(), window)
    } else {
        searcher.search(history, query, window)?
    };
    keep_to_size(&mut hits);
    Ok(Reply::Hits(hits))
}

/// All about the command of a record.
pub(crate) fn details(history: &History, id: &RecordId) -> Result<Reply, Fault> {
    let mut details = search::details(history, id).ok_or(Fault::NoRecord)?;
    let mut bytes = 0;
    for list in [&mut details.directories, &mut details.hosts, &mut details.followed_by] {
        list.retain(|tally| {
            bytes += tally.text.len();
            bytes <= TEXT_BYTES_MAX / 4
        });
    }
    Ok(Reply::Details(Box::new(details)))
}

/// The records around one in its session. Those that are nearest to it are kept when not all fit into a message.
pub(crate) fn around(history: &History, id: &RecordId, before: u32, after: u32) -> Result<Reply, Fault> {
    let mut rows = search::records_around(history, id, before, after).ok_or(Fault::NoRecord)?;
    let at = rows.iter().position(|hit| hit.record.id == *id).unwrap_or_default();
    let mut later = rows.split_off(at);
    later.truncate(count_that_fits(later.iter(), TEXT_BYTES_MAX / 2).max(1));
    let earlier = count_that_fits(rows.iter().rev(), TEXT_BYTES_MAX / 2);
    rows.drain(..rows.len() - earlier);
    rows.extend(later);
    Ok(Reply::Records(rows))
}

/// Leaves out the rows that would not fit. The total says that there are more.
fn keep_to_size(hits: &mut Hits) {
    let count = count_that_fits(hits.rows.iter(), TEXT_BYTES_MAX);
    hits.rows.truncate(count.max(1));
}

fn count_that_fits<'a>(rows: impl Iterator<Item = &'a Hit>, bytes_max: usize) -> usize {
    let mut bytes = 0;
    let fits = |hit: &Hit| {
        bytes += hit.record.command.len() + hit.record.directory.len() + hit.matched.len() * 10;
        bytes <= bytes_max
    };
    rows.map(fits).take_while(|fits| *fits).count()
}

/// Figures about history.
pub(crate) fn stats(history: &History, query: &StatsQuery) -> Reply {
    Reply::Stats(Box::new(stats::stats(history, query)))
}

/// Deletes what is selected, here and on every device, or counts it.
pub(crate) fn delete(state: &mut State, selection: Selection, dry_run: bool) -> Result<Reply, Fault> {
    let ids = selected(&state.config.filter, &state.shared.history(), selection)?;
    if !dry_run && !ids.is_empty() {
        state.decide(|device, history, env| Ok((device.delete(&ids, history, env)?, ())))?;
    }
    Ok(Reply::Count(ids.len() as u64))
}

pub(super) fn selected(filter: &Filter, history: &History, selection: Selection) -> Result<Vec<RecordId>, Fault> {
    match selection {
        Selection::Ids(ids) => Ok(ids.into_iter().filter(|id| history.contains(id)).collect()),
        Selection::Matching(query) => matching(history, *query),
        Selection::Refused { query, reasons } => {
            Ok(recording::refused(filter, history, matching(history, *query)?, &reasons))
        }
        Selection::Repeats { query, same, keep_oldest } => {
            Ok(recording::repeats(history, matching(history, *query)?, same, keep_oldest))
        }
        Selection::LetGo { keep_days, keep_count } => {
            let keep = Keep { days: keep_days, count: keep_count };
            Ok(retention::expired(history, keep, Moment::now().now_us))
        }
    }
}

/// Every run that matches, the newest first.
fn matching(history: &History, query: Query) -> Result<Vec<RecordId>, Fault> {
    let query = Query { unique: false, order: Order::Newest, ..query };
    Searcher::default().every_run(history, &query)
}

/// Takes in a batch of foreign history, as the rules of recording leave it.
pub(crate) fn import(state: &mut State, import: Import) -> Result<Reply, Fault> {
    state.renew_config(false);
    let Import { records, untimed, own } = import;
    let (records, withheld) = recording::admitted(&state.config.filter, records);
    let (row, hint) = state.count_withheld(&withheld);
    let outcome = state.decide(|device, history, _| {
        let (mut step, outcome) = device.import(Import { records, untimed, own }, history);
        step.writes.extend(row);
        Ok((step, outcome))
    })?;
    state.leave_hint(hint);
    Ok(Reply::Imported(Imported { added: outcome.added, known: outcome.known, deleted: outcome.deleted }))
}
