//! A bit for each of many numbers: a set that is asked a million times and fits into the processor's nearest memory.

/// Numbers below a bound.
pub(super) struct Bits(Vec<u64>);

impl Bits {
    /// These, all of them below `bound`.
    pub(super) fn of(bound: usize, numbers: impl Iterator<Item = u32>) -> Self {
        let mut bits = vec![0u64; bound.div_ceil(64)];
        numbers.for_each(|number| bits[number as usize / 64] |= 1 << (number % 64));
        Self(bits)
    }

    /// Whether this is one of them. Nothing beyond the bound is.
    pub(super) fn has(&self, number: u32) -> bool {
        let word = self.0.get(number as usize / 64).copied().unwrap_or(0);
        word >> (number % 64) & 1 == 1
    }
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
    }
}
