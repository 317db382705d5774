//! What is hashed, signed and checked: ids, commitments, chains and lists, each in one pair of functions, so that both
//! ends and every version compute the same. Each hash and each signature has a domain of its own and no domain is the
//! beginning of another one, so nothing made for one purpose holds for another.
//!
//! Layouts: `schema`. Keys: [`crate::identity`].

use caro_schema::{
    codec,
    id::{CellId, DeviceId, Generation, Handle, Hash, OpId, Signature},
    keylog::{Certificate, Entry, Membership, SignedEntry},
    op::{Header, SignedOp},
    relay::{
        ATTACH_DOMAIN, CLOSE_DOMAIN, POSITION_DOMAIN, Position,
        list::{Addition, DeviceList, LIST_DOMAIN, SignedList},
    },
};
use serde_bytes::ByteBuf;
use sha2::{Digest, Sha256};

use crate::identity::{BadSignature, Signer, verify};

/// Domain of an op's id and of its author's signature.
pub const OP_DOMAIN: &[u8] = b"caro/v1/op";

/// Domain of a key-log entry's hash and of the account's signature over it.
pub const ENTRY_DOMAIN: &[u8] = b"caro/v1/key-log-entry";

/// Domain of a device's signature over an entry with which it lets another device in. An entry's hash is that of
/// [`ENTRY_DOMAIN`] all the same.
pub const ADMISSION_DOMAIN: &[u8] = b"caro/v1/admission";

/// Something that was signed does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The bytes are not the one form that is signed.
    #[error("not in its canonical form")]
    Malformed,
    /// The signature is not of this key over these bytes.
    #[error("the signature does not hold")]
    BadSignature,
    /// The payload is not the one that the header commits to.
    #[error("the payload is not the one that was signed")]
    BadPayload,
}

impl From<BadSignature> for ProofError {
    fn from(_: BadSignature) -> Self {
        Self::BadSignature
    }
}

impl From<codec::DecodeError> for ProofError {
    fn from(_: codec::DecodeError) -> Self {
        Self::Malformed
    }
}

// Ops.

/// The id of an op: BLAKE3 over [`OP_DOMAIN`] and the header's canonical bytes.
pub fn op_id(header_bytes: &[u8]) -> OpId {
    OpId(hash([OP_DOMAIN, header_bytes]))
}

/// What a header says of its payload: BLAKE3 keyed with the salt. Without the salt it says nothing.
pub fn payload_commit(salt: &[u8; 32], payload: &[u8]) -> Hash {
    Hash(*blake3::keyed_hash(salt, payload).as_bytes())
}

/// The author's signature over a header.
pub fn sign_op(author: &Signer, header_bytes: &[u8]) -> Signature {
    author.sign(OP_DOMAIN, header_bytes)
}

/// Checks an op by itself: canonical header, its author's signature, and the payload if it is there. Gives the header
/// and the id.
///
/// # Errors
/// What does not hold.
pub fn verify_op(op: &SignedOp) -> Result<(Header, OpId), ProofError> {
    let header = Header::decode(&op.header_bytes)?;
    verify(header.author.as_bytes(), OP_DOMAIN, &op.header_bytes, &op.signature)?;
    if let Some(body) = &op.body
        && payload_commit(&body.salt, &body.payload) != header.payload_commit
    {
        return Err(ProofError::BadPayload);
    }
    Ok((header, op_id(&op.header_bytes)))
}

// Cells and their place in a relay's log.

/// The id of a cell: BLAKE3 of its sealed bytes.
pub fn cell_id(cell: &[u8]) -> CellId {
    CellId(hash([cell]))
}

/// One more link of a relay's chain: BLAKE3 of the head before, the cursor (u64, big-endian) and the cell's id.
pub fn chain_head(before: &Hash, cursor: u64, cell: &CellId) -> Hash {
    Hash(hash([&before.as_bytes()[..], &cursor.to_be_bytes(), cell.as_bytes()]))
}

/// A place in an account's log, signed by the relay.
pub fn sign_position(relay: &Signer, handle: &Handle, generation: Generation, cursor: u64, head: Hash) -> Position {
    let signature = relay.sign(POSITION_DOMAIN, &position_bytes(handle, &generation, cursor, &head));
    Position { generation, cursor, head, signature }
}

/// Checks a relay's signature over a place in an account's log.
///
/// # Errors
/// When it is not of this relay, for this account.
pub fn verify_position(relay: &Hash, handle: &Handle, position: &Position) -> Result<(), ProofError> {
    let Position { generation, cursor, head, signature } = position;
    Ok(verify(relay.as_bytes(), POSITION_DOMAIN, &position_bytes(handle, generation, *cursor, head), signature)?)
}

fn position_bytes(handle: &Handle, generation: &Generation, cursor: u64, head: &Hash) -> Vec<u8> {
    [&handle.as_bytes()[..], generation.as_bytes(), &cursor.to_be_bytes(), head.as_bytes()].concat()
}

// Accounts and device lists at one relay.

/// An account's name at one relay: the first 16 bytes of BLAKE3 of its public key there.
pub fn handle_of(account: &Hash) -> Handle {
    let hash = hash([account.as_bytes()]);
    let mut handle = [0; Handle::LEN];
    handle.copy_from_slice(&hash[..Handle::LEN]);
    Handle(handle)
}

/// What a device list says of a device: SHA-256 of its static key at this relay.
pub fn device_key_hash(static_public: &[u8; 32]) -> Hash {
    Hash(Sha256::digest(static_public).into())
}

/// What the next list names this one by: SHA-256 of its canonical bytes.
pub fn list_hash(list_bytes: &[u8]) -> Hash {
    Hash(Sha256::digest(list_bytes).into())
}

/// What the next list names this one and what was added behind it by: with nothing added, [`list_hash`].
pub fn list_hash_with_added(signed: &SignedList) -> Hash {
    let mut hasher = Sha256::new_with_prefix(&signed.list);
    for Addition { key, by } in &signed.added {
        hasher.update(key.as_bytes());
        hasher.update(by.as_bytes());
    }
    Hash(hasher.finalize().into())
}

/// A device list, signed with the account's key at this relay.
pub fn sign_list(account: &Signer, list: &DeviceList) -> SignedList {
    let bytes = list.encode();
    let signature = account.sign(LIST_DOMAIN, &bytes);
    SignedList { list: ByteBuf::from(bytes), signature, added: Vec::new() }
}

/// Checks a device list and gives it.
///
/// # Errors
/// When it is not canonical or not of this account.
pub fn verify_list(account: &Hash, signed: &SignedList) -> Result<DeviceList, ProofError> {
    verify(account.as_bytes(), LIST_DOMAIN, &signed.list, &signed.signature)?;
    Ok(DeviceList::decode(&signed.list)?)
}

/// Proves the account's key within one session: over the hash of its handshake, so that it counts nowhere else.
pub fn sign_attach(account: &Signer, handshake: &Hash) -> Signature {
    account.sign(ATTACH_DOMAIN, handshake.as_bytes())
}

/// Checks what [`sign_attach`] made.
///
/// # Errors
/// When it is not of this account and session.
pub fn verify_attach(account: &Hash, handshake: &Hash, proof: &Signature) -> Result<(), ProofError> {
    Ok(verify(account.as_bytes(), ATTACH_DOMAIN, handshake.as_bytes(), proof)?)
}

/// Asks for the end of the account, within one session.
pub fn sign_close(account: &Signer, handshake: &Hash) -> Signature {
    account.sign(CLOSE_DOMAIN, handshake.as_bytes())
}

/// Checks what [`sign_close`] made.
///
/// # Errors
/// When it is not of this account and session.
pub fn verify_close(account: &Hash, handshake: &Hash, proof: &Signature) -> Result<(), ProofError> {
    Ok(verify(account.as_bytes(), CLOSE_DOMAIN, handshake.as_bytes(), proof)?)
}

// The key log.

/// What later entries name an entry by: BLAKE3 over [`ENTRY_DOMAIN`] and its canonical bytes.
pub fn entry_hash(entry_bytes: &[u8]) -> Hash {
    Hash(hash([ENTRY_DOMAIN, entry_bytes]))
}

/// An entry of the key log, signed with the account's key.
pub fn sign_entry(account: &Signer, entry: &Entry) -> SignedEntry {
    let bytes = entry.encode();
    let signature = account.sign(ENTRY_DOMAIN, &bytes);
    SignedEntry { entry: ByteBuf::from(bytes), signature }
}

/// An entry with which a device lets another one in, signed with its own key.
pub fn sign_admission(device: &Signer, entry: &Entry) -> SignedEntry {
    let bytes = entry.encode();
    let signature = device.sign(ADMISSION_DOMAIN, &bytes);
    SignedEntry { entry: ByteBuf::from(bytes), signature }
}

/// Checks an entry with which a device lets another one in, and gives it: it says so itself, and does nothing else.
///
/// # Errors
/// When it is not canonical, or not an admission by the device that signed it.
pub fn verify_admission(signed: &SignedEntry) -> Result<(DeviceId, Entry), ProofError> {
    let entry = Entry::decode(&signed.entry)?;
    let Membership::Admit(Certificate { device, admitted_by: Some(by), .. }) = &entry.change else {
        return Err(ProofError::Malformed);
    };
    if device == by {
        return Err(ProofError::Malformed);
    }
    verify(by.as_bytes(), ADMISSION_DOMAIN, &signed.entry, &signed.signature)?;
    Ok((*by, entry))
}

/// Checks an entry of the key log and gives it.
///
/// # Errors
/// When it is not canonical or not of this account.
pub fn verify_entry(account: &Hash, signed: &SignedEntry) -> Result<Entry, ProofError> {
    verify(account.as_bytes(), ENTRY_DOMAIN, &signed.entry, &signed.signature)?;
    Ok(Entry::decode(&signed.entry)?)
}

fn hash<const N: usize>(parts: [&[u8]; N]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}
