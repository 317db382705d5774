//! The end that lets a device in. It answers one newcomer after another, as many as may try, each with a half of its own;
//! it knows that a newcomer knows the code before it says anything that only such a one may hear, and gives the account's
//! keys only after its person has compared the words.

use caro_link::entropy::{Entropy, NoEntropy};
use caro_schema::{
    codec,
    id::{Hash, RelayKey},
    keylog::Certificate,
    pairing::{Handed, InviterCard, Letter, NewcomerCard, RelayCard, VERSION, Wish},
};

use super::{CheckWords, Code, PairError, commitment, draw, name_of, read};
use crate::vault::meeting_key::{Half, MeetingKey, Side};

/// A code that waits for a newcomer.
pub struct Inviter {
    code: Code,
    relay: RelayKey,
    name: String,
    relays: Vec<RelayCard>,
}

/// A newcomer came, and has not shown that it knows the code.
pub struct Answered {
    key: MeetingKey,
    number: Hash,
}

/// A newcomer that knows the code.
pub struct Meeting {
    key: MeetingKey,
    certificate: Certificate,
    name: String,
    words: CheckWords,
    relays: usize,
}

impl Inviter {
    /// Ready for a newcomer, at the mailbox of this relay. `relays` has that one first.
    pub fn new(code: Code, relay: RelayKey, name: String, relays: Vec<RelayCard>) -> Self {
        Self { code, relay, name, relays }
    }

    /// The code.
    pub fn code(&self) -> &Code {
        &self.code
    }

    /// Another code: the mailbox of the first one's number is in use by somebody else.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn draw_again(&mut self, entropy: &mut dyn Entropy) -> Result<(), NoEntropy> {
        self.code = Code::draw(entropy)?;
        Ok(())
    }

    /// Answers a newcomer's hello.
    ///
    /// # Errors
    /// When it is none, or of another version.
    pub fn answer(&self, hello: &[u8], entropy: &mut dyn Entropy) -> Result<(Answered, Vec<u8>), PairError> {
        let Letter::Hello { version, pake: theirs } = read(hello)? else { return Err(PairError::OutOfTurn) };
        if version != VERSION {
            return Err(PairError::Version);
        }
        let (half, pake) = Half::begin(Side::Inviter, self.code.text().as_bytes(), entropy)?;
        let number = draw(entropy)?;
        let commit = commitment(&number);
        let key = half.finish(&theirs, &self.relay, &commit)?;
        Ok((Answered { key, number }, codec::encode(&Letter::Answer { pake: pake.into(), commit })))
    }
}

impl Answered {
    /// Looks whether the newcomer knows the code. If so, says who this is.
    ///
    /// # Errors
    /// [`PairError::WrongCode`] when it does not: one try is used up.
    pub fn check(mut self, proof: &[u8], inviter: &Inviter) -> Result<(Meeting, Vec<u8>), PairError> {
        let Letter::Proof { confirm, sealed } = read(proof)? else { return Err(PairError::OutOfTurn) };
        self.key.confirm(&confirm)?;
        let card = self.key.open(&sealed)?;
        let card: NewcomerCard = codec::decode(&card).map_err(|_| PairError::OutOfTurn)?;
        let own = InviterCard { name: inviter.name.clone(), number: self.number, relays: inviter.relays.clone() };
        let words = CheckWords::from_bytes(self.key.check(&card.number, &self.number));
        let confirm = self.key.confirmation();
        let sealed = self.key.seal(&codec::encode(&own)).into();
        let name = name_of(&card);
        let relays = inviter.relays.len();
        let meeting = Meeting { key: self.key, certificate: card.certificate, name, words, relays };
        Ok((meeting, codec::encode(&Letter::Reveal { confirm, sealed })))
    }
}

impl Meeting {
    /// What the person compares.
    pub fn words(&self) -> &CheckWords {
        &self.words
    }

    /// What the newcomer calls itself.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The newcomer's public keys.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// What the newcomer is to be listed as at each relay, once its person has compared the words.
    ///
    /// # Errors
    /// When that is not what came.
    pub fn wish(&mut self, agreed: &[u8]) -> Result<Vec<Hash>, PairError> {
        let Letter::Agreed { sealed } = read(agreed)? else { return Err(PairError::OutOfTurn) };
        let wish: Wish = codec::decode(&self.key.open(&sealed)?).map_err(|_| PairError::OutOfTurn)?;
        if wish.keys.len() != self.relays {
            return Err(PairError::OutOfTurn);
        }
        Ok(wish.keys)
    }

    /// Gives the newcomer what makes it a device of the account. Only after this end's person has compared the words.
    pub fn hand_over(&mut self, handed: &Handed) -> Vec<u8> {
        let sealed = self.key.seal(&codec::encode(handed)).into();
        codec::encode(&Letter::HandOver { sealed })
    }

    /// Whether a letter says that the newcomer is a device of the account.
    ///
    /// # Errors
    /// When it says something else.
    pub fn has_landed(letter: &[u8]) -> Result<(), PairError> {
        match read(letter)? {
            Letter::Landed => Ok(()),
            _ => Err(PairError::OutOfTurn),
        }
    }
}

#[cfg(test)]
impl Inviter {
    pub(super) fn relays_of(&self) -> Vec<RelayCard> {
        self.relays.clone()
    }
}

#[cfg(test)]
impl Answered {
    /// As a dishonest end would: with a number that it was not bound to.
    pub(super) fn with_number_for_tests(self, number: Hash) -> Self {
        Self { number, ..self }
    }
}
