//! A wrapper that keeps a value out of logs: what holds it prints `[REDACTED]`, whatever derives `Debug` around it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Holds a value that must not be printed. Reading it is a visible act: [`Redacted::reveal`].
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Redacted<T>(T);

impl<T> Redacted<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value, for use and never for a log.
    pub const fn reveal(&self) -> &T {
        &self.0
    }

    /// The value itself.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> fmt::Debug for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[REDACTED]")
    }
}

impl<T> fmt::Display for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[REDACTED]")
    }
}

impl<T> From<T> for Redacted<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trap_40_a_derived_debug_around_it_shows_nothing() {
        #[derive(Debug)]
        #[allow(dead_code)] // only printed
        struct Parent {
            host: Redacted<String>,
        }
        let shown = format!("{:?}", Parent { host: Redacted::new("canary".to_owned()) });
        assert_eq!(shown, "Parent { host: [REDACTED] }");
    }
}
