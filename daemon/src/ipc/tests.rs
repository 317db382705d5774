//! Clients that behave and clients that do not.

use std::{
    os::unix::net::UnixListener,
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use caro_schema::{
    body::history::Record,
    codec, frame,
    id::RecordId,
    ipc::{
        Answer, Call, Hello,
        history::{Hit, Hits},
    },
    limits::IPC_MESSAGE_BYTES_MAX,
    version,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    runtime::Handle,
    sync::Semaphore,
    task::JoinHandle,
};

use super::{
    connection::{self, Cut, Patience, Terms},
    *,
};

const SHORT: Duration = Duration::from_millis(200);

/// Answers each request with how many are under way, once it is let to.
struct Counter {
    under_way: AtomicUsize,
    gate: Semaphore,
}

impl Counter {
    fn new(open: usize) -> Arc<Self> {
        Arc::new(Self { under_way: AtomicUsize::new(0), gate: Semaphore::new(open) })
    }
}

impl Asked for Counter {
    fn ask(self: Arc<Self>, request: Request) -> Answered {
        Box::pin(async move {
            let count = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
            self.gate.acquire().await.expect("the gate stays").forget();
            self.under_way.fetch_sub(1, Ordering::SeqCst);
            match request {
                Request::Flush => Ok(Reply::Done),
                Request::Stop => Err(Fault::ShuttingDown),
                _ => Ok(Reply::Count(count as u64)),
            }
        })
    }
}

impl Service for Arc<Counter> {
    fn connected(&self) -> Arc<dyn Asked> {
        self.clone()
    }
}

struct Client(DuplexStream);

impl Client {
    async fn send(&mut self, bytes: &[u8]) {
        let prefix = frame::prefix(bytes.len(), IPC_MESSAGE_BYTES_MAX).expect("it fits");
        self.0.write_all(&[&prefix, bytes].concat()).await.expect("it is read");
    }

    async fn hello(&mut self, protocol: u32) -> Hello {
        self.send(&codec::encode(&Hello { protocol, build: "test".to_owned() })).await;
        codec::decode(&self.receive().await).expect("a first frame")
    }

    async fn call(&mut self, id: u64, request: Request) {
        self.send(&codec::encode(&Call { id, request })).await;
    }

    async fn receive(&mut self) -> Vec<u8> {
        let mut prefix = [0; 4];
        self.0.read_exact(&mut prefix).await.expect("a frame");
        let mut bytes = vec![0; frame::announced(prefix, IPC_MESSAGE_BYTES_MAX).expect("within the limit")];
        self.0.read_exact(&mut bytes).await.expect("its bytes");
        bytes
    }

    async fn answer(&mut self) -> Answer {
        codec::decode(&self.receive().await).expect("an answer")
    }
}

fn served(counter: &Arc<Counter>) -> (Client, JoinHandle<Result<(), Cut>>) {
    let patience = Patience { hello: SHORT, frame: SHORT };
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let terms = Terms { asked: counter.clone(), busy: Arc::new(Semaphore::new(64)), patience };
    (Client(ours), tokio::spawn(connection::serve(theirs, terms)))
}

#[tokio::test]
async fn requests_are_answered_by_their_number_in_any_order() {
    let counter = Counter::new(100);
    let (mut client, served) = served(&counter);
    assert_eq!(client.hello(version::IPC).await, Hello { protocol: version::IPC, build: BUILD.to_owned() });
    for id in 0..10 {
        client.call(id, Request::Flush).await;
    }
    let mut ids = Vec::new();
    for _ in 0..10 {
        let answer = client.answer().await;
        assert!(matches!(answer.reply, Ok(Reply::Done)));
        ids.push(answer.id);
    }
    ids.sort_unstable();
    assert_eq!(ids, (0..10).collect::<Vec<u64>>());
    drop(client);
    served.await.expect("no panic").expect("a clean end");
}

#[tokio::test]
async fn another_protocol_may_only_ask_for_room() {
    let counter = Counter::new(100);
    let (mut client, _served) = served(&counter);
    assert_eq!(client.hello(version::IPC + 1).await.protocol, version::IPC);
    client.call(1, Request::DaemonStatus).await;
    let refused = Fault::Protocol { ours: version::IPC, theirs: version::IPC + 1 };
    assert!(matches!(client.answer().await.reply, Err(fault) if fault == refused));
    client.call(2, Request::Stop).await;
    assert!(matches!(client.answer().await.reply, Err(Fault::ShuttingDown)));
}

#[tokio::test]
async fn trap_37_a_client_that_says_nothing_is_cut() {
    let counter = Counter::new(100);
    let (_client, served) = served(&counter);
    assert!(matches!(served.await.expect("no panic"), Err(Cut::Silent)));
}

#[tokio::test]
async fn trap_37_half_a_frame_is_cut_and_silence_between_frames_is_not() {
    let counter = Counter::new(100);
    let (mut client, served) = served(&counter);
    client.hello(version::IPC).await;
    // Longer than a frame may take.
    tokio::time::timeout(SHORT * 3, client.0.read_u8()).await.expect_err("nothing is said");
    client.call(1, Request::Flush).await;
    client.answer().await;
    client.0.write_all(&[0, 0]).await.expect("read");
    assert!(matches!(served.await.expect("no panic"), Err(Cut::HalfFrame)));
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut() {
    let counter = Counter::new(usize::MAX >> 3);
    let (mut client, served) = served(&counter);
    client.hello(version::IPC).await;
    // More answers than the pipe and the queue hold.
    let mut sent = 0_u64;
    while !served.is_finished() {
        let call = codec::encode(&Call { id: sent, request: Request::Flush });
        let prefix = frame::prefix(call.len(), IPC_MESSAGE_BYTES_MAX).expect("it fits");
        if client.0.write_all(&[&prefix, &call[..]].concat()).await.is_err() {
            break;
        }
        sent += 1;
    }
    assert!(matches!(served.await.expect("no panic"), Err(Cut::NotReading)));
}

#[tokio::test]
async fn trap_38_a_lying_length_is_refused() {
    let counter = Counter::new(100);
    let (mut client, served) = served(&counter);
    client.hello(version::IPC).await;
    client.0.write_all(&u32::MAX.to_be_bytes()).await.expect("read");
    assert!(matches!(served.await.expect("no panic"), Err(Cut::Frame(frame::FrameError::TooLarge { .. }))));
}

#[tokio::test]
async fn bytes_that_are_no_message_end_the_connection() {
    let counter = Counter::new(100);
    let (mut client, served) = served(&counter);
    client.hello(version::IPC).await;
    client.send(b"garbage").await;
    assert!(matches!(served.await.expect("no panic"), Err(Cut::Malformed)));
}

#[tokio::test]
async fn trap_36_requests_under_way_are_few() {
    let counter = Counter::new(0);
    let (mut client, _served) = served(&counter);
    client.hello(version::IPC).await;
    for id in 0..64 {
        client.call(id, Request::DaemonStatus).await;
    }
    // All that can start has started when nothing else is ready to run.
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(counter.under_way.load(Ordering::SeqCst), 16);
    counter.gate.add_permits(64);
    for _ in 0..64 {
        client.answer().await;
    }
}

fn socket() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("run/caro.sock");
    (folder, path)
}

#[tokio::test]
async fn trap_55_a_socket_that_was_left_behind_is_replaced_and_taken_away_at_the_end() {
    use std::os::unix::fs::MetadataExt;
    let (_folder, path) = socket();
    crate::paths::private_folder(path.parent().expect("a parent")).expect("made");
    drop(UnixListener::bind(&path).expect("bound"));
    assert!(std::os::unix::net::UnixStream::connect(&path).is_err(), "nobody listens there");
    let listener =
        Listener::start(&path, Arc::new(Counter::new(1)), &Handle::current()).expect("it replaces the socket");
    let meta = std::fs::metadata(&path).expect("it is there");
    assert_eq!(meta.mode() & 0o777, 0o600);
    assert!(std::os::unix::net::UnixStream::connect(&path).is_ok());
    assert!(listener.is_in_place());
    drop(listener);
    assert!(!path.exists());
}

#[tokio::test]
async fn a_file_in_the_sockets_place_is_not_touched() {
    let (_folder, path) = socket();
    crate::paths::private_folder(path.parent().expect("a parent")).expect("made");
    std::fs::write(&path, b"precious").expect("written");
    let refused = Listener::start(&path, Arc::new(Counter::new(1)), &Handle::current());
    assert!(matches!(refused, Err(ListenError::InTheWay(_))));
    assert_eq!(std::fs::read(&path).expect("read"), b"precious");
}

#[tokio::test]
async fn trap_36_connections_are_bounded() {
    use std::io::Read;
    let (_folder, path) = socket();
    let _listener = Listener::start(&path, Arc::new(Counter::new(1)), &Handle::current()).expect("it listens");
    let blocking = move || {
        let mut held: Vec<_> = (0..listener::CONNECTIONS_MAX)
            .map(|_| std::os::unix::net::UnixStream::connect(&path).expect("a place"))
            .collect();
        let mut one_more = std::os::unix::net::UnixStream::connect(&path).expect("accepted, then closed");
        let closed = one_more.read(&mut [0]);
        held.clear();
        closed
    };
    let closed = tokio::task::spawn_blocking(blocking).await.expect("no panic");
    assert!(matches!(closed, Ok(0)), "{closed:?}");
}

/// Knows three commands.
struct Knows;

impl Asked for Knows {
    fn ask(self: Arc<Self>, request: Request) -> Answered {
        let Request::Search { query, .. } = request else { panic!("only a search is asked") };
        assert_eq!((&query.place.directory[..], query.unique), (&b"/tmp"[..], true));
        let rows = [&b"Git status"[..], b"git status", b"git stash\0x", b"git stash"].into_iter();
        let hit = |command: &[u8]| Hit { record: record(command), runs: 1, matched: Vec::new() };
        let rows = rows.map(hit).collect();
        Box::pin(async move { Ok(Reply::Hits(Hits { total: 4, of: 4, rows, complete: true })) })
    }
}

fn record(command: &[u8]) -> Record {
    Record {
        id: RecordId([1; 16]),
        command: command.to_vec().into(),
        directory: Vec::new().into(),
        host: String::new(),
        user: String::new(),
        shell: String::new(),
        session: String::new(),
        start_us: 1,
        duration_us: None,
        exit: None,
        assistant: None,
    }
}

/// What a line editor is answered.
async fn suggested(question: &[u8]) -> (Vec<u8>, Result<(), Cut>) {
    let (mut client, server) = tokio::io::duplex(64 * 1024);
    let busy = Arc::new(Semaphore::new(1));
    let patience = Patience { hello: SHORT, frame: SHORT };
    let terms = Terms { asked: Arc::new(Knows), busy, patience };
    let served = tokio::spawn(connection::serve(server, terms));
    client.write_all(question).await.expect("read");
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.expect("answered");
    (answer, served.await.expect("no panic"))
}

#[tokio::test]
async fn a_line_editor_is_answered_with_what_goes_on_as_it_began() {
    for (line, answer) in [
        (&b"git st"[..], &b"git status\0"[..]),
        (b"git sta", b"git status\0"),
        (b"git stas", b"git stash\0"),
        (b"Git", b"Git status\0"),
        (b"git status", b"\0"),
        (b"svn", b"\0"),
        (b"", b"\0"),
        (b"git\xff", b"\0"),
    ] {
        let question = [b"?/tmp\0", line, b"\0"].concat();
        let (answered, ended) = suggested(&question).await;
        assert_eq!(answered, answer, "{:?}", line.escape_ascii().to_string());
        ended.expect("a clean end");
    }
}

#[tokio::test]
async fn trap_37_half_a_question_and_one_without_an_end_are_cut() {
    assert!(matches!(suggested(b"?/tmp\0git").await, (answer, Err(Cut::HalfFrame)) if answer.is_empty()));
    let endless = [&b"?"[..], &[b'x'; 20_000]].concat();
    assert!(matches!(suggested(&endless).await, (answer, Err(Cut::Malformed)) if answer.is_empty()));
}
