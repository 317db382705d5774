//! What is counted of commands as they end, beside history: how many, by category, model, outcome and hour. The keys of
//! [`crate::body::shared::Count`].
//!
//! A device counts for itself alone. What it heard of another one's counts when both were, or will be, in another account,
//! it says under that device's name ([`of_device`]), so that saying it again, anywhere, counts nothing twice: of several
//! totals for one key and one device the greatest holds.

use crate::id::DeviceId;

/// Every command that ended.
pub const RUNS: &str = "runs";

/// In front of a category, such as `category/files`.
pub const CATEGORY: &str = "category/";

/// In front of the model of an assistant.
pub const MODEL: &str = "model/";

/// In front of how it ended: `ok`, `failed` or `unknown`.
pub const OUTCOME: &str = "outcome/";

/// In front of the hour of the day at which it began, where it began: `00` to `23`.
pub const HOUR: &str = "hour/";

/// Behind a category or model: those of its commands that failed.
pub const FAILED: &str = "/failed";

/// Bytes of a model's name that are kept.
pub const MODEL_BYTES_MAX: usize = 128;

/// A key as one device says it of another one's count.
pub fn of_device(key: &str, device: &DeviceId) -> String {
    format!("{key}@{}", device.hex())
}

/// What is counted and by whom, from a key as `author` says it.
pub fn meant(key: &str, author: DeviceId) -> (&str, DeviceId) {
    let other = key.rsplit_once('@').and_then(|(key, device)| Some((key, DeviceId::from_hex(device)?)));
    other.unwrap_or((key, author))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ds003_a_key_says_whose_count_it_is() {
        let (here, there) = (DeviceId([1; 32]), DeviceId([2; 32]));
        assert_eq!(meant("hour/07", here), ("hour/07", here));
        assert_eq!(meant(&of_device("hour/07", &there), here), ("hour/07", there));
        assert_eq!(meant("model/a@latest", here), ("model/a@latest", here));
        assert_eq!(meant(&of_device("model/a@latest", &there), here), ("model/a@latest", there));
    }
}
