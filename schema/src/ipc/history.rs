//! Searching, deleting and importing history.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::{body::history::Record, id::RecordId};

/// What to look for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Query {
    /// What was typed.
    pub text: String,
    /// How to read it.
    pub mode: Mode,
    /// Which records may match at all.
    pub filter: Filter,
    /// How to sort what matches.
    pub order: Order,
    /// One row per distinct command, the newest run standing for all.
    pub unique: bool,
    /// Where the person is, for ranking.
    pub place: Place,
}

/// How to read a query. Lower-case letters match both cases, upper-case ones only themselves (smart case).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// The letters of each word in this order, ranked by how well they sit; the words in any order.
    #[default]
    Fuzzy,
    /// The words anywhere, each as it stands.
    Substring,
    /// The command begins with it.
    Prefix,
    /// A regular expression.
    Regex,
}

/// How to sort.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// Best match first, then recency, frequency and place.
    #[default]
    Rank,
    /// Newest first.
    Newest,
    /// Oldest first.
    Oldest,
}

/// Which records may match at all. Everything that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Filter {
    /// Ran on this host.
    pub host: Option<String>,
    /// Ran as this user.
    pub user: Option<String>,
    /// Ran in this run of a shell.
    pub session: Option<String>,
    /// Ran in this kind of shell (`bash`, `zsh`, …).
    pub shell: Option<String>,
    /// Started in exactly this directory.
    pub directory: Option<ByteBuf>,
    /// Started in this directory or below it.
    pub subtree: Option<ByteBuf>,
    /// How it ended.
    pub exit: Option<ExitFilter>,
    /// Started at this time or later, microseconds since 1970.
    pub since_us: Option<i64>,
    /// Started before this time, microseconds since 1970.
    pub until_us: Option<i64>,
    /// Made by an assistant (true) or typed by a person (false).
    pub assistant: Option<bool>,
    /// Only these.
    pub ids: Option<Vec<RecordId>>,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExitFilter {
    /// With this status.
    Is(i32),
    /// With any other status.
    Not(i32),
    /// Not yet.
    Running,
}

/// Where the person is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Place {
    /// Directory.
    pub directory: ByteBuf,
    /// Host.
    pub host: String,
    /// Run of a shell.
    pub session: String,
    /// Now, in microseconds since 1970.
    pub now_us: i64,
}

/// A part of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Rows to pass over.
    pub offset: u64,
    /// Rows wanted.
    pub limit: u32,
}

/// A window of results.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Hits {
    /// How many match in all.
    pub total: u64,
    /// Records in the whole history.
    pub of: u64,
    /// The rows of the window.
    pub rows: Vec<Hit>,
    /// False while the daemon is still reading older history.
    pub complete: bool,
}

/// One row of a result.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Hit {
    /// The record.
    pub record: Record,
    /// How many runs of the same command match, when rows are unique; otherwise 1.
    pub runs: u32,
    /// Byte ranges of the command that matched, ascending.
    pub matched: Vec<(u32, u32)>,
}

/// Which records to delete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Selection {
    /// These.
    Ids(Vec<RecordId>),
    /// All that match.
    Matching(Box<Query>),
}

/// A batch of foreign history. Ids come from the content, so that a batch can be sent twice.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Import {
    /// The records.
    pub records: Vec<Record>,
}

/// What an import batch did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// New here.
    pub added: u64,
    /// Known already.
    pub known: u64,
    /// Deleted here earlier, and staying deleted.
    pub deleted: u64,
}
