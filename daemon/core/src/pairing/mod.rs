//! Letting a device into an account by a short code: who says what, in which order, and what each end believes when.
//!
//! A meeting has no clock, connection or mailbox of its own: letters go in, letters come out, and who carries them and
//! how long that may take is for the daemon. Each stage is a type that the next one consumes, so that nothing is said
//! twice or too early. Nothing secret leaves before both people have compared the words.
//!
//! | newcomer | inviter |
//! |---|---|
//! | [`Newcomer::begin`] → hello | |
//! | | [`Inviter::answer`] → answer |
//! | [`Waiting::prove`] → proof | |
//! | | [`Answered::check`] → reveal, words |
//! | [`Proved::compare`], words | |
//! | [`Compared::agree`] → agreed | |
//! | | [`Meeting::wish`], then [`Meeting::hand_over`] → hand-over |
//! | [`Agreed::land`] → landed | |
//!
//! The code is in `code.rs`; the keys are in [`crate::vault::meeting_key`] and [`crate::vault::handover`].

mod code;
mod inviter;
mod newcomer;
#[cfg(test)]
mod tests;

pub use code::{CheckWords, Code, CodeError};
pub use inviter::{Answered, Inviter, Meeting};
pub use newcomer::{Agreed, Compared, Newcomer, Proved, Waiting};

use caro_link::entropy::NoEntropy;
use caro_schema::{
    codec,
    id::Hash,
    limits::MAIL_BYTES_MAX,
    pairing::{Letter, NewcomerCard},
};
use sha2::{Digest, Sha256};

use crate::{device::NotHandedOver, vault::meeting_key::OtherKey};

/// Why a meeting came to nothing. Nothing was written, and no key of the account was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PairError {
    /// The other end does not know the code, or somebody in between changed what it said.
    #[error("the code is not the same on both sides")]
    WrongCode,
    /// The other end speaks a version that is not known here.
    #[error("the other device speaks another version")]
    Version,
    /// The other end wants no more.
    #[error("the other device declined")]
    Declined,
    /// A letter that does not belong here.
    #[error("a letter out of turn")]
    OutOfTurn,
    /// What was to be handed over does not fit.
    #[error(transparent)]
    HandOver(#[from] NotHandedOver),
    /// There is no randomness.
    #[error(transparent)]
    Entropy(#[from] NoEntropy),
}

impl From<OtherKey> for PairError {
    fn from(_: OtherKey) -> Self {
        Self::WrongCode
    }
}

fn read(letter: &[u8]) -> Result<Letter, PairError> {
    if letter.len() > MAIL_BYTES_MAX {
        return Err(PairError::OutOfTurn);
    }
    match codec::decode(letter) {
        Ok(Letter::Declined) => Err(PairError::Declined),
        Ok(letter) => Ok(letter),
        Err(_) => Err(PairError::OutOfTurn),
    }
}

/// The number that each end adds to the check words, drawn anew for each meeting.
fn draw(entropy: &mut dyn caro_link::entropy::Entropy) -> Result<Hash, NoEntropy> {
    let mut number = [0; 32];
    entropy.fill(&mut number)?;
    Ok(Hash(number))
}

fn commitment(number: &Hash) -> Hash {
    Hash(Sha256::new_with_prefix(b"caro/v1/pair/number").chain_update(number.as_bytes()).finalize().into())
}

/// The name that a newcomer gives itself, short enough for a screen; what shows it makes its characters visible.
fn name_of(card: &NewcomerCard) -> String {
    card.name.chars().take(NAME_CHARS_MAX).collect()
}

/// Letters of a name that are shown.
const NAME_CHARS_MAX: usize = 64;
