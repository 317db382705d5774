//! The thread that talks to the daemon, so that the thread with the keys never waits. Of several questions that wait
//! only the newest is asked; deletions are all carried out, in order.

use std::{sync::mpsc::Receiver, thread};

use caro_schema::{
    id::RecordId,
    ipc::{
        Reply, Request,
        history::{Details, Filter, Hits, Mode, Order, Query, Selection, Window},
    },
};

use super::{
    effect::{Delete, Search},
    message::Message,
};
use crate::{
    client::Client,
    commands::unexpected,
    error::{Failure, Outcome},
    exit,
};

/// Something to ask.
pub(super) enum Job {
    Search(Search),
    Locate(Search),
    Details(RecordId),
    Delete(Delete),
}

/// Starts the thread. It ends when nobody asks any more. `answer` says whether anybody listens.
pub(super) fn start(jobs: Receiver<Job>, answer: impl Fn(Message) -> bool + Send + 'static) {
    thread::spawn(move || {
        let mut link = Link { client: None };
        while let Ok(first) = jobs.recv() {
            for job in newest(first, jobs.try_iter()) {
                // The screen has gone when its messages are not taken.
                if !answer(link.carry_out(job)) {
                    return;
                }
            }
        }
    });
}

/// All deletions, the newest search, whichever of the two kinds it is, and the newest question for details.
fn newest(first: Job, more: impl Iterator<Item = Job>) -> Vec<Job> {
    let mut kept = Vec::new();
    let (mut search, mut details) = (None, None);
    for job in std::iter::once(first).chain(more) {
        match job {
            newer @ (Job::Search(_) | Job::Locate(_)) => search = Some(newer),
            newer @ Job::Details(_) => details = Some(newer),
            delete @ Job::Delete(_) => kept.push(delete),
        }
    }
    kept.extend(search.into_iter().chain(details));
    kept
}

struct Link {
    client: Option<Client>,
}

impl Link {
    fn carry_out(&mut self, job: Job) -> Message {
        match job {
            Job::Search(Search { ticket, query, window }) => {
                let found = self.ask(|client| search(client, &query, window));
                Message::Found { ticket, offset: window.offset, found }
            }
            Job::Locate(Search { ticket, query, window }) => {
                let newer = self.ask(|client| search(client, &query, window)).map(|hits| hits.total);
                Message::Located { ticket, newer }
            }
            Job::Details(id) => Message::Details(id, self.ask(|client| details(client, id))),
            Job::Delete(delete) => {
                let outcome = self.ask(|client| carry_out(client, &delete));
                Message::Deleted { number: delete.number, outcome }
            }
        }
    }

    /// Asks, and once more over a new connection if the old one was lost: the daemon may have been replaced.
    fn ask<T>(&mut self, mut question: impl FnMut(&mut Client) -> Outcome<T>) -> Outcome<T> {
        if let Some(client) = &mut self.client {
            match question(client) {
                Err(Failure { code: exit::UNAVAILABLE | exit::TRY_LATER, .. }) => {}
                other => return other,
            }
        }
        let client = self.client.insert(Client::open()?);
        question(client)
    }
}

fn search(client: &mut Client, query: &Query, window: Window) -> Outcome<Hits> {
    match client.ask(Request::Search { query: Box::new(query.clone()), window })? {
        Reply::Hits(hits) => Ok(hits),
        _ => Err(unexpected()),
    }
}

fn details(client: &mut Client, id: RecordId) -> Outcome<Box<Details>> {
    match client.ask(Request::Details { id })? {
        Reply::Details(details) => Ok(details),
        _ => Err(unexpected()),
    }
}

fn carry_out(client: &mut Client, delete: &Delete) -> Outcome<u64> {
    let mut ids: Vec<RecordId> = delete.hits.iter().map(|hit| hit.record.id).collect();
    if delete.all_runs {
        for hit in &delete.hits {
            ids.extend(all_runs(client, &hit.record.command)?);
        }
        ids.sort_unstable_by_key(|id| id.0);
        ids.dedup();
    }
    match client.ask(Request::Delete { selection: Selection::Ids(ids), dry_run: false })? {
        Reply::Count(count) => Ok(count),
        _ => Err(unexpected()),
    }
}

/// Rows asked for at once.
const RUNS_WINDOW: u32 = 2000;

/// Every run of exactly this command, anywhere.
fn all_runs(client: &mut Client, command: &[u8]) -> Outcome<Vec<RecordId>> {
    let valid = command.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    let query = Query {
        text: valid.to_owned(),
        mode: Mode::Prefix,
        filter: Filter::default(),
        order: Order::Newest,
        unique: false,
        ..Query::default()
    };
    let mut ids = Vec::new();
    let mut offset = 0;
    loop {
        let hits = search(client, &query, Window { offset, limit: RUNS_WINDOW })?;
        let same = hits.rows.iter().filter(|hit| *hit.record.command == *command);
        ids.extend(same.map(|hit| hit.record.id));
        offset += hits.rows.len() as u64;
        if hits.rows.is_empty() || offset >= hits.total {
            return Ok(ids);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::hit;

    fn search_job(ticket: u64) -> Job {
        Job::Search(Search { ticket, query: Query::default(), window: Window { offset: 0, limit: 1 } })
    }

    #[test]
    fn only_the_newest_search_is_asked_and_no_deletion_is_lost() {
        let delete = || Job::Delete(Delete { number: 7, hits: vec![hit("x")], all_runs: false });
        let details = |number| Job::Details(RecordId([number; 16]));
        let locate = |ticket| match search_job(ticket) {
            Job::Search(search) => Job::Locate(search),
            other => other,
        };
        let waiting = vec![delete(), details(1), locate(2), delete(), details(2), search_job(3)];
        let kept: Vec<u64> = newest(search_job(1), waiting.into_iter())
            .iter()
            .map(|job| match job {
                Job::Search(search) => search.ticket,
                Job::Locate(_) => 100,
                Job::Details(id) => 200 + u64::from(id.0[0]),
                Job::Delete(delete) => delete.number,
            })
            .collect();
        assert_eq!(kept, [7, 7, 3, 202]);
    }
}
