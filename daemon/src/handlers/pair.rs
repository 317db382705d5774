//! Letting a device in, or coming in, by a code: what a person may say about it, and when. The meeting itself is a task
//! ([`crate::pairing`]).

use std::{future::Future, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use caro_core::{
    device::Account,
    pairing::{Code, CodeError},
    sync::{Remote, State as Course},
};
use caro_link::proof;
use caro_schema::{
    id::RelayKey,
    ipc::{
        Fault, Reply,
        pair::{JoinRequest, Pairing},
    },
};

use super::sync::{platform, reach};
use crate::{
    pairing::{self, Invite, Join, Table, Way},
    remote::{Address, Dialer},
    state::State,
};

/// Shows a code, and lets the device in that comes with it.
pub(crate) fn invite(state: &mut State) -> Result<Reply, Fault> {
    let account = state.device.account().ok_or(Fault::NotSynced)?;
    if !account.is_enabled() {
        return Err(Fault::NetworkOff);
    }
    let plan = plan(account)?;
    let (table, shared) = (begin(state)?, state.shared.clone());
    let task = pairing::invite(shared, table.clone(), plan);
    Ok(run(state, table, task))
}

/// Joins with a code. A device whose home was copied may do so although it is in an account, as with a phrase.
pub(crate) fn join(state: &mut State, request: JoinRequest) -> Result<Reply, Fault> {
    let JoinRequest { relay, code, device_name } = request;
    if state.device.account().is_some_and(|account| !account.may_come_again()) {
        return Err(Fault::AlreadySynced);
    }
    let address = Address::parse(&relay)?;
    let code = Code::parse(code.reveal()).map_err(|error| match error {
        CodeError::Form => Fault::CodeForm,
        CodeError::Word { position, nearest } => Fault::CodeWord { position: position as u32, nearest },
    })?;
    let (table, shared) = (begin(state)?, state.shared.clone());
    let names = (device_name, platform());
    let shown = table.clone();
    let task = async move {
        let relay_key = reach(&address).await?;
        pairing::join(shared, shown, Join { address, relay_key, code, names }).await
    };
    Ok(run(state, table, task))
}

/// How it stands.
pub(crate) fn state(state: &State) -> Result<Reply, Fault> {
    let table = state.pairing.as_ref().ok_or(Fault::NoPairing)?;
    Ok(Reply::Pairing(table.look()))
}

/// The person has compared the words.
pub(crate) fn same(state: &State, same: bool) -> Result<Reply, Fault> {
    let table = state.pairing.as_ref().ok_or(Fault::NoPairing)?;
    if !table.say_same(same) {
        tracing::debug!("words were answered that are not there to be compared any more");
    }
    Ok(Reply::Pairing(table.look()))
}

/// The person wants no more of it.
pub(crate) fn cancel(state: &mut State) -> Result<Reply, Fault> {
    let table = state.pairing.take().ok_or(Fault::NoPairing)?;
    if table.cancel() { Ok(Reply::Done) } else { Err(Fault::PairLost { handed_over: true }) }
}

/// One at a time. One that is over, or that nobody looks at any more, gives way.
fn begin(state: &mut State) -> Result<Arc<Table>, Fault> {
    if state.pairing.as_ref().is_some_and(|table| !table.is_over() && !table.is_left()) {
        return Err(Fault::PairUnderWay);
    }
    let table = Table::new();
    if let Some(before) = state.pairing.replace(table.clone()) {
        before.cancel();
    }
    Ok(table)
}

fn run(state: &State, table: Arc<Table>, task: impl Future<Output = Result<String, Fault>> + Send + 'static) -> Reply {
    let shown = table.look();
    state.runtime.spawn(async move {
        table.show(match task.await {
            Ok(name) => Pairing::Done { name },
            Err(fault) => Pairing::Failed(fault),
        });
    });
    Reply::Pairing(shown)
}

/// Every relay that the account uses here, and what a newcomer is told of each. The mailbox is at the first one that this
/// device may speak to.
fn plan(account: &Account) -> Result<Invite, Fault> {
    let usable = |remote: &&Remote| !matches!(remote.state(), Course::Stopped(_));
    let first = &account.remotes().find(usable).ok_or(Fault::NoSuchRemote)?.record;
    let cards = account.relay_cards(first.relay_key);
    let ways: Result<Vec<Way>, Fault> = cards.iter().map(|card| way(account, card.relay_key)).collect();
    let address = format!("{}#{}", first.address, URL_SAFE_NO_PAD.encode(first.relay_key.as_bytes()));
    Ok(Invite { ways: ways?, name: account.name().to_owned(), cards, address })
}

fn way(account: &Account, relay_key: RelayKey) -> Result<Way, Fault> {
    let remote = account.remotes().find(|remote| remote.record.relay_key == relay_key).ok_or(Fault::NoSuchRemote)?;
    let address = Address::parse(&remote.record.address)?;
    let static_key = Arc::new(account.vault().device().relay_static(&relay_key));
    let dialer = Dialer { address, relay_key: Some(relay_key), static_key };
    Ok(Way { dialer, handle: proof::handle_of(&remote.record.account), relay_key })
}
