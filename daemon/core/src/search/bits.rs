//! A bit for each of many numbers: a set that is asked a million times and fits into the processor's nearest memory.

/// Numbers below a bound.
#[derive(Default)]
pub(super) struct Bits {
    words: Vec<u64>,
    count: usize,
}

impl Bits {
    /// These, all of them below `bound`.
    pub(super) fn of(bound: usize, numbers: impl Iterator<Item = u32>) -> Self {
        let mut words = vec![0u64; bound.div_ceil(64)];
        numbers.for_each(|number| words[number as usize / 64] |= 1 << (number % 64));
        Self::from_words(words)
    }

    /// Those whose bits are set, 64 numbers in each word.
    pub(super) fn from_words(words: Vec<u64>) -> Self {
        let count = words.iter().map(|word| word.count_ones() as usize).sum();
        Self { words, count }
    }

    /// Whether this is one of them. Nothing beyond the bound is.
    pub(super) fn has(&self, number: u32) -> bool {
        self.word(number as usize / 64) >> (number % 64) & 1 == 1
    }

    /// A bit for each of 64 numbers, from 64 times `word` on.
    pub(super) fn word(&self, word: usize) -> u64 {
        self.words.get(word).copied().unwrap_or(0)
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.count
    }
}

/// The numbers of a word whose bits are set, ascending.
pub(super) fn numbers_of(word: usize, bits: u64) -> impl Iterator<Item = u32> {
    let mut left = bits;
    std::iter::from_fn(move || {
        let at = left.trailing_zeros();
        left &= left.checked_sub(1)?;
        Some(word as u32 * 64 + at)
    })
}

/// A few numbers, of which a look tells most others apart: by the last twelve bits, which never wait for memory.
pub(super) struct Few([u64; 64]);

impl Few {
    /// These.
    pub(super) fn of(numbers: impl Iterator<Item = u32>) -> Self {
        let mut bits = [0u64; 64];
        numbers.for_each(|number| bits[number as usize / 64 % 64] |= 1 << (number % 64));
        Self(bits)
    }

    /// Whether this may be one of them.
    pub(super) fn may_have(&self, number: u32) -> bool {
        self.0[number as usize / 64 % 64] >> (number % 64) & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_what_is_in_it_and_few_may_have_it() {
        let numbers = [0, 63, 64, 4096, 5000];
        let (bits, few) = (Bits::of(5001, numbers.into_iter()), Few::of(numbers.into_iter()));
        for number in 0..6000 {
            assert_eq!(bits.has(number), numbers.contains(&number), "{number}");
            assert!(few.may_have(number) || !numbers.contains(&number), "{number}");
        }
        assert!(!bits.has(u32::MAX));
        assert!(!few.may_have(1) && few.may_have(8192), "the last twelve bits");
        assert_eq!(bits.count(), numbers.len());
        assert_eq!((0..79).flat_map(|word| numbers_of(word, bits.word(word))).collect::<Vec<_>>(), numbers);
    }
}
