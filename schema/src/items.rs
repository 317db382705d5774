//! What a person keeps beside history and has on every machine: a key–value store, aliases, variables and scripts. Which
//! sorts there are, and which names each may have.
//!
//! The same rules for whoever writes an item and for whoever puts it into force: a shell is told only names that pass here,
//! whatever another device sent. Knows nothing of shells' quoting ([`crate::quote`]) and nothing of merging. The invariant:
//! a name that passes can stand in every shell as a plain word.

use crate::{body::shared::KEY_BYTES_MAX, limits::COMMAND_SYNC_BYTES_MAX};

/// A sort of item. A setting has none: its category is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sort {
    /// A key with a value, for whatever a person likes.
    Value,
    /// A short name for a command.
    Alias,
    /// A variable of the environment.
    Variable,
    /// A script with a name.
    Script,
}

/// Every sort.
pub const SORTS: [Sort; 4] = [Sort::Value, Sort::Alias, Sort::Variable, Sort::Script];

/// The category of settings.
pub const SETTING: &str = "";

/// Items and settings of one account or home. All of them are in memory on every device, and a person has hundreds.
pub const ITEMS_MAX: usize = 10_000;

/// Bytes of all their names and values together, for the same reason.
pub const ITEMS_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Bytes of one value: what fits a cell. A script of this size has some thousand lines.
pub const VALUE_BYTES_MAX: usize = COMMAND_SYNC_BYTES_MAX;

/// Bytes of the name of an alias, a variable or a script. Longer ones are typed by nobody.
pub const NAME_BYTES_MAX: usize = 128;

/// Why something cannot be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// There is no name.
    #[error("it has no name")]
    NoName,
    /// The name is too long.
    #[error("its name is {0} bytes, the limit is {1}")]
    LongName(usize, usize),
    /// A sign in the name that not every shell takes.
    #[error("its name may have letters, digits and {0}")]
    Sign(&'static str),
    /// A name that shells need for themselves.
    #[error("shells need this name for themselves")]
    Taken,
    /// A variable whose value a shell or the system obeys, or that is theirs to set.
    #[error("a shell or the system goes by this variable itself")]
    Obeyed,
    /// The value is too long.
    #[error("its value is {0} bytes, the limit is {1}")]
    LongValue(usize, usize),
    /// The value is not text, and a shell's is.
    #[error("its value is not text in UTF-8")]
    NotText,
    /// The value has a NUL byte, at which a shell would end it.
    #[error("its value has a NUL byte")]
    Nul,
}

impl Sort {
    /// The category in [`crate::body::shared::Set`].
    pub const fn category(self) -> &'static str {
        match self {
            Self::Value => "kv",
            Self::Alias => "alias",
            Self::Variable => "env",
            Self::Script => "script",
        }
    }

    /// The sort of a category, if this version knows it.
    pub fn of(category: &str) -> Option<Self> {
        SORTS.into_iter().find(|sort| sort.category() == category)
    }

    /// What one is called, for a sentence.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Value => "key",
            Self::Alias => "alias",
            Self::Variable => "variable",
            Self::Script => "script",
        }
    }

    /// Whether this can be kept under this name.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(self, name: &str, value: &[u8]) -> Result<(), Unfit> {
        self.check_name(name)?;
        if value.len() > VALUE_BYTES_MAX {
            return Err(Unfit::LongValue(value.len(), VALUE_BYTES_MAX));
        }
        match self {
            Self::Value => Ok(()),
            Self::Script if value.contains(&0) => Err(Unfit::Nul),
            Self::Script => Ok(()),
            Self::Alias | Self::Variable if value.contains(&0) => Err(Unfit::Nul),
            Self::Alias | Self::Variable => std::str::from_utf8(value).map(drop).map_err(|_| Unfit::NotText),
        }
    }

    /// Whether this can be the name of one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check_name(self, name: &str) -> Result<(), Unfit> {
        let most = if self == Self::Value { KEY_BYTES_MAX } else { NAME_BYTES_MAX };
        if name.is_empty() {
            return Err(Unfit::NoName);
        }
        if name.len() > most {
            return Err(Unfit::LongName(name.len(), most));
        }
        let of = |signs: &str| name.chars().all(|sign| sign.is_ascii_alphanumeric() || signs.contains(sign));
        match self {
            // Any text: it is nobody's word but the person's own.
            Self::Value if name.contains('\0') => Err(Unfit::Nul),
            Self::Value => Ok(()),
            Self::Script if !of("_-.") || name.starts_with(['-', '.']) => Err(Unfit::Sign("_ - . inside")),
            Self::Script => Ok(()),
            Self::Alias if !of("_-.,:@%+") || name.starts_with(['-', '+', '%', '@']) => {
                Err(Unfit::Sign("_ - . , : @ % + inside"))
            }
            Self::Alias if is_among(name, KEYWORDS) || name.starts_with(OWN_PREFIX) => Err(Unfit::Taken),
            Self::Alias => Ok(()),
            Self::Variable if !of("_") || name.starts_with(|sign: char| sign.is_ascii_digit()) => Err(Unfit::Sign("_")),
            Self::Variable if is_obeyed(name) => Err(Unfit::Obeyed),
            Self::Variable => Ok(()),
        }
    }
}

/// What the hooks call their own things.
const OWN_PREFIX: &str = "__caro";

/// Words of the shells' grammars, and the builtins without which neither a hook nor a start file works. An alias in their
/// place would break the shell that it is meant for.
const KEYWORDS: &str = ". : alias and begin break builtin caro case command continue coproc def do done elif else end esac eval exec \
    exit export fi for foreach function hide if in let local mut nocorrect noglob not or overlay repeat return \
    select set source status string switch test then time trap try typeset unalias unset until use where while";

fn is_among(name: &str, words: &str) -> bool {
    words.split(' ').any(|word| word == name)
}

/// Variables that are no data: their value is run or drawn as code, decides what is loaded into other programs, or is the
/// shell's own to set. What stands in one would be obeyed, and some cannot be set at all.
fn is_obeyed(name: &str) -> bool {
    let prefixes = ["LD_", "DYLD_", "BASH_FUNC_", "__CARO", "__caro", "CARO_", "XONSH", "fish_"];
    is_among(name, OBEYED) || prefixes.iter().any(|prefix| name.starts_with(prefix))
}

const OBEYED: &str = "BASHOPTS BASH_COMPAT BASH_ENV BASH_XTRACEFD CDPATH COMP_WORDBREAKS CURRENT_FILE ENV \
    ENV_CONVERSIONS EUID FILE_PWD FPATH GLOBIGNORE HISTCMD HISTCONTROL HISTFILE HISTIGNORE HISTORY_IGNORE \
    HISTTIMEFORMAT HOME IFS LOGNAME NULLCMD NU_VERSION OLDPWD OPTIND POSIXLY_CORRECT PPID PROMPT PROMPT2 PROMPT3 \
    PROMPT4 PROMPT_COMMAND PROMPT_COMMAND_RIGHT PROMPT_INDICATOR PS0 PS1 PS2 PS3 PS4 PSModulePath PWD PYTHONSTARTUP \
    RANDOM READNULLCMD RPROMPT RPROMPT2 RPS1 RPS2 SHELL SHELLOPTS SHLVL SPROMPT SRANDOM TMOUT TTY UID USER USERNAME \
    ZDOTDIR argv config last_exit_code prompt status version _";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_pass_are_plain_words_in_every_shell() {
        for (sort, good, bad) in [
            (
                Sort::Alias,
                &["ll", "..", "g.s", "a-b", "x_1", "1", "k9:x", "ls"][..],
                &["", "-x", "a b", "a;b", "a'b", "$(x)", "a=b", "a/b", "if", "eval", "__caro_x", "ü", ".", "a\nb"][..],
            ),
            (
                Sort::Variable,
                &["EDITOR", "_x", "A1", "PATH", "LESS"],
                &[
                    "",
                    "1A",
                    "A-B",
                    "A B",
                    "PS1",
                    "PROMPT_COMMAND",
                    "LD_PRELOAD",
                    "IFS",
                    // Assigning to these evaluates what is assigned.
                    "RANDOM",
                    "OPTIND",
                    "prompt",
                    "BASH_ENV",
                    "A\n",
                    "CARO_SPOOL",
                    "A[0]",
                ],
            ),
            (Sort::Script, &["backup", "a-b.sh", "x_1"], &["", ".x", "-x", "a/b", "../x", "a b", "a\0"]),
            (Sort::Value, &["a", "a b/c", "ü", "-x"], &["", "a\0b"]),
        ] {
            for name in good {
                assert_eq!(sort.check(name, b"v"), Ok(()), "{sort:?} {name:?}");
            }
            for name in bad {
                assert!(sort.check(name, b"v").is_err(), "{sort:?} {name:?}");
            }
            let most = if sort == Sort::Value { KEY_BYTES_MAX } else { NAME_BYTES_MAX };
            assert_eq!(sort.check_name(&"a".repeat(most)), Ok(()));
            assert_eq!(sort.check_name(&"a".repeat(most + 1)), Err(Unfit::LongName(most + 1, most)));
        }
    }

    #[test]
    fn values_have_a_size_and_what_a_shell_is_told_is_text() {
        for sort in SORTS {
            assert_eq!(sort.check("a", &vec![b'x'; VALUE_BYTES_MAX]), Ok(()));
            assert!(matches!(sort.check("a", &vec![b'x'; VALUE_BYTES_MAX + 1]), Err(Unfit::LongValue(..))));
            assert_eq!(Sort::of(sort.category()), Some(sort));
        }
        assert_eq!(Sort::Value.check("a", b"\0\xff"), Ok(()));
        assert_eq!(Sort::Script.check("a", b"\xff"), Ok(()));
        for sort in [Sort::Alias, Sort::Variable] {
            assert_eq!((sort.check("a", b"\xff"), sort.check("a", b"a\0")), (Err(Unfit::NotText), Err(Unfit::Nul)));
        }
        assert_eq!(Sort::of("tomorrow"), None);
    }
}
