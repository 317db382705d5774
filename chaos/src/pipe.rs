//! The PIPE tier: two ends of a session, and somebody in between who sees and changes every message.

use caro_link::{
    handshake::{HandshakeError, Initiator, Responder, Session},
    identity::StaticKey,
};
use caro_schema::id::RelayKey;

use crate::{sabotage::Sabotage, scenario::Run, seed::Seed};

/// Two ends and what each knows.
pub struct Pipe {
    device: StaticKey,
    relay: StaticKey,
    expected: RelayKey,
    entropy: Seed,
    sabotage: Option<Sabotage>,
}

/// What became of a handshake.
pub type Outcome = Result<(Session, Session), HandshakeError>;

/// What somebody in between does to a message: which of the three, and its bytes.
pub type Meddle<'a> = &'a mut dyn FnMut(usize, &mut Vec<u8>);

impl Pipe {
    /// Two ends that know each other.
    pub fn new(run: &Run) -> Self {
        let relay = StaticKey::from_bytes(&[2; 32]);
        let expected = RelayKey(relay.public());
        let device = StaticKey::from_bytes(&[1; 32]);
        Self { device, relay, expected, entropy: Seed::new(run.seed), sabotage: run.sabotage }
    }

    /// A handshake, with somebody in between.
    ///
    /// # Errors
    /// Why there is no session.
    pub fn shake(&mut self, meddle: Meddle<'_>) -> Outcome {
        let outcome = self.shake_once(meddle);
        if outcome.is_err() && self.sabotage == Some(Sabotage::KeepHandshakeAfterError) {
            return self.shake_once(&mut |_, _| {});
        }
        outcome
    }

    fn shake_once(&mut self, meddle: Meddle<'_>) -> Outcome {
        let expected = if self.sabotage == Some(Sabotage::AcceptAnyRelay) { None } else { Some(self.expected) };
        let (initiator, mut first) = Initiator::start(&self.device, expected, &mut self.entropy)?;
        self.pass(1, &mut first, 1216, meddle);
        let (responder, mut second) = Responder::answer(&self.relay, &first, &mut self.entropy)?;
        self.pass(2, &mut second, 1200, meddle);
        let (mut third, at_device) = initiator.read(&second)?;
        self.pass(3, &mut third, 64, meddle);
        Ok((at_device, responder.finish(&third)?))
    }

    fn pass(&self, which: usize, message: &mut Vec<u8>, size: usize, meddle: Meddle<'_>) {
        let original = message.clone();
        meddle(which, message);
        if self.sabotage == Some(Sabotage::SkipLengthCheck) && message.len() != size {
            // Who does not look at the length reads what it expects, from wherever it is.
            *message = original;
        }
    }

    /// Another relay stands in this one's place.
    pub fn replace_relay(&mut self) {
        self.relay = StaticKey::from_bytes(&[3; 32]);
    }

    /// Hands a record over, once more when the window is missing.
    ///
    /// # Errors
    /// Why the record was refused.
    pub fn open(
        &self,
        session: &mut Session,
        record: &[u8],
    ) -> Result<Option<Vec<u8>>, caro_link::transport::TransportError> {
        let opened = session.transport.open(record);
        if opened.is_err() && self.sabotage == Some(Sabotage::NoReplayWindow) {
            return Ok(Some(record.to_vec()));
        }
        opened
    }
}
