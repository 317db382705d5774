//! Asks the relay that runs in a folder, or does it in its place when none runs.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
};

use super::{
    Answer, Ask, AskError, Hint, carry_out,
    control::{FILE, PATIENCE, Reply},
};
use crate::{
    config::Config,
    folder::{Folder, FolderError},
    log::{
        postgres,
        sqlite::{OpenError, SqliteLog},
    },
    serve::fresh_generation,
    storage,
};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskingError {
    /// It was refused.
    #[error(transparent)]
    Refused(#[from] AskError),
    /// By the relay that runs, in its words.
    #[error("{0}")]
    Told(String, Option<Hint>),
    /// The folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The database.
    #[error(transparent)]
    Database(#[from] OpenError),
    /// The database server.
    #[error(transparent)]
    Server(#[from] postgres::OpenError),
    /// No relay was ever started there.
    #[error("there is no database in {0}")]
    NoDatabase(String),
    /// The relay that runs does not answer.
    #[error("the relay that runs in this folder does not answer: {0}")]
    Silent(io::Error),
}

/// Bytes of an answer: five hundred accounts are 80 KB.
pub const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// Asks.
///
/// # Errors
/// Why there is no answer.
pub fn ask(config: &Config, question: Ask) -> Result<Answer, AskingError> {
    match UnixStream::connect(config.data.join(FILE)) {
        Ok(stream) => ask_running(stream, &question),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            alone(config, question)
        }
        Err(error) => Err(AskingError::Silent(error)),
    }
}

fn ask_running(mut stream: UnixStream, question: &Ask) -> Result<Answer, AskingError> {
    let silent = AskingError::Silent;
    stream.set_read_timeout(Some(PATIENCE)).map_err(silent)?;
    let mut bytes = serde_json::to_vec(question).map_err(|error| silent(error.into()))?;
    bytes.push(b'\n');
    stream.write_all(&bytes).map_err(silent)?;
    let mut line = Vec::new();
    BufReader::new(stream.take(ANSWER_BYTES_MAX)).read_until(b'\n', &mut line).map_err(silent)?;
    answer(&line)
}

/// The answer in the line that a relay has sent.
///
/// # Errors
/// Why there is none.
pub fn answer(line: &[u8]) -> Result<Answer, AskingError> {
    match serde_json::from_slice(line).map_err(|error| AskingError::Silent(error.into()))? {
        Reply::Answer(answer) => Ok(answer),
        Reply::Refused(text, hint) => Err(AskingError::Told(text, hint)),
    }
}

fn alone(config: &Config, question: Ask) -> Result<Answer, AskingError> {
    if matches!(question, Ask::Reload) {
        return Err(AskError::NotRunning.into());
    }
    // Others may be running on it; they see within seconds what was done.
    if let Some(mut log) = storage::look(config)? {
        return Ok(carry_out(&mut log, question)?);
    }
    let folder = config.data.as_path();
    if !crate::folder::database(folder).exists() {
        return Err(AskingError::NoDatabase(folder.display().to_string()));
    }
    let folder = Folder::open(folder)?;
    let fresh = fresh_generation().map_err(AskError::from)?;
    let mut log = SqliteLog::open(&folder.database(), fresh)?;
    let answer = carry_out(&mut log, question)?;
    // What was forgotten goes out of the files now: no relay will do it soon.
    log.settle_all().map_err(AskError::from)?;
    Ok(answer)
}
