//! The store as it will be when a step is carried out: what the step writes, over what is there. One batch of cells may
//! hold an op and what is compared with it.

use std::collections::BTreeMap;

use crate::step::{KeyAndValue, RemoteNumber, RowError, Rows, Space, Write};

/// Rows, and what is to become of some of them.
pub(super) struct Overlay<'a> {
    below: &'a dyn Rows,
    changed: BTreeMap<(Space, Vec<u8>), Option<Vec<u8>>>,
}

impl<'a> Overlay<'a> {
    pub(super) fn new(below: &'a dyn Rows) -> Self {
        Self { below, changed: BTreeMap::new() }
    }

    pub(super) fn set(&mut self, space: Space, key: Vec<u8>, value: Vec<u8>) {
        self.changed.insert((space, key), Some(value));
    }

    pub(super) fn unset(&mut self, space: Space, key: Vec<u8>) {
        self.changed.insert((space, key), None);
    }

    /// What has to be written.
    pub(super) fn into_writes(self) -> Vec<Write> {
        self.changed.into_iter().map(|((space, key), value)| Write::Row(space, key, value)).collect()
    }
}

impl Rows for Overlay<'_> {
    fn row(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, RowError> {
        match self.changed.get(&(space, key.to_vec())) {
            Some(value) => Ok(value.clone()),
            None => self.below.row(space, key),
        }
    }

    fn rows(&self, space: Space) -> Result<Vec<KeyAndValue>, RowError> {
        let mut rows: BTreeMap<Vec<u8>, Vec<u8>> = self.below.rows(space)?.into_iter().collect();
        for ((of, key), value) in &self.changed {
            match value {
                _ if *of != space => {}
                Some(value) => drop(rows.insert(key.clone(), value.clone())),
                None => drop(rows.remove(key)),
            }
        }
        Ok(rows.into_iter().collect())
    }

    fn queue(&self, remote: RemoteNumber, after: u64, bytes_max: usize) -> Result<Vec<(u64, Vec<u8>)>, RowError> {
        self.below.queue(remote, after, bytes_max)
    }
}
