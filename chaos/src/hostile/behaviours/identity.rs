//! Who a relay says that it is, and whom it says to know.

use caro_link::{identity::Signer, proof};
use caro_schema::{
    id::Hash,
    relay::{
        ToDevice,
        list::{DeviceList, SignedList},
    },
};

use crate::hostile::behaviour::{Act, Behaviour, Door, HONEST, Outcome, Repair};

/// Told of any key that is not the one that is known.
const KEY_CHANGED: &str = "it has another key than before, and somebody may be in between";

/// Another relay in its place.
pub(super) const OTHER_KEY: Behaviour = Behaviour {
    name: "other-key",
    what: "proves another key in the handshake",
    outcome: Outcome::Stops { told: KEY_CHANGED },
    repair: Repair::On,
    door: Door::OtherKey,
    ..HONEST
};

/// Another signature key.
pub(super) const OTHER_SIGNER: Behaviour = Behaviour {
    name: "other-signer",
    what: "signs its positions with another key than before, and says so",
    outcome: Outcome::Stops { told: KEY_CHANGED },
    repair: Repair::On,
    say: |_, caller, message| match (message, caller.handle) {
        (ToDevice::Welcome { position, list, quota_bytes, used_bytes, .. }, Some(handle)) => {
            let other = Signer::from_seed(&[66; 32]);
            let position = proof::sign_position(&other, &handle, position.generation, position.cursor, position.head);
            let signer = Hash(other.public());
            vec![Act::Say(ToDevice::Welcome { position, signer, list, quota_bytes, used_bytes })]
        }
        (other, _) => vec![Act::Say(other)],
    },
    ..HONEST
};

/// A signature that does not hold.
pub(super) const BAD_SIGNATURE: Behaviour = Behaviour {
    name: "bad-signature",
    what: "sends positions whose signature does not hold",
    outcome: Outcome::Stops { told: "it does not keep to the protocol and may need an upgrade" },
    repair: Repair::On,
    say: |_, _, mut message| {
        if let ToDevice::Welcome { position, .. } = &mut message {
            position.signature.0[7] ^= 1;
        }
        vec![Act::Say(message)]
    },
    ..HONEST
};

/// A device that nobody admitted.
pub(super) const GHOST_DEVICE: Behaviour = Behaviour {
    name: "ghost-device",
    what: "shows a newcomer a device list with one device more, which the account did not sign",
    outcome: Outcome::Refuses { told: "a device list that the account did not sign" },
    repair: Repair::Nothing,
    say: |_, _, message| match message {
        ToDevice::Welcome { position, signer, list, quota_bytes, used_bytes } => {
            let list = with_a_ghost(list);
            vec![Act::Say(ToDevice::Welcome { position, signer, list, quota_bytes, used_bytes })]
        }
        other => vec![Act::Say(other)],
    },
    ..HONEST
};

fn with_a_ghost(signed: SignedList) -> SignedList {
    let Ok(mut list) = DeviceList::decode(&signed.list) else { return signed };
    list.keys.push(Hash([0xff; 32]));
    SignedList { list: list.encode().into(), signature: signed.signature, added: Vec::new() }
}

/// A list of before.
pub(super) const OLD_LIST: Behaviour = Behaviour {
    name: "old-list",
    what: "shows a newcomer the first device list, so that the next one would drop every device since",
    outcome: Outcome::Refuses { told: "ListOutOfStep" },
    repair: Repair::Nothing,
    say: |relay, caller, message| match (message, caller.handle) {
        (ToDevice::Welcome { position, signer, list, quota_bytes, used_bytes }, Some(handle)) => {
            let list = relay.first_list(&handle).unwrap_or(list);
            vec![Act::Say(ToDevice::Welcome { position, signer, list, quota_bytes, used_bytes })]
        }
        (other, _) => vec![Act::Say(other)],
    },
    ..HONEST
};
