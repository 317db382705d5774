//! The three shells that have a hook, and how each one quotes a word.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

/// A shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Shell {
    /// bash 4.4 and later; 3.2 with gaps.
    Bash,
    /// zsh 5 and later.
    Zsh,
    /// fish 3.4 and later.
    Fish,
}

impl Shell {
    /// Its name, as in `$SHELL`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Zsh => "zsh",
            Self::Fish => "fish",
        }
    }

    /// A word that means exactly these bytes.
    pub(crate) fn quote(self, word: &OsStr) -> Vec<u8> {
        let escaped: &[u8] = match self {
            Self::Bash | Self::Zsh => br"'\''",
            Self::Fish => br"\'",
        };
        let mut quoted = vec![b'\''];
        for byte in word.as_bytes() {
            match byte {
                b'\'' => quoted.extend_from_slice(escaped),
                b'\\' if self == Self::Fish => quoted.extend_from_slice(br"\\"),
                other => quoted.push(*other),
            }
        }
        quoted.push(b'\'');
        quoted
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_quoted_word_means_the_same_in_its_shell() {
        let words: [&[u8]; 6] = [b"/usr/bin/caro", b"it's", b"a b\\c\\'", b"$(x) `y` \"z\" !1 *", b"line\nline", b""];
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            if Command::new(shell.name()).arg("--version").output().is_err() {
                crate::testing::skip("a_quoted_word_means_the_same_in_its_shell", shell.name());
                continue;
            }
            for word in words {
                let mut script = b"printf %s ".to_vec();
                script.extend(shell.quote(OsStr::from_bytes(word)));
                let output = Command::new(shell.name()).arg("-c").arg(OsStr::from_bytes(&script)).output();
                let output = output.expect("the shell runs");
                assert_eq!(output.stdout, word, "{} in {}", word.escape_ascii(), shell.name());
            }
        }
    }
}
