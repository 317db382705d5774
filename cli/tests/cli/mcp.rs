//! Looking into history as an assistant does: with the protocol's own client, and with lines of nonsense.

use std::{
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::support::{Home, skip};

/// Python with the protocol's client, where the runner has made one.
fn python() -> Option<PathBuf> {
    let python = PathBuf::from(std::env::var_os("CARO_TEST_PYTHON")?);
    let has = Command::new(&python).args(["-c", "import mcp"]).stderr(Stdio::null()).status();
    has.is_ok_and(|status| status.success()).then_some(python)
}

/// What the client says of these calls.
fn called(home: &Home, python: &PathBuf, calls: &[(&str, Value)]) -> Value {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/mcp/client.py");
    let calls = calls.iter().map(|(name, arguments)| json!([name, arguments]).to_string());
    let output = Command::new(python)
        .arg(script)
        .arg(crate::support::CARO)
        .args(calls)
        .env_clear()
        .envs(home.env())
        .current_dir(home.path())
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn commands(answer: &Value) -> Vec<&str> {
    let rows = answer["structuredContent"]["commands"].as_array().expect("commands");
    rows.iter().map(|row| row["command"].as_str().expect("text")).collect()
}

#[test]
fn the_protocols_own_client_searches_and_sees_what_the_person_lets_it_see() {
    let Some(python) = python() else {
        return skip(
            "the_protocols_own_client_searches_and_sees_what_the_person_lets_it_see",
            "the package mcp from PyPI",
        );
    };
    let home = Home::new();
    home.ok(&["daemon", "start"]);
    home.ok(&["config", "set", "record.secrets", "keep"]);
    home.ok(&["config", "set", "mcp.enabled", "true"]);
    home.record("one", &["git status", "mysql -phunter2 app", "make test", "git push"]);
    home.ok(&["history", "list"]);
    let calls = [
        ("recent_commands", json!({ "limit": 3 })),
        ("search_history", json!({ "query": "git" })),
        ("search_history", json!({ "query": "mysql !hunter", "mode": "fuzzy" })),
        ("search_history", json!({ "query": "[", "mode": "regex" })),
        ("search_history", json!({ "query": "git user:root" })),
        ("delete_everything", json!({})),
    ];
    let told = called(&home, &python, &calls);
    assert_eq!(told["hello"]["serverInfo"]["name"], "caro");
    let names: Vec<&str> =
        told["tools"].as_array().expect("a list").iter().filter_map(|tool| tool["name"].as_str()).collect();
    assert_eq!(names, ["search_history", "recent_commands"]);
    let answers = told["answers"].as_array().expect("answers");
    assert_eq!(commands(&answers[0]), ["git push", "make test", "mysql -p**** app"]);
    assert_eq!(answers[0]["structuredContent"]["more"], true);
    assert!(answers[0]["structuredContent"]["commands"][0].get("user").is_none(), "left out by default");
    let mut found = commands(&answers[1]);
    found.sort_unstable();
    assert_eq!(found, ["git push", "git status"]);
    assert!(commands(&answers[2]).is_empty(), "a secret cannot be guessed");
    for refused in [&answers[3], &answers[4]] {
        assert_eq!(refused["isError"], true, "{refused}");
    }
    assert_eq!(answers[5]["error"], -32_602);
    assert!(!told.to_string().contains("hunter2"));
}

/// A server, spoken to line by line.
struct Server {
    child: std::process::Child,
    input: std::process::ChildStdin,
    output: BufReader<std::process::ChildStdout>,
}

impl Server {
    fn start(home: &Home) -> Self {
        let mut command = home.command(&["mcp"]);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let input = child.stdin.take().expect("a pipe");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        Self { child, input, output }
    }

    fn ask(&mut self, line: &str) -> Value {
        writeln!(self.input, "{line}").expect("written");
        let mut answer = String::new();
        self.output.read_line(&mut answer).expect("read");
        serde_json::from_str(&answer).expect("JSON")
    }

    fn hello(&mut self) -> Value {
        let about = json!({ "protocolVersion": "2025-06-18" });
        self.ask(&json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": about }).to_string())
    }

    fn call(&mut self, name: &str, arguments: &Value) -> Value {
        let call = json!({ "name": name, "arguments": arguments });
        self.ask(&json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": call }).to_string())["result"]
            .clone()
    }

    fn end(self) -> std::process::Output {
        drop(self.input);
        self.child.wait_with_output().expect("it ends")
    }
}

#[test]
fn what_the_scope_keeps_out_is_in_no_answer() {
    let home = Home::new();
    home.ok(&["config", "set", "mcp.enabled", "true"]);
    let kept = [("canary-outside", "/srv/private", 0), ("inside", "/srv/web/deep", 0), ("canary-old", "/srv/web", 40)];
    let line = |(at, (command, directory, days)): (usize, (&str, &str, i64))| {
        let start = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24 * days);
        let (id, start_us) = (format!("{at:032x}"), start.as_microsecond());
        let record =
            json!({ "id": id, "command": command, "directory": directory, "host": "desk", "start_us": start_us });
        format!("{record}\n")
    };
    let history: String = kept.into_iter().enumerate().map(line).collect();
    let file = home.write("history.jsonl", history.as_bytes());
    home.ok(&["import", "caro", &file]);
    home.ok(&["config", "set", "mcp.directories", "['/srv/web']"]);
    let mut server = Server::start(&home);
    server.hello();
    for (name, arguments, expected) in [
        ("recent_commands", json!({}), &["inside"][..]),
        ("search_history", json!({ "query": "" }), &["inside"]),
        ("search_history", json!({ "query": "canary" }), &[]),
        ("recent_commands", json!({ "directory": "/srv/private" }), &[]),
        ("recent_commands", json!({ "since": "90 days ago" }), &["inside"]),
        ("search_history", json!({ "query": "canary under:/ after:2000-01-01" }), &[]),
    ] {
        let told = server.call(name, &arguments);
        assert_eq!(commands(&told), expected, "{arguments}");
        assert!(!told.to_string().contains("canary"), "{told}");
    }
    home.ok(&["config", "set", "mcp.hosts", "['other']"]);
    assert!(commands(&server.call("recent_commands", &json!({}))).is_empty());
    assert!(server.end().status.success());
}

#[test]
fn it_is_off_until_it_is_switched_on_and_off_again_at_once() {
    let home = Home::new();
    let ran = home.run(&["mcp"]);
    assert_eq!((ran.code(), ran.stdout().as_str()), (78, ""));
    assert!(ran.stderr().contains("caro config set mcp.enabled true"), "{}", ran.stderr());
    home.ok(&["config", "set", "mcp.enabled", "true"]);
    let mut server = Server::start(&home);
    assert_eq!(server.ask("nonsense")["error"]["code"], -32_700);
    assert_eq!(server.ask("{}")["error"]["code"], -32_600);
    assert_eq!(server.hello()["result"]["protocolVersion"], "2025-06-18");
    assert_eq!(server.call("recent_commands", &json!({}))["isError"], false);
    home.ok(&["daemon", "restart"]);
    assert_eq!(server.call("recent_commands", &json!({}))["isError"], false, "the daemon is found again");
    home.ok(&["config", "set", "mcp.enabled", "false"]);
    assert_eq!(server.call("recent_commands", &json!({}))["isError"], true);
    let ended = server.end();
    assert!(ended.status.success() && ended.stderr.is_empty(), "{ended:?}");
}
