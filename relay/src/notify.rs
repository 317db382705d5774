//! Tells a service manager how far the relay is, by the protocol of systemd's `sd_notify`: one datagram to the socket that
//! the environment names. Without one, nobody is told.

use std::{env, os::unix::net::UnixDatagram, path::PathBuf};

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It serves.
    Ready,
    /// It reads its configuration again.
    Reloading,
    /// It takes nobody in any more.
    Stopping,
}

/// Whom to tell.
pub(crate) struct Notifier {
    socket: Option<(UnixDatagram, Place)>,
}

enum Place {
    Path(PathBuf),
    #[cfg(target_os = "linux")]
    Abstract(std::os::unix::net::SocketAddr),
}

impl Notifier {
    pub(crate) fn from_environment() -> Self {
        let place = env::var_os("NOTIFY_SOCKET").and_then(|name| place(&name.to_string_lossy()));
        Self { socket: place.and_then(|place| Some((UnixDatagram::unbound().ok()?, place))) }
    }

    pub(crate) fn tell(&self, state: State) {
        let Some((socket, place)) = &self.socket else { return };
        let text: &[u8] = match state {
            State::Ready => b"READY=1",
            State::Reloading => b"RELOADING=1",
            State::Stopping => b"STOPPING=1",
        };
        let sent = match place {
            Place::Path(path) => socket.send_to(text, path),
            #[cfg(target_os = "linux")]
            Place::Abstract(address) => socket.send_to_addr(text, address),
        };
        if let Err(error) = sent {
            tracing::warn!(kind = ?error.kind(), "the service manager could not be told");
        }
    }
}

fn place(name: &str) -> Option<Place> {
    match name.strip_prefix('@') {
        None if name.starts_with('/') => Some(Place::Path(PathBuf::from(name))),
        #[cfg(target_os = "linux")]
        Some(name) => {
            use std::os::linux::net::SocketAddrExt;
            std::os::unix::net::SocketAddr::from_abstract_name(name).ok().map(Place::Abstract)
        }
        _ => None,
    }
}
