//! What programs and assistants record, by the real programs: one object, many lines, hooks, and the same rules as for
//! what is typed.

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    process::{Command, Output, Stdio},
};

use serde_json::Value;

use crate::{
    support::{CARO, Home, without_terminal},
    terminal::Terminal,
};

/// Runs a command with this on its standard input.
fn given(mut command: Command, input: &[u8]) -> Output {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    // A program that does not read all of it may have ended already.
    drop(child.stdin.take().expect("a pipe").write_all(input));
    child.wait_with_output().expect("it ends")
}

fn record(home: &Home, options: &[&str], input: &str) -> Output {
    given(home.command(&[&["record"], options].concat()), input.as_bytes())
}

fn answers(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).expect("text");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn listed(home: &Home, options: &[&str]) -> Vec<Value> {
    let text = home.ok(&[&["history", "list", "--json"], options].concat());
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn commands(home: &Home, options: &[&str]) -> Vec<String> {
    listed(home, options).iter().map(|row| row["command"].as_str().expect("text").to_owned()).collect()
}

#[test]
fn a_command_with_all_that_is_said_of_it_is_found_by_each_of_its_parts() {
    let home = Home::new();
    home.ok(&["daemon", "start"]);
    home.record("one", &["ls"]);
    let said = r#"{"command":"git push --force","cwd":"/srv/web","exit":1,"duration_ms":1500,"author":"my-agent",
        "model":"Big-4","prompt":"Publish the branch","explanation":"replaces it","tags":["deploy"],"session":"talk"}"#;
    let told = answers(&record(&home, &["--wait"], said));
    assert_eq!((&told[0]["recorded"], &told[0]["safety"]), (&Value::Bool(true), &Value::from("high")));
    assert_eq!(told[0]["rule"], "git push --force");
    let rows = listed(&home, &["--assistant"]);
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["id"], told[0]["id"]);
    assert_eq!((&rows[0]["directory"], &rows[0]["exit"]), (&Value::from("/srv/web"), &Value::from(1)));
    assert_eq!((&rows[0]["duration_us"], &rows[0]["session"]), (&Value::from(1_500_000), &Value::from("talk")));
    let by = &rows[0]["assistant"];
    assert_eq!((&by["author"], &by["model"], &by["tags"][0]), (&"my-agent".into(), &"Big-4".into(), &"deploy".into()));
    assert_eq!((&by["safety"], &by["rule"]), (&"high".into(), &"git push --force".into()));
    for narrowed in [
        &["--author", "my-agent"][..],
        &["--author", "big"],
        &["--tag", "deploy"],
        &["--safety", "high"],
        &["author:my-agent"],
        &["tag:deploy", "git"],
        &["safety:high"],
        &["asked:branch"],
        &["asked:\"publish the\""],
        &["author:assistant"],
    ] {
        assert_eq!(commands(&home, narrowed), ["git push --force"], "{narrowed:?}");
    }
    assert_eq!(commands(&home, &["author:me"]), ["ls"]);
    assert_eq!(commands(&home, &["safety:safe"]).len() + commands(&home, &["tag:other"]).len(), 0);
    let exported = home.ok(&["export", "jsonl"]);
    assert!(exported.contains("replaces it") && exported.contains("my-agent"), "{exported}");
}

#[test]
fn lines_are_answered_one_by_one_and_a_bad_one_ends_nothing() {
    let home = Home::new();
    let input = "{\"command\":\"one\"}\n\nnonsense\n{\"command\":1}\n[]\n{\"command\":\"two\",\"colour\":1}\n\
                 {\"key\":\"k\",\"command\":\"three\",\"running\":true}\n{\"key\":\"k\",\"exit\":7}\n{\"command\":\"four\"}";
    let output = record(&home, &["--lines"], input);
    assert!(output.status.success());
    let told = answers(&output);
    let ok: Vec<bool> = told.iter().map(|answer| answer["ok"] == true).collect();
    assert_eq!(ok, [true, false, false, false, true, true, true, true]);
    assert!(told[1]["error"].as_str().expect("text").starts_with("not JSON"));
    assert_eq!(told[4]["ignored"][0], "colour");
    assert_eq!(told[5]["id"], told[6]["id"]);
    assert_eq!(commands(&home, &[]), ["one", "two", "three", "four"]);
    assert_eq!(listed(&home, &["three"])[0]["exit"], 7);
}

#[test]
fn a_single_command_that_is_wrong_is_a_status_and_a_reason() {
    let home = Home::new();
    for (input, reason) in [("", "not JSON"), ("{}", "command is missing"), ("{\"command\":\"\"}", "command is empty")]
    {
        let output = record(&home, &[], input);
        assert_eq!(output.status.code(), Some(65), "{input}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(reason) && said.contains("hint: see: caro record --help"), "{said}");
    }
}

#[test]
fn ds004_an_assistants_command_goes_by_the_rules_of_recording() {
    let home = Home::new();
    home.ok(&["daemon", "start"]);
    home.ok(&["config", "set", "record.ignore_commands", "['^never ']"]);
    for (command, recorded) in
        [("never this", false), ("mysql -u root -phunter2 app", false), (" a blank in front", false), ("this", true)]
    {
        let input = serde_json::json!({ "command": command }).to_string();
        assert_eq!(answers(&record(&home, &["--wait"], &input))[0]["recorded"], recorded, "{command}");
    }
    let asked = r#"{"command":"ls","prompt":"my password: mysql -phunter3 app"}"#;
    assert_eq!(answers(&record(&home, &["--wait"], asked))[0]["recorded"], true);
    let prompt = listed(&home, &["ls"])[0]["assistant"]["prompt"].as_str().expect("text").to_owned();
    assert_eq!(prompt, "my password: mysql -p**** app");
    home.ok(&["pause"]);
    assert_eq!(answers(&record(&home, &["--wait"], r#"{"command":"canary"}"#))[0]["recorded"], false);
    home.ok(&["resume"]);
    assert_eq!(commands(&home, &[]), ["this", "ls"]);
    let spool = fs::read_dir(home.places().spool).expect("listed").map(|entry| entry.expect("one").path());
    for file in spool {
        let text = String::from_utf8_lossy(&fs::read(&file).unwrap_or_default()).into_owned();
        assert!(!text.contains("hunter") && !text.contains("canary"), "{}", file.display());
    }
}

#[test]
fn what_is_recorded_without_a_daemon_waits_for_one() {
    let home = Home::new();
    let hook = r#"{"hook_event_name":"PostToolUse","tool_name":"Bash","tool_input":{"command":"make","description":"Build"},
        "session_id":"s","cwd":"/srv","tool_use_id":"toolu_1","tool_response":{"stdout":"","interrupted":false}}"#;
    for _ in 0..2 {
        let output = given(home.command(&["assistant", "hook", "claude-code"]), hook.as_bytes());
        assert!(output.status.success() && output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
    }
    assert_eq!(home.run(&["daemon", "status"]).code(), 69, "a hook starts no daemon");
    let file = fs::read_dir(home.places().spool).expect("listed").next().expect("a file").expect("one").path();
    assert_eq!(fs::metadata(file).expect("there").permissions().mode() & 0o777, 0o600);
    let rows = listed(&home, &[]);
    assert_eq!(rows.len(), 1, "said twice, recorded once");
    assert_eq!((&rows[0]["command"], &rows[0]["assistant"]["author"]), (&"make".into(), &"claude-code".into()));
    assert_eq!((&rows[0]["exit"], &rows[0]["assistant"]["explanation"]), (&0.into(), &"Build".into()));
}

#[test]
fn a_hook_never_stops_an_assistant_and_says_what_was_wrong_when_asked() {
    let home = Home::new();
    for (name, answer) in
        [("claude-code", ""), ("codex", ""), ("gemini-cli", "{}\n"), ("cursor", "{}\n"), ("copilot-cli", "")]
    {
        let output = given(home.command(&["assistant", "hook", name]), b"nonsense");
        assert!(output.status.success());
        assert_eq!(String::from_utf8_lossy(&output.stdout), answer);
        assert!(String::from_utf8_lossy(&output.stderr).contains("does not speak JSON"), "{name}");
        let checked = given(home.command(&["assistant", "hook", name, "--check"]), b"nonsense");
        assert_eq!(checked.status.code(), Some(65));
    }
    let said = br#"{"hook_event_name":"afterShellExecution","command":"rm -rf build","duration":5,"workspace_roots":["/srv"]}"#;
    let checked = given(home.command(&["assistant", "hook", "cursor", "--check"]), said);
    let told: Value = serde_json::from_slice(&checked.stdout).expect("JSON");
    assert_eq!((&told["recorded"], &told["safety"], &told["cwd"]), (&true.into(), &"high".into(), &"/srv".into()));
    assert!(!home.places().spool.exists() || fs::read_dir(home.places().spool).expect("listed").next().is_none());
}

#[test]
fn a_hook_goes_into_a_configuration_and_out_again() {
    let home = Home::new();
    let settings = home.path().join("home/.claude/settings.json");
    fs::create_dir_all(settings.parent().expect("a folder")).expect("made");
    fs::write(&settings, "{\n  \"model\": \"opus\",\n  \"env\": {}\n}\n").expect("written");
    let refused = without_terminal(home.command(&["assistant", "install", "claude-code"])).output().expect("it runs");
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    home.ok(&["assistant", "install", "claude-code", "--yes"]);
    let text = fs::read_to_string(&settings).expect("read");
    assert!(
        text.starts_with("{\n  \"model\": \"opus\",\n  \"env\": {},") && text.contains("assistant hook claude-code")
    );
    assert!(home.ok(&["assistant", "install", "claude-code", "--yes"]).contains("has the hook already"));
    let line = home.ok(&["assistant", "list"]);
    assert!(line.contains("claude-code   Claude Code         has the hook"), "{line}");
    home.ok(&["assistant", "remove", "claude-code"]);
    let after = fs::read_to_string(&settings).expect("read");
    assert!(after.contains("opus") && !after.contains("caro"), "{after}");
    let shown = home.ok(&["assistant", "show", "gemini-cli"]);
    let json: Value = serde_json::from_str(&shown).expect("JSON");
    assert_eq!(json["hooks"]["AfterTool"][0]["matcher"], "run_shell_command");
    fs::write(&settings, "{ // mine\n}").expect("written");
    assert_eq!(home.run(&["assistant", "install", "claude-code", "--yes"]).code(), 65);
    assert_eq!(fs::read_to_string(&settings).expect("read"), "{ // mine\n}");
}

#[test]
fn what_an_assistant_writes_while_the_question_stands_stays() {
    let home = Home::new();
    let settings = home.path().join("home/.claude/settings.json");
    fs::create_dir_all(settings.parent().expect("a folder")).expect("made");
    fs::write(&settings, r#"{"model":"old"}"#).expect("written");
    let words = [CARO, "assistant", "install", "claude-code"];
    let mut asked = Terminal::run(&home, &words, (160, 24));
    asked.wait_for("Add a hook for");
    fs::write(&settings, r#"{"model":"new","permissions":{"allow":["Bash(ls)"]}}"#).expect("written");
    asked.press("y\r");
    assert_eq!(asked.end(), 0, "{}", asked.screen());
    let after: Value = serde_json::from_slice(&fs::read(&settings).expect("there")).expect("JSON");
    assert_eq!((&after["model"], &after["permissions"]["allow"][0]), (&"new".into(), &"Bash(ls)".into()));
    assert!(after["hooks"].to_string().contains("caro"), "{after}");
}
