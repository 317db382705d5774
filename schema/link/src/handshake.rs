//! The three messages that open a session: `Noise_XXhfs_25519+MLKEM768_XChaChaPoly_BLAKE2b` (Noise framework revision
//! 34 with its HFS extension). The session's keys depend on both X25519 and ML-KEM-768, or there is no session.
//!
//! The order of the steps is in the types: [`Initiator::start`] gives message 1, [`Responder::answer`] message 2,
//! [`Initiator::read`] message 3 and the session, [`Responder::finish`] the other end of it. Each step takes the last by
//! value, so that after an error nothing is left to go on with. Who the other side may be is the caller's decision, except
//! that an initiator that knows the relay's key sends message 3 to no other.
//!
//! Next: [`crate::transport`].

use std::fmt;

use caro_schema::{
    id::{Hash, RelayKey},
    relay::SUBPROTOCOL,
    version,
};
use snow::{
    Builder, Error, HandshakeState,
    params::{
        BaseChoice, CipherChoice, DHChoice, HandshakeChoice, HandshakeModifier, HandshakeModifierList,
        HandshakePattern, HashChoice, KemChoice, NoiseParams,
    },
};

use crate::{
    cipher::TAG_BYTES,
    entropy::{Entropy, NoEntropy},
    hybrid::{Drawn, KEM_CIPHERTEXT_BYTES, KEM_PUBLIC_BYTES, Resolver},
    identity::StaticKey,
    stage::Stage,
    transport::Transport,
};

/// The protocol's name, which is hashed into every session: a peer with another suite derives other keys.
pub const PROTOCOL_NAME: &str = "Noise_XXhfs_25519+MLKEM768_XChaChaPoly_BLAKE2b";

const DH_BYTES: usize = 32;

/// Bytes of message 1: `e, e1`.
pub const FIRST_BYTES: usize = DH_BYTES + KEM_PUBLIC_BYTES;
/// Bytes of message 2: `e, ee, ekem1, s, es`.
pub const SECOND_BYTES: usize = DH_BYTES + KEM_CIPHERTEXT_BYTES + TAG_BYTES + DH_BYTES + TAG_BYTES + TAG_BYTES;
/// Bytes of message 3: `s, se`.
pub const THIRD_BYTES: usize = DH_BYTES + TAG_BYTES + TAG_BYTES;

// Other sizes would be another handshake: without the KEM the three are 32, 96 and 64.
const _: () = assert!(FIRST_BYTES == 1216 && SECOND_BYTES == 1200 && THIRD_BYTES == 64);

/// Why there is no session. The other side is told nothing but the end of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// A message does not have the one size that it can have.
    #[error("a handshake message has {found} bytes, not {expected}")]
    Size {
        /// What came.
        found: usize,
        /// What it must be.
        expected: usize,
    },
    /// A public key with which the result would be known to everybody.
    #[error("a public key of low order")]
    LowOrder,
    /// The post-quantum stage: a malformed key, or a seal that did not open before the other side had shown to have the
    /// same secret. An alteration on the way and a peer without the secret look the same here.
    #[error("the post-quantum stage failed")]
    PostQuantum,
    /// A seal does not open: altered on the way, or made by somebody without the key that they name.
    #[error("a handshake message was not made for this session")]
    Forged,
    /// The relay has proved another key than the one that is known.
    #[error("the relay has another key")]
    RelayKey {
        /// The key that it proved, for a person to compare with what the relay's owner says.
        found: RelayKey,
    },
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] NoEntropy),
    /// Something that cannot happen did.
    #[error("the handshake could not be set up")]
    Setup,
}

/// An open session.
pub struct Session {
    /// Seals and opens its records.
    pub transport: Transport,
    /// The other side's static key, proved by the handshake.
    pub peer_static: [u8; 32],
    /// The first 32 bytes of the handshake's hash: names this session and no other, for proofs that must count only here.
    pub handshake_hash: Hash,
}

/// The side that connects, waiting for message 2.
pub struct Initiator {
    state: HandshakeState,
    stage: Stage,
    relay_key: Option<RelayKey>,
}

impl Initiator {
    /// Begins. Gives message 1. With `relay_key`, no other relay will do.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn start(
        static_key: &StaticKey,
        relay_key: Option<RelayKey>,
        entropy: &mut dyn Entropy,
    ) -> Result<(Self, Vec<u8>), HandshakeError> {
        let (mut state, stage) = set_up(static_key, entropy, Role::Initiator)?;
        let first = write(&mut state, &stage, FIRST_BYTES)?;
        Ok((Self { state, stage, relay_key }, first))
    }

    /// Reads message 2. Gives message 3 and the session.
    ///
    /// # Errors
    /// When the message is not of this handshake, or the relay not the expected one. Message 3, which carries this
    /// side's own key, does not exist then.
    pub fn read(self, second: &[u8]) -> Result<(Vec<u8>, Session), HandshakeError> {
        let Self { mut state, stage, relay_key } = self;
        read(&mut state, &stage, second, SECOND_BYTES)?;
        let found = RelayKey(peer_static(&state)?);
        if relay_key.is_some_and(|expected| expected != found) {
            return Err(HandshakeError::RelayKey { found });
        }
        let third = write(&mut state, &stage, THIRD_BYTES)?;
        Ok((third, session(state)?))
    }
}

/// The side that is connected to, waiting for message 3.
pub struct Responder {
    state: HandshakeState,
    stage: Stage,
}

impl Responder {
    /// Reads message 1. Gives message 2.
    ///
    /// # Errors
    /// When the message is not of this handshake, or there is no randomness.
    pub fn answer(
        static_key: &StaticKey,
        first: &[u8],
        entropy: &mut dyn Entropy,
    ) -> Result<(Self, Vec<u8>), HandshakeError> {
        expect_size(first, FIRST_BYTES)?;
        let (mut state, stage) = set_up(static_key, entropy, Role::Responder)?;
        read(&mut state, &stage, first, FIRST_BYTES)?;
        let second = write(&mut state, &stage, SECOND_BYTES)?;
        Ok((Self { state, stage }, second))
    }

    /// Reads message 3. Gives the session.
    ///
    /// # Errors
    /// When the message is not of this handshake.
    pub fn finish(self, third: &[u8]) -> Result<Session, HandshakeError> {
        let Self { mut state, stage } = self;
        read(&mut state, &stage, third, THIRD_BYTES)?;
        session(state)
    }
}

impl fmt::Debug for Initiator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { state: _, stage: _, relay_key: _ } = self;
        f.debug_struct("Initiator").finish_non_exhaustive()
    }
}

impl fmt::Debug for Responder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { state: _, stage: _ } = self;
        f.debug_struct("Responder").finish_non_exhaustive()
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { transport: _, peer_static: _, handshake_hash: _ } = self;
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

/// What both sides must agree on beside the name: purpose, version, suite and sub-protocol.
fn prologue() -> Vec<u8> {
    [&b"caro/v1/session"[..], &[0, version::RELAY, version::SUITE], SUBPROTOCOL.as_bytes()].concat()
}

/// The parameters, typed and named. Made here only: snow takes the name on trust, and with the plain pattern it would
/// run a classical handshake under a hybrid name.
fn params() -> NoiseParams {
    let modifiers = HandshakeModifierList { list: vec![HandshakeModifier::Hfs] };
    let handshake = HandshakeChoice { pattern: HandshakePattern::XX, modifiers };
    NoiseParams {
        name: PROTOCOL_NAME.to_owned(),
        base: BaseChoice::Noise,
        handshake,
        dh: DHChoice::Curve25519,
        // The slot's only name in snow; what stands in it is ML-KEM-768, and the transcript has the true name.
        kem: Some(KemChoice::Kyber1024),
        cipher: CipherChoice::XChaChaPoly,
        hash: HashChoice::Blake2b,
    }
}

#[derive(Clone, Copy)]
enum Role {
    Initiator,
    Responder,
}

fn set_up(
    static_key: &StaticKey,
    entropy: &mut dyn Entropy,
    role: Role,
) -> Result<(HandshakeState, Stage), HandshakeError> {
    let stage = Stage::default();
    let resolver = Resolver::new(Drawn::from(entropy)?, stage.clone());
    let prologue = prologue();
    let builder = Builder::with_resolver(params(), Box::new(resolver));
    let builder = builder.local_private_key(static_key.secret()).map_err(|_| HandshakeError::Setup)?;
    let builder = builder.prologue(&prologue).map_err(|_| HandshakeError::Setup)?;
    let state = match role {
        Role::Initiator => builder.build_initiator(),
        Role::Responder => builder.build_responder(),
    };
    Ok((state.map_err(|_| HandshakeError::Setup)?, stage))
}

fn write(state: &mut HandshakeState, stage: &Stage, expected: usize) -> Result<Vec<u8>, HandshakeError> {
    // snow wants room for a seal even where nothing is sealed yet.
    let mut message = vec![0; expected + TAG_BYTES];
    let found = state.write_message(&[], &mut message).map_err(|error| explain(&error, stage))?;
    message.truncate(found);
    // A shorter one would be the classical handshake.
    if found == expected { Ok(message) } else { Err(HandshakeError::Setup) }
}

fn read(state: &mut HandshakeState, stage: &Stage, message: &[u8], expected: usize) -> Result<(), HandshakeError> {
    expect_size(message, expected)?;
    state.read_message(message, &mut []).map(drop).map_err(|error| explain(&error, stage))
}

fn expect_size(message: &[u8], expected: usize) -> Result<(), HandshakeError> {
    let found = message.len();
    if found == expected { Ok(()) } else { Err(HandshakeError::Size { found, expected }) }
}

fn explain(error: &Error, stage: &Stage) -> HandshakeError {
    match error {
        Error::Dh => HandshakeError::LowOrder,
        Error::Kem => HandshakeError::PostQuantum,
        Error::Decrypt if stage.is_post_quantum() => HandshakeError::PostQuantum,
        Error::Decrypt | Error::Input => HandshakeError::Forged,
        _ => HandshakeError::Setup,
    }
}

fn peer_static(state: &HandshakeState) -> Result<[u8; 32], HandshakeError> {
    state.get_remote_static().and_then(|key| key.try_into().ok()).ok_or(HandshakeError::Setup)
}

fn session(state: HandshakeState) -> Result<Session, HandshakeError> {
    let peer_static = peer_static(&state)?;
    let hash = state.get_handshake_hash().first_chunk().copied().ok_or(HandshakeError::Setup)?;
    let transport = state.into_stateless_transport_mode().map_err(|_| HandshakeError::Setup)?;
    Ok(Session { transport: Transport::new(transport), peer_static, handshake_hash: Hash(hash) })
}
