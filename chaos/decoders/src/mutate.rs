//! Seeds changed at random, where there is no fuzzer: it sees nothing of what an input reaches, so it finds less, and it is
//! there on any compiler within a minute. The same number gives the same inputs.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use chaos_tests::{fuzzing::Target, seed::Seed};

/// What was tried.
pub struct Tried {
    /// How many inputs.
    pub inputs: u64,
    /// The longest that one of them took.
    pub longest: Duration,
    /// That one.
    pub slowest: Vec<u8>,
    /// The input that failed, if one did.
    pub failed: Option<Vec<u8>>,
}

/// Bytes of an input.
const INPUT_BYTES_MAX: usize = 16 * 1024;

/// Changes of one input at most.
const CHANGES_MAX: u64 = 6;

/// Bytes that decoders look for.
const TELLING: &[u8] = b"\0\x01\x7f\x80\xff\n\r \t\"'\\{}[],:=-+.!|^$()/@#%~0129eE\x1b";

/// Tries inputs for so long, or until one fails.
pub fn tries(target: &Target, inputs: &[Vec<u8>], number: u64, within: Duration) -> Tried {
    let mut seed = Seed::new(number);
    let words: Vec<&[u8]> = inputs.iter().flat_map(|input| words(input)).collect();
    let mut tried = Tried { inputs: 0, longest: Duration::ZERO, slowest: Vec::new(), failed: None };
    let until = Instant::now() + within;
    while Instant::now() < until {
        let mut input = pick(inputs, &mut seed).to_vec();
        for _ in 0..=seed.below(CHANGES_MAX) {
            change(&mut input, inputs, &words, &mut seed);
        }
        input.truncate(INPUT_BYTES_MAX);
        let started = Instant::now();
        // A target tells by a panic that its property does not hold; the panic has said what by the time it is caught.
        let outcome = catch_unwind(AssertUnwindSafe(|| (target.run)(&input)));
        let took = started.elapsed();
        tried.inputs += 1;
        if took > tried.longest {
            (tried.longest, tried.slowest) = (took, input.clone());
        }
        if outcome.is_err() {
            tried.failed = Some(smaller(target, input));
            break;
        }
    }
    tried
}

/// Words of letters and digits, and what is between them.
fn words(input: &[u8]) -> impl Iterator<Item = &[u8]> {
    input
        .chunk_by(|one, next| one.is_ascii_alphanumeric() == next.is_ascii_alphanumeric())
        .filter(|word| word.len() > 1)
}

fn pick<'a, T: AsRef<[u8]>>(from: &'a [T], seed: &mut Seed) -> &'a [u8] {
    from.get(seed.below(from.len() as u64) as usize).map_or(&[], AsRef::as_ref)
}

fn change(input: &mut Vec<u8>, inputs: &[Vec<u8>], words: &[&[u8]], seed: &mut Seed) {
    let place = |input: &[u8], seed: &mut Seed| seed.below(input.len() as u64 + 1) as usize;
    let at = place(input, seed);
    let length = (seed.below(16) as usize).min(input.len() - at);
    match seed.below(10) {
        0 if at < input.len() => input[at] ^= 1 << seed.below(8),
        1 if at < input.len() => input[at] = seed.draw() as u8,
        2 if at < input.len() => input[at] = TELLING[seed.below(TELLING.len() as u64) as usize],
        3 => input.insert(at, TELLING[seed.below(TELLING.len() as u64) as usize]),
        4 => input.insert(at, seed.draw() as u8),
        5 => drop(input.drain(at..at + length)),
        6 => {
            let again = input[at..at + length].repeat(1 + seed.below(8) as usize);
            drop(input.splice(at..at, again));
        }
        7 => drop(input.splice(at..at + length, pick(words, seed).to_vec())),
        8 => drop(input.splice(at..at, pick(words, seed).to_vec())),
        _ => {
            let other = pick(inputs, seed);
            let (from, to) = (place(other, seed), place(other, seed));
            drop(input.splice(at.., other[from.min(to)..from.max(to)].to_vec()));
        }
    }
}

/// The same failure with less: pieces are left out for as long as it still fails.
fn smaller(target: &Target, mut input: Vec<u8>) -> Vec<u8> {
    let fails = |input: &[u8]| catch_unwind(AssertUnwindSafe(|| (target.run)(input))).is_err();
    let mut length = input.len() / 2;
    while length > 0 {
        let mut at = 0;
        while at + length <= input.len() {
            let less = [&input[..at], &input[at + length..]].concat();
            if fails(&less) {
                input = less;
            } else {
                at += length;
            }
        }
        length /= 2;
    }
    input
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_is_found_and_made_small() {
        let fails_at_quotes = Target {
            name: "quotes",
            what: "no two quotes",
            run: |data| assert!(!data.windows(2).any(|pair| pair == b"\"\"")),
            seeds: || vec![b"a seed with \" in it".to_vec()],
        };
        let tried = tries(&fails_at_quotes, &(fails_at_quotes.seeds)(), 1, Duration::from_secs(60));
        assert_eq!(tried.failed.as_deref(), Some(&b"\"\""[..]));
    }
}
