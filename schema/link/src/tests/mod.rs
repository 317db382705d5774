//! Two ends of a session, and everything that can be done to what travels between them.

mod handshake;
mod transport;

use crate::{
    entropy::{Entropy, NoEntropy},
    handshake::{HandshakeError, Initiator, Responder, Session},
    identity::StaticKey,
};

/// The same bytes every time.
pub(crate) struct Seeded(pub(crate) u64);

impl Entropy for Seeded {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), NoEntropy> {
        for chunk in bytes.chunks_mut(32) {
            self.0 += 1;
            chunk.copy_from_slice(&blake3::hash(&self.0.to_be_bytes()).as_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

/// No bytes at all.
pub(crate) struct Dry;

impl Entropy for Dry {
    fn fill(&mut self, _: &mut [u8]) -> Result<(), NoEntropy> {
        Err(NoEntropy)
    }
}

pub(crate) fn device() -> StaticKey {
    StaticKey::from_bytes(&[1; 32])
}

pub(crate) fn relay() -> StaticKey {
    StaticKey::from_bytes(&[2; 32])
}

/// What somebody in between does to a message: which of the three, and its bytes.
pub(crate) type Meddle<'a> = &'a mut dyn FnMut(usize, &mut Vec<u8>);

/// A whole handshake with somebody in between.
pub(crate) fn shake(
    (device_seed, relay_seed): (u64, u64),
    meddle: Meddle<'_>,
) -> Result<(Session, Session), HandshakeError> {
    let (initiator, mut first) = Initiator::start(&device(), None, &mut Seeded(device_seed))?;
    meddle(1, &mut first);
    let (responder, mut second) = Responder::answer(&relay(), &first, &mut Seeded(relay_seed))?;
    meddle(2, &mut second);
    let (mut third, at_device) = initiator.read(&second)?;
    meddle(3, &mut third);
    Ok((at_device, responder.finish(&third)?))
}

/// An undisturbed session.
pub(crate) fn session() -> (Session, Session) {
    shake((100, 200), &mut |_, _| {}).unwrap()
}
