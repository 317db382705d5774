//! The way to a relay through a proxy: HTTP's CONNECT or SOCKS 5, as `sync.proxy` says, else as the environment that the
//! daemon was started with says (`HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`, as other programs read them).
//!
//! A proxy learns the relay's name and port and sees TLS, as any router on the way would. Where one is named that cannot be
//! used, nothing is connected: a way around it is what somebody wanted to rule out. User name and password are never shown.

use std::{
    fmt, io,
    net::{IpAddr, Ipv6Addr},
    sync::{PoisonError, RwLock},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use caro_schema::redacted::Redacted;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};

use super::Address;

/// Which way connections go.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    /// What the configuration says; nothing leaves it to the environment.
    setting: Option<String>,
    https: Option<String>,
    http: Option<String>,
    all: Option<String>,
    except: String,
}

/// The word in the configuration for no proxy, whatever the environment says.
const NONE: &str = "none";

/// What all connections of this process go by. The environment is the process's, and so is this.
static PROXIES: RwLock<Proxies> = RwLock::new(Proxies::new());

/// A proxy.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Proxy {
    kind: Kind,
    host: String,
    port: u16,
    login: Option<Login>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Http,
    Socks5,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Login {
    user: Redacted<String>,
    password: Redacted<String>,
}

/// What a proxy is spoken with over.
trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

/// Sets which way all connections go that begin from now on.
pub fn go_by(proxies: Proxies) {
    *PROXIES.write().unwrap_or_else(PoisonError::into_inner) = proxies;
}

/// The proxy on the way to a relay; none when the way is direct.
///
/// # Errors
/// What is wrong with the one that is named.
pub(super) fn towards(address: &Address) -> Result<Option<Proxy>, String> {
    PROXIES.read().unwrap_or_else(PoisonError::into_inner).towards(address)
}

impl Proxies {
    const fn new() -> Self {
        Self { setting: None, https: None, http: None, all: None, except: String::new() }
    }

    /// From the setting, empty when there is none, and the environment.
    pub fn read(setting: &str, environment: impl Fn(&str) -> Option<String>) -> Self {
        let variable = |name: &str| {
            // The small letters are the older custom, and win where both are set.
            environment(&name.to_ascii_lowercase()).or_else(|| environment(name)).filter(|text| !text.trim().is_empty())
        };
        Self {
            setting: Some(setting.trim().to_owned()).filter(|text| !text.is_empty()),
            https: variable("HTTPS_PROXY"),
            // Only in small letters: the large ones can be a request's header in a CGI program.
            http: environment("http_proxy").filter(|text| !text.trim().is_empty()),
            all: variable("ALL_PROXY"),
            except: variable("NO_PROXY").unwrap_or_default(),
        }
    }

    fn towards(&self, address: &Address) -> Result<Option<Proxy>, String> {
        let (text, source) = match &self.setting {
            Some(setting) if setting == NONE => return Ok(None),
            Some(setting) => (setting, "sync.proxy"),
            None if is_loopback(&address.host) || is_excepted(&self.except, address) => return Ok(None),
            None => match (if address.tls { &self.https } else { &self.http }, &self.all) {
                (Some(own), _) => (own, if address.tls { "HTTPS_PROXY" } else { "http_proxy" }),
                (None, Some(all)) => (all, "ALL_PROXY"),
                (None, None) => return Ok(None),
            },
        };
        Proxy::parse(text).map(Some).map_err(|wrong| format!("{source} {wrong}"))
    }
}

impl Proxy {
    /// As `scheme://user:password@host:port`; without a scheme it is HTTP.
    fn parse(text: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = text.trim().split_once("://").unwrap_or(("http", text.trim()));
        let (kind, default_port) = match scheme.to_ascii_lowercase().as_str() {
            "http" => (Kind::Http, 80),
            "socks5" | "socks5h" | "socks" => (Kind::Socks5, 1080),
            _ => return Err("names a proxy that is neither http:// nor socks5://"),
        };
        let rest = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let (login, authority) = match rest.rsplit_once('@') {
            Some((login, authority)) => {
                (Some(Login::parse(login).ok_or("has a login with a % that stands for nothing")?), authority)
            }
            None => (None, rest),
        };
        let (host, port) = split_port(authority, default_port).ok_or("has a port that is no number")?;
        if host.is_empty() || host.contains(|letter: char| letter.is_control() || letter.is_whitespace()) {
            return Err("names no host");
        }
        Ok(Self { kind, host: host.to_owned(), port, login })
    }

    /// A connection to a host through the proxy.
    ///
    /// # Errors
    /// Why there is none, in words that name the proxy and not the login.
    pub(super) async fn connect(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        let through = |error: io::Error| io::Error::new(error.kind(), format!("the proxy {}: {error}", self.place()));
        let mut tcp = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(through)?;
        self.greet(&mut tcp, host, port).await.map_err(through)?;
        Ok(tcp)
    }

    /// Asks for the way to a host. Reads to the end of the proxy's answer and no byte further.
    async fn greet(&self, tcp: &mut impl Stream, host: &str, port: u16) -> io::Result<()> {
        match self.kind {
            Kind::Http => self.connect_http(tcp, host, port).await,
            Kind::Socks5 => self.connect_socks(tcp, host, port).await,
        }
    }

    fn place(&self) -> String {
        authority(&self.host, self.port)
    }

    async fn connect_http(&self, tcp: &mut impl Stream, host: &str, port: u16) -> io::Result<()> {
        let target = authority(host, port);
        let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
        if let Some(Login { user, password }) = &self.login {
            let login = STANDARD.encode(format!("{}:{}", user.reveal(), password.reveal()));
            request.push_str(&format!("Proxy-Authorization: Basic {login}\r\n"));
        }
        request.push_str("\r\n");
        tcp.write_all(request.as_bytes()).await?;
        let head = head(tcp).await?;
        match status(&head) {
            Some(200..=299) => Ok(()),
            Some(407) => Err(other("it wants another user name and password")),
            Some(status) => Err(other(&format!("it refuses the way to {target} (status {status})"))),
            None => Err(other("its answer is not HTTP")),
        }
    }

    async fn connect_socks(&self, tcp: &mut impl Stream, host: &str, port: u16) -> io::Result<()> {
        let offered: &[u8] = if self.login.is_some() { &[5, 2, 0, LOGIN] } else { &[5, 1, 0] };
        tcp.write_all(offered).await?;
        let mut chosen = [0; 2];
        tcp.read_exact(&mut chosen).await?;
        match (chosen, &self.login) {
            ([5, 0], _) => {}
            ([5, LOGIN], Some(login)) => socks_login(tcp, login).await?,
            ([5, _], _) => return Err(other("it wants another user name and password")),
            _ => return Err(other("its answer is not SOCKS 5")),
        }
        tcp.write_all(&socks_request(host, port)?).await?;
        let mut answer = [0; 4];
        tcp.read_exact(&mut answer).await?;
        let [5, code, _, kind] = answer else { return Err(other("its answer is not SOCKS 5")) };
        if code != 0 {
            let target = authority(host, port);
            return Err(other(&format!("it cannot reach {target}: {}", socks_reason(code))));
        }
        // Where it connects from, which is of no interest, and must be read to its end.
        let bytes = match kind {
            1 => 4,
            4 => 16,
            3 => usize::from(tcp.read_u8().await?),
            _ => return Err(other("its answer is not SOCKS 5")),
        };
        let mut rest = vec![0; bytes + 2];
        tcp.read_exact(&mut rest).await?;
        Ok(())
    }
}

/// SOCKS: a user name and a password (RFC 1929).
const LOGIN: u8 = 2;

async fn socks_login(tcp: &mut impl Stream, Login { user, password }: &Login) -> io::Result<()> {
    let mut bytes = zeroize::Zeroizing::new(vec![1]);
    for part in [user, password] {
        let part = part.reveal().as_bytes();
        bytes.push(u8::try_from(part.len()).map_err(|_| other("its user name or password is too long for SOCKS"))?);
        bytes.extend_from_slice(part);
    }
    tcp.write_all(&bytes).await?;
    let mut answer = [0; 2];
    tcp.read_exact(&mut answer).await?;
    if answer[1] == 0 { Ok(()) } else { Err(other("it wants another user name and password")) }
}

/// A name goes to the proxy as it is: here it may mean nothing, or something else.
fn socks_request(host: &str, port: u16) -> io::Result<Vec<u8>> {
    let mut request = vec![5, 1, 0];
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => {
            request.push(1);
            request.extend(address.octets());
        }
        Ok(IpAddr::V6(address)) => {
            request.push(4);
            request.extend(address.octets());
        }
        Err(_) => {
            request.push(3);
            request.push(u8::try_from(host.len()).map_err(|_| other("a host's name has at most 255 bytes"))?);
            request.extend(host.as_bytes());
        }
    }
    request.extend(port.to_be_bytes());
    Ok(request)
}

fn socks_reason(code: u8) -> &'static str {
    match code {
        2 => "its rules forbid it",
        3 => "the network cannot be reached",
        4 => "the host cannot be reached",
        5 => "the connection was refused",
        6 => "it took too long",
        7 | 8 => "it does not know how",
        _ => "it has failed",
    }
}

/// Bytes of an answer to CONNECT.
const HEAD_BYTES_MAX: usize = 8_192;

/// The head of an answer, read byte by byte: what comes after it is the relay's.
async fn head(tcp: &mut impl Stream) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == HEAD_BYTES_MAX {
            return Err(other("its answer has no end"));
        }
        head.push(tcp.read_u8().await?);
    }
    Ok(head)
}

fn status(head: &[u8]) -> Option<u16> {
    let text = std::str::from_utf8(head.get(..12)?).ok()?;
    let code = text.strip_prefix("HTTP/1.0 ").or_else(|| text.strip_prefix("HTTP/1.1 "))?;
    code.parse().ok()
}

impl Login {
    fn parse(text: &str) -> Option<Self> {
        let (user, password) = text.split_once(':').unwrap_or((text, ""));
        Some(Self { user: Redacted::new(decoded(user)?), password: Redacted::new(decoded(password)?) })
    }
}

/// Text in which `%` and two digits stand for a byte.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        rest = more;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, more) = rest.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = more;
    }
    String::from_utf8(bytes).ok()
}

fn split_port(authority: &str, default: u16) -> Option<(&str, u16)> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, after) = rest.split_once(']')?;
        host.parse::<Ipv6Addr>().ok()?;
        return Some((host, after.strip_prefix(':').map_or(Some(default), |port| port.parse().ok())?));
    }
    match authority.rsplit_once(':') {
        Some((host, port)) => Some((host, port.parse().ok()?)),
        None => Some((authority, default)),
    }
}

fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether `NO_PROXY` names this host: by `*`, by its name or a domain around it, by its address or a network around it,
/// each with or without a port.
fn is_excepted(except: &str, address: &Address) -> bool {
    let host = address.host.trim_end_matches('.').to_ascii_lowercase();
    except.split([',', ' ']).map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
        if entry == "*" || is_network(entry, &host) {
            return true;
        }
        let Some((name, port)) = split_port(entry, address.port) else { return false };
        let name = name.trim_start_matches('*').trim_matches('.').to_ascii_lowercase();
        let is_below = host.strip_suffix(&name).is_some_and(|rest| rest.ends_with('.'));
        port == address.port && !name.is_empty() && (host == name || is_below)
    })
}

/// Whether an entry is an address, or a network as `10.0.0.0/8`, that holds the host.
fn is_network(entry: &str, host: &str) -> bool {
    let Ok(host) = host.parse::<IpAddr>() else { return false };
    let (network, bits) = match entry.split_once('/') {
        Some((network, bits)) => (network, bits.parse::<u32>().ok()),
        None => (entry, Some(128)),
    };
    let Ok(network) = network.parse::<IpAddr>() else { return false };
    let Some(bits) = bits else { return false };
    match (network, host) {
        (IpAddr::V4(network), IpAddr::V4(host)) => {
            let shift = 32_u32.saturating_sub(bits);
            network.to_bits().checked_shr(shift).unwrap_or(0) == host.to_bits().checked_shr(shift).unwrap_or(0)
        }
        (IpAddr::V6(network), IpAddr::V6(host)) => {
            let shift = 128_u32.saturating_sub(bits);
            network.to_bits().checked_shr(shift).unwrap_or(0) == host.to_bits().checked_shr(shift).unwrap_or(0)
        }
        _ => false,
    }
}

fn other(text: &str) -> io::Error {
    io::Error::other(text.to_owned())
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, host, port, login: _ } = self;
        f.debug_struct("Proxy").field("kind", kind).field("host", host).field("port", port).finish_non_exhaustive()
    }
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Each may hold a password.
        let Self { setting: _, https: _, http: _, all: _, except } = self;
        f.debug_struct("Proxies").field("except", except).finish_non_exhaustive()
    }
}

/// What comes of a proxy's answers, byte for byte: a door for the fuzz targets.
///
/// # Errors
/// What is wrong with the proxy's name or with its answers, for a person.
#[doc(hidden)]
pub async fn greeted(
    proxy: &str,
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    host: &str,
    port: u16,
) -> Result<(), String> {
    let proxy = Proxy::parse(proxy).map_err(str::to_owned)?;
    proxy.greet(stream, host, port).await.map_err(|error| error.to_string())
}

/// Whether a list as in `NO_PROXY` names a host: a door for the fuzz targets.
#[doc(hidden)]
pub fn excepts(list: &str, address: &Address) -> bool {
    is_excepted(list, address)
}

#[cfg(test)]
#[path = "proxy/tests.rs"]
mod tests;
