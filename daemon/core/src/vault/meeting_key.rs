//! The key that two devices have in common after each has shown that it knows the same short code: SPAKE2 (the variant
//! over Ed25519 of the `spake2` crate, that of magic-wormhole), and what follows from its result.
//!
//! ```text
//! PRK        = HKDF-Extract(salt = SHA-256("caro/v1/pair" || relay key || X || Y || commit), key of SPAKE2)
//! confirm    = HKDF-Expand(PRK, "caro/v1/pair/confirm/" || side, 32)
//! seal       = HKDF-Expand(PRK, "caro/v1/pair/seal/" || side || letter u64, 56)      key 32, nonce 24
//! check      = HKDF-Expand(PRK, "caro/v1/pair/check" || X's number || Y's number, 8)
//! ```
//! X is the newcomer's half and Y the inviter's. A wrong code gives another key, and nothing that could be tried against
//! a list of codes afterwards. Neither end learns which it was; who is allowed another try is for the caller.

use std::{convert::Infallible, fmt};

use caro_link::entropy::{Entropy, NoEntropy};
use caro_schema::id::{Hash, RelayKey};
use sha2::{Digest, Sha256};
use spake2::{
    Ed25519Group, Identity, Password, Spake2,
    rand_core::{TryCryptoRng, TryRng},
};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{
    aead,
    derive::{expand, extract},
    secret::Secret,
};

/// Which end of a meeting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// It wants in.
    Newcomer,
    /// It lets in.
    Inviter,
}

impl Side {
    fn other(self) -> Self {
        match self {
            Self::Newcomer => Self::Inviter,
            Self::Inviter => Self::Newcomer,
        }
    }

    fn name(self) -> &'static [u8] {
        match self {
            Self::Newcomer => b"newcomer",
            Self::Inviter => b"inviter",
        }
    }
}

/// One end that has sent its half and waits for the other one. Good for one answer.
pub struct Half {
    side: Side,
    spake: Spake2<Ed25519Group>,
    sent: Vec<u8>,
}

/// The common key.
pub struct MeetingKey {
    side: Side,
    key: Secret,
    sealed: u64,
    opened: u64,
}

/// The other half is not one, or what came was not made with this key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("made with another key")]
pub struct OtherKey;

impl Half {
    /// Begins with the code. Gives what to send.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn begin(side: Side, code: &[u8], entropy: &mut dyn Entropy) -> Result<(Self, Vec<u8>), NoEntropy> {
        let mut drawn = Drawn::from(entropy)?;
        let password = Password::new(code);
        let (a, b) = (Identity::new(NEWCOMER), Identity::new(INVITER));
        let (spake, sent) = match side {
            Side::Newcomer => Spake2::start_a_with_rng(&password, &a, &b, &mut drawn),
            Side::Inviter => Spake2::start_b_with_rng(&password, &a, &b, &mut drawn),
        };
        Ok((Self { side, spake, sent: sent.clone() }, sent))
    }

    /// The common key, from the other half and from what both must have seen alike.
    ///
    /// # Errors
    /// When the other half is none.
    pub fn finish(self, received: &[u8], relay: &RelayKey, commit: &Hash) -> Result<MeetingKey, OtherKey> {
        let Self { side, spake, sent } = self;
        let shared = Zeroizing::new(spake.finish(received).map_err(|_| OtherKey)?);
        let (newcomer, inviter) = match side {
            Side::Newcomer => (&sent[..], received),
            Side::Inviter => (received, &sent[..]),
        };
        let seen = Sha256::new_with_prefix(b"caro/v1/pair")
            .chain_update(relay.as_bytes())
            .chain_update(newcomer)
            .chain_update(inviter)
            .chain_update(commit.as_bytes());
        Ok(MeetingKey { side, key: extract(&seen.finalize(), &shared), sealed: 0, opened: 0 })
    }
}

impl MeetingKey {
    /// What shows the other end that this one knows the code.
    pub fn confirmation(&self) -> Hash {
        self.confirmation_of(self.side)
    }

    /// Whether the other end knows the code.
    ///
    /// # Errors
    /// When it does not.
    pub fn confirm(&self, received: &Hash) -> Result<(), OtherKey> {
        let expected = self.confirmation_of(self.side.other());
        if bool::from(expected.as_bytes().ct_eq(received.as_bytes())) { Ok(()) } else { Err(OtherKey) }
    }

    fn confirmation_of(&self, side: Side) -> Hash {
        let confirmation: Secret = expand(&self.key, &[b"caro/v1/pair/confirm/", side.name()]);
        Hash(*confirmation.bytes())
    }

    /// Seals the next letter to the other end.
    pub fn seal(&mut self, plain: &[u8]) -> Vec<u8> {
        let (key, nonce) = self.letter_key(self.side, self.sealed);
        self.sealed += 1;
        let mut sealed = Vec::new();
        aead::append(&mut sealed, &key, &nonce, b"caro/v1/pair", plain);
        sealed
    }

    /// Opens the next letter of the other end.
    ///
    /// # Errors
    /// When it is not that.
    pub fn open(&mut self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OtherKey> {
        let (key, nonce) = self.letter_key(self.side.other(), self.opened);
        let plain = aead::open(&key, &nonce, b"caro/v1/pair", sealed).map_err(|_| OtherKey)?;
        self.opened += 1;
        Ok(plain)
    }

    fn letter_key(&self, side: Side, letter: u64) -> (Secret, [u8; 24]) {
        let info = [&b"caro/v1/pair/seal/"[..], side.name(), &letter.to_be_bytes()];
        let both: Secret<56> = expand(&self.key, &info);
        let (key, rest) = both.bytes().split_at(32);
        let mut nonce = [0; 24];
        nonce.copy_from_slice(rest);
        (Secret::filled(|bytes| bytes.copy_from_slice(key)), nonce)
    }

    /// What both ends show their people, from a number of each: eight bytes that are alike on both exactly when nobody is
    /// in between.
    pub fn check(&self, newcomer: &Hash, inviter: &Hash) -> [u8; 8] {
        let check: Secret<8> = expand(&self.key, &[b"caro/v1/pair/check", newcomer.as_bytes(), inviter.as_bytes()]);
        *check.bytes()
    }
}

impl fmt::Debug for MeetingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { side, key: _, sealed: _, opened: _ } = self;
        f.debug_struct("MeetingKey").field("side", side).finish_non_exhaustive()
    }
}

impl fmt::Debug for Half {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { side, spake: _, sent: _ } = self;
        f.debug_struct("Half").field("side", side).finish_non_exhaustive()
    }
}

/// What SPAKE2 knows the ends by.
const NEWCOMER: &[u8] = b"caro/v1/pair/newcomer";
const INVITER: &[u8] = b"caro/v1/pair/inviter";

/// The bytes that SPAKE2 draws its one scalar from, drawn before so that a lack of them is an error and not a panic.
struct Drawn {
    bytes: Zeroizing<[u8; 64]>,
    used: usize,
}

impl Drawn {
    fn from(entropy: &mut dyn Entropy) -> Result<Self, NoEntropy> {
        let mut bytes = Zeroizing::new([0; 64]);
        entropy.fill(&mut *bytes)?;
        Ok(Self { bytes, used: 0 })
    }
}

impl TryRng for Drawn {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// One scalar takes all 64. Should a later version want more, it goes on with a hash of them and a count.
    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Infallible> {
        for byte in to {
            let (round, at) = (self.used / 64, self.used % 64);
            if round > 0 && at.is_multiple_of(32) {
                let more = Sha256::new_with_prefix(*self.bytes).chain_update(self.used.to_be_bytes()).finalize();
                self.bytes[at..at + 32].copy_from_slice(&more);
            }
            *byte = self.bytes[at];
            self.used += 1;
        }
        Ok(())
    }
}

impl TryCryptoRng for Drawn {}

#[cfg(test)]
mod tests {
    use super::*;

    struct Same(u8);

    impl Entropy for Same {
        fn fill(&mut self, bytes: &mut [u8]) -> Result<(), NoEntropy> {
            bytes.fill(self.0);
            Ok(())
        }
    }

    const RELAY: RelayKey = RelayKey([9; 32]);
    const COMMIT: Hash = Hash([8; 32]);

    fn met(code_of_newcomer: &[u8], code_of_inviter: &[u8]) -> (MeetingKey, MeetingKey) {
        let (newcomer, x) = Half::begin(Side::Newcomer, code_of_newcomer, &mut Same(1)).unwrap();
        let (inviter, y) = Half::begin(Side::Inviter, code_of_inviter, &mut Same(2)).unwrap();
        (newcomer.finish(&y, &RELAY, &COMMIT).unwrap(), inviter.finish(&x, &RELAY, &COMMIT).unwrap())
    }

    #[test]
    fn si004_the_same_code_gives_the_same_key_and_another_one_does_not() {
        let (newcomer, inviter) = met(b"7-a-b", b"7-a-b");
        assert_eq!(inviter.confirm(&newcomer.confirmation()), Ok(()));
        assert_eq!(newcomer.confirm(&inviter.confirmation()), Ok(()));
        let numbers = (Hash([1; 32]), Hash([2; 32]));
        assert_eq!(newcomer.check(&numbers.0, &numbers.1), inviter.check(&numbers.0, &numbers.1));
        assert_ne!(newcomer.check(&numbers.0, &numbers.1), inviter.check(&numbers.1, &numbers.0));
        let (newcomer, inviter) = met(b"7-a-b", b"7-a-c");
        assert_eq!(inviter.confirm(&newcomer.confirmation()), Err(OtherKey));
        assert_eq!(newcomer.confirm(&inviter.confirmation()), Err(OtherKey));
    }

    #[test]
    fn a_confirmation_is_not_the_other_ends_own_sent_back() {
        let (newcomer, _) = met(b"7-a-b", b"7-a-b");
        assert_eq!(newcomer.confirm(&newcomer.confirmation()), Err(OtherKey));
    }

    #[test]
    fn letters_open_in_their_order_and_direction_only() {
        let (mut newcomer, mut inviter) = met(b"7-a-b", b"7-a-b");
        let (first, second) = (newcomer.seal(b"one"), newcomer.seal(b"two"));
        assert_eq!(inviter.open(&second).err(), Some(OtherKey));
        assert_eq!(inviter.open(&first).unwrap().as_slice(), b"one");
        assert_eq!(inviter.open(&first).err(), Some(OtherKey));
        assert_eq!(inviter.open(&second).unwrap().as_slice(), b"two");
        let sent_back = newcomer.seal(b"three");
        assert_eq!(newcomer.open(&sent_back).err(), Some(OtherKey));
    }

    #[test]
    fn another_relay_or_commitment_in_between_gives_another_key() {
        for (relay, commit) in [(RelayKey([1; 32]), COMMIT), (RELAY, Hash([1; 32]))] {
            let (newcomer, x) = Half::begin(Side::Newcomer, b"7-a-b", &mut Same(1)).unwrap();
            let (inviter, y) = Half::begin(Side::Inviter, b"7-a-b", &mut Same(2)).unwrap();
            let newcomer = newcomer.finish(&y, &relay, &commit).unwrap();
            let inviter = inviter.finish(&x, &RELAY, &COMMIT).unwrap();
            assert_eq!(inviter.confirm(&newcomer.confirmation()), Err(OtherKey));
        }
    }

    #[test]
    fn what_is_no_half_is_refused() {
        let good = Half::begin(Side::Inviter, b"c", &mut Same(2)).unwrap().1;
        let mut bad = vec![Vec::new(), good[..32].to_vec(), vec![b'A'; 33]];
        // A half of the same side: one's own, sent back.
        bad.push(Half::begin(Side::Newcomer, b"c", &mut Same(3)).unwrap().1);
        for bytes in bad {
            let (newcomer, _) = Half::begin(Side::Newcomer, b"c", &mut Same(1)).unwrap();
            assert_eq!(newcomer.finish(&bytes, &RELAY, &COMMIT).err(), Some(OtherKey));
        }
    }

    #[test]
    fn xc001_a_meetings_key_prints_nothing_of_itself() {
        let (newcomer, _) = met(b"7-a-b", b"7-a-b");
        assert_eq!(format!("{newcomer:?}"), "MeetingKey { side: Newcomer, .. }");
        let (half, _) = Half::begin(Side::Inviter, b"7-secret", &mut Same(1)).unwrap();
        assert_eq!(format!("{half:?}"), "Half { side: Inviter, .. }");
    }
}
