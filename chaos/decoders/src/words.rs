//! What people type and paste: phrases, codes and addresses.

use caro_core::{
    pairing::{Code, CodeError},
    vault::Phrase,
};
use caro_daemon::remote::Address;
use caro_schema::{
    id::{Hash, RecordId},
    limits::MAILBOX_NUMBER_MAX,
};

use chaos_tests::fuzzing::{Target, account::PHRASE};

pub(crate) const TARGETS: &[Target] = &[
    Target {
        name: "phrase",
        what: "a recovery phrase as it is typed: what is read is the phrase that its own words give",
        run: phrase,
        seeds: phrase_seeds,
    },
    Target {
        name: "code",
        what: "a pairing code as it is typed: what is read, shown and read again is the same code",
        run: code,
        seeds: code_seeds,
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

fn code(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Code::parse(text) {
        Ok(code) => {
            assert!((1..=MAILBOX_NUMBER_MAX).contains(&code.number()));
            let again = Code::parse(&code.text()).expect("what is shown is a code");
            assert_eq!((again.number(), again.text()), (code.number(), code.text()));
        }
        Err(CodeError::Word { position, nearest }) => {
            assert!((1..=2).contains(&position) && Code::parse(&format!("1-{nearest}-{nearest}")).is_ok());
        }
        Err(CodeError::Form) => {}
    }
}

fn code_seeds() -> Vec<Vec<u8>> {
    let texts =
        ["7-abandon-zoo", "  9999 ABAN zoo ", "7-abandn-zoo", "0-abandon-zoo", "7-\u{130}stanbul-zoo", "+7 zoo zoo"];
    texts.map(|text| text.as_bytes().to_vec()).to_vec()
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
