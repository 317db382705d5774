//! The coding assistants that have a documented hook for commands: what each is called, where its configuration is, and
//! what goes into it. Only those whose documentation says all of it are here; `docs/assistants.md` has the addresses.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde_json::json;

use super::ordered::Json;
use crate::{error::Failure, exit};

/// A coding assistant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Agent {
    /// Claude Code.
    #[value(name = "claude-code", alias = "claude")]
    ClaudeCode,
    /// Codex CLI.
    Codex,
    /// Gemini CLI.
    #[value(name = "gemini-cli", alias = "gemini")]
    GeminiCli,
    /// Cursor's agent.
    Cursor,
    /// GitHub Copilot CLI.
    #[value(name = "copilot-cli", alias = "copilot")]
    CopilotCli,
}

/// Whose configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// The person's.
    Person,
    /// That of the folder this program runs in.
    Folder,
}

impl Scope {
    /// The one that was asked for, or the only one that there is.
    pub(super) fn of(project: bool, agent: Agent) -> Self {
        if project || agent.about().person.is_none() { Self::Folder } else { Self::Person }
    }
}

/// What is known of an assistant.
pub(super) struct About {
    /// As it is recorded and typed.
    pub(super) name: &'static str,
    /// As its makers call it.
    pub(super) title: &'static str,
    /// Where its hooks are described.
    pub(super) documentation: &'static str,
    /// The person's configuration, below the home.
    pub(super) person: Option<&'static str>,
    /// A folder's configuration.
    pub(super) folder: &'static str,
    /// What its hook expects on standard output.
    pub(super) answer: &'static str,
    /// What else there is to know.
    pub(super) note: &'static str,
}

impl Agent {
    pub(super) const ALL: [Self; 5] = [Self::ClaudeCode, Self::Codex, Self::GeminiCli, Self::Cursor, Self::CopilotCli];

    pub(super) fn about(self) -> About {
        match self {
            Self::ClaudeCode => About {
                name: "claude-code",
                title: "Claude Code",
                documentation: "https://code.claude.com/docs/en/hooks",
                person: Some(".claude/settings.json"),
                folder: ".claude/settings.json",
                answer: "",
                note: "it counts from its next session on",
            },
            Self::Codex => About {
                name: "codex",
                title: "Codex CLI",
                documentation: "https://developers.openai.com/codex/hooks",
                person: Some(".codex/hooks.json"),
                folder: ".codex/hooks.json",
                answer: "",
                note: "versions that still call hooks experimental also need [features] codex_hooks = true in config.toml",
            },
            Self::GeminiCli => About {
                name: "gemini-cli",
                title: "Gemini CLI",
                documentation: "https://geminicli.com/docs/hooks/reference",
                person: Some(".gemini/settings.json"),
                folder: ".gemini/settings.json",
                answer: "{}\n",
                note: "it counts from its next session on",
            },
            Self::Cursor => About {
                name: "cursor",
                title: "Cursor",
                documentation: "https://cursor.com/docs/hooks",
                person: Some(".cursor/hooks.json"),
                folder: ".cursor/hooks.json",
                answer: "{}\n",
                note: "Cursor does not say with which status a command ended",
            },
            Self::CopilotCli => About {
                name: "copilot-cli",
                title: "GitHub Copilot CLI",
                documentation: "https://docs.github.com/en/copilot/reference/hooks-configuration",
                person: None,
                folder: ".github/hooks/caro.json",
                answer: "",
                note: "it reads hooks from the folder that it is started in",
            },
        }
    }

    /// Its configuration's file, none when there is no home.
    pub(super) fn file(self, scope: Scope) -> Option<PathBuf> {
        let About { person, folder, .. } = self.about();
        match scope {
            Scope::Person => Some(std::env::home_dir()?.join(person?)),
            Scope::Folder => Some(PathBuf::from(folder)),
        }
    }

    /// What its hook runs.
    pub(super) fn command(self, program: &Path) -> String {
        format!("{} {} {}", quoted(&program.to_string_lossy()), MARK, self.about().name)
    }

    /// What goes into its configuration.
    pub(super) fn snippet(self, program: &Path) -> Json {
        let command = self.command(program);
        let claude = |timeout: u32| json!([{ "matcher": "Bash", "hooks": [{ "type": "command", "command": command, "timeout": timeout }] }]);
        let snippet = match self {
            Self::ClaudeCode => json!({ "hooks": { "PostToolUse": claude(10), "PostToolUseFailure": claude(10) } }),
            Self::Codex => json!({ "hooks": { "PostToolUse": claude(10) } }),
            Self::GeminiCli => json!({ "hooks": { "AfterTool": [{
                "matcher": "run_shell_command",
                "hooks": [{ "type": "command", "name": "caro", "command": command, "timeout": 10_000 }],
            }] } }),
            Self::Cursor => json!({ "version": 1, "hooks": { "afterShellExecution": [{ "command": command }] } }),
            Self::CopilotCli => json!({ "version": 1, "hooks": { "postToolUse": [{
                "type": "command", "bash": command, "timeoutSec": 10,
            }] } }),
        };
        snippet.into()
    }
}

/// By what a hook of caro's is known among others.
pub(super) const MARK: &str = "assistant hook";

/// A word as a shell reads it back.
fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

pub(super) fn no_home() -> Failure {
    Failure::new(exit::STATE, "it is not known where your home folder is").hint("set HOME to it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snippet_runs_this_program_whatever_its_path_is() {
        for agent in Agent::ALL {
            let text = String::from_utf8(agent.snippet(Path::new("/a b/it's/caro")).pretty()).expect("text");
            let expected = format!(r"'/a b/it'\\''s/caro' assistant hook {}", agent.about().name);
            assert!(text.contains(&expected), "{text}");
        }
        assert_eq!(Agent::Codex.command(Path::new("/usr/bin/caro")), "/usr/bin/caro assistant hook codex");
    }

    #[test]
    fn names_are_the_ones_that_are_typed_and_the_page_names_each_address() {
        let page = include_str!("../../../../docs/assistants.md");
        for agent in Agent::ALL {
            let About { name, documentation, .. } = agent.about();
            assert_eq!(agent.to_possible_value().expect("typed").get_name(), name);
            assert!(page.contains(documentation) && page.contains(&format!("`{name}`")), "{name}");
        }
    }
}
