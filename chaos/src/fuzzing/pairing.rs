//! Two devices that meet by a code, and somebody in between who may change each letter.

use std::sync::OnceLock;

use caro_core::{
    device::Env,
    pairing::{Code, Inviter, Newcomer, PairError},
};
use caro_schema::{codec, limits::MAIL_BYTES_MAX, pairing::Letter};

use super::{
    Target,
    account::NOW_MS,
    input::{Input, raw_or_edited, seeds_around},
    wire::stable,
};
use crate::{
    disk::Disk,
    machine::{Machine, RELAY},
    seed::Seed,
    world::World,
};

pub(super) const TARGETS: &[Target] = &[Target {
    name: "pairing",
    what: "the letters of two devices that meet, one of them any bytes, the code typed as it was given or not: neither goes on \
           after a letter that is not the genuine one to the last bit, none becomes a device of the account by it, and what \
           is said back is bounded",
    run: pairing,
    seeds,
}];

/// A device of an account.
fn founder() -> Machine {
    static DISK: OnceLock<Disk> = OnceLock::new();
    let disk = DISK.get_or_init(|| World::joined(1, 3, None).machines.remove(0).disk);
    Machine::new(disk.clone(), Seed::new(4), None)
}

const CODE: &str = "7-abandon-zoo";

/// Letters of a whole meeting.
const LETTERS: usize = 6;

/// What becomes of the letters on their way.
struct Between<'a> {
    which: usize,
    edits: &'a [u8],
    /// Whether the letter that was changed is another one now.
    changed: bool,
}

impl Between<'_> {
    fn carry(&mut self, number: usize, letter: Vec<u8>) -> Vec<u8> {
        assert!(letter.len() <= MAIL_BYTES_MAX, "a letter that no mailbox takes");
        if number != self.which {
            return letter;
        }
        let arrives = raw_or_edited(self.edits, &letter);
        stable::<Letter>(&arrives);
        self.changed = arrives != letter;
        arrives
    }
}

fn pairing(data: &[u8]) {
    let mut input = Input::new(data);
    let which = input.below(LETTERS + 1);
    let knows = input.byte() != 1;
    let mut between = Between { which, edits: input.rest(), changed: false };
    let met = meet(if knows { CODE } else { "7-zoo-abandon" }, &mut between);
    let is_left_alone = knows && !between.changed;
    match met {
        Ok(()) => assert!(is_left_alone, "a meeting went on after a letter that nobody wrote"),
        Err(error) => {
            assert!(!is_left_alone && !error.to_string().is_empty(), "genuine letters came to nothing: {error}")
        }
    }
}

/// A whole meeting, up to where the first of the two gives up.
fn meet(code: &str, between: &mut Between<'_>) -> Result<(), PairError> {
    let founder = founder();
    let account = founder.device.account().expect("joined");
    let relay = account.remote(RELAY).expect("one").record.relay_key;
    let code_shown = Code::parse(CODE).expect("a code");
    let inviter = Inviter::new(code_shown, relay, account.name().to_owned(), account.relay_cards(relay));
    let names = ("laptop".to_owned(), "linux".to_owned());
    let typed = Code::parse(code).expect("a code");
    let (waiting, hello) = Newcomer::begin(&typed, relay, names, &mut Seed::new(1))?;
    let (answered, answer) = inviter.answer(&between.carry(0, hello), &mut Seed::new(2))?;
    let (proved, proof) = waiting.prove(&between.carry(1, answer))?;
    let (mut meeting, reveal) = answered.check(&between.carry(2, proof), &inviter)?;
    assert!(meeting.name().chars().count() <= 64);
    let compared = proved.compare(&between.carry(3, reveal))?;
    assert!(compared.words() == meeting.words() && compared.name().chars().count() <= 64);
    let (agreed, letter) = compared.agree();
    let keys = meeting.wish(&between.carry(4, letter))?;
    assert_eq!(keys.len(), 1);
    let mut env = Env { now_ms: NOW_MS, entropy: &mut Seed::new(3) };
    let handed = account.hand_over(meeting.certificate().clone(), &[relay], &mut env)?.handed;
    let (joined, others) = agreed.land(&between.carry(5, meeting.hand_over(&handed)))?;
    assert!(joined.account() == account.vault().account() && others.is_empty());
    Ok(())
}

fn seeds() -> Vec<Vec<u8>> {
    let letter = codec::encode(&Letter::Hello { version: 1, pake: vec![0x41; 33].into() });
    let mut seeds = vec![vec![LETTERS as u8, 0], vec![LETTERS as u8, 1]];
    for which in 0..LETTERS as u8 {
        seeds.extend(seeds_around(&letter).iter().map(|edit| [&[which, 0], &edit[..]].concat()));
    }
    for other in [Letter::Declined, Letter::Landed] {
        seeds.push([&[0, 0, super::input::RAW][..], &codec::encode(&other)].concat());
    }
    seeds
}
