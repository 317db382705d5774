//! The end that wants in: comes for the mailbox under a key that is thrown away, so that the relay cannot tell which
//! device it becomes; shows that it knows the code; and writes nothing before the hand-over has come.

use std::sync::Arc;

use caro_core::{
    device::Joined,
    pairing::{Agreed, Code, Compared, Newcomer},
    sync::RemoteRecord,
};
use caro_link::{
    entropy::{Entropy, OsEntropy},
    identity::StaticKey,
};
use caro_schema::{
    codec,
    id::RelayKey,
    ipc::{Fault, pair::Pairing},
    pairing::Letter,
    relay::{ToDevice, ToRelay},
};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::{
    line::{ANSWER, Heard, Line, failed, on_loop, out_of_turn, refused},
    table::{Said, Table},
};
use crate::{
    remote::{Address, Dialer},
    state::{Shared, State},
};

/// What the task needs to know.
pub struct Join {
    /// The relay.
    pub address: Address,
    /// Its key.
    pub relay_key: RelayKey,
    /// The code.
    pub code: Code,
    /// What this device is to be called, and what it is.
    pub names: (String, String),
}

/// Joins. Gives the name of the device that let this one in.
///
/// # Errors
/// What the person is told. Nothing was written then.
pub async fn join(shared: Arc<Shared>, table: Arc<Table>, plan: Join) -> Result<String, Fault> {
    let mut secret = Zeroizing::new([0; 32]);
    OsEntropy.fill(&mut *secret).map_err(|error| failed(error.into(), 0))?;
    let static_key = Arc::new(StaticKey::from_bytes(&secret));
    let dialer = Dialer { address: plan.address.clone(), relay_key: Some(plan.relay_key), static_key };
    let line = Line::open(&dialer, table.clone(), false).await?;
    let mut guest = Guest { line, table, tries_left: 0 };
    let outcome = guest.come_in(&shared, plan).await;
    if matches!(outcome, Err(Fault::WordsDiffer | Fault::PairDeclined | Fault::PairVersion)) {
        guest.line.decline().await;
    }
    guest.line.close().await;
    outcome
}

struct Guest {
    line: Line,
    table: Arc<Table>,
    tries_left: u8,
}

impl Guest {
    async fn come_in(&mut self, shared: &Shared, plan: Join) -> Result<String, Fault> {
        let Join { address: _, relay_key, code, names } = plan;
        self.line.send(&ToRelay::Claim { number: code.number() }).await?;
        match self.line.answer().await? {
            ToDevice::Claimed { tries_left } => self.tries_left = tries_left,
            ToDevice::Error { code, .. } => return Err(refused(code, 0)),
            _ => return Err(out_of_turn()),
        }
        self.table.show(Pairing::Meeting);
        let compared = self.meet(&code, relay_key, names).await?;
        let (name, words) = (compared.name().to_owned(), compared.words().words());
        self.table.show(Pairing::Compare { words, name: name.clone(), contested: false });
        self.wait_for_person().await?;
        let (agreed, letter) = compared.agree();
        self.line.mail(letter).await?;
        let (joined, others) = self.wait_for_hand_over(agreed).await?;
        on_loop(shared, move |state| adopt(state, joined, others)).await??;
        // The device is in, whether this still reaches the other one or not.
        if let Err(fault) = self.line.mail(codec::encode(&Letter::Landed)).await {
            tracing::debug!(%fault, "saying that this device has joined");
        }
        Ok(name)
    }

    async fn meet(&mut self, code: &Code, relay: RelayKey, names: (String, String)) -> Result<Compared, Fault> {
        let (waiting, hello) = Newcomer::begin(code, relay, names, &mut OsEntropy).map_err(|error| failed(error, 0))?;
        self.line.mail(hello).await?;
        let answer = self.letter_soon().await?;
        let (proved, proof) = waiting.prove(&answer).map_err(|error| failed(error, self.tries_left))?;
        self.line.mail(proof).await?;
        let reveal = self.letter_soon().await?;
        proved.compare(&reveal).map_err(|error| failed(error, self.tries_left))
    }

    /// A letter that no person has to think about.
    async fn letter_soon(&mut self) -> Result<Vec<u8>, Fault> {
        timeout(ANSWER, self.letter()).await.map_err(|_| Fault::PairLost { handed_over: false })?
    }

    async fn letter(&mut self) -> Result<Vec<u8>, Fault> {
        match self.line.hear().await {
            Heard::Message(ToDevice::Mail { letter }) => Ok(letter.into_vec()),
            Heard::Message(ToDevice::Error { code, .. }) => Err(refused(code, self.tries_left)),
            Heard::Message(_) => Err(out_of_turn()),
            Heard::Said(_) => Err(Fault::PairDeclined),
            Heard::Lost => Err(Fault::PairLost { handed_over: false }),
        }
    }

    async fn wait_for_person(&mut self) -> Result<(), Fault> {
        match self.line.hear().await {
            Heard::Said(Said::Same(true)) => Ok(()),
            Heard::Said(Said::Same(false)) => Err(Fault::WordsDiffer),
            Heard::Said(Said::Cancel) => Err(Fault::PairDeclined),
            // The other end says nothing more before this one has spoken, unless that nothing comes of it.
            Heard::Message(ToDevice::Error { code, .. }) => Err(refused(code, self.tries_left)),
            Heard::Message(_) => Err(Fault::PairDeclined),
            Heard::Lost => Err(Fault::PairLost { handed_over: false }),
        }
    }

    /// The other person may take their time.
    async fn wait_for_hand_over(&mut self, agreed: Agreed) -> Result<(Joined, Vec<RemoteRecord>), Fault> {
        let letter = self.letter().await?;
        agreed.land(&letter).map_err(|error| failed(error, 0))
    }
}

/// Becomes a member, on the main loop.
fn adopt(state: &mut State, joined: Joined, others: Vec<RemoteRecord>) -> Result<(), Fault> {
    state.leave_for_another()?;
    state.adopt(joined)?;
    for record in others {
        state.decide(|device, _, _| Ok((device.add_remote(record), ())))?;
    }
    state.start_remotes();
    Ok(())
}
