//! The shells, and how each one quotes a word.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

use caro_schema::quote;

/// A shell that has a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Hooked {
    /// bash 4.4 and later; 3.2 with gaps
    Bash,
    /// zsh 5.1 and later
    Zsh,
    /// fish 3.4 and later
    Fish,
    /// nushell 0.104 and later
    #[value(alias = "nushell")]
    Nu,
    /// PowerShell 7 and later, with PSReadLine
    #[value(name = "powershell", alias = "pwsh")]
    PowerShell,
    /// xonsh 0.11 and later
    Xonsh,
}

impl Hooked {
    /// Its script.
    pub(crate) const fn script(self) -> &'static str {
        match self {
            Self::Bash => include_str!("../../shell/caro.bash"),
            Self::Zsh => include_str!("../../shell/caro.zsh"),
            Self::Fish => include_str!("../../shell/caro.fish"),
            Self::Nu => include_str!("../../shell/caro.nu"),
            Self::PowerShell => include_str!("../../shell/caro.ps1"),
            Self::Xonsh => include_str!("../../shell/caro.xsh"),
        }
    }

    /// Lines that give the script these names with these values. A name is without the prefix that keeps it from the
    /// user's own.
    pub(crate) fn settings(self, pairs: &[(&str, &OsStr)]) -> Vec<u8> {
        let mut text = Vec::new();
        for (name, value) in pairs {
            let before = match self {
                Self::Bash | Self::Zsh => format!("__caro_{name}="),
                Self::Fish => format!("set -g __caro_{name} "),
                Self::Nu => format!("  {name}: "),
                Self::PowerShell => format!("$__caro_{name} = "),
                Self::Xonsh => format!("__caro_{name} = "),
            };
            text.extend(before.into_bytes());
            text.extend(self.quote(value));
            text.push(b'\n');
        }
        match self {
            // One name among the user's and not six: what is a constant here is one for the whole shell.
            Self::Nu => [b"const __caro_settings = {\n", &text[..], b"}\n"].concat(),
            _ => text,
        }
    }

    /// A word that means exactly these bytes; in shells whose words are text and nothing else, what they say as text.
    pub(crate) fn quote(self, word: &OsStr) -> Vec<u8> {
        match self {
            Self::Bash | Self::Zsh => quote::posix(word.as_bytes()),
            Self::Fish => quote::fish(word.as_bytes()),
            Self::Nu => in_double_quotes(&word.to_string_lossy()).into_bytes(),
            Self::PowerShell => for_powershell(&word.to_string_lossy()).into_bytes(),
            Self::Xonsh => for_python(word.as_bytes()).into_bytes(),
        }
    }
}

fn in_double_quotes(word: &str) -> String {
    let escaped: String = word
        .chars()
        .map(|char| match char {
            '"' | '\\' => format!("\\{char}"),
            char if char.is_control() => format!("\\u{{{:x}}}", u32::from(char)),
            char => char.to_string(),
        })
        .collect();
    format!("\"{escaped}\"")
}

/// PowerShell takes typographic single quotes for the plain one: each stands for itself when doubled.
fn for_powershell(word: &str) -> String {
    let is_quote = |char| matches!(char, '\'' | '\u{2018}'..='\u{201b}');
    let doubled: String =
        word.chars().flat_map(|char| std::iter::repeat_n(char, if is_quote(char) { 2 } else { 1 })).collect();
    format!("'{doubled}'")
}

/// What is no text is written as Python has it in the names of files: one surrogate for each byte.
fn for_python(word: &[u8]) -> String {
    let mut quoted = String::from("'");
    for chunk in word.utf8_chunks() {
        for char in chunk.valid().chars() {
            match char {
                '\'' | '\\' => quoted.extend(['\\', char]),
                char if char.is_control() => quoted.push_str(&format!("\\u{:04x}", u32::from(char))),
                char => quoted.push(char),
            }
        }
        quoted.extend(chunk.invalid().iter().map(|byte| format!("\\udc{byte:02x}")));
    }
    quoted.push('\'');
    quoted
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    const WORDS: [&[u8]; 6] =
        [b"/usr/bin/caro", b"it's", b"a b\\c\\'", b"$(x) `y` \"z\" !1 *", b"line\nline", "漢字 ‘’".as_bytes()];

    /// What prints a word as it is, in the shells that the system may have.
    fn printing(shell: Hooked, word: &[u8]) -> Option<(&'static str, Vec<u8>)> {
        let (program, before, after): (_, &[u8], &[u8]) = match shell {
            Hooked::Bash => ("bash", b"printf %s ", b""),
            Hooked::Zsh => ("zsh", b"printf %s ", b""),
            Hooked::Fish => ("fish", b"printf %s ", b""),
            Hooked::Xonsh => ("python3", b"import os,sys\nsys.stdout.buffer.write(os.fsencode(", b"))"),
            Hooked::Nu => ("nu", b"print --no-newline ", b""),
            Hooked::PowerShell => return None,
        };
        Some((program, [before, &shell.quote(OsStr::from_bytes(word)), after].concat()))
    }

    #[test]
    fn a_quoted_word_means_the_same_in_its_shell() {
        for shell in [Hooked::Bash, Hooked::Zsh, Hooked::Fish, Hooked::Xonsh, Hooked::Nu] {
            let no_text: &[&[u8]] = if shell == Hooked::Nu { &[] } else { &[b"\xff \xfe\x80"] };
            for word in WORDS.iter().chain(no_text) {
                let Some((program, script)) = printing(shell, word) else { continue };
                let mut command = Command::new(program);
                command.arg("-c").arg(OsStr::from_bytes(&script));
                let Ok(output) = command.output() else {
                    crate::testing::skip("a_quoted_word_means_the_same_in_its_shell", program);
                    break;
                };
                assert_eq!(output.stdout, *word, "{} in {program}", word.escape_ascii());
            }
        }
    }

    #[test]
    fn words_of_shells_that_are_not_here() {
        let quoted = |shell: Hooked, word: &str| String::from_utf8(shell.quote(word.as_ref())).expect("text");
        assert_eq!(quoted(Hooked::PowerShell, "it's $x `n"), "'it''s $x `n'");
        assert_eq!(quoted(Hooked::PowerShell, "a’b‛"), "'a’’b‛‛'");
        assert_eq!(quoted(Hooked::Nu, "a\"b\\c\n$x"), "\"a\\\"b\\\\c\\u{a}$x\"");
    }
}
