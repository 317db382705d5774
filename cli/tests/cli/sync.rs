//! Making and joining an account, as a person at a terminal and as a script.

use std::io::Write;

use caro_schema::{
    id::DeviceId,
    ipc::{
        Fault, Reply, Request,
        sync::{Begun, Device, SyncStatus},
    },
    redacted::Redacted,
    version,
};

use crate::{
    fake::Fake,
    support::{CARO, Ran},
    terminal::Terminal,
};

const RELAY: &str = "wss://desk:7490/#key";

fn phrase() -> Vec<String> {
    (1..=24).map(|number| format!("w{}", char::from(b'a' + number - 1))).collect()
}

fn willing(request: &Request) -> Result<Reply, Fault> {
    match request {
        Request::SyncInit(_) => Ok(Reply::Begun(Begun { phrase: Redacted::new(phrase()) })),
        Request::SyncAbandon | Request::SyncRename { .. } => Ok(Reply::Done),
        Request::SyncDevices => Ok(Reply::Devices(vec![Device {
            id: "d1".into(),
            name: "desk\x1b[2J".into(),
            platform: "linux".into(),
            added_ms: 0,
            last_seen_ms: 0,
            this: true,
            device: DeviceId([7; 32]),
            added_by: None,
            last_sync_ms: 0,
            behind: None,
            revoked: None,
        }])),
        _ => Ok(Reply::Sync(SyncStatus {
            joined: true,
            enabled: true,
            account: "ab12".into(),
            device_name: "laptop".into(),
            ..SyncStatus::default()
        })),
    }
}

/// Answers the question for one word, looking at which one it is.
fn answer_word(terminal: &Terminal, asked: usize, wrong: bool) {
    let question = |screen: &str| screen.lines().filter(|line| line.starts_with("Word ")).count() == asked;
    let screen = terminal.wait("the next word is asked for", question);
    let line = screen.lines().rfind(|line| line.starts_with("Word ")).expect("a question");
    let number: usize = line["Word ".len()..].split(':').next().and_then(|text| text.parse().ok()).expect("a number");
    let word = if wrong { "nonsense".to_owned() } else { phrase()[number - 1].clone() };
    terminal.press(&format!("{word}\r"));
}

fn begin(fake: &Fake) -> Terminal {
    let terminal = Terminal::run(&fake.home, &[CARO, "sync", "init", "--relay", RELAY, "--name", "Lap"], (100, 30));
    terminal.wait_for("Do you have a recovery phrase already");
    terminal.press("\r");
    terminal
}

#[test]
fn si002_the_phrase_is_shown_once_asked_back_and_then_the_account_is_made() {
    let fake = Fake::new(willing);
    let mut terminal = begin(&fake);
    let shown = terminal.wait_for("24. wx");
    assert!(shown.contains("1. wa") && shown.contains("12. wl"), "{shown}");
    assert_eq!(fake.asked(), ["SyncInit"]);
    terminal.press("\r");
    for asked in 1..=3 {
        answer_word(&terminal, asked, false);
    }
    let end = terminal.wait_for("the account is made");
    assert_eq!(terminal.end(), 0);
    assert!(!end.contains("24. wx"), "the phrase stays nowhere on the screen: {end}");
    assert_eq!(fake.asked(), ["SyncInit", "SyncConfirm"]);
    fake.look(|asked| {
        let Request::SyncInit(request) = &asked[0] else { panic!("another request") };
        assert_eq!((request.relay.as_str(), request.device_name.as_str()), (RELAY, "Lap"));
        assert!(request.token.is_none());
    });
}

#[test]
fn a_relay_that_wants_an_invitation_gets_one_that_nobody_sees() {
    let fake = Fake::new(|request| match request {
        Request::SyncConfirm => Err(Fault::Refused { code: "RegistrationRefused".to_owned() }),
        Request::SyncInvitation(_) => Ok(Reply::Done),
        other => willing(other),
    });
    let mut terminal = begin(&fake);
    terminal.wait_for("24. wx");
    terminal.press("\r");
    for asked in 1..=3 {
        answer_word(&terminal, asked, false);
    }
    terminal.wait_for("by invitation only");
    terminal.press("canary-invitation\r");
    let screen = terminal.wait_for("does not take that one");
    assert!(!screen.contains("canary"), "{screen}");
    // Escape gives up, and leaves nothing begun.
    terminal.press("\x03");
    assert_eq!(terminal.end(), 130);
    assert_eq!(fake.asked(), ["SyncInit", "SyncConfirm", "SyncInvitation", "SyncConfirm", "SyncAbandon"]);
    fake.look(|asked| {
        let Request::SyncInvitation(token) = &asked[2] else { panic!("another request") };
        assert_eq!(token.reveal(), "canary-invitation");
    });
}

#[test]
fn si002_who_cannot_say_the_words_gets_no_account() {
    let fake = Fake::new(willing);
    let mut terminal = begin(&fake);
    terminal.wait_for("24. wx");
    terminal.press("\r");
    answer_word(&terminal, 1, true);
    terminal.wait_for("See the phrase again?");
    terminal.press("n\r");
    terminal.wait_for("no account was made");
    assert_eq!(terminal.end(), 130);
    assert_eq!(fake.asked(), ["SyncInit", "SyncAbandon"]);
}

#[test]
fn a_script_gets_the_phrase_on_standard_output() {
    let fake = Fake::new(willing);
    let printed = fake.home.ok(&["sync", "init", "--relay", RELAY, "--yes"]);
    assert!(printed.contains("24. wx"), "{printed}");
    let json = fake.home.ok(&["sync", "init", "--relay", RELAY, "--yes", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["phrase"][23], "wx");
    assert_eq!(fake.asked(), ["SyncInit", "SyncConfirm", "SyncInit", "SyncConfirm"]);
}

#[test]
fn si004_a_phrase_is_asked_for_without_being_shown() {
    let fake = Fake::new(willing);
    let mut terminal = Terminal::run(&fake.home, &[CARO, "sync", "restore", "--relay", RELAY], (100, 30));
    terminal.wait_for("Recovery phrase: (0 words)");
    terminal.press("legal winner thank");
    terminal.wait_for("(3 words)");
    terminal.press("\r");
    terminal.wait_for("this device has joined");
    assert_eq!(terminal.end(), 0);
    let bytes = terminal.bytes();
    assert!(!String::from_utf8_lossy(&bytes).contains("legal"));
    fake.look(|asked| {
        let Request::SyncRestore(request) = &asked[0] else { panic!("another request") };
        assert_eq!(request.phrase.reveal(), "legal winner thank");
    });
}

#[test]
fn si004_who_has_a_phrase_may_say_so_to_init() {
    let fake = Fake::new(willing);
    let mut terminal = Terminal::run(&fake.home, &[CARO, "sync", "init", "--relay", RELAY], (100, 30));
    terminal.wait_for("Do you have a recovery phrase already");
    terminal.press("y\r");
    terminal.wait_for("Recovery phrase:");
    terminal.press("legal\r");
    terminal.wait_for("this device has joined");
    assert_eq!(terminal.end(), 0);
    assert_eq!(fake.asked(), ["SyncRestore"]);
}

#[test]
fn de003_a_program_that_holds_a_phrase_leaves_no_core_and_shows_no_word_of_it() {
    if !cfg!(target_os = "linux") {
        return crate::support::skip(
            "de003_a_program_that_holds_a_phrase_leaves_no_core_and_shows_no_word_of_it",
            "/proc",
        );
    }
    let fake = Fake::new(willing);
    let terminal = Terminal::run(&fake.home, &[CARO, "sync", "restore", "--relay", RELAY], (100, 30));
    terminal.wait_for("Recovery phrase:");
    terminal.press("legal winner");
    terminal.wait_for("(2 words)");
    let read = |name: &str| std::fs::read(format!("/proc/{}/{name}", terminal.pid())).expect("read");
    let limits = String::from_utf8(read("limits")).expect("text");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a line");
    assert_eq!(core.split_whitespace().collect::<Vec<_>>()[4..6], ["0", "0"], "{core}");
    for name in ["cmdline", "environ"] {
        assert!(!read(name).windows(5).any(|window| window == b"legal"), "{name}");
    }
}

#[test]
fn leaving_the_question_leaves_the_terminal_as_it_was() {
    let fake = Fake::new(willing);
    let script = "stty -a >before; \"$0\" sync restore --relay wss://h:1/#k; code=$?; stty -a >after; echo ended $code";
    let terminal = Terminal::run(&fake.home, &["/bin/sh", "-c", script, CARO], (100, 30));
    terminal.wait_for("Recovery phrase:");
    terminal.press("legal\x03");
    terminal.wait_for("ended 130");
    let read = |name: &str| std::fs::read_to_string(fake.home.path().join(name)).expect("written");
    assert_eq!(read("before"), read("after"));
    assert!(fake.asked().is_empty());
}

fn restore_from_stdin(fake: &Fake, phrase: &[u8]) -> Ran {
    let mut command = fake.home.command(&["sync", "restore", "--relay", RELAY, "--phrase-stdin"]);
    command
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    child.stdin.take().expect("a pipe").write_all(phrase).expect("written");
    Ran(child.wait_with_output().expect("it ends"))
}

#[test]
fn trap_27_a_mistake_in_a_phrase_is_named_without_repeating_a_word() {
    for (fault, code, words) in [
        (Fault::PhraseWord { position: 3, nearest: "thank".into() }, 65, &["word 3", "\"thank\""][..]),
        (Fault::PhraseLength { words: 4 }, 65, &["4 words", "24 words"]),
        (Fault::PhraseChecksum, 65, &["not a phrase"]),
        (Fault::NoAccount, 65, &["nothing was changed"]),
        (Fault::RelayKeyChanged { host: "desk:7490".into() }, 77, &["another key", "in between"]),
        (Fault::Unreachable { host: "desk:7490".into(), reason: "refused".into() }, 69, &["cannot be reached"]),
    ] {
        // That it can be done at all is asked before the phrase is.
        let fake = Fake::new(move |request| match request {
            Request::SyncCheck { .. } => Ok(Reply::Done),
            _ => Err(fault.clone()),
        });
        let ran = restore_from_stdin(&fake, b"legal winner thnak yearr\n");
        let said = ran.stderr();
        assert_eq!(ran.code(), code, "{said}");
        for word in words {
            assert!(said.contains(word), "{word:?} is not in {said:?}");
        }
        for typed in ["legal", "winner", "thnak", "yearr"] {
            assert!(!said.contains(typed) && !ran.stdout().contains(typed), "{said}");
        }
    }
}

#[test]
fn the_relays_name_for_a_device_is_not_obeyed() {
    let fake = Fake::new(willing);
    let printed = fake.home.ok(&["sync", "devices"]);
    assert!(printed.contains("desk^[[2J") && !printed.contains('\x1b'), "{printed}");
    assert!(fake.home.ok(&["sync", "status"]).starts_with("account ab12, this device is \"laptop\"\n"));
    assert_eq!(fake.home.ok(&["sync", "rename", "New name"]), "renamed\n");
    for verb in ["off", "on"] {
        let json = fake.home.ok(&["sync", verb, "--json"]);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&json).expect("JSON")["joined"], true);
    }
    // It has no relay, so nothing can be on both sides: a script must hear that.
    let ran = fake.home.run(&["sync", "now", "--json"]);
    assert_eq!(ran.code(), 75);
    assert!(ran.stderr().contains("not everything is synced"), "{}", ran.stderr());
}

#[test]
fn an_older_daemon_is_asked_to_go_and_a_newer_one_is_left_alone() {
    let newer = Fake::speaking(version::IPC + 1, willing);
    let ran = newer.home.run(&["sync", "status"]);
    assert_eq!(ran.code(), 76);
    assert!(ran.stderr().contains("newer than this program"), "{}", ran.stderr());
    assert!(newer.asked().is_empty());
    let socket = std::sync::Arc::new(std::sync::OnceLock::<std::path::PathBuf>::new());
    let gone = socket.clone();
    let older = Fake::speaking(version::IPC - 1, move |request| {
        if matches!(request, Request::Stop)
            && let Some(socket) = gone.get()
        {
            std::fs::remove_file(socket).expect("removed");
        }
        Ok(Reply::Done)
    });
    socket.set(older.home.places().socket).expect("set once");
    let ran = older.home.run(&["sync", "status"]);
    assert_eq!(older.asked(), ["Stop"]);
    assert!(ran.stderr().contains("/nowhere cannot be started"), "{}", ran.stderr());
}
