//! Records a command that a program made, the way a shell's hook records one: a line in the spool, which the daemon takes
//! in by the same rules as what is typed. So nothing waits for a daemon, nothing is lost without one, and what is paused,
//! ignored or secret is so for an assistant as well.
//!
//! Knows no assistant and reads no input: an [`Entry`] is made by `commands/record` and `commands/assistant`. The grammar
//! is in `caro_schema::spool`.

mod writer;

use caro_schema::{body::history::Assistant, id::RecordId, limits::ASSISTANT_TEXT_BYTES_MAX};

pub(crate) use self::writer::Writer;
use crate::{output::time, safety};

/// A command that a program made.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The text; none to say only how a command ended that was recorded before.
    pub(crate) command: Option<String>,
    /// Where it ran; empty when not known.
    pub(crate) directory: String,
    /// The program's own session.
    pub(crate) session: String,
    /// The shell that ran it.
    pub(crate) shell: String,
    /// When it began, microseconds since 1970.
    pub(crate) start_us: Option<i64>,
    /// How long it ran.
    pub(crate) duration_us: Option<u64>,
    /// Its status.
    pub(crate) exit: Option<i32>,
    /// It has not ended, and its end will be said.
    pub(crate) is_running: bool,
    /// The program's own name for this command, the same for its beginning and its end.
    pub(crate) key: Option<String>,
    /// What is said of it.
    pub(crate) assistant: Assistant,
}

// Written by hand: everything in it is private.
impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            command,
            directory: _,
            session: _,
            shell: _,
            start_us: _,
            duration_us: _,
            exit: _,
            is_running: _,
            key: _,
            assistant: _,
        } = self;
        f.debug_struct("Entry").field("has_command", &command.is_some()).finish_non_exhaustive()
    }
}

impl Entry {
    /// Which record it is: always the same for one key of one session, and never told from the command's text.
    fn id(&self) -> Result<RecordId, getrandom::Error> {
        let mut id = [0; RecordId::LEN];
        match &self.key {
            None => getrandom::fill(&mut id)?,
            Some(key) => {
                let mut hasher = blake3::Hasher::new_derive_key("caro/v1/assistant-record");
                for part in [&self.assistant.author, &self.session, key] {
                    hasher.update(&(part.len() as u64).to_be_bytes()).update(part.as_bytes());
                }
                id.copy_from_slice(&hasher.finalize().as_bytes()[..RecordId::LEN]);
            }
        }
        Ok(RecordId(id))
    }

    /// Works the safety level out where nobody has said it.
    pub(crate) fn judge(&mut self) {
        if let Some(command) = self.command.as_ref().filter(|_| self.assistant.safety.is_empty()) {
            let (level, rule) = safety::judged(command.as_bytes());
            self.assistant.safety = level.word().to_owned();
            self.assistant.rule = Some(rule.map_or_else(String::new, |rule| rule.name.to_owned()));
        }
    }

    /// Cuts what is too long of what was asked and said, and names what was cut.
    pub(crate) fn cut(&mut self) -> Vec<&'static str> {
        let Assistant { prompt, explanation, .. } = &mut self.assistant;
        [("prompt", prompt), ("explanation", explanation)]
            .into_iter()
            .filter_map(|(name, text)| cut(text).then_some(name))
            .collect()
    }

    fn start_us(&self, now_us: i64) -> i64 {
        let ran_us = self.duration_us.and_then(|us| i64::try_from(us).ok()).unwrap_or(0);
        self.start_us.unwrap_or_else(|| now_us.saturating_sub(ran_us).max(1))
    }
}

/// What stands for the rest.
const CUT: &str = "…";

fn cut(text: &mut String) -> bool {
    if text.len() <= ASSISTANT_TEXT_BYTES_MAX {
        return false;
    }
    text.truncate(text.floor_char_boundary(ASSISTANT_TEXT_BYTES_MAX - CUT.len()));
    text.push_str(CUT);
    true
}

/// Now, in microseconds since 1970.
fn now_us() -> i64 {
    time::now_us()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_one_record_in_its_session_and_no_key_is_always_another() {
        let entry = |session: &str, key: Option<&str>| Entry {
            session: session.to_owned(),
            key: key.map(str::to_owned),
            ..Entry::default()
        };
        let id = |session: &str, key| entry(session, key).id().expect("an id");
        assert_eq!(id("a", Some("1")), id("a", Some("1")));
        assert_ne!(id("a", Some("1")), id("b", Some("1")));
        assert_ne!(id("a", Some("1")), id("a", Some("2")));
        assert_ne!(id("a", None), id("a", None));
        let with_text = Entry { command: Some("ls".to_owned()), ..entry("a", Some("1")) };
        assert_eq!(with_text.id().ok(), Some(id("a", Some("1"))), "nothing to guess the text from");
    }

    #[test]
    fn a_level_that_was_said_stays_and_another_is_worked_out() {
        let judged = |safety: &str| {
            let assistant = Assistant { safety: safety.to_owned(), ..Assistant::default() };
            let mut entry = Entry { command: Some("rm -rf /".to_owned()), assistant, ..Entry::default() };
            entry.judge();
            (entry.assistant.safety, entry.assistant.rule)
        };
        assert_eq!(judged("safe"), ("safe".to_owned(), None));
        assert_eq!(judged(""), ("critical".to_owned(), Some("rm of everything".to_owned())));
    }

    #[test]
    fn what_is_too_long_is_cut_with_a_sign_and_said() {
        let mut entry = Entry::default();
        entry.assistant.prompt = "é".repeat(ASSISTANT_TEXT_BYTES_MAX);
        entry.assistant.explanation = "e".repeat(ASSISTANT_TEXT_BYTES_MAX);
        assert_eq!(entry.cut(), ["prompt"]);
        assert!(entry.assistant.prompt.len() <= ASSISTANT_TEXT_BYTES_MAX && entry.assistant.prompt.ends_with('…'));
    }

    #[test]
    fn de003_an_entry_prints_nothing_of_itself() {
        let entry = Entry { command: Some("canary".into()), directory: "/canary".into(), ..Entry::default() };
        assert!(!format!("{entry:?}").contains("canary"));
    }
}
