//! A device that was taken off and is on a relay's list again. A relay that was restored from a backup has forgotten
//! the list without it, and if somebody then came in with the phrase who knew of no removal, another list has taken
//! that one's place. No device can sign one that follows, so a person is told, and gives the phrase once more.
//!
//! Only what was off the list before is told: a device that is still on it waits for whoever has taken it off.

use std::collections::BTreeSet;

use caro_schema::id::{DeviceId, Hash};

use super::Account;
use crate::{
    step::{RemoteNumber, Write},
    sync::NextList,
};

impl Account {
    /// A relay's log was read to its end, so it is known who is off: looks whether the list that it has shown is to be
    /// followed by another one, or need not be any more.
    pub(super) fn look_at_list(&mut self, number: RemoteNumber) -> Option<Write> {
        if self.is_out() {
            return None;
        }
        let remote = self.remotes.get(&number)?;
        let (relay, listed) = (remote.record.relay_key, remote.record.listed());
        let is_new = |key: &Hash| listed.contains(key) && remote.record.new_on_list.contains(key);
        let claim = |device: &DeviceId| self.members.device(device)?.relay_keys.get(&relay).copied();
        let (mut staying, mut off) = (BTreeSet::from([self.own_relay_key(&relay)]), Vec::new());
        for (device, _) in self.members.iter() {
            match (self.members.stands(device), claim(device)) {
                (true, key) => staying.extend(key),
                (false, Some(key)) => off.push((*device, key)),
                (false, None) => {}
            }
        }
        // Who stays is believed before who goes: a thief may have claimed another device's key.
        let back = off.into_iter().filter(|(_, key)| is_new(key) && !staying.contains(key));
        let back: Vec<DeviceId> = back.map(|(device, _)| device).collect();
        let is_clean = listed.is_subset(&staying);
        let record = &mut self.remotes.get_mut(&number)?.record;
        let was_new = !std::mem::take(&mut record.new_on_list).is_empty();
        let is_changed = match &mut record.next_list {
            None if back.is_empty() => false,
            None => {
                record.next_list = Some(NextList { list: None, out: back, after: 0 });
                true
            }
            // It follows the one that was shown, or it would not be there any more.
            Some(next) if next.list.is_some() => false,
            // Somebody has finished it elsewhere.
            Some(next) if is_clean && !next.out.is_empty() => {
                record.next_list = None;
                true
            }
            Some(next) => {
                let more: Vec<DeviceId> = back.into_iter().filter(|device| !next.out.contains(device)).collect();
                let is_more = !more.is_empty();
                next.out.extend(more);
                is_more
            }
        };
        if was_new || is_changed { self.remote_row(number) } else { None }
    }
}
