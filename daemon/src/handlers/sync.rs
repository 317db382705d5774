//! Making, joining and leaving the network. What takes time (asking a relay, stretching a phrase) happens in a task;
//! its end comes back to the main loop as [`Event::Then`], which alone changes anything.

use std::{future::Future, sync::Arc, time::Duration};

use caro_core::{
    device::{Env, Intent, Joined, Joining, Knock},
    vault::{Phrase, RootKey, phrase::PhraseError},
};
use caro_link::entropy::{Entropy, OsEntropy};
use caro_schema::{
    id::RelayKey,
    ipc::{
        Fault, Reply,
        sync::{Begun, InitRequest, RemoteAdd, RestoreRequest},
    },
    redacted::Redacted,
};
use zeroize::Zeroizing;

use crate::{
    clock::Moment,
    main_loop::Event,
    remote::{Address, join, newest_epoch, probe},
    state::{Replier, State, answer},
};

/// A phrase that was shown and not yet confirmed. In memory only; gone when it is confirmed, given up, or the daemon ends.
pub struct Begin {
    pub(super) phrase: Arc<Phrase>,
    pub(super) address: Address,
    pub(super) relay_key: RelayKey,
    pub(super) token: Option<Redacted<String>>,
    pub(super) device_name: String,
    /// The root of the account that is left for it, if there is one.
    pub(super) from: Option<Arc<RootKey>>,
}

/// How often joining is tried when other devices change the list at the same time.
const LIST_TRIES: usize = 5;

/// Makes a phrase for a new account, after the relay has answered. Nothing is written.
pub(crate) fn init(state: &mut State, request: InitRequest, reply: Replier) {
    let InitRequest { relay, token, device_name } = request;
    if let Some(fault) = refusal(state) {
        return answer(reply, Err(fault));
    }
    let prepare = async move {
        let address = Address::parse(&relay)?;
        let relay_key = reach(&address).await?;
        let phrase = Arc::new(new_phrase()?);
        Ok(Begin { phrase, address, relay_key, token, device_name, from: None })
    };
    later(state, prepare, reply, |state, begin| {
        let phrase = Redacted::new(begin.phrase.words().to_vec());
        state.begin = Some(Arc::new(begin));
        Ok(Reply::Begun(Begun { phrase }))
    });
}

/// The person has the phrase: makes the account.
pub(crate) fn confirm(state: &mut State, reply: Replier) {
    let Some(begin) = state.begin.clone() else { return answer(reply, Err(Fault::NothingBegun)) };
    if let Some(old) = begin.from.clone() {
        return super::moving::confirm(state, begin, old, reply);
    }
    if let Some(fault) = refusal(state) {
        return answer(reply, Err(fault));
    }
    let make = async move {
        let intent = Intent::Create(begin.token.as_ref().map(|token| token.reveal().clone()));
        match enter(&begin, intent).await {
            // Nobody else has this phrase: an earlier try got through, and its answer did not.
            Err(Fault::AccountExists) => enter(&begin, Intent::Attach).await,
            other => other,
        }
    };
    later(state, make, reply, |state, joined| {
        state.leave_for_another()?;
        let reply = state.adopt(joined)?;
        state.begin = None;
        Ok(reply)
    });
}

/// The relay asks for an invitation, and the person has one.
pub(crate) fn invited(state: &mut State, token: Redacted<String>) -> Result<Reply, Fault> {
    let begin = state.begin.take().ok_or(Fault::NothingBegun)?;
    let Begin { phrase, address, relay_key, token: _, device_name, from } = &*begin;
    state.begin = Some(Arc::new(Begin {
        phrase: phrase.clone(),
        address: address.clone(),
        relay_key: *relay_key,
        token: Some(token),
        device_name: device_name.clone(),
        from: from.clone(),
    }));
    Ok(Reply::Done)
}

/// The person does not want the account after all.
pub(crate) fn abandon(state: &mut State) -> Result<Reply, Fault> {
    state.begin.take().map(|_| Reply::Done).ok_or(Fault::NothingBegun)
}

/// Joins the account of a phrase. Never makes one. A device whose home was copied may do so although it is in an account:
/// it takes on an identity of its own, and keeps its history.
pub(crate) fn restore(state: &mut State, request: RestoreRequest, reply: Replier) {
    let RestoreRequest { relay, phrase, device_name } = request;
    if state.device.account().is_some_and(|account| !account.may_come_again()) {
        return answer(reply, Err(Fault::AlreadySynced));
    }
    let come_in = async move {
        let phrase = Arc::new(Phrase::parse(phrase.reveal()).map_err(phrase_fault)?);
        let address = Address::parse(&relay)?;
        let relay_key = reach(&address).await?;
        enter(&Arc::new(Begin { phrase, address, relay_key, token: None, device_name, from: None }), Intent::Attach)
            .await
    };
    later(state, come_in, reply, |state, joined| {
        state.leave_for_another()?;
        state.adopt(joined)
    });
}

/// Lists this device at one more relay, where the account is made if it is not there yet.
pub(crate) fn add_remote(state: &mut State, request: RemoteAdd, reply: Replier) {
    let RemoteAdd { relay, phrase, token } = request;
    if state.device.account().is_none() {
        return answer(reply, Err(Fault::NotSynced));
    }
    if let Err(fault) = super::membership::is_online(state) {
        return answer(reply, Err(fault));
    }
    let prepare = async move {
        let phrase = Phrase::parse(phrase.reveal()).map_err(phrase_fault)?;
        let address = Address::parse(&relay)?;
        let relay_key = reach(&address).await?;
        Ok((derive(Arc::new(phrase)).await?, address, relay_key))
    };
    let shared = state.shared.clone();
    state.runtime.spawn(async move {
        let prepared = prepare.await;
        // The device's key for this relay is made on the main loop, which alone has it.
        let _ = shared.tell(Event::Then(Box::new(move |state: &mut State| match prepared {
            Ok((root, address, relay_key)) => knock_at(state, root, address, relay_key, token, reply),
            Err(fault) => answer(reply, Err(fault)),
        })));
    });
}

fn knock_at(
    state: &mut State,
    root: RootKey,
    address: Address,
    relay_key: RelayKey,
    token: Option<Redacted<String>>,
    reply: Replier,
) {
    let Some(account) = state.device.account() else { return answer(reply, Err(Fault::NotSynced)) };
    if account.remotes().any(|remote| remote.record.relay_key == relay_key) {
        return answer(reply, Err(Fault::RemoteKnown));
    }
    let knock = |intent| {
        Knock::at_another(intent, &root, account.vault(), relay_key, address.place()).map_err(|_| Fault::OtherAccount)
    };
    let token = token.map(|token| token.reveal().clone());
    let knocks = knock(Intent::Attach).and_then(|attach| Ok((attach, knock(Intent::Create(token))?)));
    let (attach, create) = match knocks {
        Ok(knocks) => knocks,
        Err(fault) => return answer(reply, Err(fault)),
    };
    let enter = async move {
        for _ in 0..LIST_TRIES {
            match join(&address, &attach).await {
                Ok(()) => return Ok(attach.finish()),
                Err(Fault::Refused { code }) if code == "ListOutOfStep" => {}
                Err(Fault::NoAccount) => return join(&address, &create).await.map(|()| create.finish()),
                Err(fault) => return Err(fault),
            }
        }
        Err(Fault::Refused { code: "ListOutOfStep".to_owned() })
    };
    later(state, enter, reply, |state, record| {
        state.decide(|device, _, _| Ok((device.add_remote(record), ())))?;
        state.start_remotes();
        Ok(Reply::Sync(state.sync_status()))
    });
}

/// Forgets a relay. What it holds stays there; what it was still to get, the others get or have.
pub(crate) fn remove_remote(state: &mut State, address: &str) -> Result<Reply, Fault> {
    let account = state.device.account().ok_or(Fault::NotSynced)?;
    let found = account.remotes().find(|remote| remote.record.address == address);
    let number = found.map(|remote| remote.number).ok_or(Fault::NoSuchRemote)?;
    state.links.stop_one(number);
    state.decide_with_rows(|device, _, rows, _| device.remove_remote(number, rows))?;
    Ok(Reply::Sync(state.sync_status()))
}

/// Tries every relay now, and answers when all is done or the time is up.
pub(crate) fn now(state: &mut State, wait_ms: u64, reply: Replier) {
    if state.device.account().is_none() {
        return answer(reply, Err(Fault::NotSynced));
    }
    state.scan_spool();
    state.links.try_now();
    state.wait_in_step(reply, Duration::from_millis(wait_ms.min(WAIT_MS_MAX)));
}

/// The longest that a client may make the daemon remember it.
const WAIT_MS_MAX: u64 = 600_000;

/// Ends every use of the network.
pub(crate) fn off(state: &mut State) -> Result<Reply, Fault> {
    if state.device.account().is_none() {
        return Err(Fault::NotSynced);
    }
    state.links.stop();
    state.decide(|device, _, _| Ok((device.set_enabled(false), ())))?;
    Ok(Reply::Sync(state.sync_status()))
}

/// Allows the network again, and tries again what had stopped.
pub(crate) fn on(state: &mut State) -> Result<Reply, Fault> {
    if state.device.account().is_none() {
        return Err(Fault::NotSynced);
    }
    state.decide(|device, _, _| Ok((device.set_enabled(true), ())))?;
    state.start_remotes();
    // Also what a relay asked to be left alone for: a person asks now.
    state.links.try_now();
    Ok(Reply::Sync(state.sync_status()))
}

/// The account's devices.
pub(crate) fn devices(state: &State) -> Result<Reply, Fault> {
    let account = state.device.account().ok_or(Fault::NotSynced)?;
    Ok(Reply::Devices(account.devices()))
}

/// Calls this device something else.
pub(crate) fn rename(state: &mut State, name: String) -> Result<Reply, Fault> {
    if state.device.account().is_none() {
        return Err(Fault::NotSynced);
    }
    state.decide(|device, _, env| Ok((device.rename(name, env)?, ())))?;
    Ok(Reply::Done)
}

/// One that was taken off may begin anew; a copied home has an account to come into.
fn refusal(state: &State) -> Option<Fault> {
    state
        .device
        .account()
        .filter(|account| account.is_cloned() || !account.may_come_again())
        .map(|_| Fault::AlreadySynced)
}

/// Runs a task, then `finish` on the main loop, then answers.
pub(super) fn later<T: Send + 'static>(
    state: &State,
    task: impl Future<Output = Result<T, Fault>> + Send + 'static,
    reply: Replier,
    finish: impl FnOnce(&mut State, T) -> Result<Reply, Fault> + Send + 'static,
) {
    let shared = state.shared.clone();
    state.runtime.spawn(async move {
        let outcome = task.await;
        // A loop that has ended drops the event, and the reply with it, which says so to whoever asked.
        let _ = shared.tell(Event::Then(Box::new(move |state: &mut State| {
            let done = outcome.and_then(|value| finish(state, value));
            answer(reply, done);
        })));
    });
}

/// The key of the relay: the one in the address, checked by the handshake, or the first one that it shows.
pub(super) async fn reach(address: &Address) -> Result<RelayKey, Fault> {
    probe(address).await.map_err(|error| error.into_fault(address))
}

pub(super) fn new_phrase() -> Result<Phrase, Fault> {
    let mut entropy = Zeroizing::new([0; 32]);
    OsEntropy.fill(&mut *entropy).map_err(|error| Fault::Internal { what: error.to_string() })?;
    Ok(Phrase::from_entropy(&entropy))
}

/// Says to the relay what makes this device a member. Nothing is written here.
pub(super) async fn enter(begin: &Arc<Begin>, intent: Intent) -> Result<Joined, Fault> {
    let mut tries = 0;
    loop {
        tries += 1;
        let joining = joining(begin, intent.clone()).await?;
        match join(&begin.address, joining.knock()).await {
            Ok(()) => {
                let is_new = matches!(intent, Intent::Create(_));
                let newest = if is_new { 0 } else { newest_epoch(&begin.address, &joining).await? };
                return Ok(joining.finish_at(newest));
            }
            // Another device joined in between. The next try sees its list.
            Err(Fault::Refused { code }) if code == "ListOutOfStep" && tries < LIST_TRIES => {}
            Err(fault) => return Err(fault),
        }
    }
}

/// A quarter of a second and 64 MiB: not on a thread that carries connections.
pub(super) async fn derive(phrase: Arc<Phrase>) -> Result<RootKey, Fault> {
    let derived = tokio::task::spawn_blocking(move || RootKey::derive(&phrase)).await;
    derived.map_err(|_| Fault::Internal { what: "key derivation".to_owned() })?.map_err(|_| Fault::Memory)
}

async fn joining(begin: &Arc<Begin>, intent: Intent) -> Result<Joining, Fault> {
    let root = derive(begin.phrase.clone()).await?;
    let mut env = Env { now_ms: Moment::now().now_ms(), entropy: &mut OsEntropy };
    let names = (begin.device_name.clone(), platform());
    Joining::new(intent, root, begin.relay_key, begin.address.place(), names, &mut env)
        .map_err(|error| Fault::Internal { what: error.to_string() })
}

/// Operating system and processor, as the other devices show them.
pub(super) fn platform() -> String {
    format!("{} {}", std::env::consts::OS, std::env::consts::ARCH)
}

pub(super) fn phrase_fault(error: PhraseError) -> Fault {
    match error {
        PhraseError::Word { position, nearest } => Fault::PhraseWord { position: position as u32, nearest },
        PhraseError::Length { words } => Fault::PhraseLength { words: words as u32 },
        PhraseError::Checksum => Fault::PhraseChecksum,
    }
}
