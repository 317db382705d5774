//! What `snow` is given to compute with: X25519 that refuses low-order points, ML-KEM-768 in the KEM slot, a cipher that
//! wipes its key ([`crate::cipher`]), and exactly the random bytes that were drawn for this handshake.
//!
//! Why not snow's X25519: it accepts points with which the result is known to everybody (trap 45), and leaves secrets in
//! memory. Why the random bytes come first: snow's interface for a KEM can neither fail nor be given a generator.
//!
//! Invariant: no private key here outlives the handshake, and each is wiped with it. (What snow computes in between, its
//! chaining key, is in its own hands: it lives on the stack for the time of the three messages.)

use ml_kem::{B32, Ciphertext, Decapsulate, DecapsulationKey, EncapsulationKey, Key, KeyExport, MlKem768, Seed};
use snow::{
    Error,
    params::{CipherChoice, DHChoice, HashChoice, KemChoice},
    resolvers::{CryptoResolver, DefaultResolver},
    types::{Cipher, Dh, Hash, Kem, Random},
};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::{Zeroize, Zeroizing};

use crate::{
    cipher::Watched,
    entropy::{Entropy, NoEntropy},
    stage::Stage,
};

/// Bytes of an ML-KEM-768 encapsulation key (FIPS 203, table 3).
pub(crate) const KEM_PUBLIC_BYTES: usize = 1184;
/// Bytes of its coefficients: three polynomials of 256, twelve bits each. The rest is the seed of a public matrix.
const KEM_VECTOR_BYTES: usize = 1152;
/// Bytes of an ML-KEM-768 ciphertext.
pub(crate) const KEM_CIPHERTEXT_BYTES: usize = 1088;
const KEM_SECRET_BYTES: usize = 32;
const DH_BYTES: usize = 32;

/// The random bytes of one handshake.
pub(crate) struct Drawn {
    /// Ephemeral X25519 key.
    ephemeral: Zeroizing<[u8; 32]>,
    /// `d ‖ z` of FIPS 203 for who makes the key pair, `m` in its first half for who encapsulates.
    kem: Zeroizing<[u8; 64]>,
}

impl Drawn {
    /// Draws them.
    pub(crate) fn from(entropy: &mut dyn Entropy) -> Result<Self, NoEntropy> {
        let mut drawn = Self { ephemeral: Zeroizing::default(), kem: Zeroizing::new([0; 64]) };
        entropy.fill(&mut *drawn.ephemeral)?;
        entropy.fill(&mut *drawn.kem)?;
        Ok(drawn)
    }
}

/// Hands all of it to snow.
pub(crate) struct Resolver {
    drawn: Drawn,
    stage: Stage,
}

impl Resolver {
    pub(crate) fn new(drawn: Drawn, stage: Stage) -> Self {
        Self { drawn, stage }
    }
}

impl CryptoResolver for Resolver {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(Once(Some(self.drawn.ephemeral.clone()))))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        match choice {
            DHChoice::Curve25519 => Some(Box::new(X25519::default())),
            _ => None,
        }
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        DefaultResolver.resolve_hash(choice)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        let inner = DefaultResolver.resolve_cipher(choice)?;
        Some(Box::new(Watched::new(inner, self.stage.clone())))
    }

    fn resolve_kem(&self, _: &KemChoice) -> Option<Box<dyn Kem>> {
        let (random, stage) = (self.drawn.kem.clone(), self.stage.clone());
        Some(Box::new(MlKem { random, stage, pair: None, public: Vec::new() }))
    }
}

/// Gives the ephemeral key's bytes once. A handshake that asks twice is not ours.
struct Once(Option<Zeroizing<[u8; 32]>>);

impl Random for Once {
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), Error> {
        match self.0.take() {
            Some(bytes) if dest.len() == bytes.len() => {
                dest.copy_from_slice(&*bytes);
                Ok(())
            }
            _ => Err(Error::Rng),
        }
    }
}

/// X25519 (RFC 7748) with the check of its section 6.1: an all-zero result is an error.
#[derive(Default)]
struct X25519 {
    secret: Zeroizing<[u8; 32]>,
    public: [u8; 32],
}

impl Dh for X25519 {
    fn name(&self) -> &'static str {
        "25519"
    }

    fn pub_len(&self) -> usize {
        DH_BYTES
    }

    fn priv_len(&self) -> usize {
        DH_BYTES
    }

    fn set(&mut self, privkey: &[u8]) {
        self.secret.copy_from_slice(privkey);
        self.public = PublicKey::from(&StaticSecret::from(*self.secret)).to_bytes();
    }

    fn generate(&mut self, rng: &mut dyn Random) -> Result<(), Error> {
        let mut bytes = Zeroizing::new([0; 32]);
        rng.try_fill_bytes(&mut *bytes)?;
        self.set(&*bytes);
        Ok(())
    }

    fn pubkey(&self) -> &[u8] {
        &self.public
    }

    fn privkey(&self) -> &[u8] {
        &*self.secret
    }

    fn dh(&self, pubkey: &[u8], out: &mut [u8]) -> Result<(), Error> {
        let point: [u8; 32] = pubkey.get(..DH_BYTES).and_then(|bytes| bytes.try_into().ok()).ok_or(Error::Dh)?;
        let shared = StaticSecret::from(*self.secret).diffie_hellman(&PublicKey::from(point));
        if !shared.was_contributory() {
            return Err(Error::Dh);
        }
        out.get_mut(..DH_BYTES).ok_or(Error::Dh)?.copy_from_slice(shared.as_bytes());
        Ok(())
    }
}

/// ML-KEM-768 (FIPS 203).
struct MlKem {
    random: Zeroizing<[u8; 64]>,
    stage: Stage,
    pair: Option<DecapsulationKey<MlKem768>>,
    public: Vec<u8>,
}

impl Kem for MlKem {
    fn name(&self) -> &'static str {
        "MLKEM768"
    }

    fn pub_len(&self) -> usize {
        KEM_PUBLIC_BYTES
    }

    fn ciphertext_len(&self) -> usize {
        KEM_CIPHERTEXT_BYTES
    }

    fn shared_secret_len(&self) -> usize {
        KEM_SECRET_BYTES
    }

    fn generate(&mut self, _: &mut dyn Random) {
        self.stage.offered();
        let mut seed = Seed::default();
        seed.copy_from_slice(&*self.random);
        let pair = DecapsulationKey::<MlKem768>::from_seed(seed);
        seed.zeroize();
        self.public = pair.encapsulation_key().to_bytes().to_vec();
        self.pair = Some(pair);
    }

    fn pubkey(&self) -> &[u8] {
        &self.public
    }

    /// The key is another's: its coefficients are checked to be below the modulus (FIPS 203, section 7.2; trap 46), and
    /// not all of them zero, for then the ciphertext tells everybody the secret, as a point of low order would.
    fn encapsulate(
        &self,
        pubkey: &[u8],
        secret_out: &mut [u8],
        ciphertext_out: &mut [u8],
    ) -> Result<(usize, usize), Error> {
        self.stage.agreed();
        if pubkey.get(..KEM_VECTOR_BYTES).is_none_or(|vector| vector.iter().all(|byte| *byte == 0)) {
            return Err(Error::Kem);
        }
        let bytes = Key::<EncapsulationKey<MlKem768>>::try_from(pubkey).map_err(|_| Error::Kem)?;
        let key = EncapsulationKey::<MlKem768>::new(&bytes).map_err(|_| Error::Kem)?;
        let mut message = B32::default();
        message.copy_from_slice(&self.random[..32]);
        let (ciphertext, mut secret) = key.encapsulate_deterministic(&message);
        message.zeroize();
        secret_out.get_mut(..KEM_SECRET_BYTES).ok_or(Error::Kem)?.copy_from_slice(&secret);
        ciphertext_out.get_mut(..KEM_CIPHERTEXT_BYTES).ok_or(Error::Kem)?.copy_from_slice(&ciphertext);
        secret.zeroize();
        Ok((KEM_SECRET_BYTES, KEM_CIPHERTEXT_BYTES))
    }

    /// Never fails for a wrong ciphertext: it gives a secret that nobody has, and the next seal does not open.
    fn decapsulate(&self, ciphertext: &[u8], secret_out: &mut [u8]) -> Result<usize, Error> {
        self.stage.agreed();
        let pair = self.pair.as_ref().ok_or(Error::Kem)?;
        let ciphertext = Ciphertext::<MlKem768>::try_from(ciphertext).map_err(|_| Error::Kem)?;
        let mut secret = pair.decapsulate(&ciphertext);
        secret_out.get_mut(..KEM_SECRET_BYTES).ok_or(Error::Kem)?.copy_from_slice(&secret);
        secret.zeroize();
        Ok(KEM_SECRET_BYTES)
    }
}
