//! Rows of history on standard output: a table for people, JSON and formats for scripts. Knows single rows; how many are
//! asked for in a row is in [`super::pages`].

use caro_schema::{
    body::history::Record,
    ipc::{
        Reply, Request,
        history::{Filter, Hit, Hits, Query, Window},
    },
};
use clap::Args;
use jiff::tz::TimeZone;

use crate::{
    client::Client,
    commands::unexpected,
    error::{Failure, Outcome},
    exit,
    output::{
        Out,
        fields::{self, Bytes, Format},
        json::{self, HitJson},
        time, visible,
    },
};

/// How rows are printed.
#[derive(Args, Clone, Default)]
#[command(next_help_heading = "How to print")]
pub(crate) struct Style {
    /// One JSON object a line
    #[arg(long, conflicts_with_all = ["format", "ids", "raw", "null"], long_help = json::HELP)]
    json: bool,
    /// A line of your own making, such as '{time}\t{command}'
    #[arg(long, value_name = "FORMAT", long_help = fields::HELP)]
    format: Option<Format>,
    /// The command alone
    #[arg(long, short = 'c', conflicts_with = "format")]
    commands: bool,
    /// Also each command's id, for caro history delete
    #[arg(long, conflicts_with_all = ["format", "commands"])]
    ids: bool,
    /// Exact bytes, for a program that reads them; refused for a terminal, which would obey them
    #[arg(long)]
    raw: bool,
    /// End each command with a NUL byte instead of a new line
    #[arg(long, short = '0')]
    null: bool,
}

/// Writes rows.
pub(crate) struct Rows {
    look: Look,
    bytes: Bytes,
    end: u8,
    zone: TimeZone,
    now_us: i64,
    colour: bool,
}

enum Look {
    Json,
    Format(Format),
    Table { ids: bool },
}

impl Rows {
    /// For this output.
    pub(crate) fn new(style: &Style, out: &Out) -> Outcome<Self> {
        if style.raw && out.is_terminal {
            return Err(Failure::new(exit::USAGE, "--raw is not for a terminal: it would obey what is in history")
                .hint("leave out --raw, or send the output to a file or a program"));
        }
        let look = match &style.format {
            _ if style.json => Look::Json,
            Some(format) => Look::Format(format.clone()),
            None if style.commands || style.raw || style.null => {
                Look::Format("{command}".parse().map_err(|error| Failure::new(exit::INTERNAL, format!("{error}")))?)
            }
            None => Look::Table { ids: style.ids },
        };
        let bytes = if style.raw { Bytes::Raw } else { Bytes::Visible };
        let end = if style.null { 0 } else { b'\n' };
        let zone = TimeZone::system();
        Ok(Self { look, bytes, end, zone, now_us: time::now_us(), colour: out.colour })
    }

    /// One row with its end.
    pub(crate) fn row(&self, hit: &Hit) -> Vec<u8> {
        let mut row = Vec::with_capacity(hit.record.command.len() + 64);
        match &self.look {
            Look::Json => return json::line(&HitJson(hit)),
            Look::Format(format) => format.write(&hit.record, self.bytes, self.now_us, &self.zone, &mut row),
            Look::Table { ids } => self.table_row(&hit.record, *ids, &mut row),
        }
        row.push(self.end);
        row
    }

    fn table_row(&self, record: &Record, ids: bool, row: &mut Vec<u8>) {
        if ids {
            row.extend_from_slice(record.id.hex().as_bytes());
            row.extend_from_slice(b"  ");
        }
        let state = state(record);
        let took = record.duration_us.map(time::duration).unwrap_or_default();
        let begin = format!("{}  {:>4}  {:>5}  ", time::local(record.start_us, &self.zone), state, took);
        let failed = record.exit.is_some_and(|exit| exit != 0);
        match (self.colour, failed) {
            (true, true) => row.extend_from_slice(format!("\x1b[31m{begin}\x1b[0m").as_bytes()),
            (true, false) => row.extend_from_slice(format!("\x1b[2m{begin}\x1b[0m").as_bytes()),
            (false, _) => row.extend_from_slice(begin.as_bytes()),
        }
        row.extend_from_slice(visible::line(&record.command).as_bytes());
    }
}

/// How a command stands: its exit status, `…` while it runs, nothing when nobody knows.
pub(crate) fn state(record: &Record) -> String {
    match record.exit {
        Some(exit) => exit.to_string(),
        // What was imported has no session, and has surely ended.
        None if !record.has_ended() && !record.session.is_empty() => "…".to_owned(),
        None => String::new(),
    }
}

/// Asks for one window.
pub(crate) fn search(client: &mut Client, query: Query, window: Window) -> Outcome<Hits> {
    match client.ask(Request::Search { query: Box::new(query), window })? {
        Reply::Hits(hits) => Ok(hits),
        _ => Err(unexpected()),
    }
}

/// Whether the daemon has read its whole history. Looks for nothing at all, which costs nothing.
pub(super) fn is_complete(client: &mut Client) -> Outcome<bool> {
    let filter = Filter { ids: Some(Vec::new()), ..Filter::default() };
    search(client, Query { filter, ..Query::default() }, Window { offset: 0, limit: 1 }).map(|hits| hits.complete)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{hit, record};

    fn rows(look: Look) -> Rows {
        Rows { look, bytes: Bytes::Visible, end: b'\n', zone: TimeZone::UTC, now_us: 0, colour: false }
    }

    #[test]
    fn a_row_of_the_table() {
        let mut hit = hit("echo a\nb\x1b[2J");
        hit.record.exit = Some(130);
        hit.record.duration_us = Some(2_340_000);
        let row = rows(Look::Table { ids: false }).row(&hit);
        assert_eq!(String::from_utf8_lossy(&row), "2023-11-14 22:13:20   130   2.3s  echo a⏎b^[[2J\n");
        let row = rows(Look::Table { ids: true }).row(&hit);
        assert!(row.starts_with(b"07070707070707070707070707070707  2023"));
    }

    #[test]
    fn what_runs_is_told_from_what_nobody_knows() {
        let running = record("sleep 9");
        assert_eq!(state(&running), "…");
        let imported = Record { session: String::new(), ..record("ls") };
        assert_eq!(state(&imported), "");
    }
}
