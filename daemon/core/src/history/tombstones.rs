//! The ids of deleted records, for ever. Sorted, because sixteen bytes an id is all that it may cost.

use std::collections::BTreeSet;

use caro_schema::id::RecordId;

use super::grow;

/// Ids of deleted records.
#[derive(Default)]
pub(super) struct Tombstones {
    sorted: Vec<RecordId>,
}

impl Tombstones {
    pub(super) fn contains(&self, id: &RecordId) -> bool {
        self.sorted.binary_search(id).is_ok()
    }

    /// Adds ids and gives those that are new, each once.
    pub(super) fn add(&mut self, ids: impl IntoIterator<Item = RecordId>) -> Vec<RecordId> {
        let mut new: Vec<RecordId> = ids.into_iter().filter(|id| !self.contains(id)).collect();
        new.sort_unstable();
        new.dedup();
        grow::extend(&mut self.sorted, &new);
        // The sort finds the two runs and merges them.
        self.sorted.sort();
        new
    }

    /// Takes ids out again.
    pub(super) fn remove(&mut self, ids: impl IntoIterator<Item = RecordId>) -> Vec<RecordId> {
        let gone: BTreeSet<RecordId> = ids.into_iter().filter(|id| self.contains(id)).collect();
        self.sorted.retain(|id| !gone.contains(id));
        gone.into_iter().collect()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &RecordId> {
        self.sorted.iter()
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.sorted.capacity() * size_of::<RecordId>()
    }
}
