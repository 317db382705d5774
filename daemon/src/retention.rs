//! What history is kept: finds the records that `history.keep_days` and `history.keep_count` let go. Deleting them is
//! the usual way of deleting, on every device.
//!
//! Looks at times and numbers only. Never lets go of a record because a clock is wrong: the present is no later than the
//! newest record says, and a few commands long after all others do not make it so late yet.

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
    let present_us = now_us.min(newest_plausible(&starts));
    let oldest_kept_us = days.map(|days| present_us.saturating_sub(i64::from(days).saturating_mul(DAY_US)));
    let is_old = |start_us: i64| start_us > NO_TIME_US && oldest_kept_us.is_some_and(|oldest_us| start_us < oldest_us);
    let kept = count.map_or(usize::MAX, |count| usize::try_from(count).unwrap_or(usize::MAX));
    let too_many = starts.len().saturating_sub(kept);
    let expired = starts.iter().enumerate().filter(|(at, (start_us, _))| *at < too_many || is_old(*start_us));
    expired.map(|(_, (_, id))| *id).collect()
}

/// Silence before commands whose time is not yet believed: a clock may have been set wrong.
const SILENCE_US: i64 = 7 * DAY_US;

/// How often such commands are passed over. Where somebody types once in a month, everything else looks like that.
const DOUBTS_MAX: usize = 3;

/// The newest time that is no wrong clock's: after a silence it takes a day of commands until their time is believed. A wrong clock
/// is set right before that, or somebody sees it.
fn newest_plausible(sorted: &[(i64, RecordId)]) -> i64 {
    let mut known = sorted;
    for _ in 0..DOUBTS_MAX {
        let silence = known.windows(2).rposition(|pair| pair[1].0 - pair[0].0 > SILENCE_US);
        let (Some(at), Some((newest_us, _))) = (silence, known.last()) else { break };
        if newest_us - known[at + 1].0 >= DAY_US {
            break;
        }
        known = &known[..=at];
    }
    known.last().map_or(NO_TIME_US, |(start_us, _)| *start_us)
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
    fn what_was_typed_while_the_clock_was_wrong_deletes_nothing() {
        let old = [10, 90, 98, 99, 100];
        let with = |more: &[i64]| history(&[&old[..], more].concat());
        // The clock is years ahead, and some commands were typed under it; then once more, another time.
        assert_eq!(numbers(&with(&[9_000, 9_000]), Some(20), None, 9_000), [0]);
        assert_eq!(numbers(&with(&[9_000, 12_000]), Some(20), None, 12_000), [0]);
        // Somebody is back after a long time, and stays.
        assert_eq!(numbers(&with(&[9_000, 9_001]), Some(20), None, 9_001), [0, 1, 2, 3, 4]);
        // Somebody who types once in a month.
        let seldom = history(&[10, 40, 70, 100, 130, 160]);
        assert_eq!(numbers(&seldom, Some(20), None, 160), [0, 1]);
    }

    #[test]
    fn what_has_no_time_is_not_old_but_goes_first_when_there_is_too_much() {
        let history = history(&[0, 100, 100]);
        assert_eq!(numbers(&history, Some(5), None, 100), [0_u8; 0]);
        assert_eq!(numbers(&history, None, Some(2), 100), [0]);
    }
}
