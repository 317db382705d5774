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
    /// Whether secrets in the answer are masked, whatever the rules of recording say: for readers that are not the person.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub masked: bool,
}

/// How to read a query. Lower-case letters match both cases, upper-case ones only themselves (smart case).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// The letters of each word in this order, ranked by how well they sit; the words in any order. A word may say more:
    /// `^start`, `end$`, `'as it stands`, `!not there`, `one | or | other`; `\ ` is a space within a word.
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
    /// Started in the repository with this top directory: there or below, but not in another repository within it.
    pub repository: Option<ByteBuf>,
    /// How it ended.
    pub exit: Option<ExitFilter>,
    /// Started at this time or later, microseconds since 1970.
    pub since_us: Option<i64>,
    /// Started before this time, microseconds since 1970.
    pub until_us: Option<i64>,
    /// Took this long or longer, microseconds.
    pub took_from_us: Option<u64>,
    /// Took less than this, microseconds.
    pub took_below_us: Option<u64>,
    /// Made by an assistant (true) or typed by a person (false).
    pub assistant: Option<bool>,
    /// Only these.
    pub ids: Option<Vec<RecordId>>,
    /// None of these holds.
    pub except: Vec<Except>,
    /// What the assistant that made it said.
    pub made: Made,
    /// Ran on one of these hosts; on any when there are none.
    pub any_host: Vec<String>,
    /// Started in one of these directories or below it; anywhere when there are none.
    pub any_subtree: Vec<ByteBuf>,
}

/// What the assistant that made a command said of it. Everything that is given must hold; with nothing given, commands
/// that a person typed pass too.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Made {
    /// The assistant has this name, or its model's name has this in it.
    pub by: Option<String>,
    /// It has this tag.
    pub tag: Option<String>,
    /// It has this safety level.
    pub safety: Option<String>,
    /// What was asked, or said of it, has this in it. Lower-case letters match both cases.
    pub words: Option<String>,
}

impl Made {
    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        let Self { by, tag, safety, words } = self;
        by.is_none() && tag.is_none() && safety.is_none() && words.is_none()
    }
}

/// Something that must not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Except {
    /// Ran on this host.
    Host(String),
    /// Ran as this user.
    User(String),
    /// Ran in this run of a shell.
    Session(String),
    /// Ran in this kind of shell.
    Shell(String),
    /// Started in exactly this directory.
    Directory(ByteBuf),
    /// Started in this directory or below it.
    Subtree(ByteBuf),
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
    /// Those that match, and that the rules of recording, as they are now, refuse for one of these reasons.
    Refused {
        /// Which may be chosen.
        query: Box<Query>,
        /// Why.
        reasons: Vec<Objection>,
    },
    /// Of those that match, the runs of a command that another one stands for.
    Repeats {
        /// Which may be chosen.
        query: Box<Query>,
        /// Which runs are the same.
        same: Same,
        /// Whether the oldest one stays. Otherwise the newest does.
        keep_oldest: bool,
    },
    /// Those that `history.keep_days` and `history.keep_count` would let go, were they these.
    LetGo {
        /// Commands of so many days stay; none for all.
        keep_days: Option<u32>,
        /// So many commands stay; none for all.
        keep_count: Option<u64>,
    },
}

/// Why the rules of recording refuse a command that is in history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Objection {
    /// One of the user's patterns matches.
    Command,
    /// It started in one of the user's directories.
    Directory,
    /// It holds a secret, or a recovery phrase.
    Secret,
}

/// Which runs of a command count as the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Same {
    /// Only in the same directory.
    pub directory: bool,
    /// Only on the same host.
    pub host: bool,
    /// Only with the same exit status.
    pub exit: bool,
}

/// A batch of foreign history. Ids come from the content, so that a batch can be sent twice.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Import {
    /// The records.
    pub records: Vec<Record>,
    /// Of the records whose file has no time for them: how many equal ones without a time come after each in the file, so
    /// that the newest can be told from those that a hook has seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub untimed: Vec<(RecordId, u32)>,
    /// Whether caro made the records: then their ids tell which they are, and nothing is compared.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub own: bool,
}

impl From<Vec<Record>> for Import {
    fn from(records: Vec<Record>) -> Self {
        Self { records, ..Self::default() }
    }
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

/// All that there is to know of the runs of one command.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Details {
    /// How often it ran.
    pub runs: u64,
    /// With status 0.
    pub succeeded: u64,
    /// With another status. The rest still runs, or nobody knows.
    pub failed: u64,
    /// When the oldest run started, microseconds since 1970.
    pub first_us: i64,
    /// When the newest run started.
    pub last_us: i64,
    /// How long a run took on average, microseconds, of those whose end is known.
    pub mean_us: Option<u64>,
    /// The longest of them.
    pub longest_us: Option<u64>,
    /// The directories where it ran, the most frequent first, at most [`TALLIES_MAX`].
    pub directories: Vec<Tally>,
    /// How many directories there are.
    pub directories_total: u64,
    /// The hosts where it ran, in the same way.
    pub hosts: Vec<Tally>,
    /// How many hosts there are.
    pub hosts_total: u64,
    /// What usually follows it in the same session, in the same way, over its newest runs.
    pub followed_by: Vec<Tally>,
    /// What ran just before this run in its session.
    pub before: Option<Record>,
    /// What ran just after this run in its session.
    pub after: Option<Record>,
}

/// A text and how often it was there.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// A directory, a host or a command.
    pub text: ByteBuf,
    /// How many runs.
    pub runs: u64,
}

// Written by hand: the text is private.
impl std::fmt::Debug for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { text, runs } = self;
        f.debug_struct("Tally").field("text_bytes", &text.len()).field("runs", runs).finish()
    }
}

/// Lines of a list in [`Details`]. More than a pane shows; a command that ran in thousands of directories must not fill
/// an answer with them.
pub const TALLIES_MAX: usize = 100;

/// Records on each side in an answer to [`Request::Around`](super::Request::Around). Whoever wants more asks again,
/// from the first or the last of them.
pub const AROUND_MAX: u32 = 1000;
