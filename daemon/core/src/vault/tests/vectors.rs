//! Trap 26: every construction agrees with another implementation, on files that neither made up alone.
//! `tests/vectors/vault.py` computes them and says with whose cryptography.

use caro_link::{
    entropy::{Entropy, NoEntropy},
    identity::Signer,
};
use caro_schema::{
    cell::CellClass,
    codec,
    id::{CellId, Dataset, DeviceId, Hash, RelayKey},
    keylog::Wrap,
    op::{Payload, RawChange},
};
use serde_json::Value;

use crate::vault::{
    DeviceKeys, Phrase, RootKey, Vault,
    at_rest::{DeviceMasterKey, Passphrase, lock, unlock},
    cell_key::CellKey,
    epoch_key::EpochKey,
    kem_key::{KemKey, encapsulate},
    meeting_key::{Half, Side},
    nearest::nearest,
    open::open,
    payload::{pack, unpack},
    seal::seal,
    secret::Secret,
    wrap::{unwrap, wrap},
};

macro_rules! vectors {
    ($file:literal) => {
        serde_json::from_str::<Value>(include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../schema/vectors/vault/",
            $file
        )))
        .unwrap()
    };
}

fn bytes(value: &Value, field: &str) -> Vec<u8> {
    hex::decode(value[field].as_str().unwrap_or_else(|| panic!("no field {field}"))).unwrap()
}

fn array<const N: usize>(value: &Value, field: &str) -> [u8; N] {
    bytes(value, field).try_into().unwrap()
}

fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    let list = value[field].as_array().unwrap();
    assert!(!list.is_empty());
    list
}

fn check_cell_key(key: &CellKey, expected: &Value) {
    assert_eq!(key.secret().bytes(), &array(expected, "key"));
    assert_eq!(key.id().0, array(expected, "id"));
    assert_eq!(key.nonce_key(), &array(expected, "nonce_key"));
}

#[test]
fn trap_26_phrases_stand_for_the_same_entropy() {
    for case in vectors!("phrases.json").as_array().unwrap() {
        let words = case["words"].as_str().unwrap();
        let phrase = Phrase::parse(words).unwrap();
        assert_eq!(phrase.entropy().as_slice(), bytes(case, "entropy"));
        assert_eq!(phrase.words().join(" "), words);
        if let Ok(entropy) = <[u8; 32]>::try_from(bytes(case, "entropy")) {
            assert_eq!(Phrase::from_entropy(&entropy).words().join(" "), words);
        }
    }
}

#[test]
fn trap_26_the_nearest_word_is_the_same() {
    for case in vectors!("mistyped.json").as_array().unwrap() {
        let typed = case["typed"].as_str().unwrap();
        assert_eq!(nearest(typed), case["nearest"].as_str().unwrap(), "{typed}");
    }
}

#[test]
fn trap_24_trap_26_the_key_schedule_is_the_same() {
    let phrases = vectors!("phrases.json");
    for case in vectors!("schedule.json").as_array().unwrap() {
        let phrase =
            phrases.as_array().unwrap().iter().find(|phrase| phrase["entropy"] == case["entropy"]).expect("a phrase");
        let root = RootKey::derive(&Phrase::parse(phrase["words"].as_str().unwrap()).unwrap()).unwrap();
        assert_eq!(root.bytes(), &array(case, "root"));
        let account = root.account_signer();
        assert_eq!(account.public(), array(case, "account_public"));
        assert_eq!(Signer::from_seed(&array(case, "account_seed")).public(), account.public());
        assert_eq!(root.dataset().0, array(case, "dataset"));
        for relay in list(case, "relays") {
            let account = root.relay_account(&RelayKey(array(relay, "relay")));
            assert_eq!(account.public(), array(relay, "public"));
            assert_eq!(Signer::from_seed(&array(relay, "seed")).public(), account.public());
            assert_eq!(account.handle().0, array(relay, "handle"));
        }
        for epoch in list(case, "epochs") {
            let number = u32::try_from(epoch["number"].as_u64().unwrap()).unwrap();
            check_cell_key(root.epoch_key(number).cell(), epoch);
        }
        check_cell_key(root.key_log_key().cell(), &case["key_log"]);
    }
}

#[test]
fn trap_26_cells_are_the_same_to_the_byte() {
    for case in vectors!("cells.json").as_array().unwrap() {
        let key = CellKey::new(Secret::copied(&array(case, "key")));
        let dataset = Dataset(array(case, "dataset"));
        let class = match case["class"].as_str().unwrap() {
            "op" => CellClass::Op,
            "key-log" => CellClass::KeyLog,
            "snapshot" => CellClass::Snapshot,
            "attest" => CellClass::Attest,
            other => panic!("class {other}"),
        };
        let plain = case_plain(case);
        let cell = seal(&key, &dataset, class, &plain, &array(case, "op_id"), &array(case, "random")).unwrap();
        assert_eq!(cell[10..34], array::<24>(case, "nonce"));
        assert_eq!(cell[34..66], array::<32>(case, "commit"));
        assert_eq!(CellId(*blake3::hash(&cell).as_bytes()), CellId(array(case, "cell_id")));
        if !case["cell"].is_null() {
            assert_eq!(hex::encode(&cell), case["cell"].as_str().unwrap());
        }
        assert_eq!(open(&key, &dataset, class, &cell).unwrap().as_slice(), plain);
    }
}

/// The longest one is given by what it is made from.
fn case_plain(case: &Value) -> Vec<u8> {
    let Some(seed) = case["plain_blake3_of"].as_str() else { return bytes(case, "plain") };
    let mut plain = vec![0; usize::try_from(case["plain_length"].as_u64().unwrap()).unwrap()];
    blake3::Hasher::new().update(seed.as_bytes()).finalize_xof().fill(&mut plain);
    plain
}

#[test]
fn trap_26_a_device_has_the_same_keys_and_opens_the_same_wraps() {
    let case = vectors!("device.json");
    let device = DeviceKeys::generate(&array(&case, "seeds"));
    assert_eq!(device.device_id().0, array(&case, "device"));
    assert_eq!(device.kem_public(), bytes(&case, "kem_public"));
    for relay in list(&case, "relays") {
        let at_relay = device.relay_static(&RelayKey(array(relay, "relay")));
        assert_eq!(at_relay.public(), array::<32>(relay, "public"));
    }
    let dataset = Dataset(array(&case, "dataset"));
    for expected in list(&case, "wraps") {
        let number = u32::try_from(expected["epoch"].as_u64().unwrap()).unwrap();
        let epoch = EpochKey::new(number, Secret::copied(&array(expected, "epoch_key")));
        let made = wrap(&device.certificate(None), &epoch, &dataset, &array(expected, "random")).unwrap();
        assert_eq!(made.encapsulated.as_slice(), bytes(expected, "encapsulated"));
        assert_eq!(made.sealed.as_slice(), bytes(expected, "sealed"));
        let theirs = Wrap {
            device: DeviceId(array(&case, "device")),
            encapsulated: bytes(expected, "encapsulated").into(),
            sealed: bytes(expected, "sealed").into(),
        };
        assert_eq!(unwrap(&device, &theirs, number, &dataset), Ok(epoch));
    }
}

#[test]
fn trap_26_the_kept_state_is_the_same() {
    let case = vectors!("device.json");
    let state = &case["state"];
    let vault = Vault::decode(&bytes(state, "encoded")).unwrap();
    assert_eq!(vault.account().0, array(state, "account_public"));
    assert_eq!(vault.device_id().0, array(&case, "device"));
    check_cell_key(vault.keys().key_log().cell(), &state["key_log"]);
    let epochs: Vec<&EpochKey> = vault.keys().epochs().collect();
    assert_eq!(epochs.len(), list(state, "epochs").len());
    for (epoch, expected) in epochs.iter().zip(list(state, "epochs")) {
        assert_eq!(u64::from(epoch.number()), expected["number"].as_u64().unwrap());
        check_cell_key(epoch.cell(), expected);
    }
    assert_eq!(vault.encode().as_slice(), bytes(state, "encoded"));
}

#[test]
fn trap_26_x_wing_is_that_of_its_draft() {
    for case in vectors!("xwing.json").as_array().unwrap() {
        let key = KemKey::from_seed(&Secret::copied(&array(case, "seed")));
        assert_eq!(key.public(), bytes(case, "public"));
        let (ciphertext, shared) = encapsulate(&key.public(), &array(case, "random")).unwrap();
        assert_eq!(ciphertext, bytes(case, "ciphertext"));
        assert_eq!(shared.bytes(), &array(case, "shared"));
        assert_eq!(key.decapsulate(&ciphertext), Ok(shared));
    }
}

#[test]
fn trap_26_rows_at_rest_are_the_same_to_the_byte() {
    let case = vectors!("at_rest.json");
    let master = DeviceMasterKey::from_bytes(&array(&case, "master"));
    let store = master.store_key();
    assert_eq!(store.fingerprint(), array(&case, "fingerprint"));
    for expected in list(&case, "row_keys") {
        let space = u8::try_from(expected["space"].as_u64().unwrap()).unwrap();
        assert_eq!(store.row_key(space, &bytes(expected, "key")), array(expected, "hidden"));
    }
    for expected in list(&case, "rows") {
        let (place, plain) = (bytes(expected, "place"), bytes(expected, "plain"));
        let row = store.seal_row(&place, &plain, &array(expected, "random"));
        assert_eq!(row, bytes(expected, "row"));
        assert_eq!(store.open_row(&place, &row), Ok(plain));
    }
}

#[test]
fn trap_26_the_lock_of_a_passphrase_is_the_same() {
    let case = vectors!("at_rest.json");
    let master = DeviceMasterKey::from_bytes(&array(&case, "master"));
    let expected = &case["lock"];
    let passphrase = Passphrase::new(expected["passphrase"].as_str().unwrap()).unwrap();
    let locked = lock(&master, &passphrase, &array(expected, "salt"), &array(expected, "nonce")).unwrap();
    assert_eq!(locked, bytes(expected, "locked"));
    assert_eq!(unlock(&locked, &passphrase), Ok(master));
}

#[test]
fn trap_26_payloads_of_another_encoder_are_read() {
    for case in vectors!("payloads.json").as_array().unwrap() {
        let change = |change: &Value| {
            let kind = u16::try_from(change["kind"].as_u64().unwrap()).unwrap();
            RawChange(kind, bytes(change, "data").into())
        };
        let payload = Payload { changes: case["changes"].as_array().unwrap().iter().map(change).collect() };
        let packed = bytes(case, "packed");
        assert_eq!(unpack(&packed).as_ref(), Ok(&payload));
        if packed[0] == 0 {
            assert_eq!(codec::encode(&payload), packed[1..]);
        }
        // Of several changes the compressed form is chosen, and a frame need not be the same from every encoder.
        if case["same_bytes"] == Value::Bool(true) {
            assert_eq!(pack(&payload), packed);
        }
    }
}

/// Gives what a vector drew, once.
struct Given(Vec<u8>);

impl Entropy for Given {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), NoEntropy> {
        bytes.copy_from_slice(&self.0);
        Ok(())
    }
}

#[test]
fn trap_26_two_ends_of_a_meeting_come_to_the_same_keys_as_another_spake2() {
    for case in vectors!("meeting.json").as_array().unwrap() {
        let code = case["code"].as_str().unwrap().as_bytes();
        let begin = |side, random| Half::begin(side, code, &mut Given(bytes(case, random))).unwrap();
        let (newcomer, x) = begin(Side::Newcomer, "random_newcomer");
        let (inviter, y) = begin(Side::Inviter, "random_inviter");
        assert_eq!((&x, &y), (&bytes(case, "x"), &bytes(case, "y")));
        let (relay, commit) = (RelayKey(array(case, "relay")), Hash(array(case, "commit")));
        let mut newcomer = newcomer.finish(&y, &relay, &commit).unwrap();
        let mut inviter = inviter.finish(&x, &relay, &commit).unwrap();
        assert_eq!(newcomer.confirmation(), Hash(array(case, "confirm_newcomer")));
        assert_eq!(inviter.confirmation(), Hash(array(case, "confirm_inviter")));
        assert!(inviter.confirm(&newcomer.confirmation()).is_ok() && newcomer.confirm(&inviter.confirmation()).is_ok());
        for letter in list(case, "letters") {
            let is_newcomers = letter["side"] == "newcomer";
            let (from, to) = if is_newcomers { (&mut newcomer, &mut inviter) } else { (&mut inviter, &mut newcomer) };
            let (plain, sealed) = (bytes(letter, "plain"), bytes(letter, "sealed"));
            assert_eq!(from.seal(&plain), sealed);
            assert_eq!(to.open(&sealed).unwrap().as_slice(), plain);
        }
        let numbers = (Hash(array(case, "number_newcomer")), Hash(array(case, "number_inviter")));
        assert_eq!(newcomer.check(&numbers.0, &numbers.1), array(case, "check"));
    }
}
