//! Bytes of a fuzzer, read as small decisions, and as edits of something genuine: what a fuzzer cannot guess (a
//! signature, a tag, a checksum) it can break.

/// Reads decisions off bytes. At the end everything is zero.
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// From the first byte.
    pub fn new(data: &'a [u8]) -> Self {
        Self(data)
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One byte.
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// Two bytes.
    pub fn short(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// A number below `end`, from one byte.
    pub fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) % end.max(1)
    }

    /// So many bytes as two bytes say, or as there are.
    pub fn bytes(&mut self) -> &'a [u8] {
        let len = usize::from(self.short()).min(self.0.len());
        let (taken, rest) = self.0.split_at(len);
        self.0 = rest;
        taken
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    /// A copy of something genuine with some edits: no more than [`EDITS_MAX`], and none when the next byte is zero.
    pub fn edited(&mut self, genuine: &[u8]) -> Vec<u8> {
        let mut bytes = genuine.to_vec();
        for _ in 0..self.below(EDITS_MAX + 1) {
            self.edit(&mut bytes);
        }
        bytes
    }

    fn edit(&mut self, bytes: &mut Vec<u8>) {
        let what = self.byte();
        // Three bytes reach every place of the largest thing that is edited.
        let place = (usize::from(self.byte()) << 16) | usize::from(self.short());
        let at = place % bytes.len().max(1);
        match what % 5 {
            0 if !bytes.is_empty() => bytes[at] ^= self.byte().max(1),
            1 => bytes.truncate(at),
            2 => bytes.insert(at.min(bytes.len()), self.byte()),
            3 if !bytes.is_empty() => drop(bytes.remove(at)),
            4 => {
                let more = self.bytes();
                bytes.splice(at.min(bytes.len())..at.min(bytes.len()), more.iter().copied());
            }
            _ => {}
        }
    }
}

/// Edits of one thing.
pub const EDITS_MAX: usize = 8;

/// Either the bytes themselves, or something genuine with edits: the first byte says which.
pub fn raw_or_edited(data: &[u8], genuine: &[u8]) -> Vec<u8> {
    let mut input = Input::new(data);
    if input.byte() == RAW { input.rest().to_vec() } else { input.edited(genuine) }
}

/// The first byte of an input whose other bytes are taken as they are.
pub const RAW: u8 = 0xff;

/// A seed that is taken as it is.
pub fn raw(bytes: &[u8]) -> Vec<u8> {
    [&[RAW], bytes].concat()
}

/// Seeds for whatever reads [`raw_or_edited`]: the genuine thing, raw; with no edit; and with one of each kind.
pub fn seeds_around(genuine: &[u8]) -> Vec<Vec<u8>> {
    let mut seeds = vec![raw(genuine), vec![0, 0]];
    seeds.extend((0..4u8).map(|what| vec![0, 1, what, 0, 0, 40, 1]));
    seeds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_edits_leave_what_is_genuine_and_each_edit_changes_it() {
        assert_eq!(raw_or_edited(&[0, 0], b"genuine"), b"genuine");
        assert_eq!(raw_or_edited(&[], b"genuine"), b"genuine");
        for seed in &seeds_around(b"genuine")[2..] {
            assert_ne!(raw_or_edited(seed, b"genuine"), b"genuine", "{seed:?}");
        }
        assert_eq!(raw_or_edited(&raw(b"other"), b"genuine"), b"other");
    }

    #[test]
    fn any_edits_of_nothing_do_not_panic() {
        for what in 0..5 {
            drop(raw_or_edited(&[0, 3, what, 9, 9, 9, 9, what, 0, 1, 2, 3], b""));
        }
    }
}
