//! What people type and paste: phrases and addresses.

use caro_core::vault::Phrase;
use caro_daemon::remote::Address;
use caro_schema::id::{Hash, RecordId};

use chaos_tests::fuzzing::{Target, account::PHRASE};

pub(crate) const TARGETS: &[Target] = &[
    Target {
        name: "phrase",
        what: "a recovery phrase as it is typed: what is read is the phrase that its own words give",
        run: phrase,
        seeds: phrase_seeds,
    },
    Target {
        name: "address",
        what: "a relay's address as it is pasted: what is read, written out and read again is the same place",
        run: address,
        seeds: address_seeds,
    },
    Target {
        name: "id",
        what: "ids in hexadecimal: what is read writes back to the same text in lower case",
        run: id,
        seeds: || vec![b"00112233445566778899aabbccddeeff".to_vec(), b"AB".to_vec(), b"0x".to_vec()],
    },
];

fn phrase(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(phrase) = Phrase::parse(text) else { return };
    let again = Phrase::parse(&phrase.words().join(" ")).expect("its own words are a phrase");
    assert!(*again.entropy() == *phrase.entropy());
}

fn phrase_seeds() -> Vec<Vec<u8>> {
    let words = Phrase::from_entropy(&PHRASE).words().join(" ");
    let numbered: Vec<String> = words.split(' ').enumerate().map(|(at, word)| format!("{}. {word}", at + 1)).collect();
    vec![
        words.to_uppercase().into_bytes(),
        numbered.join("\n").into_bytes(),
        b"abandon ".repeat(12),
        words.into_bytes(),
    ]
}

fn address(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(address) = Address::parse(text) else { return };
    assert!(address.port != 0 && !address.host.is_empty());
    let again = Address::parse(&address.place()).expect("what was read is an address");
    assert!(again == Address { key: None, ..address }, "another place");
}

fn address_seeds() -> Vec<Vec<u8>> {
    let texts = [
        "wss://relay.example.org:7490/#BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc",
        "ws://[::1]:1/",
        "wss://relay.example.org",
        " ws://127.0.0.1:65535/ \n",
        "wss://a:b:c/",
        "wss://[::1",
    ];
    texts.map(|text| text.as_bytes().to_vec()).to_vec()
}

fn id(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some(id) = RecordId::from_hex(text) {
        assert_eq!(id.hex(), text.to_lowercase());
    }
    if let Some(hash) = Hash::from_hex(text) {
        assert_eq!(hash.hex(), text.to_lowercase());
    }
}
