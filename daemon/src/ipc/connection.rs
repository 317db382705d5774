//! One client: its first frame, its requests as they come, the answers as they are ready.
//!
//! A client costs only what it uses: a frame must be complete soon after it began, requests under way are few, and a
//! client that does not read its answers is cut. Waiting between requests is free.

use std::{io, sync::Arc, time::Duration};

use caro_schema::{
    codec,
    frame::{self, FrameError},
    ipc::{Answer, Call, Fault, Hello, Reply, Request},
    limits::IPC_MESSAGE_BYTES_MAX,
    version,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::timeout,
};

use super::{Asked, BUILD, suggest};

/// How long a client may take.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    /// For its first frame.
    pub(super) hello: Duration,
    /// For the rest of a frame once it has begun, and for reading an answer. The largest frame takes milliseconds; a
    /// stopped terminal must not hold memory for ever.
    pub(super) frame: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { hello: Duration::from_secs(5), frame: Duration::from_secs(10) }
    }
}

/// Requests of one client under way at once. A screen has one per keystroke and reads them in order; an import a few.
pub(super) const UNDER_WAY_MAX: usize = 16;

/// What a connection is served with.
pub(super) struct Terms {
    /// Who answers.
    pub(super) asked: Arc<dyn Asked>,
    /// A permit of this is held from the moment a request is read until its answer is out, so that an ending daemon
    /// knows when it may go.
    pub(super) busy: Arc<Semaphore>,
    /// How long the client may take.
    pub(super) patience: Patience,
}

/// An answer on its way out, with what is held until it is.
type Outgoing = (Answer, [OwnedSemaphorePermit; 2]);

/// Why a connection was cut.
#[derive(Debug, thiserror::Error)]
pub(super) enum Cut {
    #[error("no first frame in time")]
    Silent,
    #[error("half a frame, and no more in time")]
    HalfFrame,
    #[error("answers were not read in time")]
    NotReading,
    #[error("bytes that are no message")]
    Malformed,
    #[error(transparent)]
    Frame(#[from] FrameError),
}

impl From<io::Error> for Cut {
    fn from(error: io::Error) -> Self {
        Self::Frame(error.into())
    }
}

/// Serves a client until it goes or has to be cut.
pub(super) async fn serve<S>(stream: S, terms: Terms) -> Result<(), Cut>
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let patience = terms.patience;
    let (mut reader, mut writer) = tokio::io::split(stream);
    let theirs: Hello = match timeout(patience.hello, read_opening(&mut reader, patience)).await {
        Err(_) => return Err(Cut::Silent),
        Ok(opening) => match opening? {
            Opening::Nothing => return Ok(()),
            Opening::Question => return suggest::serve(reader, writer, terms).await,
            Opening::Frame(bytes) => codec::decode(&bytes).map_err(|_| Cut::Malformed)?,
        },
    };
    let ours = Hello { protocol: version::IPC, build: BUILD.to_owned() };
    write_frame(&mut writer, &codec::encode(&ours), patience).await?;
    let (answers, outbox) = mpsc::channel(UNDER_WAY_MAX);
    // Ends when the reader is done and every answer is out, or when the client does not read.
    let mut writing = tokio::spawn(write_answers(writer, outbox, patience));
    let outcome = tokio::select! {
        outcome = read_calls(&mut reader, theirs.protocol, terms, answers) => outcome,
        written = &mut writing => return written.unwrap_or(Ok(())),
    };
    match outcome {
        // What was asked is still answered.
        Ok(()) => writing.await.unwrap_or(Ok(())),
        Err(cut) => {
            writing.abort();
            Err(cut)
        }
    }
}

async fn read_calls(
    reader: &mut (impl AsyncRead + Unpin),
    protocol: u32,
    terms: Terms,
    answers: mpsc::Sender<Outgoing>,
) -> Result<(), Cut> {
    let under_way = Arc::new(Semaphore::new(UNDER_WAY_MAX));
    loop {
        // Not read further while too much is under way: the socket's own buffer then holds the client back.
        let Ok(permit) = under_way.clone().acquire_owned().await else { return Ok(()) };
        let Some(bytes) = read_frame(reader, terms.patience).await? else { return Ok(()) };
        let Ok(busy) = terms.busy.clone().acquire_owned().await else { return Ok(()) };
        let call: Call = codec::decode(&bytes).map_err(|_| Cut::Malformed)?;
        drop(bytes);
        let (asked, answers) = (terms.asked.clone(), answers.clone());
        tokio::spawn(async move {
            let reply = answer(asked, call.request, protocol).await;
            // A client that is gone needs no answer.
            let _ = answers.send((Answer { id: call.id, reply }, [permit, busy])).await;
        });
    }
}

/// Another version of the protocol may ask for one thing only: that this daemon makes room for its own.
async fn answer(asked: Arc<dyn Asked>, request: Request, protocol: u32) -> Result<Reply, Fault> {
    if protocol != version::IPC && !matches!(request, Request::Stop) {
        return Err(Fault::Protocol { ours: version::IPC, theirs: protocol });
    }
    asked.ask(request).await
}

async fn write_answers(
    mut writer: impl AsyncWrite + Unpin,
    mut outbox: mpsc::Receiver<Outgoing>,
    patience: Patience,
) -> Result<(), Cut> {
    while let Some((answer, held)) = outbox.recv().await {
        let id = answer.id;
        let mut bytes = codec::encode(&answer);
        drop(answer);
        if bytes.len() > IPC_MESSAGE_BYTES_MAX {
            let what = "an answer was too large".to_owned();
            bytes = codec::encode(&Answer { id, reply: Err(Fault::Internal { what }) });
        }
        write_frame(&mut writer, &bytes, patience).await?;
        drop(held);
    }
    // The client sees a clean end.
    timeout(patience.frame, writer.shutdown()).await.map_err(|_| Cut::NotReading)?.or_else(gone_is_fine)
}

pub(super) fn gone_is_fine(error: io::Error) -> Result<(), Cut> {
    match error.kind() {
        io::ErrorKind::NotConnected | io::ErrorKind::BrokenPipe => Ok(()),
        _ => Err(error.into()),
    }
}

async fn write_frame(writer: &mut (impl AsyncWrite + Unpin), bytes: &[u8], patience: Patience) -> Result<(), Cut> {
    let prefix = frame::prefix(bytes.len(), IPC_MESSAGE_BYTES_MAX)?;
    let write = async {
        writer.write_all(&prefix).await?;
        writer.write_all(bytes).await?;
        writer.flush().await
    };
    Ok(timeout(patience.frame, write).await.map_err(|_| Cut::NotReading)??)
}

/// How a client begins.
enum Opening {
    /// It went again.
    Nothing,
    /// With the question of a line editor, which is no frame.
    Question,
    /// With a frame.
    Frame(Vec<u8>),
}

async fn read_opening(reader: &mut (impl AsyncRead + Unpin), patience: Patience) -> Result<Opening, Cut> {
    match first_byte(reader).await? {
        None => Ok(Opening::Nothing),
        Some(suggest::ASKS) => Ok(Opening::Question),
        Some(first) => Ok(Opening::Frame(read_rest(first, reader, patience).await?)),
    }
}

/// Reads a frame, none at a clean end. Waits for its first byte as long as it takes.
async fn read_frame(reader: &mut (impl AsyncRead + Unpin), patience: Patience) -> Result<Option<Vec<u8>>, Cut> {
    match first_byte(reader).await? {
        None => Ok(None),
        Some(first) => Ok(Some(read_rest(first, reader, patience).await?)),
    }
}

async fn first_byte(reader: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<u8>> {
    let mut first = [0];
    Ok((reader.read(&mut first).await? > 0).then_some(first[0]))
}

/// Reads what follows a frame's first byte.
async fn read_rest(first: u8, reader: &mut (impl AsyncRead + Unpin), patience: Patience) -> Result<Vec<u8>, Cut> {
    let mut prefix = [first, 0, 0, 0];
    let rest = async {
        reader.read_exact(&mut prefix[1..]).await?;
        let size = frame::announced(prefix, IPC_MESSAGE_BYTES_MAX)?;
        let mut bytes = Vec::new();
        // Grows with what arrives: an announced length costs nothing by itself.
        (&mut *reader).take(size as u64).read_to_end(&mut bytes).await?;
        if bytes.len() < size {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        Ok(bytes)
    };
    timeout(patience.frame, rest).await.map_err(|_| Cut::HalfFrame)?
}
