//! Placeholder while the real one is being written: obviously correct, slow.
#![allow(missing_docs)]
use std::collections::HashMap;

use caro_schema::{
    body::history::Record,
    ipc::{
        Fault,
        history::{ExitFilter, Filter, Hit, Hits, Mode, Order, Query, Window},
    },
};

use crate::history::History;

#[derive(Default)]
pub struct Searcher;

impl Searcher {
    pub fn search(&mut self, history: &History, query: &Query, window: Window) -> Result<Hits, Fault> {
        let pattern = match query.mode {
            Mode::Regex => {
                Some(regex::bytes::Regex::new(&query.text).map_err(|e| Fault::BadPattern { reason: e.to_string() })?)
            }
            _ => None,
        };
        let mut rows: Vec<Hit> = history
            .newest()
            .filter(|record| admits(&query.filter, record))
            .filter_map(|record| {
                let matched = matches(query, pattern.as_ref(), &record.command)?;
                Some(Hit { record, runs: 1, matched })
            })
            .collect();
        if matches!(query.order, Order::Oldest) {
            rows.reverse();
        }
        if query.unique {
            let mut seen: HashMap<Vec<u8>, usize> = HashMap::new();
            let mut kept: Vec<Hit> = Vec::new();
            for hit in rows {
                match seen.get(hit.record.command.as_slice()) {
                    Some(at) => kept[*at].runs += 1,
                    None => {
                        seen.insert(hit.record.command.to_vec(), kept.len());
                        kept.push(hit);
                    }
                }
            }
            rows = kept;
        }
        let total = rows.len() as u64;
        let rows = rows.into_iter().skip(window.offset as usize).take(window.limit as usize).collect();
        Ok(Hits { total, of: history.len() as u64, rows, complete: history.is_complete() })
    }
}

fn admits(filter: &Filter, record: &Record) -> bool {
    filter.host.as_ref().is_none_or(|host| *host == record.host)
        && filter.user.as_ref().is_none_or(|user| *user == record.user)
        && filter.session.as_ref().is_none_or(|session| *session == record.session)
        && filter.shell.as_ref().is_none_or(|shell| record.shell.starts_with(shell.as_str()))
        && filter.directory.as_ref().is_none_or(|directory| *directory == record.directory)
        && filter.subtree.as_ref().is_none_or(|tree| record.directory.starts_with(tree))
        && filter.since_us.is_none_or(|since| record.start_us >= since)
        && filter.until_us.is_none_or(|until| record.start_us < until)
        && filter.assistant.is_none_or(|by| record.assistant.is_some() == by)
        && filter.ids.as_ref().is_none_or(|ids| ids.contains(&record.id))
        && match filter.exit {
            None => true,
            Some(ExitFilter::Is(code)) => record.exit == Some(code),
            Some(ExitFilter::Not(code)) => record.exit.is_some_and(|exit| exit != code),
            Some(ExitFilter::Running) => !record.has_ended(),
        }
}

fn matches(query: &Query, pattern: Option<&regex::bytes::Regex>, command: &[u8]) -> Option<Vec<(u32, u32)>> {
    let text = String::from_utf8_lossy(command).to_lowercase();
    let wanted = query.text.to_lowercase();
    match query.mode {
        Mode::Regex => pattern?.find(command).map(|m| vec![(m.start() as u32, m.end() as u32)]),
        Mode::Prefix => text.starts_with(&wanted).then(|| vec![(0, wanted.len() as u32)]),
        Mode::Substring => wanted.split_whitespace().all(|word| text.contains(word)).then(Vec::new),
        Mode::Fuzzy => {
            let mut letters = text.chars();
            wanted.chars().filter(|c| !c.is_whitespace()).all(|c| letters.any(|t| t == c)).then(Vec::new)
        }
    }
}
