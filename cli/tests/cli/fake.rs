//! Stands in for the daemon where a relay would be needed: answers what the test says, and remembers what was asked.
//! Only the tests know it.

use std::{
    fs,
    os::unix::net::{UnixListener, UnixStream},
    sync::{Arc, Mutex},
    thread,
};

use caro_schema::{
    codec, frame,
    ipc::{Answer, Call, Fault, Hello, Reply, Request},
    limits::IPC_MESSAGE_BYTES_MAX,
    version,
};

use crate::support::Home;

/// A home whose daemon is a thread of the test.
pub(crate) struct Fake {
    pub(crate) home: Home,
    asked: Arc<Mutex<Vec<Request>>>,
}

impl Fake {
    /// Answers with this function.
    pub(crate) fn new(answer: impl Fn(&Request) -> Result<Reply, Fault> + Send + Sync + 'static) -> Self {
        Self::speaking(version::IPC, answer)
    }

    /// The same, of another version of the protocol.
    pub(crate) fn speaking(
        protocol: u32,
        answer: impl Fn(&Request) -> Result<Reply, Fault> + Send + Sync + 'static,
    ) -> Self {
        let home = Home::with_daemon("/nowhere");
        let places = home.places();
        fs::create_dir_all(&places.runtime).expect("made");
        let listener = UnixListener::bind(&places.socket).expect("bound");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (answer, remembered) = (Arc::new(answer), asked.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (answer, remembered) = (answer.clone(), remembered.clone());
                let stream = stream.expect("a client");
                thread::spawn(move || serve(stream, protocol, &*answer, &remembered));
            }
        });
        Self { home, asked }
    }

    /// What was asked so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("asked").iter().map(name).collect()
    }

    /// Looks at what was asked.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&[Request]) -> T) -> T {
        look(&self.asked.lock().expect("asked"))
    }
}

/// The variant's name; what it carries may be private.
fn name(request: &Request) -> String {
    format!("{request:?}").split(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default().to_owned()
}

fn serve(
    mut stream: UnixStream,
    protocol: u32,
    answer: &(impl Fn(&Request) -> Result<Reply, Fault> + ?Sized),
    asked: &Mutex<Vec<Request>>,
) {
    let read = |stream: &mut UnixStream| frame::read(stream, IPC_MESSAGE_BYTES_MAX);
    if read(&mut stream).is_err() {
        return;
    }
    let hello = codec::encode(&Hello { protocol, build: "fake".into() });
    frame::write(&mut stream, &hello, IPC_MESSAGE_BYTES_MAX).expect("written");
    while let Ok(bytes) = read(&mut stream) {
        let call: Call = codec::decode(&bytes).expect("a call");
        let reply = answer(&call.request);
        // What only looks whether something can be done changes nothing.
        if !matches!(call.request, Request::SyncCheck { .. }) {
            asked.lock().expect("asked").push(call.request);
        }
        let bytes = codec::encode(&Answer { id: call.id, reply });
        frame::write(&mut stream, &bytes, IPC_MESSAGE_BYTES_MAX).expect("written");
    }
}
