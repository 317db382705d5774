//! The PIPE tier for what is sealed: two ends of a session, somebody in between who sees and changes every message, and
//! cells that are changed before they are opened.
//!
//! Whoever is in between never has a key. What a sabotaged end would do is done around the real one: where the real end
//! refuses, an end without that check goes on as if nothing had happened.

use std::collections::BTreeSet;

use caro_core::vault::{
    Vault,
    open::{OpenError, open},
    seal::seal,
};
use caro_link::{
    entropy::{Entropy, NoEntropy},
    handshake::{FIRST_BYTES, HandshakeError, Initiator, Responder, SECOND_BYTES, Session, THIRD_BYTES},
    identity::StaticKey,
    transport::TransportError,
};
use caro_schema::{cell::CellClass, id::RelayKey};

use crate::{oracle, sabotage::Sabotage, scenario::Run, seed::Seed};

/// Sizes of the three messages.
pub const SIZES: [usize; 3] = [FIRST_BYTES, SECOND_BYTES, THIRD_BYTES];

/// Two ends and what each knows.
pub struct Pipe {
    device: StaticKey,
    relay: StaticKey,
    expected: RelayKey,
    entropy: Seed,
    sabotage: Option<Sabotage>,
    /// Every ephemeral key that was seen: none may come twice.
    ephemerals: BTreeSet<Vec<u8>>,
}

/// What became of a handshake.
pub type Outcome = Result<(Session, Session), HandshakeError>;

/// What somebody in between does to a message: which of the three, and its bytes.
pub type Meddle<'a> = &'a mut dyn FnMut(usize, &mut Vec<u8>);

/// Leaves every message alone.
pub fn nobody(_: usize, _: &mut Vec<u8>) {}

/// Changes one of the three messages and leaves the others alone.
pub fn in_message(message: usize, mut change: impl FnMut(&mut Vec<u8>)) -> impl FnMut(usize, &mut Vec<u8>) {
    move |which, bytes| {
        if which == message {
            change(bytes);
        }
    }
}

const DEVICE_SECRET: [u8; 32] = [0xd1; 32];
const RELAY_SECRET: [u8; 32] = [0xe2; 32];

impl Pipe {
    /// Two ends that know each other.
    pub fn new(run: &Run) -> Self {
        let relay = StaticKey::from_bytes(&RELAY_SECRET);
        let expected = RelayKey(relay.public());
        let device = StaticKey::from_bytes(&DEVICE_SECRET);
        let entropy = Seed::new(run.seed);
        Self { device, relay, expected, entropy, sabotage: run.sabotage, ephemerals: BTreeSet::new() }
    }

    /// A handshake, with somebody in between.
    ///
    /// # Errors
    /// Why there is no session.
    pub fn shake(&mut self, meddle: Meddle<'_>) -> Outcome {
        let outcome = self.shake_once(meddle);
        match &outcome {
            Err(error) if self.forgives(error) => self.shake_once(&mut nobody),
            _ => outcome,
        }
    }

    /// A handshake that somebody spoils: refused with an error that tells no secret, after which both ends begin again
    /// with fresh keys and succeed.
    ///
    /// # Panics
    /// When there is a session after all.
    pub fn refused(&mut self, what: &str, meddle: Meddle<'_>) -> HandshakeError {
        let Err(error) = self.shake(meddle) else { panic!("{what}: there is a session") };
        let said = format!("{error} {error:?}");
        oracle::assert_no_plaintext_in(said.as_bytes(), &[&DEVICE_SECRET, &RELAY_SECRET]);
        error
    }

    /// After whatever happened, a handshake that is left alone succeeds, and its session carries messages both ways.
    ///
    /// # Panics
    /// When it does not.
    pub fn assert_retry_succeeds(&mut self) {
        let (mut device, mut relay) = self.shake(&mut nobody).expect("a retry that is left alone succeeds");
        for (from, to) in [(true, b"there"), (false, b"again")] {
            let (sender, receiver) = if from { (&mut device, &mut relay) } else { (&mut relay, &mut device) };
            let record = sender.transport.seal(to).expect("room").remove(0);
            assert_eq!(receiver.transport.open(&record), Ok(Some(to.to_vec())));
        }
    }

    fn forgives(&self, error: &HandshakeError) -> bool {
        match self.sabotage {
            Some(Sabotage::KeepHandshakeAfterError) => true,
            Some(Sabotage::AcceptX25519Only | Sabotage::SkipModulusCheck) => *error == HandshakeError::PostQuantum,
            Some(Sabotage::SkipPointCheck) => *error == HandshakeError::LowOrder,
            Some(Sabotage::AcceptAnyOrder) => !matches!(error, HandshakeError::RelayKey { .. }),
            _ => false,
        }
    }

    fn shake_once(&mut self, meddle: Meddle<'_>) -> Outcome {
        let expected = if self.sabotage == Some(Sabotage::AcceptAnyRelay) { None } else { Some(self.expected) };
        let (initiator, mut first) = Initiator::start(&self.device, expected, &mut self.entropy)?;
        self.note_ephemeral(&first);
        self.pass(1, &mut first, meddle);
        let (responder, mut second) = Responder::answer(&self.relay, &first, &mut self.entropy)?;
        self.note_ephemeral(&second);
        self.pass(2, &mut second, meddle);
        let (mut third, at_device) = initiator.read(&second)?;
        self.pass(3, &mut third, meddle);
        Ok((at_device, responder.finish(&third)?))
    }

    fn note_ephemeral(&mut self, message: &[u8]) {
        assert!(self.ephemerals.insert(message[..32].to_vec()), "an ephemeral key was used twice");
    }

    fn pass(&self, which: usize, message: &mut Vec<u8>, meddle: Meddle<'_>) {
        let original = message.clone();
        meddle(which, message);
        if self.sabotage == Some(Sabotage::SkipLengthCheck) && message.len() != SIZES[which - 1] {
            // Who does not look at the length reads what it expects, from wherever it is.
            *message = original;
        }
    }

    /// Another relay stands in this one's place.
    pub fn replace_relay(&mut self) {
        self.relay = StaticKey::from_bytes(&[3; 32]);
    }

    /// Hands a record over.
    ///
    /// # Errors
    /// Why the record was refused.
    pub fn open(&self, session: &mut Session, record: &[u8]) -> Result<Option<Vec<u8>>, TransportError> {
        let opened = session.transport.open(record);
        match (&opened, self.sabotage) {
            (Err(TransportError::Replayed), Some(Sabotage::NoReplayWindow))
            | (Err(TransportError::Forged | TransportError::Malformed), Some(Sabotage::SkipTagCheck)) => {
                Ok(Some(record.to_vec()))
            }
            (Ok(Some(message)), Some(Sabotage::RejectEmpty)) if message.is_empty() => Err(TransportError::Malformed),
            _ => opened,
        }
    }
}

/// Cells of one account, sealed and opened.
pub struct Cells<'a> {
    vault: &'a Vault,
    sabotage: Option<Sabotage>,
}

impl<'a> Cells<'a> {
    /// Those of a device's account.
    pub fn new(vault: &'a Vault, run: &Run) -> Self {
        Self { vault, sabotage: run.sabotage }
    }

    /// Seals; `number` decides op id and randomness.
    ///
    /// # Panics
    /// When it does not fit.
    pub fn seal(&self, plain: &[u8], number: u64) -> Vec<u8> {
        let number = if self.sabotage == Some(Sabotage::FixedNonce) { 0 } else { number };
        let op_id = *blake3::hash(&number.to_be_bytes()).as_bytes();
        let random = *blake3::hash(&op_id).as_bytes();
        let keys = self.vault.keys();
        seal(keys.current(), &self.vault.dataset(), CellClass::Op, plain, &op_id, &random).expect("it fits")
    }

    /// Opens.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn open(&self, cell: &[u8]) -> Result<Vec<u8>, OpenError> {
        let opened = open(self.vault.keys().current(), &self.vault.dataset(), CellClass::Op, cell);
        match (opened, self.sabotage) {
            (Ok(plain), _) => Ok(plain.to_vec()),
            (Err(OpenError::Commitment), Some(Sabotage::SkipCommitment)) => Ok(Vec::new()),
            (Err(OpenError::Tag | OpenError::Form), Some(Sabotage::SkipTagCheck)) => Ok(Vec::new()),
            (Err(error), _) => Err(error),
        }
    }
}

/// Gives so many bytes of one stream, then another's: two handshakes that share their first secret and not their second.
pub struct Spliced {
    /// What comes first.
    pub first: Seed,
    /// How many calls it answers.
    pub calls: usize,
    /// What comes then.
    pub then: Seed,
}

impl Entropy for Spliced {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), NoEntropy> {
        if self.calls == 0 {
            return self.then.fill(bytes);
        }
        self.calls -= 1;
        self.first.fill(bytes)
    }
}

/// No bytes, or, where nobody looks, always the same.
pub struct Dry {
    /// Whether a constant is given instead of an error.
    pub weak: bool,
}

impl Entropy for Dry {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), NoEntropy> {
        bytes.fill(0);
        if self.weak { Ok(()) } else { Err(NoEntropy) }
    }
}
