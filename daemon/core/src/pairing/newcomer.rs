//! The end that wants in. Its keys are its own and fresh, and are nobody's until the hand-over has come; before that it
//! has written nothing. It believes no relay, name or account that did not come sealed from whoever knows the code.

use caro_link::entropy::Entropy;
use caro_schema::{
    codec,
    id::{Hash, RelayKey},
    pairing::{Handed, InviterCard, Letter, NewcomerCard, RELAYS_MAX, RelayCard, VERSION, Wish},
};

use super::{CheckWords, Code, NAME_CHARS_MAX, PairError, commitment, draw, read};
use crate::{
    device::{Joined, NotHandedOver},
    sync::RemoteRecord,
    vault::{
        DeviceKeys,
        meeting_key::{Half, MeetingKey, Side},
    },
};

/// A device with a code.
pub struct Newcomer {
    keys: DeviceKeys,
    name: String,
    platform: String,
    relay: RelayKey,
}

/// It has said hello.
pub struct Waiting {
    newcomer: Newcomer,
    half: Half,
    number: Hash,
}

/// It has shown that it knows the code.
pub struct Proved {
    newcomer: Newcomer,
    key: MeetingKey,
    number: Hash,
    commit: Hash,
}

/// Both know the code.
pub struct Compared {
    newcomer: Newcomer,
    key: MeetingKey,
    name: String,
    words: CheckWords,
    relays: Vec<RelayCard>,
}

/// Its person has compared the words.
pub struct Agreed {
    newcomer: Newcomer,
    key: MeetingKey,
    relays: Vec<RelayCard>,
}

impl Newcomer {
    /// Says hello at the mailbox of this relay, with fresh keys.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn begin(
        code: &Code,
        relay: RelayKey,
        (name, platform): (String, String),
        entropy: &mut dyn Entropy,
    ) -> Result<(Waiting, Vec<u8>), PairError> {
        let mut random = zeroize::Zeroizing::new([0; 96]);
        entropy.fill(&mut *random)?;
        let keys = DeviceKeys::generate(&random);
        let (half, pake) = Half::begin(Side::Newcomer, code.text().as_bytes(), entropy)?;
        let number = draw(entropy)?;
        let newcomer = Self { keys, name, platform, relay };
        let hello = Letter::Hello { version: VERSION, pake: pake.into() };
        Ok((Waiting { newcomer, half, number }, codec::encode(&hello)))
    }
}

impl Waiting {
    /// Shows that it knows the code, and says who it is.
    ///
    /// # Errors
    /// When what came is no answer.
    pub fn prove(self, answer: &[u8]) -> Result<(Proved, Vec<u8>), PairError> {
        let Letter::Answer { pake, commit } = read(answer)? else { return Err(PairError::OutOfTurn) };
        let Self { newcomer, half, number } = self;
        let mut key = half.finish(&pake, &newcomer.relay, &commit)?;
        let card = NewcomerCard { name: newcomer.name.clone(), certificate: newcomer.keys.certificate(None), number };
        let confirm = key.confirmation();
        let sealed = key.seal(&codec::encode(&card)).into();
        Ok((Proved { newcomer, key, number, commit }, codec::encode(&Letter::Proof { confirm, sealed })))
    }
}

impl Proved {
    /// Looks whether the other end knows the code too.
    ///
    /// # Errors
    /// [`PairError::WrongCode`] when it does not, or has chosen its number for the words after it saw this one's.
    pub fn compare(self, reveal: &[u8]) -> Result<Compared, PairError> {
        let Letter::Reveal { confirm, sealed } = read(reveal)? else { return Err(PairError::OutOfTurn) };
        let Self { newcomer, mut key, number, commit } = self;
        key.confirm(&confirm)?;
        let card: InviterCard = codec::decode(&key.open(&sealed)?).map_err(|_| PairError::OutOfTurn)?;
        if commitment(&card.number) != commit {
            return Err(PairError::WrongCode);
        }
        let is_here = card.relays.first().is_some_and(|first| first.relay_key == newcomer.relay);
        if !is_here || card.relays.len() > RELAYS_MAX {
            return Err(PairError::OutOfTurn);
        }
        let words = CheckWords::from_bytes(key.check(&number, &card.number));
        let name = card.name.chars().take(NAME_CHARS_MAX).collect();
        Ok(Compared { newcomer, key, name, words, relays: card.relays })
    }
}

impl Compared {
    /// What the person compares.
    pub fn words(&self) -> &CheckWords {
        &self.words
    }

    /// What the other device is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The person says that the words are the same.
    pub fn agree(mut self) -> (Agreed, Vec<u8>) {
        let hash = |card: &RelayCard| {
            caro_link::proof::device_key_hash(&self.newcomer.keys.relay_static(&card.relay_key).public())
        };
        let wish = Wish { keys: self.relays.iter().map(hash).collect() };
        let sealed = self.key.seal(&codec::encode(&wish)).into();
        let Self { newcomer, key, name: _, words: _, relays } = self;
        (Agreed { newcomer, key, relays }, codec::encode(&Letter::Agreed { sealed }))
    }
}

impl Agreed {
    /// Becomes a device of the account: what it keeps, and the relays beside the first.
    ///
    /// # Errors
    /// When what came is not for this device.
    pub fn land(mut self, hand_over: &[u8]) -> Result<(Joined, Vec<RemoteRecord>), PairError> {
        let Letter::HandOver { sealed } = read(hand_over)? else { return Err(PairError::OutOfTurn) };
        let plain = self.key.open(&sealed)?;
        let handed: Handed = codec::decode(&plain).map_err(|_| PairError::OutOfTurn)?;
        if handed.relays.first().map(|listed| listed.relay_key) != Some(self.newcomer.relay) {
            return Err(NotHandedOver::Relays.into());
        }
        let Newcomer { keys, name, platform, relay: _ } = self.newcomer;
        Ok(Joined::handed_over(keys, handed, &self.relays, (name, platform))?)
    }
}
