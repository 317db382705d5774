//! What stands between programs beside their own messages: a proxy on the way to a relay, and the socket over which a
//! running relay is asked by whoever runs it.

use std::{
    fs,
    pin::pin,
    task::{Context, Poll, Waker},
};

use caro_daemon::remote::{self, Address};
use caro_relay::{
    admin::{
        self, Answer, Ask, AskError,
        ask::{ANSWER_BYTES_MAX, AskingError},
        control::{self, Reply},
    },
    limits::QUESTION_BYTES_MAX,
    log::{Log, LogReader, Room, sqlite::SqliteLog},
};
use caro_schema::id::Generation;
use chaos_tests::fuzzing::{Target, input::Input};

use crate::{rows, scratch};

pub(crate) const TARGETS: &[Target] = &[
    Target {
        name: "proxy",
        what: "a proxy's name and its answers to HTTP's CONNECT and to SOCKS 5: the way is taken after a whole answer that says \
               so, no byte behind it is touched, no more is read than an answer has, and no password is in any words",
        run: proxy,
        seeds: proxy_seeds,
    },
    Target {
        name: "control",
        what: "questions to a running relay and its answers, a line each: each has one answer that the asker understands, \
               none of them is the log's failure, and what devices have is touched by no question but those that say so",
        run: control,
        seeds: control_seeds,
    },
];

const PASSWORD: &str = "canary-password";

const PROXIES: [&str; 5] = [
    "http://proxy.example.org:3128",
    "ada:canary-password@proxy.example.org",
    "socks5://[::1]",
    "socks5h://ada:canary-password@proxy:1",
    "socks://%41da:canary-password%0d%0a@proxy",
];

const HOSTS: [&str; 3] = ["relay.example.org", "192.0.2.7", "2001:db8::1"];

/// Bytes of the longest answers: a head, and what SOCKS says in all.
const HEAD_BYTES_MAX: usize = 8_192;
const SOCKS_BYTES_MAX: usize = 2 + 2 + 4 + 1 + 255 + 2;

fn proxy(data: &[u8]) {
    let mut input = Input::new(data);
    let which = input.below(PROXIES.len() + 1);
    let host = HOSTS[input.below(HOSTS.len())];
    let named = PROXIES.get(which).map(|proxy| (*proxy).to_owned());
    let proxy = named.clone().unwrap_or_else(|| String::from_utf8_lossy(input.bytes()).into_owned());
    let answers = input.rest();
    // The same words as a list of what is excepted.
    let address = Address { tls: true, host: host.to_owned(), port: 7490, key: None };
    let is_excepted = remote::excepts(&proxy, &address);
    assert!(!is_excepted || named.is_none(), "a proxy's name excepts a host");
    assert!(remote::excepts(&format!("{proxy},*"), &address) && remote::excepts(&format!("{host},{proxy}"), &address));

    let mut stream = tokio::io::join(answers, Vec::new());
    let result = at_once(remote::greeted(&proxy, &mut stream, host, address.port));
    let (left, sent) = stream.into_inner();
    let (read, behind) = answers.split_at(answers.len() - left.len());
    assert!(behind == left, "what was not read is another");
    let is_http = sent.starts_with(b"CONNECT ");
    if is_http {
        assert!(read.len() <= HEAD_BYTES_MAX);
        let ends = sent.windows(4).filter(|end| end == b"\r\n\r\n").count();
        let lines = sent.iter().filter(|byte| **byte == b'\n').count();
        assert!(ends == 1 && lines <= 4, "a request with more in it than was meant");
    } else {
        assert!(read.len() <= SOCKS_BYTES_MAX && sent.len() <= 4 + 3 + 2 * 255 + 7 + 255);
    }
    match result {
        Ok(()) if is_http => {
            let end = read.windows(4).position(|end| end == b"\r\n\r\n").expect("a whole head");
            assert!(read.starts_with(b"HTTP/1.") && end + 4 == read.len(), "a byte of the relay's was taken");
        }
        Ok(()) => assert!(read[0] == 5 && sent[0] == 5),
        Err(why) => {
            assert!(!why.is_empty() && !why.contains(char::is_control));
            assert!(!why.contains(PASSWORD), "a password is told");
        }
    }
}

/// Over memory nothing has to be waited for.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("memory makes nobody wait"),
    }
}

fn proxy_seeds() -> Vec<Vec<u8>> {
    let answers: [&[u8]; 11] = [
        b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\nbehind",
        b"HTTP/1.0 299 \r\n\r\n",
        b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
        b"HTTP/1.1 403\r\n\r\n",
        b"SSH-2.0-x\r\n\r\n",
        b"\x05\x00\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50behind",
        b"\x05\x02\x01\x00\x05\x00\x00\x03\x05proxy\x00\x50behind",
        b"\x05\x00\x05\x00\x00\x04\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x50",
        b"\x05\x00\x05\x05\x00\x01",
        b"\x05\x02\x01\x01",
        b"\x05\xff",
    ];
    let mut seeds = Vec::new();
    for which in 0..PROXIES.len() as u8 {
        seeds.extend(answers.iter().map(|answer| [&[which, which % 3], *answer].concat()));
    }
    seeds.push([&[0, 0][..], b"HTTP/1.1 200 OK\r\n", &[b'x'; HEAD_BYTES_MAX]].concat());
    for text in
        ["10.0.0.0/8,.example.org, *.lan:80 [::1]:1", "http://%zz@h", "ftp://x", "socks5://h:99999", "http://a b"]
    {
        seeds.push([&[5, 1, 0, text.len() as u8][..], text.as_bytes(), answers[0]].concat());
    }
    seeds
}

/// Lines of one input.
const LINES_MAX: usize = 16;

const RELAY_FILE: &str = "control.db";

fn control(data: &[u8]) {
    let folder = scratch::empty("control");
    let path = scratch::file(&folder, RELAY_FILE, rows::whole_relay());
    let mut log = SqliteLog::open(&path, Generation([4; 16])).expect("a genuine one");
    let before = cells(&mut log);
    let mut may_be_gone = false;
    for line in data.split_inclusive(|byte| *byte == b'\n').take(LINES_MAX) {
        let line = &line[..line.len().min(QUESTION_BYTES_MAX)];
        let asked = control::question(line);
        if let Ok(Ask::Close { handle } | Ask::Forget { handle }) = &asked {
            may_be_gone |= handle.eq_ignore_ascii_case(&rows::handle().hex());
        }
        let reply = match asked {
            Ok(ask) => {
                let known: Ask = serde_json::from_slice(&serde_json::to_vec(&ask).expect("JSON")).expect("a question");
                assert_eq!(format!("{known:?}"), format!("{ask:?}"), "another question came back");
                let outcome = admin::carry_out(&mut log, ask);
                assert!(!matches!(outcome, Err(AskError::Storage(_))), "a question that the log fails at");
                outcome.into()
            }
            Err(refused) => refused,
        };
        is_understood(&reply);
        // The answer of another relay, perhaps.
        drop(admin::ask::answer(line));
    }
    assert!(may_be_gone || cells(&mut log) == before, "a question has changed what devices have");
    drop(log);
    fs::remove_dir_all(folder).expect("it is ours");
}

fn is_understood(reply: &Reply) {
    let line = reply.line().expect("every answer is JSON");
    assert!(line.len() as u64 <= ANSWER_BYTES_MAX, "an answer that the asker cuts off");
    assert_eq!(line.iter().position(|byte| *byte == b'\n'), Some(line.len() - 1), "an answer of several lines");
    let kind = |answer: &Answer| std::mem::discriminant(answer);
    match (reply, admin::ask::answer(&line)) {
        (Reply::Answer(told), Ok(heard)) => assert_eq!(kind(told), kind(&heard)),
        (Reply::Refused(told, _), Err(AskingError::Told(heard, _))) => assert_eq!(*told, heard),
        _ => panic!("an answer that is not understood"),
    }
}

/// What the account has, as its devices are given it.
fn cells(log: &mut SqliteLog) -> Option<Vec<caro_schema::relay::Entry>> {
    let room = Room { bytes: 1 << 20, entries: 1000 };
    log.settle().expect("room");
    log.stretch(&rows::handle(), 0, room).expect("a genuine one").map(|stretch| stretch.entries)
}

fn control_seeds() -> Vec<Vec<u8>> {
    let handle = rows::handle().hex();
    let asks = [
        Ask::Invite { note: "for \"ada\"".into(), expires: Some(1_900_000_000), uses: 3 },
        Ask::Invite { note: String::new(), expires: None, uses: u32::MAX },
        Ask::Invitations { after: 0 },
        Ask::Revoke { number: 1 },
        Ask::Accounts { after: None },
        Ask::Accounts { after: Some(handle.clone()) },
        Ask::Account { handle: handle[..4].to_owned() },
        Ask::SetQuota { handle: handle.clone(), bytes: Some(1 << 30) },
        Ask::SetQuota { handle: handle.clone(), bytes: Some(u64::MAX) },
        Ask::Close { handle: handle.clone() },
        Ask::Reopen { handle: handle.clone() },
        Ask::Forget { handle },
        Ask::Reload,
    ];
    let line = |ask: &Ask| [&serde_json::to_vec(ask).expect("JSON")[..], b"\n"].concat();
    let mut seeds: Vec<Vec<u8>> = asks.iter().map(line).collect();
    seeds.push(asks.iter().flat_map(line).collect());
    seeds.push(b"{\"Answer\":\"Done\"}\n{\"Refused\":[\"why\",\"Accounts\"]}\nnull\n".to_vec());
    seeds
}
