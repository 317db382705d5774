//! A device's end of a connection, with nothing between a test and the messages: it checks the chain of heads and the
//! relay's signatures as a device does, and believes nothing else.

use std::{collections::VecDeque, net::SocketAddr, sync::Arc};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use caro_link::{entropy::OsEntropy, handshake::Initiator, proof, transport::Transport};
use caro_schema::{
    codec,
    id::{CellId, Handle, Hash, RelayKey},
    relay::{Accepted, Entry, ErrorCode, PATH, Page, Position, SUBPROTOCOL, ToDevice, ToRelay, list::SignedList},
};
use futures_util::{SinkExt, StreamExt};
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    version::TLS13,
};
use serde_bytes::ByteBuf;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest, http::HeaderValue},
};

use super::{Account, Device, PATIENCE};

pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

pub(crate) type Socket = WebSocketStream<Box<dyn Stream>>;

/// Where a relay is.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) tls: bool,
    pub(crate) address: SocketAddr,
    pub(crate) key: RelayKey,
}

impl Target {
    /// From the address that a relay prints.
    pub(crate) fn parse(text: &str) -> Self {
        let (place, key) = text.split_once("/#").unwrap();
        let (scheme, authority) = place.split_once("://").unwrap();
        let key = RelayKey::from_slice(&URL_SAFE_NO_PAD.decode(key).unwrap()).unwrap();
        Self { tls: scheme == "wss", address: authority.parse().unwrap(), key }
    }

    /// A connection with WebSocket on it.
    pub(crate) async fn socket(&self) -> Option<Socket> {
        let tcp = TcpStream::connect(self.address).await.ok()?;
        self.upgrade(tcp, PATH, SUBPROTOCOL).await
    }

    pub(crate) async fn upgrade(&self, tcp: TcpStream, path: &str, subprotocol: &'static str) -> Option<Socket> {
        tcp.set_nodelay(true).unwrap();
        let stream: Box<dyn Stream> = match self.tls {
            true => {
                let name = ServerName::from(self.address.ip());
                Box::new(TlsConnector::from(any_certificate()).connect(name, tcp).await.ok()?)
            }
            false => Box::new(tcp),
        };
        let mut request = format!("ws://{}{path}", self.address).into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(subprotocol));
        client_async(request, stream).await.ok().map(|(socket, _)| socket)
    }
}

/// A session.
pub(crate) struct Client {
    pub(crate) socket: Socket,
    pub(crate) transport: Transport,
    pub(crate) handshake: Hash,
    pub(crate) presence: Vec<u32>,
    waiting: VecDeque<ToDevice>,
    handle: Handle,
    signer: Hash,
    cursor: u64,
    head: Hash,
}

/// What a welcome says.
pub(crate) struct Welcome {
    pub(crate) position: Position,
    pub(crate) list: SignedList,
    pub(crate) quota_bytes: u64,
    pub(crate) used_bytes: u64,
}

impl Client {
    /// A session in which nothing was said.
    pub(crate) async fn connect(target: &Target, device: &Device) -> Self {
        Self::try_connect(target, device).await.expect("a session")
    }

    pub(crate) async fn try_connect(target: &Target, device: &Device) -> Option<Self> {
        let socket = timeout(PATIENCE, target.socket()).await.expect("a connection in time")?;
        Self::on(socket, target, device).await
    }

    /// On a connection that is there.
    pub(crate) async fn on(mut socket: Socket, target: &Target, device: &Device) -> Option<Self> {
        timeout(PATIENCE, async {
            let (initiator, first) =
                Initiator::start(&device.static_key(), Some(target.key), &mut OsEntropy).expect("message 1");
            socket.send(Message::binary(first)).await.ok()?;
            let second = record(&mut socket).await?;
            let (third, session) = initiator.read(&second).expect("message 2 of the right relay");
            socket.send(Message::binary(third)).await.ok()?;
            Some(Self {
                socket,
                transport: session.transport,
                handshake: session.handshake_hash,
                presence: Vec::new(),
                waiting: VecDeque::new(),
                handle: Handle([0; 16]),
                signer: Hash([0; 32]),
                cursor: 0,
                head: Hash([0; 32]),
            })
        })
        .await
        .expect("a handshake in time")
    }

    /// A session that is in.
    pub(crate) async fn hello(target: &Target, account: &Account, device: &Device) -> Self {
        let mut client = Self::connect(target, device).await;
        client.send(&account.hello()).await;
        client.welcome(account).await;
        client
    }

    /// A new account with this device and a session that is in.
    pub(crate) async fn create(target: &Target, account: &Account, devices: &[Device]) -> Self {
        let mut client = Self::connect(target, &devices[0]).await;
        client.send(&account.create(devices)).await;
        client.welcome(account).await;
        client
    }

    pub(crate) async fn send(&mut self, message: &ToRelay) {
        self.try_send(message).await.expect("sent");
    }

    pub(crate) async fn try_send(&mut self, message: &ToRelay) -> Option<()> {
        for record in self.transport.seal(&codec::encode(message)).expect("sealed") {
            self.socket.send(Message::binary(record)).await.ok()?;
        }
        Some(())
    }

    /// The next message; none at the end of the connection. Presence is noted and passed over.
    pub(crate) async fn next(&mut self) -> Option<ToDevice> {
        if let Some(message) = self.waiting.pop_front() {
            return Some(message);
        }
        loop {
            match self.read().await? {
                ToDevice::Presence { others } => self.presence.push(others),
                message => return Some(message),
            }
        }
    }

    async fn read(&mut self) -> Option<ToDevice> {
        timeout(PATIENCE, async {
            loop {
                let record = record(&mut self.socket).await?;
                if let Some(message) = self.transport.open(&record).expect("a record of this session") {
                    return Some(codec::decode(&message).expect("a message"));
                }
            }
        })
        .await
        .expect("a message in time")
    }

    /// Waits until the number of other devices was told.
    pub(crate) async fn others(&mut self, expected: u32) {
        while self.presence.last() != Some(&expected) {
            match self.read().await.expect("presence before the end") {
                ToDevice::Presence { others } => self.presence.push(others),
                message => self.waiting.push_back(message),
            }
        }
    }

    pub(crate) async fn welcome(&mut self, account: &Account) -> Welcome {
        match self.next().await {
            Some(ToDevice::Welcome { position, signer, list, quota_bytes, used_bytes }) => {
                self.handle = account.handle();
                self.signer = signer;
                proof::verify_position(&signer, &self.handle, &position).expect("a signed position");
                proof::verify_list(&account.public(), &list).expect("the account's list");
                Welcome { position, list, quota_bytes, used_bytes }
            }
            other => panic!("no welcome but {other:?}"),
        }
    }

    pub(crate) async fn refused(&mut self, expected: ErrorCode) -> Option<u64> {
        match self.next().await {
            Some(ToDevice::Error { code, retry_ms }) => {
                assert_eq!(code, expected);
                retry_ms
            }
            other => panic!("no error but {other:?}"),
        }
    }

    /// The relay closes without another message.
    pub(crate) async fn ended(&mut self) {
        let last = self.next().await;
        assert!(last.is_none(), "{last:?}");
    }

    pub(crate) async fn push(&mut self, cells: &[ByteBuf]) -> Vec<u64> {
        self.send(&ToRelay::Push { cells: cells.to_vec() }).await;
        let accepted = self.acknowledged().await;
        assert!(accepted.iter().map(|accepted| accepted.cell).eq(cells.iter().map(|cell| proof::cell_id(cell))));
        accepted.into_iter().map(|accepted| accepted.cursor).collect()
    }

    pub(crate) async fn acknowledged(&mut self) -> Vec<Accepted> {
        loop {
            match self.next().await {
                Some(ToDevice::Ack { cells }) => return cells,
                // Its own marks come as they come.
                Some(ToDevice::Page(page)) => self.fold(&page),
                other => panic!("no acknowledgement but {other:?}"),
            }
        }
    }

    pub(crate) async fn pull(&mut self, after: u64, head: Hash) {
        (self.cursor, self.head) = (after, head);
        self.send(&ToRelay::Pull { after }).await;
    }

    /// The next page, checked, confirmed.
    pub(crate) async fn page(&mut self) -> Page {
        let page = self.page_unconfirmed().await;
        if !page.entries.is_empty() {
            self.send(&ToRelay::Delivered { cursor: page.position.cursor }).await;
        }
        page
    }

    pub(crate) async fn page_unconfirmed(&mut self) -> Page {
        match self.next().await {
            Some(ToDevice::Page(page)) => {
                self.fold(&page);
                page
            }
            other => panic!("no page but {other:?}"),
        }
    }

    /// Everything after a cursor of zero, up to the end.
    pub(crate) async fn pull_all(&mut self) -> Vec<Entry> {
        self.pull(0, Hash([0; 32])).await;
        let mut entries = Vec::new();
        loop {
            let page = self.page().await;
            entries.extend(page.entries);
            if !page.more {
                return entries;
            }
            assert!(!entries.is_empty(), "more, but nothing");
        }
    }

    /// Where this client stands.
    pub(crate) fn stands(&self) -> (u64, Hash) {
        (self.cursor, self.head)
    }

    fn fold(&mut self, page: &Page) {
        assert_eq!(page.after, self.cursor, "a page that does not continue");
        for entry in &page.entries {
            let id = entry_id(entry);
            self.cursor += 1;
            self.head = proof::chain_head(&self.head, self.cursor, &id);
        }
        assert_eq!((page.position.cursor, page.position.head), (self.cursor, self.head), "another past");
        proof::verify_position(&self.signer, &self.handle, &page.position).expect("a signed position");
    }
}

pub(crate) fn entry_id(entry: &Entry) -> CellId {
    match entry {
        Entry::Cell(cell) => proof::cell_id(cell),
        Entry::Own(id) | Entry::Gone(id) => *id,
    }
}

pub(crate) async fn record(socket: &mut Socket) -> Option<Vec<u8>> {
    while let Some(message) = socket.next().await {
        match message.ok()? {
            Message::Binary(bytes) => return Some(bytes.into()),
            Message::Close(_) => return None,
            _ => {}
        }
    }
    None
}

/// The certificate that a server shows.
pub(crate) async fn certificate(tcp: TcpStream, name: std::net::IpAddr) -> Vec<u8> {
    let tls = TlsConnector::from(any_certificate()).connect(ServerName::from(name), tcp).await.expect("TLS");
    tls.get_ref().1.peer_certificates().expect("a certificate")[0].to_vec()
}

fn any_certificate() -> Arc<ClientConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        .with_no_client_auth();
    Arc::new(config)
}

/// As a device that knows the relay's key does: the session inside proves the relay.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2 is not spoken".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
