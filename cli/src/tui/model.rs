//! Everything the screen knows, as plain data. Changed by `update` alone, drawn by `view`.

use caro_schema::ipc::history::{Filter, Hit, Mode, Order, Place, Query, Window};
use jiff::Zoned;

use super::{
    condition::Fact, danger::Danger, effect::Search, key::Key, keymap::Keymap, layout::Layout, line::Line, list::List,
    message::About, narrow::Narrow,
};
use crate::{
    config::{Column, Direction, Join, Theme},
    error::Failure,
    query::{self, Parsed},
};

/// What stays as it is while the screen is open.
pub(super) struct Setup {
    /// Where the person is.
    pub(super) place: Place,
    /// The top of the repository they are in.
    pub(super) repository: Option<Vec<u8>>,
    /// Their home, which is shown as `~`.
    pub(super) home: Vec<u8>,
    /// When it was opened, in their time zone.
    pub(super) now: Zoned,
    pub(super) keymap: Keymap,
    pub(super) theme: Theme,
    pub(super) columns: Vec<Column>,
    pub(super) direction: Direction,
    /// Enter runs at once.
    pub(super) enter_runs: bool,
    /// There is a prompt to put a command on.
    pub(super) for_prompt: bool,
    /// Opened by the up key.
    pub(super) by_up_key: bool,
    pub(super) vim: bool,
    pub(super) inline: bool,
    pub(super) join: Join,
}

/// The screen.
pub(super) struct Model {
    pub(super) setup: Setup,
    /// What is typed: the query, or the command that is edited.
    pub(super) line: Line,
    /// The query, understood.
    pub(super) parsed: Parsed,
    /// How it is read.
    pub(super) mode: Mode,
    /// Where is looked.
    pub(super) narrow: Narrow,
    /// Columns and rows to draw in.
    pub(super) size: (u16, u16),
    pub(super) list: List,
    /// Whether a row of another host was seen: before that nobody needs a column for hosts.
    pub(super) other_hosts: bool,
    /// The last question's number.
    pub(super) asked: u64,
    /// The last one that was answered.
    pub(super) answered: u64,
    /// The first one since what is asked for changed: rows of an older one do not belong to it.
    pub(super) question: u64,
    /// Why there are no rows, when the daemon did not answer.
    pub(super) trouble: Option<Failure>,
    /// Something to say until the next key.
    pub(super) notice: String,
    /// What stands over the list.
    pub(super) pane: Option<Pane>,
    /// The session that is looked at instead of the query's results.
    pub(super) context: Option<Box<Context>>,
    /// Marked commands, or runs where a session is looked at, in the order of marking.
    pub(super) marks: Vec<Hit>,
    /// Deletions that can be taken back, or are on their way.
    pub(super) deletions: Vec<Deletion>,
    /// The last deletion's number.
    pub(super) deleted: u64,
    /// A command that waits for the second key.
    pub(super) confirm: Option<Confirm>,
    /// The query, while `line` is a command that is edited.
    pub(super) editing: Option<Line>,
    /// Keys are those of vim's normal mode.
    pub(super) vim_normal: bool,
    /// Keys that are the beginning of something.
    pub(super) keys: Vec<Key>,
    /// Something that waits for the answer to what was just typed, and for how long.
    pub(super) held: Option<Held>,
    /// Whether the preview is wanted, and its first line.
    pub(super) preview: bool,
    pub(super) preview_top: usize,
    /// The last click.
    pub(super) clicked: Option<Clicked>,
}

/// A press of the mouse on a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Clicked {
    pub(super) index: u64,
    pub(super) at_ms: u64,
    /// It was the second one of a double click, whose release takes.
    pub(super) is_second: bool,
}

/// What stands over the list.
pub(super) enum Pane {
    /// All keys, from this line on.
    Help(usize),
    /// All about a command.
    Details(Box<DetailsPane>),
}

/// All about a command.
pub(super) struct DetailsPane {
    pub(super) hit: Hit,
    /// None until the answer is here.
    pub(super) details: Option<Result<Box<About>, Failure>>,
    /// The first line in sight.
    pub(super) top: usize,
}

/// A session that is looked at.
pub(super) struct Context {
    /// The run from which it was opened.
    pub(super) anchor: Hit,
    /// The question for its place, until it is answered.
    pub(super) locating: Option<u64>,
    /// Whether it is still to be chosen among the rows.
    pub(super) seeking: bool,
    /// What was there before.
    pub(super) line: Line,
    pub(super) narrow: Narrow,
    pub(super) chosen: u64,
}

/// A deletion.
pub(super) struct Deletion {
    pub(super) number: u64,
    pub(super) hits: Vec<Hit>,
    /// All runs of the same commands too.
    pub(super) all_runs: bool,
    /// What was said of it.
    pub(super) said: String,
    pub(super) stage: Stage,
}

/// How far a deletion is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It can be taken back until then.
    Waiting(u64),
    /// The daemon was asked to.
    Sent,
    /// Done; the answer to this question no longer has the rows.
    Done(u64),
}

/// A command that waits for the second key.
pub(super) struct Confirm {
    pub(super) command: Vec<u8>,
    pub(super) danger: Danger,
}

/// Something that waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) what: Waits,
    /// When it is given up.
    pub(super) until_ms: u64,
}

/// What waits for the row that it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waits {
    Take(Take),
    Details,
}

/// How a command is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Take {
    Put,
    Run,
    Edit,
    Copy,
}

impl Model {
    /// Where things are.
    pub(super) fn layout(&self) -> Layout {
        Layout::new(self.size, self.setup.direction, self.preview)
    }

    /// Rows of the list.
    pub(super) fn list_rows(&self) -> u16 {
        self.layout().list.height
    }

    /// Whether an answer is on its way.
    pub(super) fn is_waiting(&self) -> bool {
        self.answered < self.asked
    }

    /// Whether the rows belong to what is asked for now.
    pub(super) fn is_current(&self) -> bool {
        self.answered >= self.question
    }

    /// Whether a row is marked.
    pub(super) fn is_marked(&self, hit: &Hit) -> bool {
        self.marks.iter().any(|mark| is_same(self.context.is_some(), mark, hit))
    }

    /// Reads the line anew.
    pub(super) fn read_line(&mut self) {
        self.parsed = query::parse(self.line.text(), self.mode, &self.setup.place, &self.setup.now);
    }

    /// The question that the screen asks now.
    pub(super) fn query(&self) -> Query {
        let Setup { place, repository, .. } = &self.setup;
        let mut chosen = self.narrow.filter(place, repository.as_deref());
        if let Some(context) = &self.context {
            let session = &context.anchor.record.session;
            chosen.session = (!session.is_empty()).then(|| session.clone());
        }
        let text = self.parsed.query_text.clone();
        // Without a word to rank by, the newest is what people expect; a session is looked at in its order.
        let by_time = self.context.is_some() || text.trim().is_empty();
        Query {
            text,
            mode: self.mode,
            filter: self.parsed.over(chosen),
            order: if by_time { Order::Newest } else { Order::Rank },
            unique: self.context.is_none(),
            place: place.clone(),
            masked: false,
        }
    }

    /// Whether a row counts all runs of its command: where nothing narrows, and the daemon has read them all.
    pub(super) fn counts_all_runs(&self) -> bool {
        self.context.is_none() && self.list.complete && self.query().filter == Filter::default()
    }

    /// Asks for what is in sight, with a screenful on both sides.
    pub(super) fn search(&mut self) -> Search {
        self.search_in(self.list.window(self.list_rows()))
    }

    /// Asks for what is in sight and not here.
    pub(super) fn search_missing(&mut self) -> Search {
        self.search_in(self.list.missing(self.list_rows()))
    }

    fn search_in(&mut self, window: Window) -> Search {
        self.asked += 1;
        Search { ticket: self.asked, query: self.query(), window }
    }

    /// Whether something is so, for the conditions of keys.
    pub(super) fn is(&self, fact: Fact) -> bool {
        match fact {
            Fact::QueryEmpty => self.line.text().is_empty(),
            Fact::ListEmpty => self.list.shown() == 0,
            Fact::CursorAtStart => self.line.is_at_start(),
            Fact::CursorAtEnd => self.line.is_at_end(),
            Fact::BestChosen => self.list.chosen == 0,
            Fact::LastChosen => self.list.chosen + 1 >= self.list.total,
            Fact::Marked => !self.marks.is_empty(),
            Fact::Emacs => !self.setup.vim,
            Fact::VimInsert => self.setup.vim && !self.vim_normal,
            Fact::VimNormal => self.setup.vim && self.vim_normal,
            Fact::PaneOpen => self.pane.is_some(),
            Fact::HelpOpen => matches!(self.pane, Some(Pane::Help(_))),
            Fact::DetailsOpen => matches!(self.pane, Some(Pane::Details(_))),
            Fact::ContextOpen => self.context.is_some(),
            Fact::Editing => self.editing.is_some(),
            Fact::ByUpKey => self.setup.by_up_key,
            Fact::Inline => self.setup.inline,
        }
    }

    /// When something is to happen by itself, in milliseconds since the screen opened.
    pub(super) fn next_ms(&self) -> Option<u64> {
        let deletions = self.deletions.iter().filter_map(|deletion| match deletion.stage {
            Stage::Waiting(until_ms) => Some(until_ms),
            Stage::Sent | Stage::Done(_) => None,
        });
        deletions.chain(self.held.map(|held| held.until_ms)).min()
    }
}

/// Whether two rows stand for the same: each for one run in a session, and for all runs of its command elsewhere.
pub(super) fn is_same(by_run: bool, one: &Hit, other: &Hit) -> bool {
    if by_run { one.record.id == other.record.id } else { one.record.command == other.record.command }
}

impl Deletion {
    /// Whether it takes this row away.
    pub(super) fn covers(&self, hit: &Hit) -> bool {
        self.hits
            .iter()
            .any(|mine| mine.record.id == hit.record.id || self.all_runs && mine.record.command == hit.record.command)
    }
}
