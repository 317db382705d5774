//! Sums of runs, and the greatest of many. Knows numbers and keys, nothing of history.

use caro_schema::ipc::stats::Counted;

/// What some runs come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) runs: u64,
    pub(super) failed: u64,
    pub(super) time_us: u64,
}

impl Sums {
    /// One run.
    pub(super) fn of_run(exit: Option<i32>, duration_us: Option<u64>) -> Self {
        let failed = u64::from(exit.is_some_and(|exit| exit != 0));
        Self { runs: 1, failed, time_us: duration_us.unwrap_or(0) }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.failed += other.failed;
        // A clock that was set may have made one run as long as a life.
        self.time_us = self.time_us.saturating_add(other.time_us);
    }
}

/// The most used of them, with their texts; of equal ones, in the order of their texts.
pub(super) fn top<K: Copy>(
    table: impl IntoIterator<Item = (K, Sums)>,
    max: usize,
    text: impl Fn(K) -> Vec<u8>,
) -> Vec<Counted> {
    let mut rows: Vec<(K, Sums)> = table.into_iter().filter(|(_, sums)| sums.runs > 0).collect();
    if max == 0 || rows.is_empty() {
        return Vec::new();
    }
    // Only those that can be among the first need their texts.
    if rows.len() > max {
        let (_, last, _) = rows.select_nth_unstable_by_key(max - 1, |(_, sums)| std::cmp::Reverse(sums.runs));
        let least = last.1.runs;
        rows.retain(|(_, sums)| sums.runs >= least);
    }
    // Many may have run as seldom as the last of them; then which are shown matters to nobody, but must not change.
    let counted = rows.into_iter().map(|(key, Sums { runs, failed, time_us })| Counted {
        text: text(key).into(),
        runs,
        failed,
        time_us,
    });
    let mut counted: Vec<Counted> = counted.collect();
    counted.sort_unstable_by(|one, other| other.runs.cmp(&one.runs).then_with(|| one.text.cmp(&other.text)));
    counted.truncate(max);
    counted
}
