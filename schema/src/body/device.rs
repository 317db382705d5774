//! What a device says about itself, inside sealed cells only.

use serde::{Deserialize, Serialize};

/// A device's name and kind, the newest by stamp being the one shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Name {
    /// What its owner calls it; at first its host name.
    #[serde(rename = "n")]
    pub name: String,
    /// Operating system and processor, such as `linux x86_64`.
    #[serde(rename = "p", default)]
    pub platform: String,
}

impl std::fmt::Debug for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name: _, platform } = self;
        f.debug_struct("Name").field("platform", platform).finish_non_exhaustive()
    }
}
