//! The socket in the relay's folder over which the other commands ask a running relay. The folder lets nobody else in; who
//! connects is looked at all the same. One line of JSON each way.

use std::{
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    sync::{Semaphore, mpsc, oneshot},
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{Answer, Ask, AskError, Hint};
use crate::{
    engine::Engine,
    limits::{QUESTION_BYTES_MAX, QUESTIONERS_MAX},
    serve::ACCEPT_PAUSE,
};

/// The socket's name in the folder.
pub const FILE: &str = "control.sock";

/// How long one question may take, answer included. Forgetting a large account takes its time.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// An answer as it is sent.
#[derive(Serialize, Deserialize)]
pub enum Reply {
    /// What was asked for.
    Answer(Answer),
    /// Why not, for people, and what to do about it.
    Refused(String, Option<Hint>),
}

/// A wish for the configuration to be read again, and where the outcome goes.
pub type Reload = oneshot::Sender<Result<Answer, AskError>>;

/// The listening socket. Its file goes away with it.
pub struct Control {
    listener: UnixListener,
    path: PathBuf,
}

impl Control {
    /// Listens in a folder that is this process's alone. A file that an earlier process left is taken away.
    ///
    /// # Errors
    /// When it cannot listen there; a path of more than 107 bytes is one reason.
    pub fn listen(folder: &Path) -> io::Result<Self> {
        let path = folder.join(FILE);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Self { listener, path })
    }

    /// Answers until it is dropped.
    pub async fn run(self, engine: Arc<Engine>, reloads: mpsc::Sender<Reload>) {
        let places = Arc::new(Semaphore::new(QUESTIONERS_MAX));
        let mut connections = JoinSet::new();
        loop {
            let Ok(place) = places.clone().acquire_owned().await else { return };
            tokio::select! {
                accepted = self.listener.accept() => {
                    let Ok((stream, _)) = accepted else {
                        // Descriptors have run out: there is no hurry to fail again.
                        sleep(ACCEPT_PAUSE).await;
                        continue;
                    };
                    let (engine, reloads) = (engine.clone(), reloads.clone());
                    connections.spawn(async move {
                        let _place = place;
                        if timeout(PATIENCE, answer(stream, &engine, &reloads)).await.is_err() {
                            tracing::warn!("a question took too long");
                        }
                    });
                }
                Some(_) = connections.join_next() => {}
            }
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!(kind = ?error.kind(), "the control socket could not be removed");
        }
    }
}

/// The question in a line, or what is answered to one that nobody knows.
///
/// # Errors
/// That answer.
pub fn question(line: &[u8]) -> Result<Ask, Reply> {
    serde_json::from_slice(line).map_err(|_| {
        let unknown = "the relay that runs does not know that question; is it of another version?";
        Reply::Refused(unknown.to_owned(), None)
    })
}

impl From<Result<Answer, AskError>> for Reply {
    fn from(outcome: Result<Answer, AskError>) -> Self {
        match outcome {
            Ok(answer) => Self::Answer(answer),
            Err(error) => Self::Refused(error.to_string(), error.hint()),
        }
    }
}

impl Reply {
    /// As a line.
    pub fn line(&self) -> Option<Vec<u8>> {
        let mut bytes = serde_json::to_vec(self).ok()?;
        bytes.push(b'\n');
        Some(bytes)
    }
}

async fn answer(mut stream: UnixStream, engine: &Engine, reloads: &mpsc::Sender<Reload>) {
    let ours = rustix::process::geteuid().as_raw();
    if stream.peer_cred().map_or(true, |peer| peer.uid() != ours && peer.uid() != 0) {
        return;
    }
    let mut line = Vec::new();
    let (reader, mut writer) = stream.split();
    let mut reader = BufReader::new(reader.take(QUESTION_BYTES_MAX as u64));
    if reader.read_until(b'\n', &mut line).await.is_err() {
        return;
    }
    let reply = match question(&line) {
        Ok(ask) => carry_out(ask, engine, reloads).await.into(),
        Err(refused) => refused,
    };
    let Some(bytes) = reply.line() else { return };
    if writer.write_all(&bytes).await.is_err() {
        tracing::debug!("whoever asked did not wait for the answer");
    }
}

async fn carry_out(ask: Ask, engine: &Engine, reloads: &mpsc::Sender<Reload>) -> Result<Answer, AskError> {
    if !matches!(ask, Ask::Reload) {
        return engine.administer(ask).await;
    }
    let (reply, answer) = oneshot::channel();
    reloads.send(reply).await.map_err(|_| AskError::Ending)?;
    answer.await.map_err(|_| AskError::Ending)?
}
