//! What devices are told to connect to, and how many of them there can be.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Config;

/// Descriptors that are not connections of devices: database, log, listeners, questions about health and over the control
/// socket, the runtime's own.
const DESCRIPTORS_KEPT: u64 = 96;

/// Descriptors of one connection to a database server: its socket and what its thread waits with.
const DESCRIPTORS_PER_LINK: u64 = 6;

/// The host in the address: the one that was set, else the one that is listened on, else this machine's own on the way
/// to everywhere.
pub(crate) fn host(config: &Config) -> String {
    match &config.public_host {
        Some(host) => host.clone(),
        None if !config.listen.ip().is_unspecified() => config.listen.ip().to_string(),
        None => outward().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)).to_string(),
    }
}

/// Connecting a UDP socket sends nothing; it only makes the system choose the address that it would send from. The
/// destination is one that is reserved for documentation (RFC 5737).
fn outward() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect(SocketAddr::from(([192, 0, 2, 1], 9))).ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}

/// The address as people paste it.
pub(crate) fn format(plain: bool, host: &str, port: u16, key: &str) -> String {
    let scheme = if plain { "ws" } else { "wss" };
    if host.contains(':') {
        format!("{scheme}://[{host}]:{port}/#{key}")
    } else {
        format!("{scheme}://{host}:{port}/#{key}")
    }
}

/// Descriptors that a relay needs besides its connections with devices. Of the connections to a database server there is
/// one more than is set: on it, the others are heard.
fn descriptors_kept(config: &Config) -> u64 {
    let links = config.storage.as_ref().map_or(0, |_| u64::from(config.storage_connections) + 1);
    DESCRIPTORS_KEPT + links * DESCRIPTORS_PER_LINK
}

/// Raises the number of descriptors as far as is needed and allowed. Gives the number of connections that fit.
pub(crate) fn descriptors_for(config: &Config) -> u32 {
    let (connections_max, kept) = (config.limits.connections_max, descriptors_kept(config));
    let needed = u64::from(connections_max) + kept;
    let limit = getrlimit(Resource::Nofile);
    let allowed = limit.maximum.unwrap_or(u64::MAX).min(needed);
    let mut current = limit.current.unwrap_or(u64::MAX);
    if current < allowed && setrlimit(Resource::Nofile, Rlimit { current: Some(allowed), ..limit }).is_ok() {
        current = allowed;
    }
    let fitting = u32::try_from(current.saturating_sub(kept).max(1)).unwrap_or(u32::MAX);
    if fitting < connections_max {
        tracing::warn!(fitting, "the system allows fewer connections than are configured; raise LimitNOFILE");
    }
    fitting.min(connections_max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_as_devices_read_them() {
        assert_eq!(format(false, "relay.example.org", 7490, "KEY"), "wss://relay.example.org:7490/#KEY");
        assert_eq!(format(true, "::1", 1, "KEY"), "ws://[::1]:1/#KEY");
    }

    #[test]
    fn a_res_03_each_connection_to_a_database_server_has_its_descriptors() {
        let alone = Config::default();
        let server = |connections| Config {
            storage: Some("postgres://ada@db/caro".to_owned()),
            storage_connections: connections,
            ..Config::default()
        };
        assert_eq!(descriptors_kept(&alone), DESCRIPTORS_KEPT);
        assert_eq!(descriptors_kept(&server(64)), DESCRIPTORS_KEPT + 65 * DESCRIPTORS_PER_LINK);
    }

    #[test]
    fn the_host_is_the_one_that_was_set_or_listened_on() {
        let listened = Config { listen: "127.0.0.1:0".parse().unwrap(), ..Config::default() };
        assert_eq!(host(&listened), "127.0.0.1");
        let set = Config { public_host: Some("relay.example.org".to_owned()), ..listened };
        assert_eq!(host(&set), "relay.example.org");
        assert!(host(&Config::default()).parse::<IpAddr>().is_ok());
    }
}
