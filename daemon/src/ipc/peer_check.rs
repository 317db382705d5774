//! Who may speak: this user alone. The socket's folder already keeps others out; this check holds even where a folder
//! was opened by mistake or a descriptor was handed on.

use interprocess::local_socket::{tokio::Stream, traits::StreamCommon};

/// Whether the other end runs as the same user as this process. Not knowing is no.
pub(super) fn is_own_user(stream: &Stream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    stream.peer_creds().ok().and_then(|peer| peer.euid()).is_some_and(|euid| euid == own)
}
