//! What the changes in an op mean, one by one. What one of them says wrongly, or what only a later version knows, has no
//! effect here; it is kept and passed on, because it was signed.

use caro_schema::{
    body::{
        self,
        again::Again,
        attest::Attest,
        device::{Farewell, Name, RelayKeys, Rename},
        history::{Delete, Record},
        shared::{Count, Set},
        snapshot::Origin,
    },
    codec,
    op::{Body, Header, kind},
};
use serde::de::DeserializeOwned;

use super::Batch;
use crate::{device::Account, vault::payload};

impl Account {
    /// Applies what an op or a part says. A stub says nothing.
    pub(in crate::device) fn apply_body(&mut self, body: Option<&Body>, header: &Header, batch: &mut Batch<'_>) {
        let Some(body) = body else { return };
        // A member signed it, so what cannot be unpacked is of a later version. It is kept and passed on.
        let Ok(payload) = payload::unpack(&body.payload) else {
            self.upgrade_due = true;
            return;
        };
        batch.signer = Some(header.author);
        let mut origin = Origin { author: header.author, stamp: header.stamp };
        for change in payload.changes {
            if change.0 == body::kind::ORIGIN
                && header.kind == kind::PART
                && let Ok(other) = codec::decode(&change.1)
            {
                origin = other;
            } else if self.apply_change(change.0, &change.1, origin, batch).is_none() {
                self.upgrade_due = true;
            }
        }
    }

    /// Applies one change. Nothing when this version does not know it.
    fn apply_change(&mut self, number: u16, bytes: &[u8], origin: Origin, batch: &mut Batch<'_>) -> Option<()> {
        match number {
            body::kind::RECORD => batch.records.push(decoded::<Record>(bytes)?),
            body::kind::DELETE => batch.deletes.push(decoded::<Delete>(bytes)?.id),
            // An older one changes nothing, which is no less known for that.
            body::kind::SET => {
                self.shared.set(checked(bytes, Set::check)?, origin);
            }
            body::kind::COUNT => {
                self.shared.count(checked(bytes, Count::check)?, origin.author);
            }
            body::kind::ATTEST => self.note_attest(origin, &decoded::<Attest>(bytes)?, batch),
            body::kind::AGAIN => {
                let again: Again = decoded(bytes)?;
                // One that wraps another is nothing that a device makes.
                if matches!(again.kind, body::kind::AGAIN | body::kind::ORIGIN) {
                    return None;
                }
                self.apply_change(again.kind, &again.change, again.origin, batch)?;
            }
            // Lists are taken where they are placed.
            body::kind::SNAPSHOT => {}
            _ => return self.apply_about_members(number, bytes, origin, batch),
        }
        Some(())
    }

    /// As [`Self::apply_change`], for what is said of devices.
    fn apply_about_members(&mut self, number: u16, bytes: &[u8], origin: Origin, batch: &mut Batch<'_>) -> Option<()> {
        match number {
            body::kind::DEVICE_NAME => {
                self.members.note_name(&origin.author, origin.stamp, checked(bytes, Name::check)?);
            }
            body::kind::RENAME => self.members.note_renamed(origin.stamp, checked(bytes, Rename::check)?),
            body::kind::RELAY_KEYS => {
                let keys = checked(bytes, RelayKeys::check)?;
                // With which key it comes, each device says itself. Another one could have it taken off with a word.
                if batch.signer != Some(origin.author) {
                    return Some(());
                }
                self.members.note_relay_keys(&origin.author, &keys);
            }
            body::kind::FAREWELL => {
                self.members.note_farewell(origin.author, origin.stamp, decoded::<Farewell>(bytes)?);
            }
            body::kind::MOVED => self.members.moved = Some((origin.stamp, origin.author)),
            _ => return None,
        }
        batch.members_changed = true;
        Some(())
    }
}

fn decoded<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    codec::decode(bytes).ok()
}

/// What the bytes say, if it keeps to the bounds of what may be said.
fn checked<T: DeserializeOwned, E>(bytes: &[u8], check: impl FnOnce(&T) -> Result<(), E>) -> Option<T> {
    decoded(bytes).filter(|said| check(said).is_ok())
}
