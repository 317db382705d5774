//! What must be true at the end of every scenario, whatever was broken: one file for each invariant of the specification.
//!
//! An oracle looks at a world that has settled and in which nothing is broken any more. Each has a test that passes and
//! one that fails.

mod convergence;
mod corruption;
mod leaks;
mod loss;
mod order;
pub mod secrecy;

pub use convergence::{assert_state_converged, assert_version_vectors_converged, states_are_equal};
pub use corruption::assert_no_corruption;
pub use leaks::assert_no_leaks;
pub use loss::{assert_blob_present, assert_no_data_loss};
pub use order::{assert_authors_in_order, author_and_number};
pub use secrecy::{assert_no_plaintext, assert_no_plaintext_in, forms};

use crate::world::World;

/// All of them.
///
/// # Panics
/// When one does not hold, with its name.
pub fn check(world: &World) {
    check_but_order(world);
    assert_authors_in_order(world);
}

/// All of them but one: a relay whose disk refuses a push and takes the next one has them in another order, and devices
/// hold the later op until the earlier one has come.
///
/// # Panics
/// As [`check`].
pub fn check_but_order(world: &World) {
    assert_no_data_loss(world);
    assert_no_corruption(world);
    assert_version_vectors_converged(world);
    assert_state_converged(world);
    assert_no_plaintext(world);
    assert_no_leaks(world);
}

/// Whether an oracle does not hold.
#[cfg(test)]
pub(crate) fn fails(check: fn(&World), world: &World) -> bool {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(world))).is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_oracle_holds_in_a_world_where_nothing_broke() {
        let mut world = World::joined(2, 1, None);
        world.record(0, "canary one");
        world.settle();
        check(&world);
    }
}
