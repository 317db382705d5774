//! The thread that talks to the daemon, so that the thread with the keys never waits. Of several questions that wait
//! only the newest is asked; deletions are all carried out, in order.

use std::{sync::mpsc::Receiver, thread};

use caro_schema::{
    id::RecordId,
    ipc::{
        Reply, Request,
        deleting::Discard,
        history::{Filter, Hits, Mode, Order, Query, Selection, Window},
    },
};

use super::{
    effect::{Delete, Search, Subject},
    message::{About, Message},
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
    Details(Subject),
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
                Message::Found { ticket, window, found }
            }
            Job::Locate(Search { ticket, query, window }) => {
                let newer = self.ask(|client| search(client, &query, window)).map(|hits| hits.total);
                Message::Located { ticket, newer }
            }
            Job::Details(subject) => Message::Details(subject.id, self.ask(|client| about(client, &subject))),
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

fn about(client: &mut Client, subject: &Subject) -> Outcome<Box<About>> {
    let Subject { id, command } = subject;
    let details = match client.ask(Request::Details { id: *id })? {
        Reply::Details(details) => *details,
        _ => return Err(unexpected()),
    };
    let hits = search(client, &runs_query(command), Window { offset: 0, limit: runs_window(command) })?;
    let same = hits.rows.into_iter().map(|hit| hit.record).filter(|record| *record.command == **command);
    Ok(Box::new(About { details, runs: same.take(RUNS_SHOWN).collect() }))
}

/// Runs of a command that the details list.
const RUNS_SHOWN: usize = 100;

fn carry_out(client: &mut Client, delete: &Delete) -> Outcome<u64> {
    let mut ids: Vec<RecordId> = delete.hits.iter().map(|hit| hit.record.id).collect();
    if delete.all_runs {
        for hit in &delete.hits {
            ids.extend(all_runs(client, &hit.record.command)?);
        }
        ids.sort_unstable_by_key(|id| id.0);
        ids.dedup();
    }
    // The screen's own way back is over; caro history undelete goes on to have one.
    let by = crate::session::own().unwrap_or_default();
    let discard = Discard { selection: Selection::Ids(ids), by, now: false, here: false, confirmed: None };
    match client.ask(Request::Discard(Box::new(discard)))? {
        Reply::Discarded(discarded) => Ok(discarded.count),
        _ => Err(unexpected()),
    }
}

/// Rows asked for at once.
const RUNS_WINDOW: usize = 2000;

/// Bytes of an answer, by far fewer than a message may have.
const RUNS_BYTES: usize = 4 * 1024 * 1024;

/// Bytes of a command that are looked for. Those that begin with them are then compared in full.
const RUNS_PREFIX: usize = 1024;

/// So many rows that their commands fit into a message.
fn runs_window(command: &[u8]) -> u32 {
    let rows = (RUNS_BYTES / (1024 + command.len())).clamp(1, RUNS_WINDOW);
    u32::try_from(rows).unwrap_or(1)
}

/// Everything that begins as this command does, the newest first.
fn runs_query(command: &[u8]) -> Query {
    let mut text = command.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    if text.len() > RUNS_PREFIX {
        text = &text[..text.floor_char_boundary(RUNS_PREFIX)];
    }
    Query {
        text: text.to_owned(),
        mode: Mode::Prefix,
        filter: Filter::default(),
        order: Order::Newest,
        unique: false,
        ..Query::default()
    }
}

/// Every run of exactly this command, anywhere.
fn all_runs(client: &mut Client, command: &[u8]) -> Outcome<Vec<RecordId>> {
    let query = runs_query(command);
    let mut ids = Vec::new();
    let mut offset = 0;
    loop {
        let hits = search(client, &query, Window { offset, limit: runs_window(command) })?;
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
        let details = |number| Job::Details(Subject { id: RecordId([number; 16]), command: Vec::new() });
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
                Job::Details(subject) => 200 + u64::from(subject.id.0[0]),
                Job::Delete(delete) => delete.number,
            })
            .collect();
        assert_eq!(kept, [7, 7, 3, 202]);
    }

    #[test]
    fn a_long_command_is_looked_for_by_its_beginning_and_in_small_windows() {
        let long = "é".repeat(500_000);
        let query = runs_query(long.as_bytes());
        assert!(query.text.len() <= RUNS_PREFIX && long.starts_with(&query.text));
        assert_eq!((runs_window(long.as_bytes()), runs_window(b"ls")), (4, 2000));
        assert_eq!(runs_query(b"a\xffb").text, "a");
    }
}
