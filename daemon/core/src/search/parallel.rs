//! Work on many items in parts, on all processors when it is worth waking them. Knows nothing of what the work is.

use std::ops::Range;

use rayon::iter::{IntoParallelIterator, ParallelIterator};

/// Items from which the work is shared. Below this it takes less than a millisecond, and the daemon of a small history
/// never starts the threads.
pub(super) const SHARED_FROM: usize = 16_384;

/// Texts that are brought near at once. More would push out what was brought first, fewer would wait more often.
pub(super) const FETCHED: usize = 16;

/// Parts at most. More would even out better, fewer cost less.
const PARTS_MAX: usize = 16;

/// Parts at most where each has a column of its own over all commands, which are put together afterwards.
const COLUMNS_MAX: usize = 4;

/// Does all that belongs together on one of the threads that share work, when there is enough of it: who comes from outside
/// waits for them once, and not with each part of the work.
pub(super) fn together<R: Send>(items: usize, work: impl FnOnce() -> R + Send) -> R {
    if items < SHARED_FROM { work() } else { rayon::scope(|_| work()) }
}

/// Does `work` on all items in parts, and gives what came of each part, in order. Parts begin at multiples of 64.
pub(super) fn in_parts<R: Send>(count: usize, work: impl Fn(Range<usize>) -> R + Sync) -> Vec<R> {
    if count < SHARED_FROM { vec![work(0..count)] } else { shared(count, work) }
}

/// The same where no more than so many of all items have to be looked at.
pub(super) fn in_parts_of<R: Send>(items: usize, count: usize, work: impl Fn(Range<usize>) -> R + Sync) -> Vec<R> {
    if items < SHARED_FROM { vec![work(0..count)] } else { shared(count, work) }
}

/// The same, whatever the count: for work that takes long for each item.
pub(super) fn shared<R: Send>(count: usize, work: impl Fn(Range<usize>) -> R + Sync) -> Vec<R> {
    split(count, (rayon::current_num_threads() * 4).min(PARTS_MAX), work)
}

/// The same, in few parts: for work that makes a column over all commands for each part.
pub(super) fn in_columns<R: Send>(count: usize, work: impl Fn(Range<usize>) -> R + Sync) -> Vec<R> {
    let parts = if count < SHARED_FROM { 1 } else { rayon::current_num_threads().min(COLUMNS_MAX) };
    if parts == 1 { vec![work(0..count)] } else { split(count, parts, work) }
}

fn split<R: Send>(count: usize, parts: usize, work: impl Fn(Range<usize>) -> R + Sync) -> Vec<R> {
    let size = count.div_ceil(parts).next_multiple_of(64).max(64);
    (0..count.div_ceil(size)).into_par_iter().map(|n| work(n * size..count.min((n + 1) * size))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_in_one_part_and_parts_are_in_order() {
        for count in [0, 1, 63, SHARED_FROM - 1, SHARED_FROM, SHARED_FROM * 3 + 17] {
            for parts in [in_parts(count, |part| part), shared(count, |part| part), in_columns(count, |part| part)] {
                assert!(parts.iter().all(|part| part.start % 64 == 0));
                assert_eq!(parts.into_iter().flatten().collect::<Vec<_>>(), (0..count).collect::<Vec<_>>());
            }
        }
    }
}
