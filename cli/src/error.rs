//! The one place where reasons become words: what happened, then what to do, then the exit code.
//!
//! A [`Failure`] is what every command returns when it cannot go on. Each [`Fault`] of the daemon has its sentence in
//! [`Failure::from`]; none repeats what was typed, because that may have been a phrase.

use std::{fmt, io, path::Path};

use caro_schema::{ipc::Fault, items::Sort};

use crate::{
    exit,
    output::{counted, visible},
};

/// Why a command could not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// What happened. Empty when there is nothing to say: the exit code is all.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) hint: String,
    /// From [`exit`].
    pub(crate) code: u8,
}

/// What every command returns.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// With a message alone.
    pub(crate) fn new(code: u8, message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: String::new(), code }
    }

    /// An exit code without words.
    pub(crate) fn silent(code: u8) -> Self {
        Self::new(code, "")
    }

    /// The person changed their mind.
    pub(crate) fn cancelled() -> Self {
        Self::silent(exit::CANCELLED)
    }

    /// What to do about it.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// A file or folder that the system did not let us use.
    pub(crate) fn at(path: &Path, error: &io::Error) -> Self {
        let code = match error.kind() {
            io::ErrorKind::NotFound => exit::NO_INPUT,
            _ => exit::IO,
        };
        Self::new(code, format!("{}: {}", path.display(), system(error)))
    }

    /// Standard output could not be written. A reader that has gone is no reason for words.
    pub(crate) fn output(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::silent(exit::PIPE),
            _ => Self::new(exit::IO, format!("the output cannot be written: {}", system(error))),
        }
    }
}

/// What the system said, without Rust's number behind it.
pub(crate) fn system(error: &io::Error) -> String {
    without_number(&error.to_string())
}

fn without_number(text: &str) -> String {
    match text.find(" (os error ") {
        Some(end) => text[..end].to_lowercase(),
        None => text.to_owned(),
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "caro: {}", self.message)?;
        if self.hint.is_empty() { Ok(()) } else { write!(f, "\nhint: {}", self.hint) }
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        let (code, message, hint) = words(fault);
        Self { message, hint, code }
    }
}

/// Code, what happened, what to do.
fn words(fault: Fault) -> (u8, String, String) {
    let say = |code, message: &str, hint: &str| (code, message.to_owned(), hint.to_owned());
    match fault {
        Fault::Protocol { .. } => say(
            exit::PROTOCOL,
            "this program and the running daemon are of different versions",
            "restart it: caro daemon restart; if that does not help, install caro again",
        ),
        Fault::Malformed => {
            say(exit::PROTOCOL, "the daemon did not understand the request", "restart it: caro daemon restart")
        }
        Fault::BadPattern { reason } => {
            // A parser draws a picture over several lines; its last one says it in words.
            let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
            let hint =
                if reason.contains("limit") { "use a shorter one" } else { "--mode substring takes it as it stands" };
            (exit::DATA, format!("the pattern is not valid: {reason}"), hint.into())
        }
        Fault::NoRecord => {
            say(exit::DATA, "there is no such record", "it was deleted; look again: caro history list --ids")
        }
        Fault::Changed { count } => (
            exit::TRY_LATER,
            format!(
                "it has changed since you were asked: it would be {} now; nothing was deleted",
                counted(count, "command")
            ),
            "look again, and decide anew: the same command asks again".into(),
        ),
        Fault::PhraseWord { position, nearest } => {
            let message = format!("word {position} of the phrase is not in the word list");
            let hint = match nearest.as_str() {
                "" => "check it against what you wrote down".to_owned(),
                nearest => format!("perhaps it is \"{nearest}\"; check it against what you wrote down"),
            };
            (exit::DATA, message, hint)
        }
        Fault::PhraseLength { words } => (
            exit::DATA,
            format!("the phrase has {words} word{}", if words == 1 { "" } else { "s" }),
            "a phrase has 24 words; older ones 12, 15, 18 or 21".into(),
        ),
        Fault::PhraseChecksum => say(
            exit::DATA,
            "every word is in the list, but together they are not a phrase",
            "most often two words are swapped, or one is another word of the list; check them in order",
        ),
        Fault::NoAccount => say(
            exit::DATA,
            "the relay has no account for this phrase; nothing was changed here",
            "check the relay's address and the phrase; a new account is made with: caro sync init",
        ),
        Fault::AccountExists => {
            say(exit::STATE, "this phrase's account is there already", "join it with: caro sync restore")
        }
        Fault::AlreadySynced => {
            say(exit::STATE, "this device is in an account already", "see it with: caro sync status")
        }
        Fault::NotSynced => say(
            exit::STATE,
            "this device is in no account",
            "make one with: caro sync init, or join one with: caro sync restore",
        ),
        Fault::OtherAccount => say(
            exit::DATA,
            "this phrase is that of another account than this device's; nothing was changed",
            "give the phrase of the account that caro sync status names",
        ),
        Fault::RemoteKnown => {
            say(exit::STATE, "this device uses that relay already", "see how it goes: caro sync remote list")
        }
        Fault::NoSuchRemote => {
            say(exit::USAGE, "this device uses no relay with that address", "see which it uses: caro sync remote list")
        }
        Fault::NoSuchDevice => {
            say(exit::USAGE, "the account has no such device", "see which there are: caro sync devices")
        }
        Fault::ThisDevice => say(
            exit::USAGE,
            "that is the device you are at; it cannot take itself off",
            "do it on another device of the account; to stop syncing here: caro sync off",
        ),
        Fault::AlreadyRevoked => say(
            exit::STATE,
            "that device was taken off before",
            "see when and why: caro sync devices; to give the others a new key once more: caro sync rotate",
        ),
        Fault::NotMember => say(
            exit::STATE,
            "this device is not of the account any more; its own history stays",
            "to come in again as a new device: caro sync restore, or caro sync join with a code from another one",
        ),
        Fault::NotInStep => say(
            exit::TRY_LATER,
            "not every relay has everything, or not everything that is there is here; nothing was changed",
            "see which one: caro sync status; one that is gone for good: caro sync remote remove",
        ),
        Fault::NothingBegun => say(
            exit::STATE,
            "no phrase is waiting to be confirmed",
            "the daemon may have been restarted meanwhile; begin again: caro sync init",
        ),
        Fault::CodeForm => say(
            exit::DATA,
            "that is not a code",
            "a code is a number and two words, as caro sync pair shows it on the other device",
        ),
        Fault::CodeWord { position, nearest } => (
            exit::DATA,
            format!("the {} word of the code is not in the word list", if position == 1 { "first" } else { "second" }),
            format!("perhaps it is \"{nearest}\"; read it again on the other device"),
        ),
        Fault::WrongCode { tries_left: 0 } => say(
            exit::REFUSED,
            "that is not the code that the other device shows, and it takes no more tries",
            "show a new one there: caro sync pair",
        ),
        Fault::WrongCode { tries_left } => (
            exit::REFUSED,
            "that is not the code that the other device shows".into(),
            format!(
                "read it again there; {tries_left} more {} left",
                if tries_left == 1 { "try is" } else { "tries are" }
            ),
        ),
        Fault::NoSuchCode => say(
            exit::DATA,
            "the relay knows no such code: it was used, cancelled, is too old, or has another number",
            "look at the other device, or show a new one there: caro sync pair",
        ),
        Fault::CodeExpired => say(
            exit::TRY_LATER,
            "the code was not used in time, and is worth nothing any more",
            "show a new one: caro sync pair",
        ),
        Fault::NoTriesLeft => say(
            exit::REFUSED,
            "the code was tried three times in vain, and is worth nothing any more",
            "if that was not you, somebody else tried; show a new one: caro sync pair",
        ),
        Fault::CodeTaken => say(
            exit::REFUSED,
            "somebody else is using this code at this moment; nothing was changed",
            "if that is not you, end it on the other device and show a new code there: caro sync pair",
        ),
        Fault::TooManyCodes => say(
            exit::TRY_LATER,
            "as many codes wait at the relay as it takes",
            "try again in a few minutes, or use the phrase: caro sync restore",
        ),
        Fault::PairDeclined => say(
            exit::REFUSED,
            "the other device ended it; nothing was changed",
            "look there why; begin again with: caro sync pair",
        ),
        Fault::WordsDiffer => say(
            exit::REFUSED,
            "the words were not the same; nothing was handed over",
            "somebody may stand in between; try another relay or network, or use the phrase: caro sync restore",
        ),
        Fault::PairLost { handed_over: false } => say(
            exit::UNAVAILABLE,
            "the connection to the other device was lost; nothing was changed",
            "begin again with a new code: caro sync pair",
        ),
        Fault::PairLost { handed_over: true } => say(
            exit::UNAVAILABLE,
            "the connection was lost at the last moment: the other device may be in the account, or not",
            "see whether it is: caro sync devices; if it is not, begin again: caro sync pair",
        ),
        Fault::PairVersion => say(
            exit::PROTOCOL,
            "the other device runs a version of caro that this one cannot speak to",
            "install the newest caro on both",
        ),
        Fault::PairUnderWay => say(
            exit::STATE,
            "a joining by code is under way already, in another terminal",
            "end that one with Ctrl-C, or wait half a minute if its terminal is gone",
        ),
        Fault::NoPairing => say(
            exit::STATE,
            "no joining by code is under way",
            "the daemon may have been restarted meanwhile; begin again: caro sync pair",
        ),
        Fault::NetworkOff => {
            say(exit::STATE, "syncing is off, and this needs the network", "turn it on with: caro sync on")
        }
        Fault::NotListed => say(
            exit::REFUSED,
            "the relay did not list the new device; nothing was handed over",
            "an account has at most 64 devices, and what was revoked joins with the phrase alone: caro sync restore",
        ),
        Fault::BadAddress { reason } => (
            exit::USAGE,
            format!("that is not a relay's address: {reason}"),
            "use the line that the relay prints at its start: wss://host:port/#key".into(),
        ),
        Fault::Unreachable { host, reason } => (
            exit::UNAVAILABLE,
            format!("the relay at {host} cannot be reached: {}", without_number(&reason)),
            "check the address and the network; recording goes on without it".into(),
        ),
        Fault::RelayKeyChanged { host } => (
            exit::REFUSED,
            format!("the relay at {host} has another key than the one in its address; nothing was sent"),
            "ask whoever runs it for the new address; if nobody changed it, somebody may be in between".into(),
        ),
        Fault::Refused { code } if code == "RegistrationRefused" => say(
            exit::REFUSED,
            "the relay makes no account without an invitation, or not with this one",
            "an invitation is given with --token-stdin, or typed when it is asked for; ask whoever runs the relay for one",
        ),
        Fault::Refused { code } => {
            (exit::REFUSED, format!("the relay refused: {code}"), "ask whoever runs the relay".into())
        }
        Fault::TimedOut => say(
            exit::TRY_LATER,
            "not finished in the time given; it goes on in the background",
            "watch it with: caro sync status",
        ),
        Fault::ItemKnown { category, key } => (
            exit::DATA,
            format!("there is a {} {} already", sort_of(&category), visible::line(key.as_bytes())),
            "take another name, or take that one away first".into(),
        ),
        Fault::ItemUnfit { category, key, reason } => (
            exit::DATA,
            format!("{} {}: {reason}", sort_of(&category), visible::line(key.as_bytes())),
            "nothing was changed".into(),
        ),
        Fault::ItemsFull { reason } => (
            exit::DATA,
            format!("there is no room for more: {reason}"),
            "take something away first: caro kv list, caro alias list, caro env list, caro script list".into(),
        ),
        Fault::Storage { reason } => (
            exit::IO,
            format!("the daemon cannot write: {}", without_number(&reason)),
            "make room on the disk; nothing is lost, it is tried again by itself".into(),
        ),
        Fault::Key { reason } => (
            exit::REFUSED,
            format!("the key that opens the history cannot be had: {reason}"),
            "unlock the key store of your session, then: caro daemon restart".into(),
        ),
        Fault::Memory => say(
            exit::TRY_LATER,
            "there is not enough memory to work with a phrase (64 MiB)",
            "close something and try again",
        ),
        Fault::Loading => say(exit::TRY_LATER, "the daemon is still reading its history", "try again in a few seconds"),
        Fault::ShuttingDown => say(exit::TRY_LATER, "the daemon is ending", "try again; it is started when needed"),
        Fault::Internal { what } => (
            exit::INTERNAL,
            format!("something went wrong in the daemon: {what}"),
            "see its log, whose place caro doctor tells".into(),
        ),
    }
}

/// What an item of a category is called.
/// What an item of this category is called.
pub(crate) fn sort_of(category: &str) -> &'static str {
    Sort::of(category).map_or("setting", Sort::in_words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_fault() -> Vec<Fault> {
        let text = || "reason".to_owned();
        vec![
            Fault::Protocol { ours: 1, theirs: 2 },
            Fault::Malformed,
            Fault::BadPattern { reason: text() },
            Fault::NoRecord,
            Fault::Changed { count: 3 },
            Fault::PhraseWord { position: 3, nearest: "zebra".into() },
            Fault::PhraseLength { words: 5 },
            Fault::PhraseChecksum,
            Fault::NoAccount,
            Fault::AccountExists,
            Fault::AlreadySynced,
            Fault::NotSynced,
            Fault::OtherAccount,
            Fault::RemoteKnown,
            Fault::NoSuchRemote,
            Fault::NoSuchDevice,
            Fault::ThisDevice,
            Fault::AlreadyRevoked,
            Fault::NotMember,
            Fault::NotInStep,
            Fault::NothingBegun,
            Fault::CodeForm,
            Fault::CodeWord { position: 2, nearest: "zebra".into() },
            Fault::WrongCode { tries_left: 0 },
            Fault::WrongCode { tries_left: 2 },
            Fault::NoSuchCode,
            Fault::CodeExpired,
            Fault::NoTriesLeft,
            Fault::CodeTaken,
            Fault::TooManyCodes,
            Fault::PairDeclined,
            Fault::WordsDiffer,
            Fault::PairLost { handed_over: false },
            Fault::PairLost { handed_over: true },
            Fault::PairVersion,
            Fault::PairUnderWay,
            Fault::NoPairing,
            Fault::NetworkOff,
            Fault::NotListed,
            Fault::BadAddress { reason: text() },
            Fault::Unreachable { host: "h:1".into(), reason: text() },
            Fault::RelayKeyChanged { host: "h:1".into() },
            Fault::Refused { code: "full".into() },
            Fault::TimedOut,
            Fault::ItemKnown { category: "alias".into(), key: text() },
            Fault::ItemUnfit { category: "env".into(), key: text(), reason: text() },
            Fault::ItemsFull { reason: text() },
            Fault::Storage { reason: text() },
            Fault::Key { reason: text() },
            Fault::Memory,
            Fault::Loading,
            Fault::ShuttingDown,
            Fault::Internal { what: text() },
        ]
    }

    #[test]
    fn u004_every_fault_says_what_happened_and_what_to_do() {
        for fault in every_fault() {
            let failure = Failure::from(fault.clone());
            assert!(!failure.message.is_empty(), "{fault:?}");
            assert!(!failure.hint.is_empty(), "{fault:?}");
            assert_ne!(failure.code, exit::OK, "{fault:?}");
        }
    }

    #[test]
    fn si004_a_mistyped_word_is_named_by_place_and_by_what_it_may_have_been() {
        let failure = Failure::from(Fault::PhraseWord { position: 3, nearest: "zebra".into() });
        let said = failure.to_string();
        assert!(said.contains("word 3") && said.contains("\"zebra\""), "{said}");
        let failure = Failure::from(Fault::PhraseWord { position: 3, nearest: String::new() });
        assert!(!failure.to_string().contains("perhaps"));
    }

    #[test]
    fn a_reader_that_has_gone_is_no_reason_for_words() {
        let failure = Failure::output(&io::ErrorKind::BrokenPipe.into());
        assert_eq!((failure.message.as_str(), failure.code), ("", exit::PIPE));
    }

    #[test]
    fn what_the_system_said_stands_without_numbers() {
        assert_eq!(system(&io::Error::from_raw_os_error(2)), "no such file or directory");
        assert_eq!(system(&io::Error::other("Mine")), "Mine");
    }
}
