//! Two ends of a session, and everything that can be done to what travels between them.
//!
//! `handshake` and `post_quantum` are the scenarios E-HS and E-PQ, `transport` the records, `proof` and
//! `signatures` what is signed, and `vectors` the first two as computed by somebody else (`tests/vectors/link.py`).

mod handshake;
mod post_quantum;
mod proof;
mod signatures;
mod transport;
mod vectors;

use std::num::NonZero;

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

/// The device of handshake `seed`, which has sent its first message.
pub(crate) fn start(seed: u64) -> (Initiator, Vec<u8>) {
    Initiator::start(&device(), None, &mut Seeded(seed)).unwrap()
}

/// The relay of handshake `seed`, given a first message.
pub(crate) fn answer(seed: u64, first: &[u8]) -> Result<(Responder, Vec<u8>), HandshakeError> {
    Responder::answer(&relay(), first, &mut Seeded(seed))
}

/// A whole handshake: the three messages and both sessions.
pub(crate) struct Whole {
    pub(crate) messages: [Vec<u8>; 3],
    pub(crate) at_device: Session,
    pub(crate) at_relay: Session,
}

pub(crate) fn whole(device_seed: u64, relay_seed: u64) -> Whole {
    let (initiator, first) = start(device_seed);
    let (responder, second) = answer(relay_seed, &first).unwrap();
    let (third, at_device) = initiator.read(&second).unwrap();
    let at_relay = responder.finish(&third).unwrap();
    Whole { messages: [first, second, third], at_device, at_relay }
}

/// An undisturbed session: the device's end and the relay's.
pub(crate) fn session() -> (Session, Session) {
    let Whole { at_device, at_relay, .. } = whole(100, 200);
    (at_device, at_relay)
}

/// Does `check` for every number below `count`, on all processors: some families here have ten thousand members.
pub(crate) fn for_each(count: usize, check: impl Fn(usize) + Sync) {
    let workers = std::thread::available_parallelism().map_or(1, NonZero::get);
    std::thread::scope(|scope| {
        for worker in 0..workers {
            let check = &check;
            scope.spawn(move || (worker..count).step_by(workers).for_each(check));
        }
    });
}

/// The encodings that RFC 7748 reads as a point of low order: seven values, each with the top bit that it ignores clear
/// and set. (Bernstein's list of twelve has five more for who does not ignore it; they are ordinary points here.)
pub(crate) fn low_order_points() -> Vec<[u8; 32]> {
    let values = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ];
    let plain = values.map(|value| <[u8; 32]>::try_from(hex::decode(value).unwrap()).unwrap());
    let mut marked = plain;
    marked.iter_mut().for_each(|point| point[31] |= 0x80);
    [plain, marked].concat()
}
