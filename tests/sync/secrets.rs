//! Secrets, and the places that must not tell them.

use std::{fs, io::ErrorKind};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use caro_tests::Device;

/// The key in a home's key file.
pub(crate) fn home_key(device: &Device) -> Vec<u8> {
    let text = fs::read_to_string(device.home.data().join("caro.key")).expect("a key file");
    let encoded = text.lines().nth(1).and_then(|line| line.strip_prefix("file ")).expect("a key in it");
    let key = STANDARD.decode(encoded).expect("base64");
    assert_eq!(key.len(), 32);
    key
}

/// Each two words of a phrase that follow each other.
pub(crate) fn pairs(phrase: &str) -> Vec<String> {
    let words: Vec<&str> = phrase.split(' ').collect();
    assert!(words.len() >= 12, "a phrase");
    words.windows(2).map(|pair| pair.join(" ")).collect()
}

/// A secret is in none of these bytes: as it is, in hexadecimal, or in base64 of either alphabet at any of its places.
pub(crate) fn expect_in_no_form(bytes: &[u8], secret: &[u8], place: &str) {
    let mut forms = vec![secret.to_vec(), hex::encode(secret).into_bytes(), hex::encode_upper(secret).into_bytes()];
    for before in 0..3 {
        // Of the letters only those that do not depend on what stands around the secret.
        let padded = [&vec![0; before][..], secret].concat();
        let (from, to) = ((before * 8).div_ceil(6), padded.len() * 8 / 6);
        for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            forms.push(engine.encode(&padded).as_bytes()[from..to].to_vec());
        }
    }
    for form in forms {
        assert!(!bytes.windows(form.len()).any(|window| window == form), "a secret is in {place}");
    }
}

/// A running process tells none of these with its arguments or its environment.
pub(crate) fn expect_untold(pid: i32, secrets: &[String]) {
    let arguments = fs::read(format!("/proc/{pid}/cmdline")).expect("it runs");
    let environment = match fs::read(format!("/proc/{pid}/environ")) {
        Ok(bytes) => bytes,
        // It has closed itself to others, so nobody reads it there.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => b"closed".to_vec(),
        Err(error) => panic!("its environment: {error}"),
    };
    for (part, seen) in [("its arguments", arguments), ("its environment", environment)] {
        assert!(!seen.is_empty(), "{part} were read");
        for secret in secrets {
            expect_in_no_form(&seen, secret.as_bytes(), part);
        }
    }
}
