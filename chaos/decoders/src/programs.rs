//! What other programs say on standard input: commands that they made, assistants' hooks, questions over the Model Context
//! Protocol. None of it is obeyed: it becomes one record, one question, or words that say what is wrong.

use std::path::PathBuf;

use caro::fuzzing::Made;
use caro_daemon::{
    clock::Moment,
    filter::Filter,
    spool::{Change, Spool},
};
use caro_schema::{
    body::history::Assistant,
    ipc::history::{Hit, Query},
    spool::{self, made},
};
use chaos_tests::fuzzing::{
    Target,
    account::{NOW_MS, record},
    input::Input,
};
use serde_json::{Value, json};

use crate::scratch;

pub(crate) const TARGETS: &[Target] = &[
    Target {
        name: "made",
        what: "commands that a program made, one object or one in each line: each line that is not blank has one answer, and \
               what is taken is one command with the text that was given, which the daemon reads as that and as nothing else",
        run: made_by_programs,
        seeds: made_seeds,
    },
    Target {
        name: "hook",
        what: "what the assistants' hooks say: the same; nothing of what a command printed is kept",
        run: hook,
        seeds: hook_seeds,
    },
    Target {
        name: "assistant_file",
        what: "an assistant's configuration, into which the hook goes and out of which it goes again: a second time changes \
               nothing, and what is somebody else's stays",
        run: assistant_file,
        seeds: assistant_file_seeds,
    },
    Target {
        name: "mcp",
        what: "lines of the Model Context Protocol: no line has more than one answer, each is bounded and has the id of a \
               question; history is only searched, masked and within what the person lets be seen, and nothing else of it \
               is told",
        run: mcp,
        seeds: mcp_seeds,
    },
];

fn made_by_programs(data: &[u8]) {
    let mut input = Input::new(data);
    if input.byte() == 0 {
        let object = input.rest();
        let Ok(made) = caro::fuzzing::record(object) else { return };
        let said: Value = serde_json::from_slice(object).expect("only JSON is taken");
        let given = said["command"].as_str().or(said["cmd"].as_str());
        assert_eq!(made.command.as_deref(), given, "another command than was given");
        is_one_command(&made, object.len());
        return;
    }
    let lines = input.rest();
    let (told, recorded) = caro::fuzzing::record_lines(lines);
    let asked = lines.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).count();
    assert_eq!(told.len(), asked, "each line has one answer");
    assert_eq!(told.iter().filter(|told| told["ok"] == true).count(), recorded.len());
    recorded.iter().for_each(|made| is_one_command(made, lines.len()));
}

/// Bytes that are written beside what was given: times, tags, ids, the level of safety and its rule, and the folder that
/// the program is in.
const BESIDE_BYTES_MAX: usize = 8 * 1024;

/// What goes into the spool is one command, for the grammar and for the daemon.
fn is_one_command(made: &Made, given_bytes: usize) {
    assert!(made.bytes.len() <= given_bytes + BESIDE_BYTES_MAX, "more was written than was given");
    let parsed = spool::parse(&made.bytes);
    assert!(parsed.consumed == made.bytes.len() && parsed.tail.is_none());
    let kinds: Vec<u8> = parsed.records.iter().map(spool::Record::kind).collect();
    let expected: &[u8] = match (&made.command, made.is_running) {
        (Some(_), true) => b"S",
        (Some(_), false) => b"SE",
        (None, true) => b"",
        (None, false) => b"E",
    };
    assert_eq!(kinds, expected, "other records than one command has");
    let written = made.command.as_ref().map(|command| command.replace('\0', "\u{fffd}").into_bytes());
    for record in &parsed.records {
        assert!(record.whole && record.field(made::ID) == Some(made.id.hex().as_bytes()));
        if record.kind() == b'S' {
            assert!(record.field(b'c') == written.as_deref(), "another text");
        }
    }
    for change in read_by_daemon(&made.bytes) {
        match change {
            Change::Start(record) => {
                assert!(record.id == made.id && record.assistant.is_some());
                let masked = caro_daemon::filter::secrets::all(written.as_deref().unwrap_or_default());
                assert!(
                    !masked.is_empty() || Some(&record.command[..]) == written.as_deref(),
                    "another text was recorded"
                );
            }
            Change::End { id, .. } => assert_eq!(id, made.id),
            _ => {}
        }
    }
}

/// A file of a process that is gone.
const NAME: &str = "assistant-ab12.4194303";

fn read_by_daemon(bytes: &[u8]) -> Vec<Change> {
    let folder = scratch::empty("made");
    scratch::file(&folder, NAME, bytes);
    let mut reader = Spool::new(folder, "host".to_owned(), "ada".to_owned(), Vec::new());
    let moment = Moment { now_us: (NOW_MS * 1000).cast_signed(), boot_us: None };
    let mut changes = Vec::new();
    for stem in reader.scan().expect("a folder") {
        while let Some(piece) = reader.read(&stem, &Filter::default(), moment).expect("a file in memory") {
            changes.extend(piece.changes);
        }
    }
    let starts = changes.iter().filter(|change| matches!(change, Change::Start(_))).count();
    assert!(starts <= 1, "more than one command");
    changes
}

fn made_objects() -> Vec<Value> {
    vec![
        json!({ "command": "make test", "cwd": "/srv", "exit": 2, "duration_ms": 1500, "start": "2026-03-01T14:30:00Z",
            "author": "my-agent", "model": "big-4", "prompt": "run the tests", "explanation": "runs them",
            "safety": "Moderate", "tags": ["ci", "build"], "session": "s1", "shell": "bash", "running": false,
            "key": "k1", "colour": "red" }),
        json!({ "cmd": "rm -rf /\u{0}\u{0}S1790000000000000\u{0}cevil\u{0}\u{0}", "start_us": 1_790_000_000_000_000_i64 }),
        json!({ "key": "k1", "exit": 0, "duration_ms": 1.5 }),
        json!({ "command": "export TOKEN=ghp_0123456789abcdefghijABCDEFGHIJ012345", "running": true, "key": "k" }),
        json!({ "command": "ls", "tags": "one", "exit": null, "duration_us": 9e15 }),
        json!({ "command": ["ls"] }),
        json!([]),
    ]
}

fn made_seeds() -> Vec<Vec<u8>> {
    let lines: Vec<String> = made_objects().iter().map(Value::to_string).collect();
    let one = lines.iter().map(|line| [&[0], line.as_bytes()].concat());
    one.chain([[&[1], format!("{}\n\n \r\nnonsense\n{{", lines.join("\n")).as_bytes()].concat()]).collect()
}

/// Part of what a command printed, in the seeds.
const PRINTED: &str = "canary-of-output";

fn hook(data: &[u8]) {
    let mut input = Input::new(data);
    let which = usize::from(input.byte());
    let said = input.rest();
    let Ok(Some(made)) = caro::fuzzing::hook(which, said) else { return };
    let command = made.command.as_deref().expect("a hook is about a command");
    assert!(!command.trim().is_empty());
    is_one_command(&made, said.len());
    let mut said: Value = serde_json::from_slice(said).expect("only JSON is taken");
    let object = said.as_object_mut().expect("only objects are taken");
    for printed in ["tool_response", "toolResult", "output", "error"] {
        object.remove(printed);
    }
    let is_in = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains(PRINTED);
    let is_elsewhere = said.to_string().contains(PRINTED) || is_in(command.as_bytes());
    assert!(is_elsewhere || !is_in(&made.bytes), "what a command printed was kept");
}

fn hook_seeds() -> Vec<Vec<u8>> {
    let claude = |event: &str, more: Value| {
        let mut said = json!({
            "session_id": "abc123", "transcript_path": "/home/ada/x.jsonl", "cwd": "/home/ada/x", "permission_mode": "default",
            "hook_event_name": event, "tool_name": "Bash", "tool_use_id": "toolu_01", "duration_ms": 12.5,
            "tool_input": { "command": "npm test", "description": "Run test suite" },
        });
        said.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        said
    };
    let says = [
        (0, claude("PostToolUse", json!({ "tool_response": { "stdout": PRINTED, "interrupted": false } }))),
        (0, claude("PostToolUseFailure", json!({ "error": format!("Exit code 101\n{PRINTED}") }))),
        (
            1,
            json!({ "cwd": "/srv", "hook_event_name": "PostToolUse", "model": "m", "session_id": "019a", "tool_name": "shell",
                "tool_input": { "command": ["bash", "-lc", "ls | wc"], "workdir": "/x" }, "tool_use_id": "call_1",
                "tool_response": { "exit_code": 2, "metadata": { "exit_code": 1 }, "output": PRINTED } }),
        ),
        (
            2,
            json!({ "session_id": "s", "cwd": "/srv", "hook_event_name": "AfterTool", "tool_name": "run_shell_command",
                "tool_input": { "command": "make", "description": "Build it" },
                "tool_response": { "llmContent": format!("{PRINTED}\nExit Code: 2"), "error": null } }),
        ),
        (
            3,
            json!({ "conversation_id": "c1", "model": "m", "hook_event_name": "afterShellExecution", "duration": 1234,
                "workspace_roots": ["/srv/web"], "command": "npm ci", "output": PRINTED }),
        ),
        (
            4,
            json!({ "timestamp": 1_704_614_700_000_i64, "cwd": "/p", "toolName": "bash",
                "toolArgs": "{\"command\":\"npm test\",\"description\":\"Run\"}",
                "toolResult": { "resultType": "failure", "textResultForLlm": PRINTED } }),
        ),
    ];
    says.into_iter().map(|(which, said)| [vec![which], said.to_string().into_bytes()].concat()).collect()
}

/// What a hook of caro's is known by.
const OURS: &str = "assistant hook";

fn assistant_file(data: &[u8]) {
    let mut input = Input::new(data);
    let which = usize::from(input.byte());
    let file = input.rest();
    let Some([once, twice, out]) = caro::fuzzing::assistant_file(which, file) else { return };
    assert!(once == twice, "a second time changes something");
    let [before, once, out] = [file, &once, &out].map(|bytes| serde_json::from_slice::<Value>(bytes).expect("JSON"));
    assert!(once.to_string().contains(OURS));
    let before = before.as_object().expect("only objects are changed");
    for (key, value) in before.iter().filter(|(key, _)| *key != "hooks") {
        assert!(once.get(key) == Some(value) && out.get(key) == Some(value), "{key} is another");
    }
    let events = before.get("hooks").and_then(Value::as_object).into_iter().flatten();
    for (event, list) in events {
        for theirs in list.as_array().into_iter().flatten() {
            let is_empty = theirs.get("hooks") == Some(&json!([]));
            if !is_empty && !theirs.to_string().contains(OURS) {
                for now in [&once, &out] {
                    let list = now["hooks"][event].as_array().expect("a list is one still");
                    assert!(list.contains(theirs), "somebody else's hook is gone");
                }
            }
        }
    }
}

fn assistant_file_seeds() -> Vec<Vec<u8>> {
    let files = [
        json!({}),
        json!({ "z": 1.5, "hooks": { "PostToolUse": [
            { "matcher": "Edit", "hooks": [{ "type": "command", "command": "fmt" }] },
            { "hooks": [{ "command": "/old/caro assistant hook claude-code" }, { "command": "other" }] },
        ], "Stop": [{ "hooks": [] }] }, "a": { "b": [] } }),
        json!({ "version": 1, "hooks": { "afterShellExecution": [{ "command": "x" }], "postToolUse": [], "AfterTool": [] } }),
        json!({ "hooks": [] }),
        json!([]),
    ];
    (0..5u8).flat_map(|which| files.iter().map(move |file| [&[which], file.to_string().as_bytes()].concat())).collect()
}

/// What an assistant may see in this target.
const SCOPE: &str = "[mcp]\nenabled = true\ndirectories = [\"/srv\"]\nhosts = [\"box\"]\ndays = 30\nauthor = \"me\"\n\
                     hide = [\"user\", \"session\", \"directory\"]\nresults = 7\n";

/// What is hidden of every command, in the answers of history.
const HIDDEN: [&str; 3] = ["canary-user", "canary-session", "canary-directory"];

/// Bytes of an answer: what an answer of all results may have, and what is said around it, twice.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// Messages in one line, each with an answer of its own.
const BATCH_MAX: usize = 32;

fn mcp(data: &[u8]) {
    let hit = |number: u64| {
        let mut record = record(number);
        record.user = HIDDEN[0].to_owned();
        record.session = HIDDEN[1].to_owned();
        record.directory = HIDDEN[2].as_bytes().to_vec().into();
        record.command = b"printf '\x1b]0;\"\n\xff'".to_vec().into();
        record.assistant = (number == 1).then(Box::<Assistant>::default);
        Hit { record, runs: 2, matched: Vec::new() }
    };
    let (output, asked) = caro::fuzzing::mcp(data, &scope_file(), (0..20).map(hit).collect());
    let lines: Vec<&[u8]> = output.split_inclusive(|byte| *byte == b'\n').collect();
    let questions = data.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).count();
    assert!(lines.len() <= questions, "more answers than lines");
    for line in lines {
        assert!(line.ends_with(b"\n") && line.len() <= BATCH_MAX * ANSWER_BYTES_MAX);
        let told: Value = serde_json::from_slice(line).expect("each answer is JSON");
        match &told {
            Value::Array(several) => {
                assert!((1..=BATCH_MAX).contains(&several.len()));
                several.iter().for_each(is_answer);
            }
            one => is_answer(one),
        }
        let text = std::str::from_utf8(line).expect("JSON is text");
        let echoed = std::str::from_utf8(data).is_ok_and(|data| HIDDEN.iter().any(|hidden| data.contains(hidden)));
        assert!(echoed || !HIDDEN.iter().any(|hidden| text.contains(hidden)), "what is hidden was told");
    }
    asked.iter().for_each(is_within_scope);
}

fn is_answer(told: &Value) {
    assert!(told["jsonrpc"] == "2.0");
    assert!(told.get("result").is_some() != told.get("error").is_some());
    assert!(told["id"].is_null() || told["id"].is_string() || told["id"].is_number());
    assert!(told.to_string().len() <= ANSWER_BYTES_MAX, "an answer without bounds");
}

fn is_within_scope((query, count): &(Query, u32)) {
    let Query { filter, masked, text, .. } = query;
    assert!(*masked && *count <= 8 && text.len() <= 1024);
    assert!(filter.any_subtree == [b"/srv".to_vec()] && filter.any_host == ["box"]);
    assert!(filter.assistant == Some(false) && filter.since_us.is_some());
    assert!(filter.user.is_none() && filter.session.is_none(), "hidden things were asked for");
    assert!(filter.directory.is_none() && filter.subtree.is_none() && filter.repository.is_none());
    assert!(filter.except.iter().all(|except| matches!(
        except,
        caro_schema::ipc::history::Except::Host(_) | caro_schema::ipc::history::Except::Shell(_)
    )));
}

fn scope_file() -> PathBuf {
    let folder = scratch::empty("mcp");
    scratch::file(&folder, "config.toml", SCOPE.as_bytes())
}

fn mcp_seeds() -> Vec<Vec<u8>> {
    let ask = |id: Value, method: &str, parameters: Value| json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": parameters });
    let hello = ask(json!(0), "initialize", json!({ "protocolVersion": "2025-06-18", "capabilities": {} }));
    let call =
        |name: &str, arguments: Value| ask(json!("a"), "tools/call", json!({ "name": name, "arguments": arguments }));
    let calls = [
        call("recent_commands", json!({ "limit": 1000, "since": "3 days ago", "failed": true, "host": "box" })),
        call("search_history", json!({ "query": "docker run after:yesterday exit:!0 took:>10s", "mode": "fuzzy" })),
        call("search_history", json!({ "query": "user:ada", "until": "2026-03-01" })),
        call("search_history", json!({ "query": "x author:assistant" })),
        call("recent_commands", json!({ "directory": "/" })),
        call("search_history", json!({ "query": "^(a|b)+$", "mode": "regex", "x": 1 })),
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
        ask(json!(1), "tools/list", Value::Null),
        ask(json!(2), "ping", json!({})),
    ];
    let lines = |said: &[Value]| {
        let lines =
            [std::slice::from_ref(&hello), said].concat().iter().map(|line| format!("{line}\n")).collect::<String>();
        lines.into_bytes()
    };
    let mut seeds: Vec<Vec<u8>> = calls.iter().map(|call| lines(std::slice::from_ref(call))).collect();
    seeds.push(lines(&calls));
    seeds.push(lines(&[Value::Array(calls.to_vec())]));
    seeds.push(b"nonsense\n[]\n{}\n\xff\n".to_vec());
    seeds
}
