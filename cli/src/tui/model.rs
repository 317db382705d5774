//! Everything the screen knows, as plain data. Changed by `update.rs` alone, drawn by `view`.

use caro_schema::ipc::history::{Filter, Hit, Hits, Mode, Order, Place, Query, Window};

use super::{effect::Search, line::Line};
use crate::{config::Scope, error::Failure};

/// The screen.
pub(super) struct Model {
    /// What is typed.
    pub(super) line: Line,
    /// How it is read.
    pub(super) mode: Mode,
    /// Where is looked.
    pub(super) scope: Scope,
    /// Where the person is.
    pub(super) place: Place,
    /// Columns and rows to draw in.
    pub(super) size: (u16, u16),
    /// The rows that are here, and where they begin among all that match.
    pub(super) rows: Vec<Hit>,
    /// The first of `rows`, counted from the best.
    pub(super) offset: u64,
    /// How many match.
    pub(super) total: u64,
    /// How many there are at all.
    pub(super) of: u64,
    /// Whether the daemon has read everything.
    pub(super) complete: bool,
    /// The chosen match, counted from the best.
    pub(super) selected: u64,
    /// The first match in sight.
    pub(super) top: u64,
    /// The last question's number, and the last one that was answered.
    pub(super) asked: u64,
    pub(super) answered: u64,
    /// Why there are no rows, when the daemon did not answer.
    pub(super) trouble: Option<Failure>,
    /// Something to say until the next key.
    pub(super) notice: String,
    /// A deletion that waits for yes or no.
    pub(super) deleting: Option<Hit>,
    /// Enter runs at once.
    pub(super) enter_runs: bool,
    /// There is a prompt to put a command on.
    pub(super) for_prompt: bool,
    /// Opened by the up key.
    pub(super) by_up_key: bool,
}

impl Model {
    /// Rows of the list: what is left of the screen by the line, the status and the preview.
    pub(super) fn list_rows(&self) -> u16 {
        self.size.1.saturating_sub(2 + self.preview_rows())
    }

    /// Rows of the preview, with its rule: only where there is room for both.
    pub(super) fn preview_rows(&self) -> u16 {
        match self.size.1 {
            0..12 => 0,
            rows @ 12..24 => rows / 4,
            rows => (rows / 3).min(12),
        }
    }

    /// The chosen match, if its row is here.
    pub(super) fn chosen(&self) -> Option<&Hit> {
        self.row(self.selected)
    }

    /// A match by its place among all, if its row is here.
    pub(super) fn row(&self, index: u64) -> Option<&Hit> {
        self.rows.get(usize::try_from(index.checked_sub(self.offset)?).ok()?)
    }

    /// Whether an answer is on its way.
    pub(super) fn is_waiting(&self) -> bool {
        self.answered < self.asked
    }

    /// The question that the screen asks now.
    pub(super) fn query(&self) -> Query {
        let mut filter = Filter::default();
        match self.scope {
            Scope::All => {}
            Scope::Host => filter.host = Some(self.place.host.clone()),
            Scope::Directory => filter.subtree = Some(self.place.directory.clone()),
            Scope::Session => filter.session = Some(self.place.session.clone()),
        }
        // Without a word to rank by, the newest is what people expect.
        let order = if self.line.text().trim().is_empty() { Order::Newest } else { Order::Rank };
        Query {
            text: self.line.text().to_owned(),
            mode: self.mode,
            filter,
            order,
            unique: true,
            place: self.place.clone(),
        }
    }

    /// Asks for what is in sight, with a screenful on both sides.
    pub(super) fn search(&mut self) -> Search {
        self.asked += 1;
        let rows = u64::from(self.list_rows().max(1));
        let window =
            Window { offset: self.top.saturating_sub(rows), limit: u32::try_from(rows * 3).unwrap_or(u32::MAX) };
        Search { ticket: self.asked, query: self.query(), window }
    }

    /// Takes an answer in.
    pub(super) fn take(&mut self, offset: u64, hits: Hits) {
        let Hits { total, of, rows, complete } = hits;
        self.trouble = None;
        (self.total, self.of, self.rows, self.offset, self.complete) = (total, of, rows, offset, complete);
        self.select(self.selected);
    }

    /// Chooses a match, or the nearest that there is, and brings it into sight.
    pub(super) fn select(&mut self, index: u64) {
        let rows = u64::from(self.list_rows().max(1));
        self.selected = index.min(self.total.saturating_sub(1));
        self.top = self.top.clamp((self.selected + 1).saturating_sub(rows), self.selected);
    }

    /// Whether everything in sight is here.
    pub(super) fn has_what_is_in_sight(&self) -> bool {
        let end = (self.top + u64::from(self.list_rows())).min(self.total);
        self.offset <= self.top && end <= self.offset + self.rows.len() as u64
    }

    /// The scopes that mean something here.
    pub(super) fn next_scope(&self) -> Scope {
        let has_session = !self.place.session.is_empty();
        match self.scope {
            Scope::All => Scope::Host,
            Scope::Host => Scope::Directory,
            Scope::Directory if has_session => Scope::Session,
            Scope::Directory | Scope::Session => Scope::All,
        }
    }
}
