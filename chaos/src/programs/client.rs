//! A device's end of a connection to the real relay, with nothing in between: it checks the chain of heads and the
//! relay's signatures as a device does, and believes nothing else. It can also say what no device would.

use std::{
    net::{Shutdown, SocketAddr, TcpStream},
    time::Duration,
};

use caro_link::{
    handshake::Initiator,
    identity::{Signer, StaticKey},
    proof,
    transport::Transport,
};
use caro_schema::{
    codec,
    id::{CellId, Handle, Hash},
    relay::{
        Accepted, Entry, ErrorCode, PATH, Page, SUBPROTOCOL, ToDevice, ToRelay,
        list::{DeviceList, SignedList},
    },
    version,
};
use serde_bytes::ByteBuf;
use tungstenite::{Message, WebSocket, client::IntoClientRequest, http::HeaderValue};

use super::steady::Steady;
use crate::seed::Seed;

/// How long an answer may take on a busy machine. A relay waits for a frozen database server for up to 25 s by itself.
const PATIENCE: Duration = Duration::from_secs(60);

/// How soon a relay ends what it refuses. Less than any of its limits of time takes, so that a session which only ran out of
/// one does not count as refused.
pub const REFUSED_WITHIN: Duration = Duration::from_secs(3);

/// An account and its devices, as the holder of a phrase has them, without the phrase.
pub struct Member {
    signer: Signer,
    devices: Vec<[u8; 32]>,
    entropy: Seed,
}

impl Member {
    /// An account with so many devices.
    pub fn new(seed: u64, devices: usize) -> Self {
        let mut entropy = Seed::new(seed).fork(0x6d65_6d62_6572);
        let mut bytes = || {
            let mut secret = [0; 32];
            for piece in secret.chunks_mut(8) {
                piece.copy_from_slice(&entropy.draw().to_be_bytes());
            }
            secret
        };
        let signer = Signer::from_seed(&bytes());
        let devices = (0..devices).map(|_| bytes()).collect();
        Self { signer, devices, entropy }
    }

    /// The key of a device at its relay.
    pub fn static_key(&self, device: usize) -> StaticKey {
        StaticKey::from_bytes(&self.devices[device])
    }

    /// The account's name.
    pub fn handle(&self) -> Handle {
        proof::handle_of(&Hash(self.signer.public()))
    }

    fn list(&self) -> SignedList {
        self.list_of_version(1)
    }

    /// A list of these devices that says that it is of this version, and follows nothing.
    pub fn list_of_version(&self, version: u64) -> SignedList {
        let mut keys: Vec<Hash> =
            (0..self.devices.len()).map(|device| proof::device_key_hash(&self.static_key(device).public())).collect();
        keys.sort();
        proof::sign_list(&self.signer, &DeviceList { version, prev: Hash([0; 32]), keys })
    }

    /// What makes the account.
    pub fn create(&self) -> ToRelay {
        ToRelay::Create { account: Hash(self.signer.public()), list: self.list(), token: None }
    }

    /// What opens a session.
    pub fn hello(&self) -> ToRelay {
        ToRelay::Hello { handle: self.handle() }
    }

    /// Makes the account, and gives a session of the first device in it.
    ///
    /// # Panics
    /// When the relay does not take it.
    pub fn found(&self, place: SocketAddr) -> Client {
        let mut client = Client::connect(place, self, 0).expect("a session");
        client.send(&self.create()).expect("sent");
        client.welcome(self);
        client
    }

    /// A session of a device, when the relay answers.
    pub fn enter(&self, place: SocketAddr, device: usize) -> Option<Client> {
        let mut client = Client::connect(place, self, device)?;
        client.send(&self.hello())?;
        match client.hear()? {
            ToDevice::Welcome { signer, .. } => client.admit(self, signer),
            _ => return None,
        }
        Some(client)
    }

    /// Bytes that look like a cell to whoever has no key, never the same twice.
    pub fn cell(&mut self, bytes: usize) -> ByteBuf {
        let mut cell = vec![0; bytes];
        let seed = self.entropy.draw().to_be_bytes();
        blake3::Hasher::new_derive_key("caro chaos cells").update(&seed).finalize_xof().fill(&mut cell);
        cell[0] = version::BYTES;
        cell[1] = version::SUITE;
        ByteBuf::from(cell)
    }
}

/// A session.
pub struct Client {
    socket: WebSocket<Steady>,
    transport: Transport,
    handle: Handle,
    signer: Hash,
    cursor: u64,
    head: Hash,
    /// Bytes of cells that came in pages.
    pub pulled_bytes: u64,
    /// How many other devices are connected, as last told.
    pub others: Option<u32>,
}

/// A connection with WebSocket on it.
pub fn socket(place: SocketAddr) -> Option<WebSocket<Steady>> {
    let tcp = TcpStream::connect_timeout(&place, PATIENCE).ok()?;
    tcp.set_nodelay(true).ok()?;
    tcp.set_read_timeout(Some(PATIENCE)).ok()?;
    tcp.set_write_timeout(Some(PATIENCE)).ok()?;
    let mut request = format!("ws://{place}{PATH}").into_client_request().ok()?;
    request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(SUBPROTOCOL));
    tungstenite::client(request, Steady::over(tcp)).ok().map(|(socket, _)| socket)
}

impl Client {
    /// A session in which nothing was said; none when the relay is away.
    pub fn connect(place: SocketAddr, member: &Member, device: usize) -> Option<Self> {
        let mut socket = socket(place)?;
        let mut entropy = member.entropy.fork(0x6861_6e64);
        // Two sessions of one device must not draw the same.
        for _ in 0..socket.get_ref().local_addr().ok()?.port() {
            entropy.draw();
        }
        let (initiator, first) = Initiator::start(&member.static_key(device), None, &mut entropy).ok()?;
        socket.send(Message::binary(first)).ok()?;
        let second = record(&mut socket)?;
        let (third, session) = initiator.read(&second).ok()?;
        socket.send(Message::binary(third)).ok()?;
        Some(Self {
            socket,
            transport: session.transport,
            handle: member.handle(),
            signer: Hash([0; 32]),
            cursor: 0,
            head: Hash([0; 32]),
            pulled_bytes: 0,
            others: None,
        })
    }

    /// A handshake of which only the first message was said, and the answer to it heard.
    pub fn half_open(place: SocketAddr, member: &Member) -> Option<WebSocket<Steady>> {
        let mut socket = socket(place)?;
        let (_, first) = Initiator::start(&member.static_key(0), None, &mut member.entropy.fork(0x68_616c66)).ok()?;
        socket.send(Message::binary(first)).ok()?;
        record(&mut socket)?;
        Some(socket)
    }

    pub(super) fn admit(&mut self, member: &Member, signer: Hash) {
        (self.handle, self.signer) = (member.handle(), signer);
    }

    /// # Panics
    /// When the relay does not let the device in.
    pub fn welcome(&mut self, member: &Member) {
        match self.hear() {
            Some(ToDevice::Welcome { signer, .. }) => self.admit(member, signer),
            other => panic!("no welcome but {other:?}"),
        }
    }

    /// Says something. None when the connection is gone.
    pub fn send(&mut self, message: &ToRelay) -> Option<()> {
        self.send_bytes(&codec::encode(message))
    }

    /// Says anything, sealed as a message.
    pub fn send_bytes(&mut self, message: &[u8]) -> Option<()> {
        for record in self.transport.seal(message).ok()? {
            self.send_record(record)?;
        }
        Some(())
    }

    /// Seals without sending.
    pub fn seal(&mut self, message: &ToRelay) -> Vec<Vec<u8>> {
        self.transport.seal(&codec::encode(message)).expect("within the limits")
    }

    /// Sends bytes as they are.
    pub fn send_record(&mut self, record: Vec<u8>) -> Option<()> {
        self.socket.send(Message::binary(record)).ok()
    }

    /// The next message; none at the end of the connection. Presence is noted and passed over.
    ///
    /// # Panics
    /// When something comes that no relay would send.
    pub fn hear(&mut self) -> Option<ToDevice> {
        loop {
            let record = record(&mut self.socket)?;
            let Some(message) = self.transport.open(&record).expect("a record of this session") else { continue };
            match codec::decode(&message).expect("a message") {
                ToDevice::Presence { others } => self.others = Some(others),
                message => return Some(message),
            }
        }
    }

    /// With which code the relay ends the session for what it was just told; none when it ends it without a word.
    ///
    /// # Panics
    /// When it says something else, or does not end the session at once.
    pub fn refusal(&mut self) -> Option<ErrorCode> {
        self.socket.get_ref().set_read_timeout(Some(REFUSED_WITHIN)).expect("set");
        let code = match self.hear()? {
            ToDevice::Error { code, .. } => code,
            other => panic!("not refused but {other:?}"),
        };
        let more = self.hear();
        assert!(more.is_none(), "the session goes on after {code:?}: {more:?}");
        Some(code)
    }

    /// Pushes, and waits for the acknowledgement. None when the connection ends before it.
    ///
    /// # Panics
    /// When the relay answers something else.
    pub fn push(&mut self, cells: &[ByteBuf]) -> Option<Vec<Accepted>> {
        self.send(&ToRelay::Push { cells: cells.to_vec() })?;
        loop {
            match self.hear()? {
                ToDevice::Ack { cells } => return Some(cells),
                ToDevice::Page(page) => drop(self.fold(page)),
                other => panic!("no acknowledgement but {other:?}"),
            }
        }
    }

    /// Pushes a cell. Gives its cursor, or the code with which it was refused.
    ///
    /// # Panics
    /// When the connection ends, or the relay answers something else.
    pub fn push_or_refusal(&mut self, cell: &ByteBuf) -> Result<u64, ErrorCode> {
        self.send(&ToRelay::Push { cells: vec![cell.clone()] }).expect("sent");
        match self.hear() {
            Some(ToDevice::Ack { cells }) => Ok(cells[0].cursor),
            Some(ToDevice::Error { code, .. }) => Err(code),
            other => panic!("no answer to a push but {other:?}"),
        }
    }

    /// Begins to pull after a cursor at which the chain had this head.
    pub fn pull(&mut self, after: u64, head: Hash) -> Option<()> {
        (self.cursor, self.head) = (after, head);
        self.send(&ToRelay::Pull { after })
    }

    /// Where this client stands.
    pub fn stands(&self) -> (u64, Hash) {
        (self.cursor, self.head)
    }

    /// The next page, checked and confirmed.
    ///
    /// # Panics
    /// When it does not continue where the last one ended, the relay does not sign it, or it is refused.
    pub fn page(&mut self) -> Option<(Vec<Entry>, bool)> {
        match self.page_or_refusal()? {
            Ok(page) => Some(page),
            Err(code) => panic!("no page but {code:?}"),
        }
    }

    /// The next page, checked and confirmed, or why there is none.
    ///
    /// # Panics
    /// When it does not continue where the last one ended, or the relay does not sign it.
    pub fn page_or_refusal(&mut self) -> Option<Result<(Vec<Entry>, bool), ErrorCode>> {
        loop {
            match self.hear()? {
                ToDevice::Page(page) => {
                    let (more, cursor) = (page.more, page.position.cursor);
                    let entries = self.fold(page);
                    if !entries.is_empty() {
                        self.send(&ToRelay::Delivered { cursor })?;
                    }
                    return Some(Ok((entries, more)));
                }
                ToDevice::Ack { .. } | ToDevice::Pong { .. } => {}
                ToDevice::Error { code, .. } => return Some(Err(code)),
                other => panic!("no page but {other:?}"),
            }
        }
    }

    /// Everything after a cursor of zero, up to the end.
    pub fn pull_all(&mut self) -> Option<Vec<Entry>> {
        self.pull(0, Hash([0; 32]))?;
        let mut entries = Vec::new();
        loop {
            let (page, more) = self.page()?;
            entries.extend(page);
            if !more {
                return Some(entries);
            }
        }
    }

    fn fold(&mut self, page: Page) -> Vec<Entry> {
        assert_eq!(page.after, self.cursor, "a page that does not continue");
        for entry in &page.entries {
            let id = entry_id(entry);
            self.cursor += 1;
            self.head = proof::chain_head(&self.head, self.cursor, &id);
            self.pulled_bytes += if let Entry::Cell(cell) = entry { cell.len() as u64 } else { 0 };
        }
        assert!((page.position.cursor, page.position.head) == (self.cursor, self.head), "another past");
        proof::verify_position(&self.signer, &self.handle, &page.position).expect("a signed position");
        page.entries
    }

    /// Says that nothing more will come, and goes on listening.
    ///
    /// # Panics
    /// When the connection is gone.
    pub fn fall_silent(&self) {
        self.socket.get_ref().shutdown(Shutdown::Write).expect("it was open");
    }

    /// Whether the relay has ended the connection, waiting for it as long as given.
    pub fn has_ended_within(&mut self, patience: Duration) -> bool {
        self.socket.get_ref().set_read_timeout(Some(patience)).expect("set");
        let deadline = std::time::Instant::now() + patience;
        while std::time::Instant::now() < deadline {
            match self.socket.read() {
                Ok(Message::Close(_)) => return true,
                Ok(_) => {}
                Err(error) => return !is_silence(&error),
            }
        }
        false
    }
}

/// What an entry is called.
pub fn entry_id(entry: &Entry) -> CellId {
    match entry {
        Entry::Cell(cell) => proof::cell_id(cell),
        Entry::Own(id) | Entry::Gone(id) => *id,
    }
}

/// The next record of a connection; none at its end.
///
/// # Panics
/// When neither comes: a relay that keeps silent has refused nothing.
pub fn record(socket: &mut WebSocket<Steady>) -> Option<Vec<u8>> {
    loop {
        match socket.read() {
            Ok(Message::Binary(bytes)) => return Some(bytes.into()),
            Ok(Message::Close(_)) => return None,
            Ok(_) => {}
            Err(error) if is_silence(&error) => panic!("neither a record nor an end came in time"),
            Err(_) => return None,
        }
    }
}

fn is_silence(error: &tungstenite::Error) -> bool {
    use std::io::ErrorKind::{TimedOut, WouldBlock};
    matches!(error, tungstenite::Error::Io(error) if matches!(error.kind(), WouldBlock | TimedOut))
}

/// # Panics
/// When the relay says anything on a connection, or does not end it at once.
pub fn expect_dropped(socket: &mut WebSocket<Steady>) {
    socket.get_ref().set_read_timeout(Some(REFUSED_WITHIN)).expect("set");
    assert!(record(socket).is_none(), "what is refused was answered");
}

/// # Panics
/// When something that the relay acknowledged is not in its place.
pub fn expect_held(member: &Member, place: SocketAddr, acknowledged: &[(ByteBuf, u64)]) -> usize {
    let mut client = member.enter(place, 0).expect("the relay lets the device in");
    let entries = client.pull_all().expect("everything comes");
    for (cell, cursor) in acknowledged {
        let at = usize::try_from(*cursor).expect("small") - 1;
        assert!(entries.get(at) == Some(&Entry::Cell(cell.clone())), "an acknowledged cell is gone, or elsewhere");
    }
    let ids: std::collections::BTreeSet<CellId> = entries.iter().map(entry_id).collect();
    assert_eq!(ids.len(), entries.len(), "a cell is there twice");
    entries.len()
}
