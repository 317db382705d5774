//! A recorded command and its deletion.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::id::RecordId;

/// One command, as a shell ran it. Text is bytes: a shell's line and a directory need not be UTF-8.
///
/// A command that is still running has no `duration_us` and no `exit`. When it ends, the same record is written again
/// with both: of two versions of a record the one with an end wins, then the one whose encoding is greater.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Which command this is.
    #[serde(rename = "i")]
    pub id: RecordId,
    /// The text.
    #[serde(rename = "c")]
    pub command: ByteBuf,
    /// The directory it started in; empty when not known.
    #[serde(rename = "d", default, skip_serializing_if = "empty")]
    pub directory: ByteBuf,
    /// Host name.
    #[serde(rename = "h", default, skip_serializing_if = "String::is_empty")]
    pub host: String,
    /// User name.
    #[serde(rename = "u", default, skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// Shell and version, such as `zsh 5.9`.
    #[serde(rename = "n", default, skip_serializing_if = "String::is_empty")]
    pub shell: String,
    /// Which run of a shell.
    #[serde(rename = "s", default, skip_serializing_if = "String::is_empty")]
    pub session: String,
    /// Start, in microseconds since 1970.
    #[serde(rename = "t")]
    pub start_us: i64,
    /// How long it ran, in microseconds.
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    pub duration_us: Option<u64>,
    /// Exit status, 128 plus the number when a signal ended it.
    #[serde(rename = "x", default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<i32>,
    /// What an assistant said of it, when one made it.
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub assistant: Option<Box<Assistant>>,
}

/// What an assistant said of a command that it made.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assistant {
    /// What it was asked.
    #[serde(rename = "p", default)]
    pub prompt: String,
    /// What it said the command does.
    #[serde(rename = "e", default)]
    pub explanation: String,
    /// Which model.
    #[serde(rename = "m", default)]
    pub model: String,
    /// `safe`, `moderate`, `high` or `critical`.
    #[serde(rename = "s", default)]
    pub safety: String,
    /// Free words.
    #[serde(rename = "t", default)]
    pub tags: Vec<String>,
    /// Which assistant, such as `claude-code`; empty when not known.
    #[serde(rename = "w", default, skip_serializing_if = "String::is_empty")]
    pub author: String,
    /// By which of its own rules caro worked the safety level out, empty for none of them. Nothing when the assistant
    /// said the level, or nobody did.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

/// Deletes a command on every device, whatever else happens to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delete {
    /// Which.
    #[serde(rename = "i")]
    pub id: RecordId,
}

impl Record {
    /// Whether the command has ended.
    pub fn has_ended(&self) -> bool {
        self.exit.is_some() || self.duration_us.is_some()
    }
}

fn empty(bytes: &ByteBuf) -> bool {
    bytes.is_empty()
}

// Written by hand: a record is the most private thing there is. A new field must be named here.
impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            id: _,
            command,
            directory: _,
            host: _,
            user: _,
            shell: _,
            session: _,
            start_us: _,
            duration_us: _,
            exit: _,
            assistant: _,
        } = self;
        f.debug_struct("Record").field("command_bytes", &command.len()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Assistant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { prompt: _, explanation: _, model: _, safety: _, tags: _, author: _, rule: _ } = self;
        f.debug_struct("Assistant").finish_non_exhaustive()
    }
}
