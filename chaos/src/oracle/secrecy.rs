//! Invariant 3: nothing of what was typed, nor any name, is in what a relay holds, in any form that is easily read.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use caro_schema::relay::Entry;
use memchr::memmem;

use crate::world::World;

/// In every text, path, host, device name and address that a world makes.
const CANARY: &str = "canary";

/// No relay holds anything that can be read, or a size that says something.
///
/// # Panics
/// When one does.
pub fn assert_no_plaintext(world: &World) {
    for relay in 0..world.relays.len() {
        for entry in world.entries(relay) {
            let Entry::Cell(cell) = entry else { continue };
            assert_no_plaintext_in(&cell, &[CANARY.as_bytes()]);
            assert!(cell.len().is_power_of_two(), "no plaintext: a cell shows its size");
        }
    }
}

/// None of these words is in the bytes, in any form.
///
/// # Panics
/// When one is.
pub fn assert_no_plaintext_in(bytes: &[u8], words: &[&[u8]]) {
    for word in words {
        let found = forms(word).iter().any(|form| memmem::find(bytes, form).is_some());
        assert!(!found, "no plaintext: a canary can be read");
    }
}

/// A word in the forms in which it could leak: as it is, hexadecimal, base64 in both alphabets at each of its three places,
/// UTF-16 both ways round, percent-encoded.
pub fn forms(word: &[u8]) -> Vec<Vec<u8>> {
    let hex: String = word.iter().map(|byte| format!("{byte:02x}")).collect();
    let percent: String = word.iter().map(|byte| format!("%{byte:02X}")).collect();
    let mut forms = vec![word.to_vec(), hex.to_uppercase().into_bytes(), hex.into_bytes(), percent.into_bytes()];
    forms.push(word.iter().flat_map(|byte| [*byte, 0]).collect());
    forms.push(word.iter().flat_map(|byte| [0, *byte]).collect());
    for before in 0..3 {
        // Of the letters only those that do not depend on what stands around the word.
        let padded = [&vec![0; before][..], word].concat();
        let from = (before * 8).div_ceil(6);
        let to = padded.len() * 8 / 6;
        for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            forms.push(engine.encode(&padded).as_bytes()[from..to].to_vec());
        }
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{oracle::fails, sabotage::Sabotage};

    #[test]
    fn a_canary_is_found_in_each_of_its_forms() {
        let noise = b"before";
        let mut leaks: Vec<Vec<u8>> = forms(b"word>?").iter().map(|form| [&noise[..], form].concat()).collect();
        for cut in 0..3 {
            let text = [&noise[cut..], b"word>?", noise].concat();
            leaks.push(STANDARD_NO_PAD.encode(&text).into_bytes());
            leaks.push(URL_SAFE_NO_PAD.encode(&text).into_bytes());
        }
        for leak in leaks {
            let found = std::panic::catch_unwind(|| assert_no_plaintext_in(&leak, &[b"word>?"])).is_err();
            assert!(found, "{}", String::from_utf8_lossy(&leak));
        }
        assert_no_plaintext_in(noise, &[b"word>?"]);
    }

    #[test]
    fn a_relay_that_holds_plaintext_is_noticed() {
        let mut world = World::joined(2, 4, Some(Sabotage::StorePlaintext));
        world.record(0, "canary one");
        world.settle();
        world.shuffle_log(0, |cells| cells.push([&b"canary"[..], &[0; 1018]].concat()));
        assert!(fails(assert_no_plaintext, &world));
    }
}
