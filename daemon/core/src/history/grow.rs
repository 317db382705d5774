//! Growing by an eighth. A vector that doubles wastes up to half of what it has, and a million rows have sixty
//! megabytes; an eighth costs a few more copies of memory that the system mostly only remaps.

/// Room that is made at least.
const STEP_MIN: usize = 64;

/// Adds one.
pub(super) fn push<T>(vec: &mut Vec<T>, value: T) {
    reserve(vec, 1);
    vec.push(value);
}

/// Adds a slice.
pub(super) fn extend<T: Copy>(vec: &mut Vec<T>, values: &[T]) {
    reserve(vec, values.len());
    vec.extend_from_slice(values);
}

/// Makes room for so many more.
pub(super) fn reserve<T>(vec: &mut Vec<T>, more: usize) {
    if vec.capacity() - vec.len() < more {
        vec.reserve_exact(more.max(vec.len() / 8).max(STEP_MIN));
    }
}
