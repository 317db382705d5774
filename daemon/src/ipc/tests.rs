//! Clients that behave and clients that do not.

use std::{
    os::unix::net::UnixListener,
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use caro_schema::{
    codec, frame,
    ipc::{Answer, Call, Hello},
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
    connection::{Cut, Patience, Terms},
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
