//! The question of a shell's line editor: with what does the person most likely go on? One question, one answer, in a form
//! that a shell can write and read with its own builtins, so that a keystroke starts no process.
//!
//! The question is `?`, the directory, NUL, the line so far, NUL; the answer is a command that begins with that line, or
//! nothing, and NUL. `?` tells it from a frame, whose first byte is 0 or 1 whatever it announces. The same socket, the
//! same check of who asks and the same patience as for every client: `connection.rs`. Why: decision 0008.

use caro_schema::ipc::{
    Reply, Request,
    history::{Mode, Place, Query, Window},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::timeout,
};

use super::connection::{Cut, Terms};

/// What a question begins with.
pub(super) const ASKS: u8 = b'?';

/// Bytes of a question. A line that is longer than this has been pasted, and nobody waits for its end to be guessed.
const QUESTION_BYTES_MAX: usize = 16 * 1024;

/// Commands that are looked at. Among those that begin with the line in lower or upper case, one that begins with it as
/// it was typed is hardly ever further down.
const LOOK_AT: u32 = 16;

/// Answers one question, of which the first byte is taken.
pub(super) async fn serve(
    mut reader: impl AsyncRead + Unpin,
    mut writer: impl AsyncWrite + Unpin,
    terms: Terms,
) -> Result<(), Cut> {
    let patience = terms.patience;
    let question = timeout(patience.frame, read(&mut reader)).await.map_err(|_| Cut::HalfFrame)??;
    let Ok(_busy) = terms.busy.acquire_owned().await else { return Ok(()) };
    let (directory, line) = question;
    let mut answer = match std::str::from_utf8(&line) {
        Ok(text) if !text.trim().is_empty() => {
            let reply = terms.asked.ask(search(directory, text)).await;
            reply.ok().and_then(|reply| suggestion(reply, &line)).unwrap_or_default()
        }
        _ => Vec::new(),
    };
    answer.push(0);
    let write = async {
        writer.write_all(&answer).await?;
        writer.shutdown().await
    };
    match timeout(patience.frame, write).await {
        Err(_) => Err(Cut::NotReading),
        // The next keystroke came first.
        Ok(written) => written.or_else(super::connection::gone_is_fine),
    }
}

/// The directory and the line of a question: a door for the fuzz targets.
pub async fn asked(reader: &mut (impl AsyncRead + Unpin)) -> Option<(Vec<u8>, Vec<u8>)> {
    read(reader).await.ok()
}

/// Directory and line.
async fn read(reader: &mut (impl AsyncRead + Unpin)) -> Result<(Vec<u8>, Vec<u8>), Cut> {
    let mut bytes = Vec::new();
    loop {
        if let [directory, line, _] = &bytes.splitn(3, |byte| *byte == 0).collect::<Vec<_>>()[..] {
            return Ok((directory.to_vec(), line.to_vec()));
        }
        if bytes.len() >= QUESTION_BYTES_MAX {
            return Err(Cut::Malformed);
        }
        if reader.read_buf(&mut bytes).await? == 0 {
            return Err(Cut::Malformed);
        }
    }
}

fn search(directory: Vec<u8>, line: &str) -> Request {
    let query = Query {
        text: line.to_owned(),
        mode: Mode::Prefix,
        unique: true,
        place: Place { directory: directory.into(), ..Place::default() },
        ..Query::default()
    };
    Request::Search { query: Box::new(query), window: Window { offset: 0, limit: LOOK_AT } }
}

/// The first that goes on as the line began. One with a NUL could not be told from its end.
fn suggestion(reply: Reply, line: &[u8]) -> Option<Vec<u8>> {
    let Reply::Hits(hits) = reply else { return None };
    let mut commands = hits.rows.into_iter().map(|hit| hit.record.command.into_vec());
    commands.find(|command| command.len() > line.len() && command.starts_with(line) && !command.contains(&0))
}
