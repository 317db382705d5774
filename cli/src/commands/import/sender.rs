//! Sends batches and adds up what became of them. A batch is kept until it is answered, because the daemon may be
//! replaced by a newer one in the middle; sending it twice adds nothing.

use caro_schema::ipc::{
    Reply, Request,
    history::{Import as Batch, Imported},
};

use crate::{
    client::Client,
    commands::unexpected,
    error::{Failure, Outcome},
    exit,
};

/// Batches that are sent before the first is answered: while the daemon works, the next is read. More would only hold memory.
const BATCHES_UNDER_WAY: usize = 3;

/// A batch waits for those before it and for the disk.
const BATCH_WITHIN: std::time::Duration = std::time::Duration::from_secs(300);

/// How often the connection may be lost in one import. More is no accident.
const CONNECTIONS_MAX: u32 = 5;

/// Sends batches.
pub(super) struct Sender {
    client: Client,
    under_way: Vec<(u64, Batch)>,
    connections_left: u32,
    /// What became of those that were answered.
    pub(super) done: Imported,
}

impl Sender {
    /// Over this connection.
    pub(super) fn new(client: Client) -> Self {
        Self { client, under_way: Vec::new(), connections_left: CONNECTIONS_MAX, done: Imported::default() }
    }

    /// Sends a batch, and waits for another one's answer if too many are under way.
    pub(super) fn send(&mut self, batch: Batch) -> Outcome {
        if self.under_way.len() == BATCHES_UNDER_WAY {
            self.take_answer()?;
        }
        match self.client.send(Request::Import(batch.clone())) {
            Ok(id) => {
                self.under_way.push((id, batch));
                Ok(())
            }
            Err(failure) => {
                self.under_way.push((0, batch));
                self.connect_again(failure)
            }
        }
    }

    /// Waits for every answer.
    pub(super) fn finish(&mut self) -> Outcome {
        while !self.under_way.is_empty() {
            self.take_answer()?;
        }
        Ok(())
    }

    /// One answer, to whichever batch it belongs.
    fn take_answer(&mut self) -> Outcome {
        loop {
            let answer = self.client.receive(BATCH_WITHIN).and_then(|answer| Ok((answer.id, answer.reply?)));
            match answer {
                Ok((id, Reply::Imported(Imported { added, known, deleted }))) => {
                    self.under_way.retain(|(sent, _)| *sent != id);
                    self.done.added += added;
                    self.done.known += known;
                    self.done.deleted += deleted;
                    return Ok(());
                }
                Ok(_) => return Err(unexpected()),
                Err(failure) => self.connect_again(failure)?,
            }
        }
    }

    /// After a lost connection: a new one, and over it everything that was not answered.
    fn connect_again(&mut self, failure: Failure) -> Outcome {
        let is_lost = matches!(failure.code, exit::UNAVAILABLE | exit::TRY_LATER);
        if !is_lost || self.connections_left == 0 {
            return Err(failure);
        }
        self.connections_left -= 1;
        self.client = Client::open()?;
        for (id, batch) in &mut self.under_way {
            *id = self.client.send(Request::Import(batch.clone()))?;
        }
        Ok(())
    }
}
