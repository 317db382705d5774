//! What a relay knows of this account: asked of it in a session of its own, beside what this device remembers.
//!
//! A relay lets a device in once. So the ordinary session rests meanwhile, and begins again afterwards, whatever came of it;
//! what is recorded in between waits in its queue.

use std::{ops::ControlFlow, sync::Arc, time::Duration};

use caro_core::{
    device::{Account, Found, Inspecting, Inspection},
    step::RemoteNumber,
};
use caro_schema::{
    id::Hash,
    ipc::{
        Fault, Reply,
        inspecting::{Inspect, Inspected, Known, Shown},
    },
    relay::{ToDevice, ToRelay},
};

use super::sync::later;
use crate::{
    remote::{Address, Errand, converse},
    state::{Replier, State, answer},
};

/// How long one answer may keep the ordinary session resting.
const WITHIN: Duration = Duration::from_secs(100);

struct Looking {
    inspection: Inspection,
    from: String,
}

impl Errand for Looking {
    type Done = (Found, String);

    fn opened_from(&mut self, from: &str) {
        from.clone_into(&mut self.from);
    }

    fn first(&mut self, _: &Hash) -> ToRelay {
        self.inspection.connected()
    }

    fn follow(&mut self, message: ToDevice) -> Result<ControlFlow<Self::Done, Option<ToRelay>>, Fault> {
        Ok(match self.inspection.handle(message)? {
            Inspecting::Send(next) => ControlFlow::Continue(Some(next)),
            Inspecting::Wait => ControlFlow::Continue(None),
            Inspecting::Done(found) => ControlFlow::Break((found, std::mem::take(&mut self.from))),
        })
    }
}

/// Says what this device remembers of a relay, and asks it where that is wished and possible.
pub(crate) fn inspect(state: &mut State, request: Inspect, reply: Replier) {
    let found = state.device.account().ok_or(Fault::NotSynced).and_then(|account| {
        let mut remotes = account.remotes();
        let remote = remotes.find(|remote| remote.record.address == request.address).ok_or(Fault::NoSuchRemote)?;
        Ok((remote.number, account.is_enabled()))
    });
    match found {
        Err(fault) => answer(reply, Err(fault)),
        // Also one that was stopped until a person decides: a person asks, and nothing is taken over from it.
        Ok((number, true)) if request.ask => ask(state, number, request, reply),
        Ok((number, _)) => {
            let shown = if request.ask { Err(Fault::NetworkOff) } else { Ok(None) };
            let others = others_online(state, number);
            answer(reply, tell(state, number, others, |_| shown));
        }
    }
}

/// Other devices that are there, as the relay has said. The ordinary session knows, and forgets it when it ends.
fn others_online(state: &State, number: RemoteNumber) -> u32 {
    let remote = state.device.account().and_then(|account| account.remote(number));
    remote.map_or(0, |remote| remote.others_online)
}

fn ask(state: &mut State, number: RemoteNumber, request: Inspect, reply: Replier) {
    let way = state.device.account().and_then(|account| {
        let remote = account.remote(number)?;
        let relay_key = remote.record.relay_key;
        let static_key = Arc::new(account.vault().device().relay_static(&relay_key));
        Some((account.inspection(number, request.after, request.head)?, (relay_key, static_key)))
    });
    let (Some((inspection, who)), Ok(address)) = (way, Address::parse(&request.address)) else {
        return answer(reply, Err(Fault::NoSuchRemote));
    };
    let others = others_online(state, number);
    state.links.stop_one(number);
    state.device.handle_disconnected(number);
    let looking = Looking { inspection, from: String::new() };
    let look = async move {
        let asked = tokio::time::timeout(WITHIN, converse(&address, who, looking)).await;
        let slow = || Fault::Unreachable { host: address.authority(), reason: "no answer in time".to_owned() };
        Ok(asked.unwrap_or_else(|_| Err(slow())))
    };
    later(state, look, reply, move |state, looked| {
        state.start_remotes();
        tell(state, number, others, |account| {
            let (found, from) = looked?;
            Ok(account.shown(found, &request, from))
        })
    });
}

/// What this device remembers, with what the relay showed.
fn tell(
    state: &State,
    number: RemoteNumber,
    others_online: u32,
    shown: impl FnOnce(&Account) -> Result<Option<Shown>, Fault>,
) -> Result<Reply, Fault> {
    let account = state.device.account().ok_or(Fault::NotSynced)?;
    let known = Known { others_online, ..account.known_of(number).ok_or(Fault::NoSuchRemote)? };
    let (shown, failure) = match shown(account) {
        Ok(shown) => (shown, None),
        Err(fault) => (None, Some(fault)),
    };
    Ok(Reply::Inspected(Box::new(Inspected { known, shown, failure })))
}
