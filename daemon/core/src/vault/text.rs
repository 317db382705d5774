//! One form for what people type, so that the same words from another keyboard or system are the same bytes.

use std::borrow::Cow;

use bip39::Mnemonic;
use zeroize::Zeroizing;

/// Unicode normalisation form KD, which BIP39 asks for. What is wiped on drop is our copy; the caller wipes theirs.
pub(super) fn normal(text: &str) -> Zeroizing<String> {
    let mut normal = Cow::Borrowed(text);
    Mnemonic::normalize_utf8_cow(&mut normal);
    Zeroizing::new(normal.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn composed_and_decomposed_are_the_same() {
        assert_eq!(normal("caf\u{e9}"), normal("cafe\u{301}"));
        assert_eq!(normal("\u{ff41}bandon").as_str(), "abandon");
    }
}
