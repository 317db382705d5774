//! Argon2id: a key from words, at a price for whoever guesses them.
//!
//! The cost is a constant, whatever the machine: a device that took less memory would derive another key from the same
//! phrase. When the memory is not there the answer is an error, never a smaller cost.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use rayon::{ThreadPool, ThreadPoolBuilder};
use zeroize::Zeroize;

use super::secret::Secret;

/// Bytes of a salt.
pub(super) const SALT_BYTES: usize = 16;

/// Memory in KiB: the second recommendation of RFC 9106, section 4. More would shut out small machines for ever, since
/// a phrase made on a large one must open on them; less makes guessing cheaper.
const MEMORY_KIB: u32 = 64 * 1024;

/// Passes over the memory, of the same recommendation.
const PASSES: u32 = 3;

/// Lanes, of the same recommendation. Part of the result, so not the number of processors at hand.
const LANES: u32 = 4;

/// Threads to try, from the most that lanes can use. How many there are changes the time and not the result.
const THREADS: [usize; 3] = [LANES as usize, 2, 1];

/// There is not enough memory to derive the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("deriving the key needs {MEMORY_KIB} KiB of memory, which are not there")]
pub struct OutOfMemory;

/// Argon2id, version 0x13, of `input`.
pub(super) fn stretch(input: &[u8], salt: &[u8; SALT_BYTES]) -> Result<Secret, OutOfMemory> {
    // Neither call fails for these constants; an answer that is an error all the same must stay one.
    let cost = Params::new(MEMORY_KIB, PASSES, LANES, Some(32)).map_err(|_| OutOfMemory)?;
    let mut memory = Memory::reserve(cost.block_count())?;
    let threads = threads()?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, cost);
    let mut outcome = Ok(());
    let key = Secret::filled(|key| {
        outcome = threads.install(|| argon2.hash_password_into_with_memory(input, salt, key, &mut memory.0));
    });
    outcome.map(|()| key).map_err(|_| OutOfMemory)
}

/// Threads for this one key, gone when it is there. The pool that `argon2` would take otherwise lives as long as the
/// program, and ends it where a thread cannot be started.
fn threads() -> Result<ThreadPool, OutOfMemory> {
    THREADS.iter().find_map(|count| ThreadPoolBuilder::new().num_threads(*count).build().ok()).ok_or(OutOfMemory)
}

/// The working memory, whose content follows from the secret. Wiped on drop.
struct Memory(Vec<Block>);

impl Memory {
    /// Asks for all of it at once, in a way that can be refused: the usual allocation would end the daemon.
    fn reserve(blocks: usize) -> Result<Self, OutOfMemory> {
        let mut memory = Vec::new();
        memory.try_reserve_exact(blocks).map_err(|_| OutOfMemory)?;
        memory.resize(blocks, Block::new());
        Ok(Self(memory))
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        for block in &mut self.0 {
            block.as_mut().zeroize();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trap_24_memory_that_cannot_be_had_is_an_error() {
        assert_eq!(Memory::reserve(usize::MAX / Block::SIZE / 2).err(), Some(OutOfMemory));
    }

    #[test]
    fn trap_24_the_cost_is_the_one_that_was_published() {
        assert_eq!((MEMORY_KIB, PASSES, LANES), (65_536, 3, 4));
        assert_eq!(OutOfMemory.to_string(), "deriving the key needs 65536 KiB of memory, which are not there");
    }
}
