//! How dangerous a command looks: one of four levels, with the rule that says so. The same rules for what an assistant
//! made, for what the screen runs only after a second key, and for nothing else.
//!
//! Looks at the text alone: it runs nothing, follows no alias, opens no script and knows no file. So it is never a
//! promise: [`Level::Safe`] says that no rule matched. A rule errs to the side of danger where that costs a key press,
//! and knows what is only said (`echo "rm -rf /"`) where that is certain. How a line is cut into commands is `words`,
//! what a command does by its name is `judge`, the rules themselves are `rules`.

mod judge;
mod programs;
mod rules;
mod sql;
mod words;

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod tests;

use caro_schema::body::history::Assistant;

pub(crate) use self::rules::Rule;

/// How dangerous a command looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Level {
    /// No rule matched.
    Safe,
    /// It changes something that can be put back, or acts with more rights than usual.
    Moderate,
    /// It destroys something, or runs what nobody has read.
    High,
    /// It destroys a system, a disk or everything of somebody.
    Critical,
}

impl Level {
    /// From the least to the most.
    pub(crate) const ALL: [Self; 4] = [Self::Safe, Self::Moderate, Self::High, Self::Critical];

    /// As it is recorded.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Safe => "safe",
            Self::Moderate => "moderate",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// From the word, in any case.
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.word().eq_ignore_ascii_case(word.trim()))
    }
}

/// Bytes of a command that are looked at. Nobody reads more before it runs.
const BYTES_MAX: usize = 64 * 1024;

/// The most dangerous thing that the rules see in a command, none when no rule matches.
pub(crate) fn rule(command: &[u8]) -> Option<&'static Rule> {
    if command.len() > BYTES_MAX {
        return Some(&rules::TOO_LONG);
    }
    judge::text(&String::from_utf8_lossy(command), 0)
}

/// The level of a command, and the rule that says so.
pub(crate) fn judged(command: &[u8]) -> (Level, Option<&'static Rule>) {
    let rule = rule(command);
    (rule.map_or(Level::Safe, |rule| rule.level), rule)
}

/// What is recorded of a command's safety, for a person: the level, and whose word it is.
pub(crate) fn in_words(assistant: &Assistant) -> String {
    let Assistant { safety, rule, .. } = assistant;
    match rule {
        _ if safety.is_empty() => String::new(),
        None => format!("{safety}, as the assistant says"),
        Some(rule) if rule.is_empty() => format!("{safety}: no rule of caro's matched, which is no promise"),
        Some(rule) => format!("{safety}: {rule}"),
    }
}
