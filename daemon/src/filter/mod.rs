//! Which commands are recorded at all: not what the user's rules refuse, not while recording is paused, and never a
//! line that carries a recovery phrase. What a shell hides by itself (`HISTIGNORE`, a filter) never gets this far.
//!
//! Judges one line at a time and keeps nothing of it. Whoever asked counts the refusals and wipes what was refused from
//! the shell's file. What a secret looks like is in [`secrets`], who has switched recording off in [`pauses`].

pub mod pauses;
pub(crate) mod phrase;
pub mod secrets;
pub mod tally;

use std::path::Path;

use caro_schema::body::history::Assistant;
use regex::bytes::RegexSet;
use zeroize::Zeroize;

pub use self::{pauses::Pauses, phrase::carries_phrase, tally::Tally};

/// The rules of recording.
#[derive(Clone)]
pub struct Filter {
    /// Commands that match one of these are not recorded.
    pub ignore_commands: RegexSet,
    /// Commands that start in one of these folders, or below it, are not recorded.
    pub ignore_directories: Vec<Vec<u8>>,
    /// A command that begins with a blank is not recorded.
    pub ignore_space: bool,
    /// What becomes of a command with a secret in it.
    pub secrets: Secrets,
    /// Who has switched recording off.
    pub pauses: Pauses,
}

/// What becomes of a command in which a secret is recognised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Secrets {
    /// It is not recorded.
    #[default]
    Drop,
    /// It is recorded with [`secrets::MASK`] in the secret's place.
    Mask,
    /// It is recorded as it is.
    Keep,
}

/// A line that a shell ran, as far as a rule asks.
#[derive(Clone, Copy)]
pub struct Line<'a> {
    /// The text.
    pub command: &'a [u8],
    /// Where it started.
    pub directory: &'a [u8],
    /// In which run of a shell; empty when not known.
    pub session: &'a str,
    /// When, in microseconds since 1970.
    pub start_us: i64,
}

/// What is to be done with a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Record it.
    Record,
    /// Record this instead.
    Masked(Vec<u8>),
    /// Do not record it.
    Refuse(Refusal),
}

/// Why a line is not recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Refusal {
    /// Recording is paused.
    Paused,
    /// It carries a recovery phrase.
    Phrase,
    /// It begins with a blank.
    Space,
    /// One of the user's patterns matches.
    Command,
    /// It started in one of the user's directories.
    Directory,
    /// It holds a secret.
    Secret,
}

impl Default for Filter {
    fn default() -> Self {
        Self {
            ignore_commands: RegexSet::empty(),
            ignore_directories: Vec::new(),
            ignore_space: true,
            secrets: Secrets::default(),
            pauses: Pauses::default(),
        }
    }
}

impl Filter {
    /// What is to be done with a line.
    pub fn judge(&self, line: &Line<'_>) -> Verdict {
        if self.pauses.holds(line.session, line.start_us) {
            return Verdict::Refuse(Refusal::Paused);
        }
        if let Some(refusal) = self.refusal(line.command, line.directory) {
            return Verdict::Refuse(refusal);
        }
        match self.secrets {
            Secrets::Keep => Verdict::Record,
            Secrets::Drop if secrets::first(line.command).is_some() => Verdict::Refuse(Refusal::Secret),
            Secrets::Drop => Verdict::Record,
            Secrets::Mask => secrets::masked(line.command).map_or(Verdict::Record, Verdict::Masked),
        }
    }

    /// Why the rules, as they are, would not keep a command that was recorded at some time: also one that would be
    /// masked. A blank in front is passed over, because it may have been typed where that means nothing.
    pub fn objection(&self, command: &[u8], directory: &[u8]) -> Option<Refusal> {
        let secret = || self.secrets != Secrets::Keep && secrets::first(command).is_some();
        self.rule(command, directory).or_else(|| secret().then_some(Refusal::Secret))
    }

    /// Masks the secrets in what an assistant said, unless secrets are kept, and takes out what carries a recovery phrase
    /// in any case. Whether there was anything.
    pub fn clean(&self, assistant: &mut Assistant) -> bool {
        let mut was_any = false;
        let Assistant { prompt, explanation, model, safety: _, tags, author, rule: _ } = assistant;
        for text in [prompt, explanation, model, author].into_iter().chain(tags) {
            if let Some(cleaned) = self.cleaned(text) {
                text.zeroize();
                *text = cleaned;
                was_any = true;
            }
        }
        was_any
    }

    fn cleaned(&self, text: &str) -> Option<String> {
        if carries_phrase(text.as_bytes()) || phrase::has_phrase(text) {
            return Some(String::from_utf8_lossy(secrets::MASK).into_owned());
        }
        let masked = (self.secrets != Secrets::Keep).then(|| secrets::masked(text.as_bytes())).flatten();
        masked.map(|masked| String::from_utf8_lossy(&masked).into_owned())
    }

    fn refusal(&self, command: &[u8], directory: &[u8]) -> Option<Refusal> {
        let blank = self.ignore_space && command.first().is_some_and(|first| *first == b' ' || *first == b'\t');
        blank.then_some(Refusal::Space).or_else(|| self.rule(command, directory))
    }

    fn rule(&self, command: &[u8], directory: &[u8]) -> Option<Refusal> {
        if carries_phrase(command) || phrase::is_phrase(command) {
            return Some(Refusal::Phrase);
        }
        if self.ignore_commands.is_match(command) {
            return Some(Refusal::Command);
        }
        let ignored = self.ignore_directories.iter().any(|folder| is_within(directory, folder));
        ignored.then_some(Refusal::Directory)
    }
}

fn is_within(directory: &[u8], folder: &[u8]) -> bool {
    use std::os::unix::ffi::OsStrExt;
    Path::new(std::ffi::OsStr::from_bytes(directory)).starts_with(std::ffi::OsStr::from_bytes(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line<'a>(command: &'a str, directory: &'a str) -> Line<'a> {
        Line { command: command.as_bytes(), directory: directory.as_bytes(), session: "one", start_us: 1 }
    }

    #[test]
    fn ds004_patterns_and_directories_keep_commands_out() {
        let filter = Filter {
            ignore_commands: RegexSet::new(["^pass ", "never$"]).expect("patterns"),
            ignore_directories: vec![b"/home/ada/private".to_vec()],
            ..Filter::default()
        };
        let check = |command: &str, directory: &str, expected: Option<Refusal>| {
            let verdict = expected.map_or(Verdict::Record, Verdict::Refuse);
            assert_eq!(filter.judge(&line(command, directory)), verdict, "{command} in {directory}");
        };
        check("pass show bank", "/", Some(Refusal::Command));
        check("say never", "/", Some(Refusal::Command));
        check("bypass show", "/", None);
        check("ls", "/home/ada/private", Some(Refusal::Directory));
        check("ls", "/home/ada/private/deep", Some(Refusal::Directory));
        check("ls", "/home/ada/private-not", None);
        check("ls", "/home/ada", None);
    }

    #[test]
    fn ds004_a_blank_in_front_hides_a_command_unless_it_is_switched_off() {
        let judge = |ignore_space, command| Filter { ignore_space, ..Filter::default() }.judge(&line(command, "/"));
        for command in [" ls", "\tls"] {
            assert_eq!(judge(true, command), Verdict::Refuse(Refusal::Space));
            assert_eq!(judge(false, command), Verdict::Record);
        }
        assert_eq!(judge(true, "ls "), Verdict::Record);
        assert_eq!(Filter::default().objection(b" ls", b"/"), None, "what is recorded already may have a blank");
    }

    #[test]
    fn ds004_a_secret_is_dropped_masked_or_kept_as_the_user_says() {
        let judge = |secrets| Filter { secrets, ..Filter::default() }.judge(&line("mysql -phunter2 app", "/"));
        assert_eq!(judge(Secrets::Drop), Verdict::Refuse(Refusal::Secret));
        assert_eq!(judge(Secrets::Mask), Verdict::Masked(b"mysql -p**** app".to_vec()));
        assert_eq!(judge(Secrets::Keep), Verdict::Record);
        assert_eq!(Secrets::default(), Secrets::Drop, "DS004: never recorded unless asked");
    }

    #[test]
    fn trap_27_a_phrase_is_refused_whatever_the_settings_say() {
        let filter = Filter { secrets: Secrets::Keep, ignore_space: false, ..Filter::default() };
        let command = "caro sync restore legal winner thank";
        assert_eq!(filter.judge(&line(command, "/")), Verdict::Refuse(Refusal::Phrase));
    }

    #[test]
    fn trap_27_a_phrase_that_was_pasted_at_the_prompt_is_refused() {
        let words = "legal winner thank year wave sausage worth useful legal winner thank yellow";
        let numbered: Vec<String> =
            (1..).zip(words.split(' ')).map(|(number, word)| format!("{number:>2}. {word}")).collect();
        let refused = Some(Refusal::Phrase);
        let tried =
            |command: &str| Filter { secrets: Secrets::Keep, ..Filter::default() }.rule(command.as_bytes(), b"/");
        for command in [words.to_owned(), format!("echo '{words}' | lpr"), numbered.join("  ")] {
            assert_eq!(tried(&command), refused, "{command}");
        }
        // One word is another, so that the checksum is not right; and one is missing.
        assert_eq!(tried(&words.replace("yellow", "year")), None);
        assert_eq!(tried(words.trim_end_matches(" yellow")), None);
        // The checksum of this one is right.
        assert_eq!(tried(&format!("echo {}about", "abandon ".repeat(11))), None);
    }

    #[test]
    fn ds004_what_an_assistant_said_holds_no_secret_and_never_a_phrase() {
        let phrase = "legal winner thank year wave sausage worth useful legal winner thank yellow";
        let said = |secrets, prompt: &str| {
            let mut assistant = Assistant { prompt: prompt.to_owned(), ..Assistant::default() };
            let was_any = Filter { secrets, ..Filter::default() }.clean(&mut assistant);
            (was_any, assistant.prompt)
        };
        for secrets in [Secrets::Drop, Secrets::Mask] {
            let (was_any, prompt) = said(secrets, "log in with mysql -phunter2 app");
            assert!(was_any && !prompt.contains("hunter2") && prompt.starts_with("log in with"), "{prompt}");
        }
        assert!(said(Secrets::Keep, "mysql -phunter2 app").1.contains("hunter2"));
        for secrets in [Secrets::Drop, Secrets::Mask, Secrets::Keep] {
            assert_eq!(said(secrets, &format!("my phrase is {phrase}, keep it")), (true, "****".to_owned()));
        }
        let prose = "please make sure that the tests pass before you push this change and then tell the team about";
        assert_eq!(said(Secrets::Drop, prose), (false, prose.to_owned()));
    }

    #[test]
    fn a_pause_comes_before_everything() {
        let filter = Filter { pauses: Pauses::of_session("one", 0), secrets: Secrets::Mask, ..Filter::default() };
        assert_eq!(filter.judge(&line("mysql -phunter2", "/")), Verdict::Refuse(Refusal::Paused));
        assert_eq!(filter.judge(&Line { session: "other", ..line("ls", "/") }), Verdict::Record);
    }
}
