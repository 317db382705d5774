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

    /// Whether this is one of them.
    pub(super) fn has(&self, number: u32) -> bool {
        self.0[number as usize / 64] >> (number % 64) & 1 == 1
    }
}
