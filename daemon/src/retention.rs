//! What history is kept: finds the records that `history.keep_days` and `history.keep_count` let go. Deleting them is
//! the usual way of deleting, on every device.
//!
//! Looks at times and numbers only. Never lets go of a record because a clock is wrong: the present is no later than the
//! newest record says.

use caro_core::history::History;
use caro_schema::id::RecordId;

use crate::config::Keep;

/// Records that are let go in one transaction. More would hold up the shells behind it.
pub const BATCH: usize = 5_000;

const DAY_US: i64 = 86_400_000_000;

/// Records without a time, as some foreign histories have them, begin here.
const NO_TIME_US: i64 = 0;

/// The records to be deleted, the oldest first.
pub fn expired(history: &History, keep: Keep, now_us: i64) -> Vec<RecordId> {
    let Keep { days, count } = keep;
    if days.is_none() && count.is_none() {
        return Vec::new();
    }
    let mut starts: Vec<(i64, RecordId)> = history.starts().collect();
    starts.sort_unstable();
    let newest_us = starts.last().map_or(NO_TIME_US, |(start_us, _)| *start_us);
    let oldest_kept_us = days.map(|days| now_us.min(newest_us).saturating_sub(i64::from(days).saturating_mul(DAY_US)));
    let is_old = |start_us: i64| start_us > NO_TIME_US && oldest_kept_us.is_some_and(|oldest_us| start_us < oldest_us);
    let kept = count.map_or(usize::MAX, |count| usize::try_from(count).unwrap_or(usize::MAX));
    let too_many = starts.len().saturating_sub(kept);
    let expired = starts.iter().enumerate().filter(|(at, (start_us, _))| *at < too_many || is_old(*start_us));
    expired.map(|(_, (_, id))| *id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use caro_schema::body::history::Record;

    fn history(days: &[i64]) -> History {
        let record = |(number, day): (usize, &i64)| Record {
            id: RecordId([number as u8; 16]),
            command: format!("echo {number}").into_bytes().into(),
            directory: Vec::new().into(),
            host: String::new(),
            user: String::new(),
            shell: String::new(),
            session: String::new(),
            start_us: day * DAY_US,
            duration_us: None,
            exit: None,
            assistant: None,
        };
        let mut history = History::new();
        history.put(days.iter().enumerate().map(record));
        history
    }

    fn numbers(history: &History, days: Option<u32>, count: Option<u64>, now_day: i64) -> Vec<u8> {
        expired(history, Keep { days, count }, now_day * DAY_US).iter().map(|id| id.0[0]).collect()
    }

    #[test]
    fn what_is_older_than_it_may_be_and_what_is_too_much_goes() {
        let history = history(&[100, 90, 99, 10]);
        assert_eq!(numbers(&history, None, None, 100), [0_u8; 0]);
        assert_eq!(numbers(&history, Some(5), None, 100), [3, 1]);
        assert_eq!(numbers(&history, None, Some(3), 100), [3]);
        assert_eq!(numbers(&history, Some(50), Some(2), 100), [3, 1]);
        assert_eq!(numbers(&history, Some(5), None, 0), [0_u8; 0], "a clock that was set back deletes nothing");
    }

    #[test]
    fn a_clock_that_runs_ahead_deletes_nothing() {
        let history = history(&[100, 90]);
        assert_eq!(numbers(&history, Some(20), None, 100_000), [0_u8; 0]);
    }

    #[test]
    fn what_has_no_time_is_not_old_but_goes_first_when_there_is_too_much() {
        let history = history(&[0, 100, 100]);
        assert_eq!(numbers(&history, Some(5), None, 100), [0_u8; 0]);
        assert_eq!(numbers(&history, None, Some(2), 100), [0]);
    }
}
