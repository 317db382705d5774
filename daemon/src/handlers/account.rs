//! What can be said of an account without a relay and without its phrase: whether it is worth asking a person for the
//! phrase, and that they have seen who joined.

use caro_schema::ipc::{Fault, Reply};

use crate::{remote::Address, state::State};

/// Whether this device can come into an account, or be known at one more relay, as far as that can be told here. The same
/// checks come again when it is done: somebody else may be faster.
///
/// # Errors
/// Why it cannot.
pub(crate) fn check(state: &State, relay: &str, joins: bool) -> Result<Reply, Fault> {
    match (state.device.account(), joins) {
        // A copied home may join as a device of its own.
        (Some(account), true) if !account.may_come_again() => return Err(Fault::AlreadySynced),
        (None, false) => return Err(Fault::NotSynced),
        _ => {}
    }
    let place = Address::parse(relay)?.place();
    let is_known = |address: &str| Address::parse(address).is_ok_and(|known| known.place() == place);
    let known = state.device.account().filter(|_| !joins);
    if known.is_some_and(|account| account.remotes().any(|remote| is_known(&remote.record.address))) {
        return Err(Fault::RemoteKnown);
    }
    Ok(Reply::Done)
}

/// The person has seen who joined and who was taken off.
///
/// # Errors
/// When this device is in no account.
pub(crate) fn seen(state: &mut State) -> Result<Reply, Fault> {
    if state.device.account().is_none() {
        return Err(Fault::NotSynced);
    }
    state.decide(|device, _, _| Ok((device.note_joined_seen(), ())))?;
    Ok(Reply::Done)
}
