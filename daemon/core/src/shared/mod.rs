//! Settings, items and counts that the account's devices share. Each is merged by a rule that does not depend on the
//! order of arrival: a value by its stamp, then by its device; a count by its maximum, device by device.
//!
//! Knows nothing of ops: who writes, and when, is told. Says by [`Shared::take_writes`] what the store is to do.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

use caro_schema::{
    body::{
        shared::{Count, Set},
        snapshot::Origin,
    },
    codec,
    id::DeviceId,
    stamp::Stamp,
    uses,
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

/// A key that has a value.
pub struct Entry<'a> {
    /// What sort of thing, empty for a setting.
    pub category: &'a str,
    /// Its name.
    pub key: &'a str,
    /// Its value.
    pub value: &'a [u8],
    /// Who gave it, and when.
    pub origin: Origin,
}

/// What is left when an account is left.
pub struct Left {
    /// Values, and where there is none any more the mark of that, with when they were given or taken away.
    pub values: Vec<(Stamp, Set)>,
    /// Counts, each under the name of the device that counted.
    pub counts: Vec<Count>,
    /// The rows that held all of it.
    pub rows: Vec<Write>,
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
        // No op has such a stamp, but one that says another's value again may claim it, and nothing would ever hold
        // against it.
        if !origin.stamp.is_plausible() {
            return false;
        }
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

    /// Every key that has a value, in order of category and key, behind this one.
    pub fn entries_after(&self, after: Option<(&str, &str)>) -> impl Iterator<Item = Entry<'_>> {
        let from = match after {
            Some((category, key)) => Bound::Excluded(Name { category: category.to_owned(), key: key.to_owned() }),
            None => Bound::Unbounded,
        };
        self.values.range((from, Bound::Unbounded)).filter_map(|(Name { category, key }, Value { origin, value })| {
            Some(Entry { category, key, value: value.as_deref()?, origin: *origin })
        })
    }

    /// How many keys have a value, and the bytes of both together.
    pub fn size(&self) -> (usize, usize) {
        let sizes = self.entries_after(None).map(|entry| entry.category.len() + entry.key.len() + entry.value.len());
        sizes.fold((0, 0), |(count, bytes), size| (count + 1, bytes + size))
    }

    /// The newest stamp of a value, or of its absence.
    pub fn clock(&self) -> Stamp {
        self.values.values().map(|value| value.origin.stamp).max().unwrap_or_default()
    }

    /// How often each device has counted what. Of what several devices say of one the greatest holds.
    pub fn counts(&self) -> BTreeMap<(&str, DeviceId), u64> {
        let mut counts = BTreeMap::new();
        for ((key, author), total) in &self.counts {
            let known = counts.entry(uses::meant(key, *author)).or_insert(0);
            *known = (*known).max(*total);
        }
        counts
    }

    /// How often all devices together have counted something.
    pub fn total(&self, key: &str) -> u64 {
        self.counts().into_iter().filter(|((of, _), _)| *of == key).fold(0, |sum, (_, total)| sum.saturating_add(total))
    }

    /// How often one device says that it has.
    pub fn own_total(&self, key: &str, device: DeviceId) -> u64 {
        self.counts.get(&(key.to_owned(), device)).copied().unwrap_or(0)
    }

    /// How often one device has counted something, whoever says so. What it counts from here on goes on behind it: its own
    /// count may have been carried through another account.
    pub fn counted(&self, key: &str, device: DeviceId) -> u64 {
        let carried = uses::of_device(key, &device);
        let said = self.counts.range((carried.clone(), DeviceId([0; 32]))..=(carried, DeviceId([255; 32])));
        said.map(|(_, total)| *total).max().unwrap_or(0).max(self.own_total(key, device))
    }

    /// What a device has said of its own uses.
    pub fn own_keys(&self, device: DeviceId) -> impl Iterator<Item = &str> {
        self.counts.keys().filter(move |(_, author)| *author == device).map(|(key, _)| key.as_str())
    }

    /// Empties it, for another account: what is to be said there again, values with the moment when they were given,
    /// and the rows to drop. What was taken away is among it: the account that is joined may be one that this device
    /// was in before, whose log has the value, and whoever follows to a new one may not have heard of it.
    pub fn into_what_is_left(self) -> Left {
        let drop = |key: Vec<u8>| Write::Row(Space::Shared, key, None);
        let mut rows: Vec<Write> = self.values.keys().map(|name| drop(value_key(name))).collect();
        rows.extend(self.counts.keys().map(|(key, device)| drop(count_key(key, device))));
        let counts = self.counts().into_iter();
        let counts = counts.map(|((key, device), total)| Count { key: uses::of_device(key, &device), total });
        let counts = counts.filter(|count| count.check().is_ok()).collect();
        let values = self.values.into_iter();
        let values = values
            .map(|(Name { category, key }, Value { origin, value })| (origin.stamp, Set { category, key, value }))
            .collect();
        Left { values, counts, rows }
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
                (value_key(&name), Row::Value(name, value))
            }
            Changed::Count(key, device) => {
                let total = *self.counts.get(&(key.clone(), device))?;
                (count_key(&key, &device), Row::Count(key, device, total))
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

fn value_key(name: &Name) -> Vec<u8> {
    codec::encode(&("v", name))
}

fn count_key(key: &str, device: &DeviceId) -> Vec<u8> {
    codec::encode(&("c", key, device))
}

#[cfg(test)]
mod tests {
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
    fn trap_17_a_value_that_is_said_to_be_of_no_possible_moment_is_none() {
        let mut shared = Shared::default();
        let claimed = Origin { author: DeviceId([1; 32]), stamp: Stamp(u64::MAX) };
        assert!(!shared.set(set("k", Some("for ever")), claimed));
        assert!(shared.set(set("k", Some("now")), origin(2, 5)));
        assert_eq!(shared.get("", "k"), Some(&b"now"[..]));
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
    fn ds003_a_count_that_others_carried_over_counts_once() {
        let mut shared = Shared::default();
        let [here, there, gone] = [1, 2, 3].map(|device| DeviceId([device; 32]));
        let mut said = |key: &str, author, total| shared.count(Count { key: key.to_owned(), total }, author);
        said("runs", here, 10);
        // Both carried the third one's over, one of them later.
        said(&uses::of_device("runs", &gone), here, 4);
        said(&uses::of_device("runs", &gone), there, 5);
        // It was here once, before it came back.
        said(&uses::of_device("runs", &here), there, 7);
        assert_eq!(shared.total("runs"), 15);
        let Left { counts, .. } = shared.into_what_is_left();
        let mut later = Shared::default();
        for _ in 0..2 {
            for count in &counts {
                later.count(count.clone(), there);
            }
        }
        assert_eq!(later.total("runs"), 15);
    }

    #[test]
    fn ds002_what_is_left_of_an_account_is_what_has_a_value_and_what_was_taken_away() {
        let mut shared = Shared::default();
        for (key, value, ms) in [("a", Some("1"), 9), ("b", None, 8), ("c", Some("3"), 7)] {
            shared.set(set(key, value), origin(1, ms));
        }
        assert_eq!(shared.size(), (2, 4));
        assert_eq!(shared.entries_after(Some(("", "a"))).map(|entry| entry.key).collect::<Vec<_>>(), ["c"]);
        let Left { values, rows, .. } = shared.into_what_is_left();
        assert_eq!(
            values.iter().map(|(stamp, set)| (stamp.ms(), &set.key[..], set.value.is_some())).collect::<Vec<_>>(),
            [(9, "a", true), (8, "b", false), (7, "c", true)]
        );
        assert_eq!(rows.len(), 3);
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
