//! The search against the reference, for every mode, filter and order, and what people expect of it.

mod against_reference;
mod expected;
mod made;

use caro_schema::{
    body::history::Record,
    ipc::history::{Hits, Query, Window},
};

use super::Searcher;
use crate::history::History;

const ALL: Window = Window { offset: 0, limit: u32::MAX };

fn filled(records: impl IntoIterator<Item = Record>) -> History {
    let mut history = History::new();
    history.set_complete();
    history.put(records);
    history
}

fn find(history: &History, query: Query) -> Hits {
    Searcher::default().search(history, &query, ALL).unwrap()
}

fn texts(hits: &Hits) -> Vec<String> {
    hits.rows.iter().map(|hit| String::from_utf8_lossy(&hit.record.command).into_owned()).collect()
}

fn typed(text: &str) -> Query {
    Query { text: text.to_owned(), unique: true, ..Query::default() }
}
