//! Listens on the socket and hands each connection to a task of its own.
//!
//! Made only by who holds the daemon's lock: the socket that a dead daemon left behind is replaced in one step, by
//! moving a new one over it, so that a client never finds nothing where a daemon is.

use std::{
    fs, io,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use interprocess::local_socket::{
    GenericFilePath, ListenerOptions, ToFsName, tokio::Listener as SocketListener, traits::tokio::Listener as _,
};
use tokio::{
    runtime::Handle,
    sync::Semaphore,
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::{
    Service,
    connection::{self, Patience, Terms, UNDER_WAY_MAX},
    peer_check::is_own_user,
};
use crate::paths::{self, FolderError};

/// Connections at once. An open search screen holds one; more than this is a program gone wrong.
pub(super) const CONNECTIONS_MAX: usize = 256;

/// The pause after an accept that failed, most often for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Requests of all clients under way at once.
const BUSY_MAX: u32 = (CONNECTIONS_MAX * UNDER_WAY_MAX) as u32;

/// How long clients may take for their last answers when the daemon ends.
const FINISH_WITHIN: Duration = Duration::from_secs(2);

/// A socket that is listened on. Dropping it stops listening and takes the socket away.
pub struct Listener {
    path: PathBuf,
    identity: (u64, u64),
    busy: Arc<Semaphore>,
    task: JoinHandle<()>,
}

/// Why the socket cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Its folder is not safe.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Something that is no socket stands in its place.
    #[error("{} is in the way and is not a socket", .0.display())]
    InTheWay(PathBuf),
    /// The system said no.
    #[error("{}: {}", .0.display(), .1)]
    Io(PathBuf, io::Error),
}

impl Listener {
    /// Listens. To be called with the lock held, inside a runtime.
    ///
    /// # Errors
    /// When the folder is not safe or the socket cannot be made.
    pub fn start(path: &Path, service: Arc<dyn Service>, runtime: &Handle) -> Result<Self, ListenError> {
        if let Some(folder) = path.parent() {
            paths::private_folder(folder)?;
        }
        let _inside = runtime.enter();
        let io_error = |error| ListenError::Io(path.to_owned(), error);
        refuse_what_is_no_socket(path)?;
        let beside = path.with_extension("new");
        remove(&beside).map_err(io_error)?;
        let socket = bind(&beside).map_err(io_error)?;
        fs::rename(&beside, path).map_err(io_error)?;
        let meta = fs::symlink_metadata(path).map_err(io_error)?;
        let busy = Arc::new(Semaphore::new(BUSY_MAX as usize));
        let task = runtime.spawn(accept(socket, service, busy.clone()));
        Ok(Self { path: path.to_owned(), identity: (meta.dev(), meta.ino()), busy, task })
    }

    /// Where.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes nobody new, and waits until the answers to what was asked are out, or have taken too long.
    pub async fn finish(&self) {
        self.task.abort();
        if timeout(FINISH_WITHIN, self.busy.acquire_many(BUSY_MAX)).await.is_err() {
            tracing::debug!("not every answer was read before the end");
        }
    }

    /// Whether clients still find this socket under its path. The end of a login session may take it away.
    pub fn is_in_place(&self) -> bool {
        fs::symlink_metadata(&self.path).is_ok_and(|meta| (meta.dev(), meta.ino()) == self.identity)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
        if self.is_in_place() && remove(&self.path).is_err() {
            tracing::debug!("the socket could not be taken away");
        }
    }
}

fn bind(path: &Path) -> io::Result<SocketListener> {
    let options = ListenerOptions::new().name(path.to_fs_name::<GenericFilePath>()?).reclaim_name(false);
    // Set before the socket can be reached. Elsewhere the process's umask does it.
    #[cfg(target_os = "linux")]
    let options = {
        use interprocess::os::unix::local_socket::ListenerOptionsExt;
        options.mode(0o600)
    };
    options.create_tokio()
}

fn refuse_what_is_no_socket(path: &Path) -> Result<(), ListenError> {
    match fs::symlink_metadata(path) {
        Ok(meta) if !meta.file_type().is_socket() => Err(ListenError::InTheWay(path.to_owned())),
        _ => Ok(()),
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

async fn accept(socket: SocketListener, service: Arc<dyn Service>, busy: Arc<Semaphore>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let stream = match socket.accept().await {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!(kind = ?error.kind(), "a connection could not be accepted");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Closed without a word: another user, or too many.
        let (true, Ok(place)) = (is_own_user(&stream), places.clone().try_acquire_owned()) else {
            tracing::warn!("a connection was turned away");
            continue;
        };
        let terms = Terms { asked: service.connected(), busy: busy.clone(), patience: Patience::default() };
        tokio::spawn(async move {
            if let Err(end) = connection::serve(stream, terms).await {
                tracing::debug!(%end, "a connection was cut");
            }
            drop(place);
        });
    }
}
