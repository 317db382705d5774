//! Moving to a new phrase. Until the step that moves, everything is as it was and can be undone: the new account is made at
//! each relay and is empty. After it, everything goes on by itself, also in the next daemon: what is here is sent to the
//! new account, and when a relay has it the old one is emptied there.

use std::sync::Arc;

use caro_core::{
    device::{Closing, Intent, Joined, Knock},
    sync::RemoteRecord,
    vault::{Phrase, RootKey},
};
use caro_link::identity::StaticKey;
use caro_schema::{
    id::RelayKey,
    ipc::{
        Fault, Reply,
        sync::{Begun, MoveRequest, RemoteState, SyncStatus},
    },
    redacted::Redacted,
};
use zeroize::Zeroizing;

use super::{
    membership::{is_member, settled},
    sync::{Begin, derive, enter, later, new_phrase, phrase_fault},
};
use crate::{
    clock::Moment,
    main_loop::Event,
    remote::{Address, close_account, empty, join},
    state::{Replier, State, answer},
};

/// How long the relays get to be in step before it is given up.
const IN_STEP_MS: u64 = 30_000;

/// Makes a phrase to move to, for whoever has the present one. Nothing is done yet.
pub(crate) fn begin(state: &mut State, request: MoveRequest, reply: Replier) {
    let MoveRequest { phrase, token } = request;
    if let Err(fault) = may_move(state) {
        return answer(reply, Err(fault));
    }
    let prepare = async move {
        let old = Phrase::parse(phrase.reveal()).map_err(phrase_fault)?;
        Ok((derive(Arc::new(old)).await?, new_phrase()?))
    };
    later(state, prepare, reply, |state, (old, phrase)| {
        let account = state.device.account().ok_or(Fault::NotSynced)?;
        if account.dataset() != old.dataset() {
            return Err(Fault::OtherAccount);
        }
        let first = &account.remotes().next().ok_or(Fault::NoSuchRemote)?.record;
        let (address, relay_key) = (Address::parse(&first.address)?, first.relay_key);
        let (device_name, phrase) = (account.name().to_owned(), Arc::new(phrase));
        let shown = Redacted::new(phrase.words().to_vec());
        state.begin =
            Some(Arc::new(Begin { phrase, address, relay_key, token, device_name, from: Some(Arc::new(old)) }));
        Ok(Reply::Begun(Begun { phrase: shown }))
    });
}

fn may_move(state: &State) -> Result<(), Fault> {
    is_member(state)?;
    let account = state.device.account().ok_or(Fault::NotSynced)?;
    if !account.is_enabled() {
        return Err(Fault::NetworkOff);
    }
    if account.remotes().next().is_none() { Err(Fault::NoSuchRemote) } else { Ok(()) }
}

/// The person has the new phrase: moves.
pub(super) fn confirm(state: &State, begin: Arc<Begin>, old: Arc<RootKey>, reply: Replier) {
    if let Err(fault) = may_move(state) {
        return answer(reply, Err(fault));
    }
    let relays: Vec<(String, RelayKey)> = state
        .device
        .account()
        .map(|account| {
            account.remotes().map(|remote| (remote.record.address.clone(), remote.record.relay_key)).collect()
        })
        .unwrap_or_default();
    let shared = state.shared.clone();
    let make = async move {
        if !is_in_step(&settled(&shared, IN_STEP_MS).await?) {
            return Err(Fault::NotInStep);
        }
        make_everywhere(&begin, &relays).await
    };
    later(state, make, reply, move |state, (joined, others)| {
        // Somebody may have taken this device off meanwhile; then it has nothing to move.
        is_member(state)?;
        state.links.stop();
        state.decide_with_rows(|device, history, rows, env| {
            device.move_to(joined, others, &old, (history, rows), env)
        })?;
        state.begin = None;
        state.start_remotes();
        Ok(Reply::Sync(state.sync_status()))
    });
}

/// Whether everything that is known is here and at every relay.
fn is_in_step(status: &SyncStatus) -> bool {
    let in_step = |remote: &caro_schema::ipc::sync::RemoteStatus| {
        remote.state == RemoteState::Connected && remote.pending_up + remote.pending_down == 0
    };
    status.waiting == 0 && status.remotes.iter().all(in_step)
}

/// The new account, made at every relay, or at none.
async fn make_everywhere(
    begin: &Arc<Begin>,
    relays: &[(String, RelayKey)],
) -> Result<(Joined, Vec<RemoteRecord>), Fault> {
    let token = begin.token.as_ref().map(|token| token.reveal().clone());
    let joined = match enter(begin, Intent::Create(token.clone())).await {
        // Nobody else has this phrase: an earlier try got through, and its answer did not.
        Err(Fault::AccountExists) => enter(begin, Intent::Attach).await?,
        other => other?,
    };
    let root = derive(begin.phrase.clone()).await?;
    let mut others = Vec::new();
    for (at, (address, relay_key)) in relays.iter().enumerate().filter(|(_, (_, key))| *key != begin.relay_key) {
        match make_at(address, *relay_key, &root, &joined, token.clone()).await {
            Ok(record) => others.push(record),
            Err(fault) => {
                unmake(&root, &relays[..at]).await;
                return Err(fault);
            }
        }
    }
    Ok((joined, others))
}

async fn make_at(
    address: &str,
    relay_key: RelayKey,
    root: &RootKey,
    joined: &Joined,
    token: Option<String>,
) -> Result<RemoteRecord, Fault> {
    let parsed = Address::parse(address)?;
    let knock = |intent| {
        Knock::at_another(intent, root, joined.vault(), relay_key, parsed.place()).map_err(|_| Fault::OtherAccount)
    };
    let create = knock(Intent::Create(token))?;
    match join(&parsed, &create).await {
        Ok(()) => Ok(create.finish()),
        Err(Fault::AccountExists) => {
            let attach = knock(Intent::Attach)?;
            join(&parsed, &attach).await?;
            Ok(attach.finish())
        }
        Err(fault) => Err(fault),
    }
}

/// Takes away what was made, as far as that can be done now: it is empty, and nobody has its phrase but this person.
async fn unmake(root: &RootKey, relays: &[(String, RelayKey)]) {
    for (address, relay_key) in relays {
        let mut nobody = Zeroizing::new([0; 32]);
        if getrandom::fill(&mut *nobody).is_err() {
            return;
        }
        let Ok(parsed) = Address::parse(address) else { continue };
        let who = (*relay_key, Arc::new(StaticKey::from_bytes(&nobody)));
        if close_account(&parsed, who, &Closing::new(root, relay_key)).await.is_err() {
            tracing::debug!("an account that was made in vain is left at a relay, with nothing in it");
        }
    }
}

impl State {
    /// Empties an account that was left, at one relay that has everything now.
    pub fn empty_what_was_left(&mut self) {
        let Some((at, old)) = self.device.next_left(Moment::now().now_ms()) else { return };
        let shared = self.shared.clone();
        self.runtime.spawn(async move {
            match empty(&old).await {
                Ok(()) => {
                    // A loop that has ended begins again with it in the next daemon.
                    let _ = shared.tell(Event::Then(Box::new(move |state: &mut State| {
                        if let Err(fault) = state.decide(|device, _, _| Ok((device.note_emptied(at), ()))) {
                            tracing::warn!(%fault, "that an old account is empty waits to be written");
                        }
                    })));
                }
                Err(fault) => tracing::debug!(%fault, "an account that was left is not emptied yet"),
            }
        });
    }
}
