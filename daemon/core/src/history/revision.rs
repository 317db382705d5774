//! Tells one state of something from every other, so that what was worked out from it can be kept until it changes.
//!
//! No counter: two histories would count alike. While anybody holds a revision no later one can be equal to it.

use std::sync::Arc;

/// A state, comparable for identity only.
#[derive(Clone, Debug)]
pub(crate) struct Revision(Arc<u8>);

impl Revision {
    /// A new one, unlike all that are still held.
    pub(crate) fn new() -> Self {
        Self(Arc::new(0))
    }

    /// Makes this a new one.
    pub(crate) fn advance(&mut self) {
        *self = Self::new();
    }
}

impl PartialEq for Revision {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
