//! Genuine things to break: one account with two devices, all that they sealed, and the keys to make more. Made once per
//! process from fixed numbers, because the phrase costs a second.

use std::sync::OnceLock;

use caro_core::vault::{DeviceKeys, Phrase, RootKey, Vault};
use caro_link::{identity::Signer, proof};
use caro_schema::{
    body::{history::Record, kind as change_kind},
    cell::CellClass,
    codec,
    id::{Hash, OpId, RecordId},
    keylog::{Entry, Membership, SignedEntry},
    op::{Body, Header, Payload, RawChange, SignedOp, kind},
    stamp::Stamp,
};
use serde_bytes::ByteBuf;

use crate::seed::Seed;
use caro_link::entropy::Entropy;

/// A member of an account who keeps to no rule: what it makes is signed and sealed as it should be, whatever it says.
pub struct Rogue {
    vault: Vault,
    root: RootKey,
    entropy: Seed,
}

/// Milliseconds since 1970, of everything here.
pub const NOW_MS: u64 = 1_790_000_000_000;

/// The words of the one account, as the bytes behind them.
pub const PHRASE: [u8; 32] = [11; 32];

/// What the relay signs with in every world here.
pub fn relay_signer() -> Signer {
    Signer::from_seed(&[6; 32])
}

impl Rogue {
    /// A member of the account behind a phrase, with keys of its own.
    pub fn new(phrase: &Phrase, number: u64) -> Self {
        let root = RootKey::derive(phrase).expect("memory");
        let mut entropy = Seed::new(number);
        let mut random = [0; 96];
        entropy.fill(&mut random).expect("a seed has no end");
        Self { vault: Vault::new(&root, DeviceKeys::generate(&random)), root, entropy }
    }

    /// Its keys.
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// The account's root.
    pub fn root(&self) -> &RootKey {
        &self.root
    }

    /// Its admission, signed by the account.
    pub fn admission(&self) -> SignedEntry {
        let entry = Entry {
            dataset: self.vault.dataset(),
            prev: Vec::new(),
            stamp: Stamp::from_ms(NOW_MS),
            change: Membership::Admit(self.vault.device().certificate(None)),
        };
        proof::sign_entry(&self.root.account_signer(), &entry)
    }

    /// The cell that carries an entry of the key log.
    pub fn entry_cell(&mut self, entry: &SignedEntry) -> Vec<u8> {
        let hash = proof::entry_hash(&entry.entry);
        self.seal(CellClass::KeyLog, &codec::encode(entry), &OpId(hash.0))
    }

    /// A header of its next op after `prev`, with the place that is wanted.
    pub fn header(&self, seq: u64, prev: OpId, payload_commit: Hash) -> Header {
        Header {
            dataset: self.vault.dataset(),
            author: self.vault.device_id(),
            seq,
            prev,
            parents: Vec::new(),
            stamp: Stamp::from_ms(NOW_MS + seq),
            kind: kind::CHANGES,
            payload_commit,
        }
    }

    /// An op with any bytes as its payload, signed.
    pub fn op(&self, seq: u64, prev: OpId, payload: Vec<u8>) -> (SignedOp, OpId) {
        let salt = [7; 32];
        self.sign(self.header(seq, prev, proof::payload_commit(&salt, &payload)).encode(), Some(Body { salt, payload }))
    }

    /// Any bytes as a header, signed.
    pub fn sign(&self, header_bytes: Vec<u8>, body: Option<Body>) -> (SignedOp, OpId) {
        let signature = proof::sign_op(self.signer(), &header_bytes);
        let id = proof::op_id(&header_bytes);
        (SignedOp { header_bytes, signature, body }, id)
    }

    /// A chain of ops, each with one command, from the first.
    pub fn chain(&self, length: u64) -> Vec<(SignedOp, OpId)> {
        let mut prev = OpId([0; 32]);
        let next = |seq: u64| {
            let payload = plain(&[record_change(seq)]);
            let made = self.op(seq, prev, payload);
            prev = made.1;
            made
        };
        (1..=length).map(next).collect()
    }

    /// The cell that carries an op.
    pub fn op_cell(&mut self, op: &SignedOp) -> Vec<u8> {
        let id = proof::op_id(&op.header_bytes);
        self.seal(CellClass::Op, &op.encode(), &id)
    }

    /// A cell with any bytes in it.
    pub fn seal(&mut self, class: CellClass, plain: &[u8], id: &OpId) -> Vec<u8> {
        let mut random = [0; 32];
        self.entropy.fill(&mut random).expect("a seed has no end");
        let dataset = self.vault.dataset();
        let sealed = match class {
            CellClass::KeyLog => {
                caro_core::vault::seal::seal(self.vault.keys().key_log(), &dataset, class, plain, &id.0, &random)
            }
            _ => caro_core::vault::seal::seal(self.vault.keys().current(), &dataset, class, plain, &id.0, &random),
        };
        sealed.expect("it fits a cell")
    }

    fn signer(&self) -> &Signer {
        self.vault.signer()
    }
}

/// A payload that is not compressed.
pub fn plain(changes: &[RawChange]) -> Vec<u8> {
    [vec![0], codec::encode(&Payload { changes: changes.to_vec() })].concat()
}

/// A command whose number decides all of it.
pub fn record(number: u64) -> Record {
    let mut id = [0; RecordId::LEN];
    id[..8].copy_from_slice(&number.to_be_bytes());
    Record {
        id: RecordId(id),
        command: ByteBuf::from(format!("make target-{number}").into_bytes()),
        directory: ByteBuf::from(b"/src".to_vec()),
        host: "host".to_owned(),
        user: "ada".to_owned(),
        shell: "zsh 5.9".to_owned(),
        session: "s".to_owned(),
        start_us: (NOW_MS * 1000 + number).cast_signed(),
        duration_us: Some(1000),
        exit: Some(0),
        assistant: None,
    }
}

/// The change that records it.
pub fn record_change(number: u64) -> RawChange {
    RawChange(change_kind::RECORD, ByteBuf::from(codec::encode(&record(number))))
}

/// The account of the targets, with one member.
pub fn shared() -> &'static Rogue {
    static SHARED: OnceLock<Rogue> = OnceLock::new();
    SHARED.get_or_init(|| Rogue::new(&Phrase::from_entropy(&PHRASE), 1))
}
