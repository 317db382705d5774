//! What devices share beside history: settings, items (key–value, aliases, variables, scripts) and counts of use.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::codec::{DecodeError, within};

/// Gives a key a value, or takes it away. Of two, the one with the greater stamp holds, then the one of the greater
/// device.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Set {
    /// What sort of thing it is, such as `alias`; empty for a setting.
    #[serde(rename = "c", default, skip_serializing_if = "String::is_empty")]
    pub category: String,
    /// Its name.
    #[serde(rename = "k")]
    pub key: String,
    /// Its value; none when it was taken away.
    #[serde(rename = "v", default, skip_serializing_if = "Option::is_none")]
    pub value: Option<ByteBuf>,
}

/// How often the author has counted something, in all. The greatest holds, so that saying it twice changes nothing.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// What was counted.
    #[serde(rename = "k")]
    pub key: String,
    /// The author's own total.
    #[serde(rename = "n")]
    pub total: u64,
}

/// Bytes of a category.
pub const CATEGORY_BYTES_MAX: usize = 32;

/// Bytes of a key: a path of a setting, a name of an alias.
pub const KEY_BYTES_MAX: usize = 512;

/// Bytes of a value, as of a synced command: a script belongs in it, an archive does not.
pub const VALUE_BYTES_MAX: usize = crate::limits::COMMAND_SYNC_BYTES_MAX;

impl Set {
    /// Checks what must hold for every one.
    ///
    /// # Errors
    /// When something is too long, or has no name.
    pub fn check(&self) -> Result<(), DecodeError> {
        within("bytes of a category", self.category.len(), CATEGORY_BYTES_MAX)?;
        within("bytes of a value", self.value.as_ref().map_or(0, |value| value.len()), VALUE_BYTES_MAX)?;
        check_key(&self.key)
    }
}

impl Count {
    /// Checks what must hold for every one.
    ///
    /// # Errors
    /// When the key is too long or empty.
    pub fn check(&self) -> Result<(), DecodeError> {
        check_key(&self.key)
    }
}

fn check_key(key: &str) -> Result<(), DecodeError> {
    within("bytes of a key", key.len(), KEY_BYTES_MAX)?;
    if key.is_empty() { Err(DecodeError::Malformed) } else { Ok(()) }
}

// Written by hand: names and values are a person's own. A new field must be named here.
impl std::fmt::Debug for Set {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { category, key: _, value: _ } = self;
        f.debug_struct("Set").field("category", category).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { key: _, total } = self;
        f.debug_struct("Count").field("total", total).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(key: &str, value: usize) -> Set {
        Set { category: "alias".to_owned(), key: key.to_owned(), value: Some(vec![0; value].into()) }
    }

    #[test]
    fn ds002_what_is_too_long_or_has_no_name_is_refused() {
        assert_eq!(set("ll", VALUE_BYTES_MAX).check(), Ok(()));
        assert!(set("", 1).check().is_err());
        assert!(set(&"k".repeat(KEY_BYTES_MAX + 1), 1).check().is_err());
        assert!(set("ll", VALUE_BYTES_MAX + 1).check().is_err());
        assert!(Count { key: String::new(), total: 1 }.check().is_err());
    }
}
