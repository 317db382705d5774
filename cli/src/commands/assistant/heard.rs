//! What each assistant's hook says, as its documentation has it, made into an entry. Output of commands is not kept: it is
//! looked at for a status where the hook has no field for one, and forgotten.
//!
//! Fields that are not there mean nothing; what is there and of another form is an error, so that a change of an
//! assistant's hook shows in `caro assistant hook NAME --check` and never as a wrong record.

use caro_schema::{body::history::Assistant, limits::ASSISTANT_NAME_BYTES_MAX};
use serde_json::Value;

use super::agents::Agent;
use crate::record::Entry;

/// What was heard.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// A command to be recorded.
    Command(Box<Entry>),
    /// Something else, and why it is none.
    Nothing(&'static str),
}

/// Reads what a hook says.
pub(super) fn hear(agent: Agent, bytes: &[u8]) -> Result<Heard, String> {
    let said: Value =
        serde_json::from_slice(bytes).map_err(|error| format!("the hook does not speak JSON: {error}"))?;
    if !said.is_object() {
        return Err("the hook says no object".to_owned());
    }
    let said = Said(&said);
    let entry = match agent {
        Agent::ClaudeCode => claude_code(&said),
        Agent::Codex => codex(&said),
        Agent::GeminiCli => gemini_cli(&said),
        Agent::Cursor => cursor(&said),
        Agent::CopilotCli => copilot_cli(&said),
    }?;
    let Some(mut entry) = entry else { return Ok(Heard::Nothing("it is about no command that was run")) };
    if entry.command.as_ref().is_none_or(|command| command.trim().is_empty()) {
        return Ok(Heard::Nothing("the command is empty"));
    }
    entry.assistant.author = agent.about().name.to_owned();
    Ok(Heard::Command(Box::new(entry)))
}

type Found = Result<Option<Entry>, String>;

/// <https://code.claude.com/docs/en/hooks>, PostToolUse and PostToolUseFailure.
fn claude_code(said: &Said<'_>) -> Found {
    if said.text("tool_name")? != Some("Bash") {
        return Ok(None);
    }
    let input = said.part("tool_input");
    let exit = match said.text("hook_event_name")? {
        Some("PostToolUse") => succeeded(&said.part("tool_response")),
        Some("PostToolUseFailure") if said.flag("is_interrupt") => Some(INTERRUPTED),
        Some("PostToolUseFailure") => Some(said.text("error")?.and_then(status_named).unwrap_or(1)),
        _ => return Ok(None),
    };
    Ok(Some(Entry {
        command: input.owned("command")?,
        directory: said.owned("cwd")?.unwrap_or_default(),
        session: name(said.text("session_id")?),
        key: said.owned("tool_use_id")?,
        duration_us: said.milliseconds("duration_ms"),
        exit,
        assistant: Assistant { explanation: input.owned("description")?.unwrap_or_default(), ..Assistant::default() },
        ..Entry::default()
    }))
}

/// The status of a command whose tool succeeded: one that was stopped, or goes on beside, has none.
fn succeeded(response: &Said<'_>) -> Option<i32> {
    let goes_on = response.0.get("backgroundTaskId").is_some_and(|task| !task.is_null());
    if response.flag("interrupted") { Some(INTERRUPTED) } else { (!goes_on).then_some(0) }
}

/// As a shell counts Ctrl-C.
const INTERRUPTED: i32 = 130;

/// <https://developers.openai.com/codex/hooks>, PostToolUse, and the schema of its input in the program's repository.
fn codex(said: &Said<'_>) -> Found {
    if !matches!(said.text("tool_name")?, Some("Bash" | "shell" | "local_shell" | "exec_command")) {
        return Ok(None);
    }
    if said.text("hook_event_name")? != Some("PostToolUse") {
        return Ok(None);
    }
    let (input, response) = (said.part("tool_input"), said.part("tool_response"));
    let exit = response.status("exit_code").or_else(|| response.part("metadata").status("exit_code"));
    Ok(Some(Entry {
        command: input.line("command")?.or(input.line("cmd")?),
        directory: input.owned("workdir")?.or(said.owned("cwd")?).unwrap_or_default(),
        session: name(said.text("session_id")?),
        key: said.owned("tool_use_id")?,
        exit,
        assistant: Assistant { model: name(said.text("model")?), ..Assistant::default() },
        ..Entry::default()
    }))
}

/// <https://geminicli.com/docs/hooks/reference>, AfterTool of `run_shell_command`.
fn gemini_cli(said: &Said<'_>) -> Found {
    let is_ours =
        said.text("hook_event_name")? == Some("AfterTool") && said.text("tool_name")? == Some("run_shell_command");
    if !is_ours {
        return Ok(None);
    }
    let (input, response) = (said.part("tool_input"), said.part("tool_response"));
    let printed = response.0.get("llmContent").and_then(Value::as_str).and_then(status_printed);
    let failed = response.0.get("error").is_some_and(|error| !error.is_null());
    Ok(Some(Entry {
        command: input.owned("command")?,
        directory: said.owned("cwd")?.unwrap_or_default(),
        session: name(said.text("session_id")?),
        exit: printed.or(failed.then_some(1)),
        assistant: Assistant { explanation: input.owned("description")?.unwrap_or_default(), ..Assistant::default() },
        ..Entry::default()
    }))
}

/// <https://cursor.com/docs/hooks>, afterShellExecution. It has no status.
fn cursor(said: &Said<'_>) -> Found {
    if said.text("hook_event_name")?.is_some_and(|event| event != "afterShellExecution") {
        return Ok(None);
    }
    let root = said.0.get("workspace_roots").and_then(|roots| roots.get(0)).and_then(Value::as_str);
    Ok(Some(Entry {
        command: said.owned("command")?,
        directory: said.text("cwd")?.filter(|cwd| !cwd.is_empty()).or(root).unwrap_or_default().to_owned(),
        session: name(said.text("conversation_id")?),
        duration_us: said.milliseconds("duration"),
        assistant: Assistant { model: name(said.text("model")?), ..Assistant::default() },
        ..Entry::default()
    }))
}

/// <https://docs.github.com/en/copilot/reference/hooks-configuration>, postToolUse. The arguments are JSON in a text.
fn copilot_cli(said: &Said<'_>) -> Found {
    if said.text("toolName")? != Some("bash") {
        return Ok(None);
    }
    let arguments: Value = match said.0.get("toolArgs") {
        Some(Value::String(text)) => serde_json::from_str(text).map_err(|_| "toolArgs is not JSON".to_owned())?,
        Some(object) => object.clone(),
        None => return Err("toolArgs is missing".to_owned()),
    };
    let input = Said(&arguments);
    let exit = match said.part("toolResult").text("resultType")? {
        Some("success") => Some(0),
        Some("failure") => Some(1),
        // It was not run.
        Some("denied") => return Ok(None),
        _ => None,
    };
    let ms = said.0.get("timestamp").and_then(|time| time.as_i64().or_else(|| time.as_str()?.parse().ok()));
    Ok(Some(Entry {
        command: input.owned("command")?,
        directory: said.owned("cwd")?.unwrap_or_default(),
        session: name(said.text("sessionId")?),
        start_us: ms.filter(|ms| *ms > 0).and_then(|ms| ms.checked_mul(1000)),
        exit,
        assistant: Assistant { explanation: input.owned("description")?.unwrap_or_default(), ..Assistant::default() },
        ..Entry::default()
    }))
}

/// An object of a hook's.
struct Said<'a>(&'a Value);

impl<'a> Said<'a> {
    fn part(&self, key: &str) -> Said<'a> {
        Said(self.0.get(key).unwrap_or(&Value::Null))
    }

    fn text(&self, key: &str) -> Result<Option<&'a str>, String> {
        match self.0.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(format!("{key} is not a text")),
        }
    }

    fn owned(&self, key: &str) -> Result<Option<String>, String> {
        Ok(self.text(key)?.map(str::to_owned))
    }

    /// A command as one line, or as its words.
    fn line(&self, key: &str) -> Result<Option<String>, String> {
        let Some(Value::Array(words)) = self.0.get(key) else { return self.owned(key) };
        let words: Option<Vec<&str>> = words.iter().map(Value::as_str).collect();
        match words.ok_or_else(|| format!("{key} is no list of texts"))?.as_slice() {
            // What a shell is given is the command, and not the shell.
            [shell, flag, line] if shell.ends_with("sh") && flag.starts_with('-') && flag.ends_with('c') => {
                Ok(Some((*line).to_owned()))
            }
            words => Ok(Some(words.join(" "))),
        }
    }

    fn flag(&self, key: &str) -> bool {
        self.0.get(key).and_then(Value::as_bool).unwrap_or(false)
    }

    fn status(&self, key: &str) -> Option<i32> {
        self.0.get(key)?.as_i64()?.try_into().ok()
    }

    fn milliseconds(&self, key: &str) -> Option<u64> {
        let ms = self.0.get(key)?.as_f64().filter(|ms| (0.0..9e12).contains(ms))?;
        Some((ms * 1000.0).round() as u64)
    }
}

/// A short text of an assistant's, cut where it is longer than one has a right to be.
fn name(text: Option<&str>) -> String {
    let text = text.unwrap_or_default();
    text[..text.floor_char_boundary(ASSISTANT_NAME_BYTES_MAX)].to_owned()
}

/// The status in a sentence such as `Command exited with non-zero status code 1` or `Exit code 2`, in its first line.
fn status_named(error: &str) -> Option<i32> {
    let line = error.lines().next()?.to_lowercase();
    let (_, after) = line.rsplit_once("code ")?;
    let digits: String = after.chars().take_while(|letter| letter.is_ascii_digit() || *letter == '-').collect();
    digits.parse().ok()
}

/// The status that Gemini's tool prints on a line of its own, behind the output.
fn status_printed(text: &str) -> Option<i32> {
    text.lines().rev().find_map(|line| line.strip_prefix("Exit Code:"))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry(agent: Agent, said: &Value) -> Entry {
        match hear(agent, said.to_string().as_bytes()).expect("understood") {
            Heard::Command(entry) => *entry,
            Heard::Nothing(why) => panic!("{agent:?}: {why}"),
        }
    }

    fn is_nothing(agent: Agent, said: &Value) -> bool {
        matches!(hear(agent, said.to_string().as_bytes()), Ok(Heard::Nothing(_)))
    }

    /// The fields that both of Claude Code's events have, as its documentation shows them.
    fn claude(event: &str, more: &Value) -> Value {
        let mut said = json!({
            "session_id": "abc123", "transcript_path": "/home/ada/.claude/projects/x/00893aaf.jsonl", "cwd": "/home/ada/x",
            "permission_mode": "default", "hook_event_name": event, "tool_name": "Bash",
            "tool_input": { "command": "npm test", "description": "Run test suite" }, "tool_use_id": "toolu_01ABC123",
        });
        said.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        said
    }

    #[test]
    fn claude_code_says_what_it_ran_and_whether_it_went_well() {
        let response = json!({ "tool_response": { "stdout": "ok", "stderr": "", "interrupted": false } });
        let went_well = entry(Agent::ClaudeCode, &claude("PostToolUse", &response));
        assert_eq!((went_well.command.as_deref(), went_well.exit), (Some("npm test"), Some(0)));
        assert_eq!((went_well.directory.as_str(), went_well.session.as_str()), ("/home/ada/x", "abc123"));
        assert_eq!(went_well.assistant.explanation, "Run test suite");
        assert_eq!(
            (went_well.assistant.author.as_str(), went_well.key.as_deref()),
            ("claude-code", Some("toolu_01ABC123"))
        );
        for (more, exit) in [
            (json!({ "error": "Command exited with non-zero status code 1", "is_interrupt": false }), 1),
            (json!({ "error": "Exit code 101\nerror: could not compile code 7" }), 101),
            (json!({ "error": "something else" }), 1),
            (json!({ "error": "stopped", "is_interrupt": true }), 130),
        ] {
            assert_eq!(entry(Agent::ClaudeCode, &claude("PostToolUseFailure", &more)).exit, Some(exit), "{more}");
        }
        assert!(is_nothing(Agent::ClaudeCode, &claude("PostToolUse", &json!({ "tool_name": "Write" }))));
        assert!(is_nothing(Agent::ClaudeCode, &claude("PreToolUse", &json!({}))));
    }

    #[test]
    fn codex_says_its_model_and_the_words_of_a_command_or_its_line() {
        let said = |command: Value, response: Value| {
            json!({
                "cwd": "/srv", "hook_event_name": "PostToolUse", "model": "a-model", "permission_mode": "default",
                "session_id": "019a", "tool_input": { "command": command }, "tool_name": "Bash",
                "tool_response": response, "tool_use_id": "call_1", "transcript_path": null, "turn_id": "t1",
            })
        };
        let plain = entry(Agent::Codex, &said(json!("cargo test"), json!("output")));
        assert_eq!((plain.command.as_deref(), plain.exit), (Some("cargo test"), None));
        assert_eq!((plain.assistant.model.as_str(), plain.session.as_str()), ("a-model", "019a"));
        let words = entry(Agent::Codex, &said(json!(["bash", "-lc", "ls | wc"]), json!({ "exit_code": 2 })));
        assert_eq!((words.command.as_deref(), words.exit), (Some("ls | wc"), Some(2)));
        let words = entry(Agent::Codex, &said(json!(["ls", "-l"]), json!({ "metadata": { "exit_code": 0 } })));
        assert_eq!((words.command.as_deref(), words.exit), (Some("ls -l"), Some(0)));
    }

    #[test]
    fn gemini_prints_the_status_behind_the_output() {
        let said = |response: Value| {
            json!({
                "session_id": "s", "transcript_path": "/t", "cwd": "/srv", "hook_event_name": "AfterTool",
                "timestamp": "2026-03-01T14:30:00Z", "tool_name": "run_shell_command",
                "tool_input": { "command": "make", "description": "Build it" }, "tool_response": response,
            })
        };
        let printed = "Command: make\nStdout: Exit Code: 9 is not it\nExit Code: 2\nSignal: (none)";
        let failed = entry(Agent::GeminiCli, &said(json!({ "llmContent": printed, "returnDisplay": "" })));
        assert_eq!((failed.command.as_deref(), failed.exit), (Some("make"), Some(2)));
        assert_eq!(failed.assistant.explanation, "Build it");
        assert_eq!(entry(Agent::GeminiCli, &said(json!({ "error": { "message": "no" } }))).exit, Some(1));
        assert_eq!(entry(Agent::GeminiCli, &said(json!({ "llmContent": ["x"] }))).exit, None);
        assert!(is_nothing(Agent::GeminiCli, &json!({ "hook_event_name": "AfterTool", "tool_name": "read_file" })));
    }

    #[test]
    fn cursor_says_how_long_it_took_and_no_status() {
        let said = json!({
            "conversation_id": "c1", "generation_id": "g1", "model": "m", "hook_event_name": "afterShellExecution",
            "cursor_version": "1.7.2", "workspace_roots": ["/srv/web"], "user_email": null,
            "command": "npm ci", "output": "added 3 packages", "duration": 1234, "sandbox": false,
        });
        let entry = entry(Agent::Cursor, &said);
        assert_eq!((entry.command.as_deref(), entry.directory.as_str()), (Some("npm ci"), "/srv/web"));
        assert_eq!((entry.duration_us, entry.exit, entry.session.as_str()), (Some(1_234_000), None, "c1"));
        assert!(is_nothing(Agent::Cursor, &json!({ "hook_event_name": "afterFileEdit", "file_path": "/x" })));
    }

    #[test]
    fn copilot_says_its_arguments_as_json_in_a_text() {
        let said = |result: &str| {
            json!({
                "timestamp": 1_704_614_700_000_i64, "cwd": "/path/to/project", "toolName": "bash",
                "toolArgs": "{\"command\":\"npm test\",\"description\":\"Run the tests\"}",
                "toolResult": { "resultType": result, "textResultForLlm": "All tests passed (15/15)" },
            })
        };
        let went_well = entry(Agent::CopilotCli, &said("success"));
        assert_eq!((went_well.command.as_deref(), went_well.exit), (Some("npm test"), Some(0)));
        assert_eq!(went_well.start_us, Some(1_704_614_700_000_000));
        assert_eq!(entry(Agent::CopilotCli, &said("failure")).exit, Some(1));
        assert!(is_nothing(Agent::CopilotCli, &said("denied")));
        assert!(is_nothing(Agent::CopilotCli, &json!({ "toolName": "view", "toolArgs": "{}" })));
    }

    #[test]
    fn what_is_of_another_form_is_said_and_never_guessed() {
        for (agent, said, expected) in [
            (Agent::ClaudeCode, "nonsense", "the hook does not speak JSON"),
            (Agent::ClaudeCode, "[]", "the hook says no object"),
            (Agent::ClaudeCode, r#"{"tool_name":1}"#, "tool_name is not a text"),
            (Agent::CopilotCli, r#"{"toolName":"bash"}"#, "toolArgs is missing"),
            (Agent::CopilotCli, r#"{"toolName":"bash","toolArgs":"{"}"#, "toolArgs is not JSON"),
            (Agent::Cursor, r#"{"command":["ls"]}"#, "command is not a text"),
        ] {
            let wrong = hear(agent, said.as_bytes()).expect_err(expected);
            assert!(wrong.starts_with(expected), "{wrong}");
        }
        for agent in Agent::ALL {
            proptest::proptest!(|(bytes: Vec<u8>)| { drop(hear(agent, &bytes)); });
        }
    }
}
