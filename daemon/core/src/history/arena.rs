//! Memory for texts that never move. A vector that grows leaves copies of what it held wherever it was before; here each
//! text has one place, which is overwritten when the text goes. Knows bytes and places, not who uses them.

use zeroize::Zeroize;

/// Texts, in pieces of memory that are filled one after the other.
#[derive(Default)]
pub(super) struct Arena {
    chunks: Vec<Chunk>,
}

/// Where a text is. Two arenas that got texts of the same lengths have them at the same places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    chunk: u32,
    start: u32,
    // A record comes in a message or a spool line, far below four gigabytes.
    len: u32,
}

struct Chunk {
    bytes: Vec<u8>,
    /// Never more than this, so that the vector never moves.
    room: usize,
}

/// The first piece, for the few words that most pools hold.
const CHUNK_MIN: usize = 4 * 1024;

/// Later pieces. Larger would leave more unused, smaller would make more of them.
const CHUNK_MAX: usize = 1024 * 1024;

impl Arena {
    /// Adds a text of this length, which `write` puts at the end of what it gets.
    pub(super) fn add(&mut self, len: usize, write: impl FnOnce(&mut Vec<u8>)) -> Place {
        if self.chunks.last().is_none_or(|chunk| chunk.room - chunk.bytes.len() < len) {
            let last = self.chunks.last().map_or(0, |chunk| chunk.room);
            let room = (last * 2).clamp(CHUNK_MIN, CHUNK_MAX).max(len);
            self.chunks.push(Chunk { bytes: Vec::with_capacity(room), room });
        }
        let number = self.chunks.len() - 1;
        let bytes = &mut self.chunks[number].bytes;
        let start = bytes.len();
        write(bytes);
        debug_assert_eq!(bytes.len(), start + len);
        Place { chunk: number as u32, start: start as u32, len: len as u32 }
    }

    /// The text at a place.
    pub(super) fn text(&self, place: Place) -> &[u8] {
        let Place { chunk, start, len } = place;
        &self.chunks[chunk as usize].bytes[start as usize..start as usize + len as usize]
    }

    /// Overwrites the text at a place.
    pub(super) fn wipe(&mut self, place: Place) {
        let Place { chunk, start, len } = place;
        self.chunks[chunk as usize].bytes[start as usize..start as usize + len as usize].zeroize();
    }

    /// Bytes of all texts, and of those that were overwritten.
    pub(super) fn len(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.bytes.len()).sum()
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.bytes.capacity() + size_of::<Chunk>()).sum()
    }

    /// Whether these bytes are anywhere in it.
    #[cfg(test)]
    pub(super) fn remembers(&self, bytes: &[u8]) -> bool {
        self.chunks.iter().any(|chunk| memchr::memmem::find(&chunk.bytes, bytes).is_some())
    }
}

impl Place {
    /// Nothing, nowhere.
    pub(super) const NONE: Self = Self { chunk: 0, start: 0, len: 0 };

    pub(super) fn len(self) -> usize {
        self.len as usize
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        for chunk in &mut self.chunks {
            chunk.bytes.zeroize();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_moves_and_lengths_decide_the_places() {
        let (mut one, mut other) = (Arena::default(), Arena::default());
        let mut places = Vec::new();
        let mut first = None;
        for n in 0..20_000usize {
            let text = vec![n as u8; n % 150 + if n == 7000 { 3 * CHUNK_MAX } else { 0 }];
            let place = one.add(text.len(), |bytes| bytes.extend_from_slice(&text));
            let upper = other.add(text.len(), |bytes| bytes.extend(text.iter().map(|_| 0)));
            assert_eq!(place, upper);
            let address = one.text(places.first().map_or(place, |(place, _)| *place)).as_ptr();
            assert_eq!(*first.get_or_insert(address), address);
            places.push((place, text));
        }
        for (place, text) in &places {
            assert_eq!(one.text(*place), text);
        }
        assert!(one.memory_bytes() < one.len() * 5 / 4, "{} for {}", one.memory_bytes(), one.len());
        one.wipe(places[7000].0);
        assert!(one.text(places[7000].0).iter().all(|byte| *byte == 0));
    }
}
