//! A relay's address as people paste it: `wss://host:port/#key`. The key after `#` is the relay's public key, 32 bytes in
//! URL-safe base64; without it the key that the relay shows first is pinned. `ws://` is for a relay on this machine or
//! behind something that adds TLS on the way: the session inside is encrypted all the same.

use std::net::Ipv6Addr;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use caro_schema::{id::RelayKey, ipc::Fault};

/// Where a relay is and how it is known.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// Whether TLS is outermost.
    pub tls: bool,
    /// Host name or address, an IPv6 address without its brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// The relay's key, when the address has it.
    pub key: Option<RelayKey>,
}

/// The port of `wss` and `ws` addresses that name none.
const DEFAULT_PORT: u16 = 7490;

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    /// [`Fault::BadAddress`] with what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let bad = |reason: &str| Fault::BadAddress { reason: reason.to_owned() };
        let (place, key) = match text.trim().split_once('#') {
            Some((place, key)) => (place, Some(parse_key(key).ok_or_else(|| bad("the key after # is not whole"))?)),
            None => (text.trim(), None),
        };
        let (tls, rest) = match place.split_once("://") {
            Some(("wss", rest)) => (true, rest),
            Some(("ws", rest)) => (false, rest),
            Some(_) => return Err(bad("it must begin with wss://")),
            None => return Err(bad("it must look like wss://host:port/#key")),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '@', ' ']) {
            return Err(bad("only a host and a port may stand before the #"));
        }
        let (host, port) = split_port(authority).ok_or_else(|| bad("the port is not a number from 1 to 65535"))?;
        if host.is_empty() {
            return Err(bad("the host is missing"));
        }
        if !is_host(host, authority.starts_with('[')) {
            return Err(bad("the host is not a name or an address; an IPv6 address stands in brackets"));
        }
        Ok(Self { tls, host: host.to_owned(), port, key })
    }

    /// The address without the key, for people.
    pub fn place(&self) -> String {
        format!("{}://{}/", if self.tls { "wss" } else { "ws" }, self.authority())
    }

    /// Host and port, as in an HTTP `Host` header.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

fn split_port(authority: &str) -> Option<(&str, u16)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            (host, after.strip_prefix(':'))
        }
        None => match authority.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let port = match port {
        Some(port) => port.parse().ok().filter(|port| *port != 0)?,
        None => DEFAULT_PORT,
    };
    Some((host, port))
}

/// A name is not looked at more closely: the system's resolver says what it makes of it. But what is written out and read
/// again must be the same place.
fn is_host(host: &str, bracketed: bool) -> bool {
    if bracketed {
        let address = host.split_once('%').map_or(host, |(address, _zone)| address);
        return address.parse::<Ipv6Addr>().is_ok() && !host.contains(char::is_control);
    }
    !host.contains(|letter: char| matches!(letter, ':' | '[' | ']') || letter.is_control() || letter.is_whitespace())
}

fn parse_key(text: &str) -> Option<RelayKey> {
    RelayKey::from_slice(&URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_people_paste_them() {
        let key = URL_SAFE_NO_PAD.encode([7; 32]);
        let full = Address::parse(&format!(" wss://relay.example.org:7490/#{key}\n")).unwrap();
        assert!(full.tls && full.host == "relay.example.org" && full.port == 7490);
        assert_eq!(full.key, Some(RelayKey([7; 32])));
        assert_eq!(full.place(), "wss://relay.example.org:7490/");
        let bare = Address::parse("ws://[::1]").unwrap();
        assert!(!bare.tls && bare.host == "::1" && bare.port == DEFAULT_PORT && bare.key.is_none());
        assert_eq!(bare.authority(), "[::1]:7490");
    }

    #[test]
    fn what_is_read_is_the_same_place_when_written_out() {
        // Found by fuzzing: brackets and control bytes inside a name gave another place.
        for text in ["ws://\u{0}1[::1]:1/", "ws://a]:1/", "ws://[a%\u{7}]/", "ws://a\u{a0}b/"] {
            assert!(Address::parse(text).is_err(), "{}", text.escape_debug());
        }
        for text in ["ws://[fe80::1%eth0]:1/", "wss://relay", "ws://127.0.0.1:5/"] {
            let address = Address::parse(text).unwrap();
            assert!(Address::parse(&address.place()).unwrap() == address, "{text}");
        }
    }

    #[test]
    fn u004_a_wrong_address_says_what_is_wrong() {
        for (text, word) in [
            ("relay.example.org", "wss://"),
            ("https://relay.example.org", "wss://"),
            ("wss://relay.example.org/#abc", "key"),
            ("wss://relay.example.org:99999/", "port"),
            ("wss:///", "host"),
            ("wss://user@relay/", "host and a port"),
            ("wss://a:b:7490/", "brackets"),
            ("wss://[relay]:7490/", "brackets"),
        ] {
            match Address::parse(text) {
                Err(Fault::BadAddress { reason }) => assert!(reason.contains(word), "{text}: {reason}"),
                _ => panic!("{text} was taken"),
            }
        }
    }
}
