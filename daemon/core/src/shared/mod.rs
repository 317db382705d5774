//! Settings, items and counts that the account's devices share. Each is merged by a rule that does not depend on the
//! order of arrival: a value by its stamp, then by its device; a count by its maximum, device by device.
//!
//! Knows nothing of ops: who writes, and when, is told. Says by [`Shared::take_writes`] what the store is to do.

use std::collections::{BTreeMap, BTreeSet};

use caro_schema::{
    body::{
        shared::{Count, Set},
        snapshot::Origin,
    },
    codec,
    id::DeviceId,
};
use serde::{Deserialize, Serialize};

use crate::step::{KeyAndValue, Space, Write};

/// Everything that is shared beside history.
#[derive(Clone, Default)]
pub struct Shared {
    values: BTreeMap<Name, Value>,
    counts: BTreeMap<(String, DeviceId), u64>,
    changed: BTreeSet<Changed>,
}

/// What a value belongs to.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Name {
    category: String,
    key: String,
}

/// A value, or the mark that there is none any more, and where it came from.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Value {
    origin: Origin,
    value: Option<serde_bytes::ByteBuf>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Changed {
    Value(Name),
    Count(String, DeviceId),
}

/// A row as it is kept.
#[derive(Serialize, Deserialize)]
enum Row {
    Value(Name, Value),
    Count(String, DeviceId, u64),
}

impl Shared {
    /// From the rows of [`Space::Shared`]. One that cannot be read is of a later version and is passed over.
    pub fn load(rows: Vec<KeyAndValue>) -> Self {
        let mut shared = Self::default();
        for (_, row) in rows {
            match codec::decode(&row) {
                Ok(Row::Value(name, value)) => drop(shared.values.insert(name, value)),
                Ok(Row::Count(key, device, total)) => drop(shared.counts.insert((key, device), total)),
                Err(_) => {}
            }
        }
        shared
    }

    /// Takes in a value. Whether it holds now.
    pub fn set(&mut self, set: Set, origin: Origin) -> bool {
        let name = Name { category: set.category, key: set.key };
        let rank = |origin: &Origin| (origin.stamp, origin.author);
        if self.values.get(&name).is_some_and(|known| rank(&known.origin) >= rank(&origin)) {
            return false;
        }
        self.changed.insert(Changed::Value(name.clone()));
        self.values.insert(name, Value { origin, value: set.value });
        true
    }

    /// Takes in a device's own total. Whether it is news.
    pub fn count(&mut self, count: Count, author: DeviceId) -> bool {
        let total = self.counts.entry((count.key.clone(), author)).or_default();
        if *total >= count.total {
            return false;
        }
        *total = count.total;
        self.changed.insert(Changed::Count(count.key, author));
        true
    }

    /// The value of a key, if it has one.
    pub fn get(&self, category: &str, key: &str) -> Option<&[u8]> {
        let name = Name { category: category.to_owned(), key: key.to_owned() };
        self.values.get(&name)?.value.as_deref().map(|value| &value[..])
    }

    /// The keys of a category that have a value, ascending, with it.
    pub fn list(&self, category: &str) -> impl Iterator<Item = (&str, &[u8])> {
        let of = self.values.iter().filter(move |(name, _)| name.category == category);
        of.filter_map(|(name, value)| Some((name.key.as_str(), &value.value.as_ref()?[..])))
    }

    /// How often all devices together have counted something.
    pub fn total(&self, key: &str) -> u64 {
        let of = self.counts.iter().filter(|((of, _), _)| of == key);
        of.fold(0, |sum, (_, total)| sum.saturating_add(*total))
    }

    /// How often one device has.
    pub fn own_total(&self, key: &str, device: DeviceId) -> u64 {
        self.counts.get(&(key.to_owned(), device)).copied().unwrap_or(0)
    }

    /// What changed since the last time, to be written.
    pub fn take_writes(&mut self) -> Vec<Write> {
        let changed = std::mem::take(&mut self.changed);
        changed.into_iter().filter_map(|changed| self.write(changed)).collect()
    }

    fn write(&self, changed: Changed) -> Option<Write> {
        let (key, row) = match changed {
            Changed::Value(name) => {
                let value = self.values.get(&name)?.clone();
                (codec::encode(&("v", &name)), Row::Value(name, value))
            }
            Changed::Count(key, device) => {
                let total = *self.counts.get(&(key.clone(), device))?;
                (codec::encode(&("c", &key, &device)), Row::Count(key, device, total))
            }
        };
        Some(Write::Row(Space::Shared, key, Some(codec::encode(&row))))
    }

    /// A hash of everything, the same for the same content.
    pub fn digest(&self) -> [u8; 32] {
        let values: Vec<(&Name, &Value)> = self.values.iter().collect();
        let counts: Vec<_> = self.counts.iter().collect();
        *blake3::hash(&codec::encode(&(values, counts))).as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use caro_schema::stamp::Stamp;

    use super::*;

    fn origin(device: u8, ms: u64) -> Origin {
        Origin { author: DeviceId([device; 32]), stamp: Stamp::from_ms(ms) }
    }

    fn set(key: &str, value: Option<&str>) -> Set {
        Set { category: String::new(), key: key.to_owned(), value: value.map(|value| value.as_bytes().to_vec().into()) }
    }

    #[test]
    fn ds002_the_later_value_holds_then_the_greater_device_whatever_the_order() {
        let writes = [
            (set("k", Some("a")), origin(1, 5)),
            (set("k", Some("b")), origin(2, 5)),
            (set("k", Some("c")), origin(3, 4)),
        ];
        for turn in 0..3 {
            let mut shared = Shared::default();
            for at in 0..6 {
                let (set, origin) = writes[(at + turn) % 3].clone();
                shared.set(set, origin);
            }
            assert_eq!(shared.get("", "k"), Some(&b"b"[..]));
        }
    }

    #[test]
    fn ds002_what_was_taken_away_stays_away_until_a_later_value() {
        let mut shared = Shared::default();
        assert!(shared.set(set("k", None), origin(1, 9)));
        assert!(!shared.set(set("k", Some("old")), origin(2, 8)));
        assert_eq!((shared.get("", "k"), shared.list("").count()), (None, 0));
        assert!(shared.set(set("k", Some("new")), origin(2, 10)));
        assert_eq!(shared.list("").collect::<Vec<_>>(), [("k", &b"new"[..])]);
    }

    #[test]
    fn trap_14_ds003_a_count_that_is_said_twice_counts_once() {
        let mut shared = Shared::default();
        for _ in 0..3 {
            for (device, total) in [(1, 4), (2, 7), (1, 3)] {
                shared.count(Count { key: "runs".to_owned(), total }, DeviceId([device; 32]));
            }
        }
        assert_eq!((shared.total("runs"), shared.own_total("runs", DeviceId([1; 32]))), (11, 4));
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut shared = Shared::default();
        shared.set(set("k", Some("v")), origin(1, 5));
        shared.count(Count { key: "runs".to_owned(), total: 2 }, DeviceId([1; 32]));
        let rows = shared.take_writes().into_iter().map(|write| match write {
            Write::Row(Space::Shared, key, Some(value)) => (key, value),
            _ => panic!("not such a row"),
        });
        assert!(Shared::load(rows.collect()).digest() == shared.digest());
        assert!(shared.take_writes().is_empty());
    }
}
