//! Emptying the account at relays: everything that they hold of it is forgotten there. History on devices stays.

use std::sync::Arc;

use caro_core::{
    device::Closing,
    step::RemoteNumber,
    vault::{Phrase, RootKey},
};
use caro_link::identity::StaticKey;
use caro_schema::{
    id::RelayKey,
    ipc::{
        Fault, Reply,
        sync::{RemoteEmptied, RemoteEmpty, StopReason},
    },
};

use super::sync::{derive, later, phrase_fault};
use crate::{
    remote::{Address, close_account},
    state::{Replier, State, answer},
};

/// One relay, and how to reach it.
struct Way {
    number: RemoteNumber,
    name: String,
    address: Address,
    relay_key: RelayKey,
    static_key: Arc<StaticKey>,
}

/// Closes the account at one relay or at all that this device uses. Each answers for itself: what one cannot do now, the
/// others have done.
pub(crate) fn empty(state: &mut State, request: RemoteEmpty, reply: Replier) {
    let RemoteEmpty { address, phrase } = request;
    let ways = match ways(state, address.as_deref()) {
        Ok(ways) => ways,
        Err(fault) => return answer(reply, Err(fault)),
    };
    let Some(dataset) = state.device.account().map(|account| account.dataset()) else {
        return answer(reply, Err(Fault::NotSynced));
    };
    let close = async move {
        let phrase = Phrase::parse(phrase.reveal()).map_err(phrase_fault)?;
        let root = derive(Arc::new(phrase)).await?;
        if root.dataset() != dataset {
            return Err(Fault::OtherAccount);
        }
        Ok(close_all(&root, ways).await)
    };
    later(state, close, reply, |state, outcomes| {
        let mut emptied = Vec::new();
        for (way, failure) in outcomes {
            if failure.is_none() {
                state.links.stop_one(way.number);
                state.decide(|device, _, _| Ok((device.stop_remote(way.number, StopReason::NoAccount), ())))?;
            }
            emptied.push(RemoteEmptied { address: way.name, failure });
        }
        Ok(Reply::Emptied(emptied))
    });
}

fn ways(state: &State, wanted: Option<&str>) -> Result<Vec<Way>, Fault> {
    let account = state.device.account().ok_or(Fault::NotSynced)?;
    if !account.is_enabled() {
        return Err(Fault::NetworkOff);
    }
    let mut ways = Vec::new();
    for remote in account.remotes() {
        let name = remote.record.address.clone();
        if wanted.is_some_and(|wanted| wanted != name) {
            continue;
        }
        let relay_key = remote.record.relay_key;
        ways.push(Way {
            number: remote.number,
            address: Address::parse(&name)?,
            name,
            relay_key,
            static_key: Arc::new(account.vault().device().relay_static(&relay_key)),
        });
    }
    if ways.is_empty() && wanted.is_some() { Err(Fault::NoSuchRemote) } else { Ok(ways) }
}

async fn close_all(root: &RootKey, ways: Vec<Way>) -> Vec<(Way, Option<Fault>)> {
    let tasks: Vec<_> = ways
        .into_iter()
        .map(|way| {
            let closing = Closing::new(root, &way.relay_key);
            tokio::spawn(async move {
                let closed = close_account(&way.address, (way.relay_key, way.static_key.clone()), &closing).await;
                (way, closed.err())
            })
        })
        .collect();
    let mut outcomes = Vec::new();
    for task in tasks {
        outcomes.extend(task.await.ok());
    }
    outcomes
}
