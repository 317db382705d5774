//! Settings, items and counts over the local socket: asked for in pages, changed several at once, all or none.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

/// Which settings and items. In order of category, then key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ItemsQuery {
    /// Of this category alone, empty for settings; none for every one.
    pub category: Option<String>,
    /// Only keys that begin so.
    pub prefix: String,
    /// Only what comes behind this category and key: where the page before ended.
    pub after: Option<(String, String)>,
}

/// A setting or an item that has a value.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// What sort of thing, as in [`crate::body::shared::Set`]. It may be one that this version does not know.
    pub category: String,
    /// Its name.
    pub key: String,
    /// Its value.
    pub value: ByteBuf,
    /// When it was given, by the clock of the device that did, in milliseconds since 1970.
    #[serde(default)]
    pub changed_ms: u64,
    /// The name of that device; empty when it is not known, or this device in no account.
    #[serde(default)]
    pub device: String,
}

/// A page of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Items {
    /// What was asked for.
    pub items: Vec<Item>,
    /// Whether there is more behind it.
    pub more: bool,
    /// Whether this device is in an account, so that others have them too.
    pub joined: bool,
}

/// What is to be changed, all at once or not at all, unless it says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ItemsChange {
    /// New values, or none where there is to be no value any more.
    pub changes: Vec<ItemChange>,
    /// Refuse when one of the new values would replace another.
    pub only_new: bool,
    /// Leave out, without a word, what would replace another value.
    pub keep_known: bool,
    /// Leave out, and name, what cannot be kept; the others are taken.
    pub leave_unfit: bool,
}

/// One of them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemChange {
    /// What sort of thing.
    pub category: String,
    /// Its name.
    pub key: String,
    /// Its value, or none any more.
    #[serde(default)]
    pub value: Option<ByteBuf>,
}

/// What became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ItemsChanged {
    /// How many have another value now, or none any more.
    pub changed: u64,
    /// How many were so already.
    pub same: u64,
    /// How many were left out because there is another value.
    pub kept: u64,
    /// What was left out because it cannot be kept.
    pub unfit: Vec<ItemUnfit>,
    /// Whether this device is in an account, so that the others get them too.
    pub joined: bool,
    /// Keys whose value looks like a secret. They are kept all the same.
    pub secrets: Vec<String>,
}

/// An item that cannot be kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ItemUnfit {
    /// What sort of thing.
    pub category: String,
    /// Its name.
    pub key: String,
    /// Why.
    pub reason: String,
}

/// How often one device has counted something.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CountOf {
    /// What, as in [`crate::uses`].
    pub key: String,
    /// Which device, in hexadecimal.
    pub device: String,
    /// What it is called; empty when that is not known.
    pub name: String,
    /// How often.
    pub total: u64,
}

/// The counts of all devices.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Ascending by key, then device.
    pub counts: Vec<CountOf>,
    /// This device, in hexadecimal.
    pub own: String,
    /// Whether this device is in an account.
    pub joined: bool,
    /// Whether uses are counted now.
    pub counting: bool,
}

// Written by hand: names and values are a person's own. A new field must be named here.
impl std::fmt::Debug for Item {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { category, key: _, value: _, changed_ms, device: _ } = self;
        f.debug_struct("Item").field("category", category).field("changed_ms", changed_ms).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for ItemChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { category, key: _, value: _ } = self;
        f.debug_struct("ItemChange").field("category", category).finish_non_exhaustive()
    }
}
