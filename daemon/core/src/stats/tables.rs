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
    top_by(|sums| sums.runs, table, max, text)
}

/// Those of which there is most by this measure, and none of which there is nothing; otherwise as [`top`].
pub(super) fn top_by<K: Copy>(
    measure: impl Fn(&Sums) -> u64,
    table: impl IntoIterator<Item = (K, Sums)>,
    max: usize,
    text: impl Fn(K) -> Vec<u8>,
) -> Vec<Counted> {
    let measured = table.into_iter().map(|(key, sums)| (measure(&sums), key, sums));
    let mut rows: Vec<(u64, K, Sums)> = measured.filter(|(much, ..)| *much > 0).collect();
    if max == 0 || rows.is_empty() {
        return Vec::new();
    }
    // Only those that can be among the first need their texts.
    if rows.len() > max {
        let (_, last, _) = rows.select_nth_unstable_by_key(max - 1, |(much, ..)| std::cmp::Reverse(*much));
        let least = last.0;
        rows.retain(|(much, ..)| *much >= least);
    }
    // Many may come to as little as the last of them; then which are shown matters to nobody, but must not change.
    let counted = rows.into_iter().map(|(much, key, Sums { runs, failed, time_us })| {
        let row = Counted { text: text(key).into(), runs, failed, time_us };
        (much, row)
    });
    let mut counted: Vec<(u64, Counted)> = counted.collect();
    counted.sort_unstable_by(|(one, first), (other, second)| other.cmp(one).then_with(|| first.text.cmp(&second.text)));
    counted.truncate(max);
    counted.into_iter().map(|(_, row)| row).collect()
}
