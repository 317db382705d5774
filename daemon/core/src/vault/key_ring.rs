//! Every key that a device opens cells with: those of all epochs, since old cells stay readable, and the key log's.
//!
//! There is always a current epoch, by the shape of the type. A number never gets a second key: whoever could replace
//! one could have a device seal for somebody else.

use std::{collections::BTreeMap, fmt, iter::once};

use caro_schema::{cell::CellClass, id::KeyId};

use super::{cell_key::CellKey, epoch_key::EpochKey, key_log_key::KeyLogKey};

/// The keys of one account on one device.
#[derive(PartialEq, Eq)]
pub struct KeyRing {
    key_log: KeyLogKey,
    newest: EpochKey,
    earlier: BTreeMap<u32, EpochKey>,
}

/// The epoch has another key already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("epoch {number} has another key already")]
pub struct EpochConflict {
    /// Which epoch.
    pub number: u32,
}

impl KeyRing {
    /// A ring with the first epoch key that the device learns.
    pub fn new(key_log: KeyLogKey, epoch: EpochKey) -> Self {
        Self { key_log, newest: epoch, earlier: BTreeMap::new() }
    }

    /// Adds an epoch key. The same key again changes nothing.
    ///
    /// # Errors
    /// When the epoch has another key.
    pub fn insert(&mut self, epoch: EpochKey) -> Result<(), EpochConflict> {
        let number = epoch.number();
        match self.epoch(number) {
            Some(known) if *known == epoch => {}
            Some(_) => return Err(EpochConflict { number }),
            None if number > self.newest.number() => {
                let earlier = std::mem::replace(&mut self.newest, epoch);
                self.earlier.insert(earlier.number(), earlier);
            }
            None => {
                self.earlier.insert(number, epoch);
            }
        }
        Ok(())
    }

    /// The epoch to seal under.
    pub fn current(&self) -> &EpochKey {
        &self.newest
    }

    /// The key of an epoch, if the device has it.
    pub fn epoch(&self, number: u32) -> Option<&EpochKey> {
        if number == self.newest.number() { Some(&self.newest) } else { self.earlier.get(&number) }
    }

    /// Every epoch key, by number.
    pub fn epochs(&self) -> impl Iterator<Item = &EpochKey> {
        self.earlier.values().chain(once(&self.newest))
    }

    /// The key of the key log.
    pub fn key_log(&self) -> &KeyLogKey {
        &self.key_log
    }

    /// The key with this id and the classes of cell that it may seal: the key log's opens nothing else, and nothing
    /// else opens the key log.
    pub(super) fn find(&self, id: KeyId) -> Option<(&CellKey, &'static [CellClass])> {
        if self.key_log.cell().id() == id {
            return Some((self.key_log.cell(), &[CellClass::KeyLog]));
        }
        // From the newest on: nearly every cell that comes in is of the current epoch.
        let epoch = once(&self.newest).chain(self.earlier.values().rev()).find(|epoch| epoch.cell().id() == id)?;
        Some((epoch.cell(), &[CellClass::Op, CellClass::Snapshot, CellClass::Attest]))
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key_log: _, newest, earlier } = self;
        f.debug_struct("KeyRing")
            .field("current", &newest.number())
            .field("epochs", &(earlier.len() + 1))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::secret::Secret;

    fn epoch(number: u32) -> EpochKey {
        EpochKey::new(number, Secret::copied(&[number as u8; 32]))
    }

    fn ring(numbers: &[u32]) -> KeyRing {
        let mut ring = KeyRing::new(KeyLogKey::new(Secret::copied(&[0xff; 32])), epoch(numbers[0]));
        for number in &numbers[1..] {
            ring.insert(epoch(*number)).unwrap();
        }
        ring
    }

    #[test]
    fn the_current_epoch_is_the_greatest_in_whatever_order_they_come() {
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [1, 0, 2]] {
            let ring = ring(&order);
            assert_eq!(ring.current().number(), 2);
            let numbers: Vec<u32> = ring.epochs().map(EpochKey::number).collect();
            assert_eq!(numbers, [0, 1, 2]);
            assert_eq!(ring.epoch(1).map(EpochKey::number), Some(1));
            assert!(ring.epoch(3).is_none());
        }
    }

    #[test]
    fn an_epoch_never_gets_a_second_key() {
        let mut ring = ring(&[0, 1]);
        for number in [0, 1] {
            assert_eq!(ring.insert(epoch(number)), Ok(()));
            let other = EpochKey::new(number, Secret::copied(&[0x99; 32]));
            let conflict = ring.insert(other).unwrap_err();
            assert_eq!(conflict, EpochConflict { number });
            assert_eq!(conflict.to_string(), format!("epoch {number} has another key already"));
            assert_eq!(ring.epoch(number), Some(&epoch(number)));
        }
    }

    #[test]
    fn xc001_a_ring_prints_numbers_only() {
        assert_eq!(format!("{:?}", ring(&[0, 3])), "KeyRing { current: 3, epochs: 2, .. }");
    }
}
