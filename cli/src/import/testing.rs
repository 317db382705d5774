//! What a format makes of some bytes, for the tests of every format.

use super::{Entry, Found, Odd, Source, read_bytes};

/// Everything that is found, in order.
pub(crate) fn found(source: Source, bytes: &[u8]) -> Vec<Found> {
    let mut all = Vec::new();
    let mut take = |found| {
        all.push(found);
        Ok(())
    };
    read_bytes(source, bytes, &mut take).expect("memory can be read");
    all
}

/// The commands, and how many things made no sense.
pub(crate) fn read_all(source: Source, bytes: &[u8]) -> (Vec<Entry>, usize) {
    let mut entries = Vec::new();
    let mut odd = 0;
    for found in found(source, bytes) {
        match found {
            Found::Entry(entry) => entries.push(entry),
            Found::Record(_) => panic!("only caro's own export has records"),
            Found::Odd(_) => odd += 1,
        }
    }
    (entries, odd)
}

/// The texts of the commands, where nothing made no sense.
pub(crate) fn commands(source: Source, bytes: &[u8]) -> Vec<Vec<u8>> {
    let (entries, odd) = read_all(source, bytes);
    assert_eq!(odd, 0, "{}", bytes.escape_ascii());
    entries.into_iter().map(|entry| entry.command).collect()
}

/// What made no sense.
pub(crate) fn odd(source: Source, bytes: &[u8]) -> Vec<Odd> {
    let only_odd = |found| match found {
        Found::Odd(odd) => Some(odd),
        Found::Entry(_) | Found::Record(_) => None,
    };
    found(source, bytes).into_iter().filter_map(only_odd).collect()
}
