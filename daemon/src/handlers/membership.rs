//! Taking devices off the account and changing its key. The phrase is stretched in a task; the relays are asked for their
//! lists as they are now; then one step on the main loop decides and makes it durable. What follows needs no phrase:
//! whoever is killed or cut off in between goes on by itself.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use caro_core::{
    device::{Decision, Glance},
    vault::{Phrase, RootKey},
};
use caro_link::identity::StaticKey;
use caro_schema::{
    body::device::Reason,
    id::{DeviceId, RelayKey},
    ipc::{
        Fault, Reply, Request,
        sync::{RemoteState, RevokeRequest, RotateRequest, SyncStatus, Warning},
    },
    redacted::Redacted,
    relay::list::SignedList,
};
use tokio::time::{Instant, sleep};

use super::sync::{derive, later, phrase_fault};
use crate::{
    clock::Moment,
    remote::{Address, converse},
    state::{Replier, Shared, State, answer},
};

/// What is to be done with the phrase.
struct Plan {
    out: Vec<DeviceId>,
    why: Reason,
    reseal: bool,
}

/// A relay to ask for its list.
struct Way {
    address: Address,
    relay_key: RelayKey,
    static_key: Arc<StaticKey>,
}

/// How long the relays get before it is decided, for what devices wrote last.
const PULL_MS: u64 = 5_000;

/// How long the person waits for the relays afterwards. It goes on without them.
const TELL_MS: u64 = 20_000;

/// A pause that ends within this is no reason to go on without a relay. What cannot be reached soon waits longer.
const SOON_MS: u64 = 300;

/// How often it is looked whether the relays have taken it.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Takes devices off.
pub(crate) fn revoke(state: &State, request: RevokeRequest, reply: Replier) {
    let RevokeRequest { devices, why, phrase } = request;
    if let Err(fault) = may_revoke(state, &devices) {
        return answer(reply, Err(fault));
    }
    with_phrase(state, phrase, Plan { out: devices, why, reseal: false }, reply);
}

/// Begins a new epoch for the devices that are there.
pub(crate) fn rotate(state: &State, request: RotateRequest, reply: Replier) {
    let RotateRequest { phrase, reseal } = request;
    if let Err(fault) = is_member(state).and_then(|()| is_online(state)) {
        return answer(reply, Err(fault));
    }
    with_phrase(state, phrase, Plan { out: Vec::new(), why: Reason::Retired, reseal }, reply);
}

/// Calls another device something.
///
/// # Errors
/// When there is no such device, or this one is not of the account any more.
pub(crate) fn rename(state: &mut State, device: DeviceId, name: String) -> Result<Reply, Fault> {
    is_member(state)?;
    let account = state.device.account().ok_or(Fault::NotSynced)?;
    if device == account.device_id() {
        return super::sync::rename(state, name);
    }
    if !account.devices().iter().any(|line| line.device == device) {
        return Err(Fault::NoSuchDevice);
    }
    state.decide(|core, _, env| Ok((core.rename_other(device, name, env)?, ())))?;
    Ok(Reply::Done)
}

pub(super) fn is_member(state: &State) -> Result<(), Fault> {
    match state.device.account() {
        None => Err(Fault::NotSynced),
        Some(account) if account.is_out() => Err(Fault::NotMember),
        Some(_) => Ok(()),
    }
}

/// Whether this device may use the network.
///
/// # Errors
/// When syncing is off.
pub(super) fn is_online(state: &State) -> Result<(), Fault> {
    let is_on = state.device.account().is_none_or(|account| account.is_enabled());
    if is_on { Ok(()) } else { Err(Fault::NetworkOff) }
}

fn may_revoke(state: &State, devices: &[DeviceId]) -> Result<(), Fault> {
    let account = state.device.account().ok_or(Fault::NotSynced)?;
    if devices.is_empty() {
        return Err(Fault::NoSuchDevice);
    }
    is_online(state)?;
    devices.iter().try_for_each(|device| account.may_revoke(device))
}

fn with_phrase(state: &State, phrase: Redacted<String>, plan: Plan, reply: Replier) {
    let ways = ways(state);
    let shared = state.shared.clone();
    let prepare = async move {
        let phrase = Phrase::parse(phrase.reveal()).map_err(phrase_fault)?;
        let root = derive(Arc::new(phrase)).await?;
        // What the devices wrote last counts, as far as it can be had.
        settled(&shared, PULL_MS).await?;
        let lists = look_at_lists(&root, ways).await;
        Ok((root, lists))
    };
    let shared = state.shared.clone();
    let (decided, is_decided) = tokio::sync::oneshot::channel();
    later(state, prepare, decided, move |state, (root, lists)| decide(state, &root, plan, lists));
    state.runtime.spawn(async move {
        let outcome = match is_decided.await {
            Ok(Ok(_)) => told(&shared).await,
            Ok(Err(fault)) => Err(fault),
            Err(_) => Err(Fault::ShuttingDown),
        };
        answer(reply, outcome);
    });
}

fn decide(
    state: &mut State,
    root: &RootKey,
    plan: Plan,
    lists: BTreeMap<RelayKey, SignedList>,
) -> Result<Reply, Fault> {
    is_member(state)?;
    if state.device.account().is_none_or(|account| account.dataset() != root.dataset()) {
        return Err(Fault::OtherAccount);
    }
    let Plan { out, why, reseal } = plan;
    if !out.is_empty() {
        // Somebody may have been faster.
        may_revoke(state, &out)?;
    }
    let decision = Decision { out, why, reseal, lists };
    state.decide_with_rows(|device, _, rows, env| device.begin_epoch(root, decision, rows, env))?;
    Ok(Reply::Done)
}

/// Every relay that this device uses, wherever it is.
fn ways(state: &State) -> Vec<Way> {
    let Some(account) = state.device.account() else { return Vec::new() };
    let way = |remote: &caro_core::sync::Remote| {
        let relay_key = remote.record.relay_key;
        let address = Address::parse(&remote.record.address).ok()?;
        let static_key = Arc::new(account.vault().device().relay_static(&relay_key));
        Some(Way { address, relay_key, static_key })
    };
    account.remotes().filter_map(way).collect()
}

/// The lists of the relays that can be reached, all asked at once.
async fn look_at_lists(root: &RootKey, ways: Vec<Way>) -> BTreeMap<RelayKey, SignedList> {
    let looks: Vec<_> = ways
        .into_iter()
        .map(|way| {
            let look = Glance::new(root, &way.relay_key);
            tokio::spawn(async move {
                let list = converse(&way.address, (way.relay_key, way.static_key), look).await;
                list.ok().flatten().map(|list| (way.relay_key, list))
            })
        })
        .collect();
    let mut lists = BTreeMap::new();
    for look in looks {
        lists.extend(look.await.ok().flatten());
    }
    lists
}

/// Waits until the relays that can be reached have taken it, and says how it is then.
async fn told(shared: &Shared) -> Result<Reply, Fault> {
    settled(shared, TELL_MS).await.map(Reply::Sync)
}

/// Waits until nothing is under way any more with the relays that can be reached, or for so long.
pub(super) async fn settled(shared: &Shared, at_most_ms: u64) -> Result<SyncStatus, Fault> {
    let until = Instant::now() + Duration::from_millis(at_most_ms);
    // Also takes in what shells have written, and ends pauses.
    shared.ask(Request::SyncNow { wait_ms: 0 }).await?;
    loop {
        let Reply::Sync(status) = shared.ask(Request::SyncStatus).await? else { return Err(Fault::Malformed) };
        if !is_under_way(&status) || Instant::now() >= until {
            return Ok(status);
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Whether a relay that can be reached has not everything, or is still to take a list.
fn is_under_way(status: &SyncStatus) -> bool {
    let soon_ms = Moment::now().now_ms() + SOON_MS;
    let owes = |address: &String| {
        let is_its = |warning: &Warning| matches!(warning, Warning::Unfinished { address: of, by_itself: true } if of == address);
        status.warnings.iter().any(is_its)
    };
    status.remotes.iter().any(|remote| match &remote.state {
        RemoteState::Connected => remote.pending_up + remote.pending_down > 0 || owes(&remote.address),
        RemoteState::Connecting => true,
        RemoteState::Waiting { retry_ms, .. } => *retry_ms <= soon_ms,
        RemoteState::Off | RemoteState::Stopped { .. } => false,
    })
}
