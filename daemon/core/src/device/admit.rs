//! Letting another device in without the phrase: what this device gives to a newcomer that knows its code, and what a
//! newcomer makes of it. The meeting itself is in [`crate::pairing`]; nothing here is given before both people have
//! compared the words.

use caro_link::{entropy::NoEntropy, proof};
use caro_schema::{
    id::{Hash, RelayKey},
    keylog::{Certificate, Entry, Membership, SignedEntry},
    pairing::{Handed, Listed, RELAYS_MAX, RelayCard},
    stamp::Stamp,
};

use super::{Account, Env, Joined, join::fresh_remote};
use crate::{
    sync::RemoteRecord,
    vault::{
        DeviceKeys, ENCAPSULATION_BYTES, Vault,
        handover::{SealedKeys, open_keys, seal_keys},
    },
};

/// What makes a newcomer a device of the account.
pub struct HandOver {
    /// To be sealed and sent.
    pub handed: Handed,
}

/// Why nothing was handed over, or why what was is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotHandedOver {
    /// The other device's key is not valid, or the keys do not open.
    #[error("the keys do not fit")]
    Keys,
    /// The entry does not let this device in.
    #[error("the entry of the key log is not for this device")]
    Entry,
    /// No relay has listed the newcomer.
    #[error("no relay has listed the device")]
    Relays,
    /// There is no randomness.
    #[error(transparent)]
    Entropy(#[from] NoEntropy),
}

impl Account {
    /// The relays that a newcomer is to know, the given one first.
    pub fn relay_cards(&self, first: RelayKey) -> Vec<RelayCard> {
        let card = |record: &RemoteRecord| RelayCard { address: record.address.clone(), relay_key: record.relay_key };
        let mut cards: Vec<RelayCard> = self.remotes().map(|remote| card(&remote.record)).collect();
        cards.sort_by_key(|card| card.relay_key != first);
        cards.truncate(RELAYS_MAX);
        cards
    }

    /// What this device is called.
    pub fn name(&self) -> &str {
        self.profile.name.reveal()
    }

    /// Lets a device in: its entry of the key log, signed by this one, and the account's keys, sealed to it. `listed` are
    /// the relays that have listed it.
    ///
    /// # Errors
    /// When its key is not valid, no relay has listed it, or there is no randomness.
    pub fn hand_over(
        &self,
        newcomer: Certificate,
        listed: &[RelayKey],
        env: &mut Env<'_>,
    ) -> Result<HandOver, NotHandedOver> {
        let at = |key: &RelayKey| self.remotes().find(|remote| remote.record.relay_key == *key);
        let listing = |record: &RemoteRecord| Listed {
            relay_key: record.relay_key,
            account: record.account,
            signer: record.signer,
        };
        let relays: Vec<Listed> = listed.iter().filter_map(at).map(|remote| listing(&remote.record)).collect();
        if relays.is_empty() {
            return Err(NotHandedOver::Relays);
        }
        let mut random = [0; ENCAPSULATION_BYTES];
        env.entropy.fill(&mut random)?;
        let SealedKeys { encapsulated, sealed } =
            seal_keys(&self.vault, &newcomer, &random).map_err(|_| NotHandedOver::Keys)?;
        let entry = Entry {
            dataset: self.vault.dataset(),
            prev: self.members.heads(),
            stamp: Stamp::from_ms(env.now_ms),
            change: Membership::Admit(Certificate { admitted_by: Some(self.vault.device_id()), ..newcomer }),
        };
        let admission = proof::sign_admission(self.vault.signer(), &entry);
        let account = self.vault.account();
        let handed = Handed { account, admission, encapsulated: encapsulated.into(), keys: sealed.into(), relays };
        Ok(HandOver { handed })
    }
}

impl Account {
    /// Takes in the entry that makes this device a member. Where another device signed it, that one is not known here
    /// before the first pull, and this one counts all the same.
    pub(super) fn note_own_admission(&mut self, admission: &SignedEntry) {
        self.members.accept(&self.vault.account(), &self.vault.dataset(), admission);
        if let Ok((_, entry)) = proof::verify_admission(admission)
            && let Membership::Admit(certificate) = entry.change
        {
            self.members.begin_as(certificate, entry.stamp);
        }
    }
}

impl Joined {
    /// A device that was let in by another one, and the relays that it uses beside the first.
    ///
    /// # Errors
    /// When what was handed over is not for this device.
    pub fn handed_over(
        keys: DeviceKeys,
        handed: Handed,
        cards: &[RelayCard],
        (name, platform): (String, String),
    ) -> Result<(Self, Vec<RemoteRecord>), NotHandedOver> {
        let Handed { account, admission, encapsulated, keys: sealed, relays } = handed;
        let own = keys.certificate(None);
        let sealed = SealedKeys { encapsulated: encapsulated.into_vec(), sealed: sealed.into_vec() };
        let vault = open_keys(keys, &account, &sealed).map_err(|_| NotHandedOver::Keys)?;
        let (by, entry) = proof::verify_admission(&admission).map_err(|_| NotHandedOver::Entry)?;
        let expected = Membership::Admit(Certificate { admitted_by: Some(by), ..own });
        if entry.dataset != vault.dataset() || entry.change != expected {
            return Err(NotHandedOver::Entry);
        }
        let mut remotes = relays.into_iter().filter_map(|listed| remote_of(cards, &listed));
        let remote = remotes.next().ok_or(NotHandedOver::Relays)?;
        let others = remotes.collect();
        Ok((Self { vault, remote, admission, name, platform }, others))
    }

    /// The keys that it has now, for being listed at further relays.
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// The account that it joined, for the person to be told.
    pub fn account(&self) -> Hash {
        self.vault.account()
    }
}

/// A relay that was named before the words were compared: no other one counts.
fn remote_of(cards: &[RelayCard], listed: &Listed) -> Option<RemoteRecord> {
    let card = cards.iter().find(|card| card.relay_key == listed.relay_key)?;
    Some(fresh_remote(card.address.clone(), card.relay_key, listed.account, listed.signer))
}
