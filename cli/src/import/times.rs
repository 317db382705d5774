//! Times for commands that have none in their file, such that the order of the file is kept and importing the file
//! again gives the same times: before the first time of the file they lead up to it, later they follow the one before,
//! and in a file without any they lead up to the moment when it was written last.

use super::{Entry, Found};

/// What a first look at a file tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Survey {
    /// Commands.
    pub(crate) commands: u64,
    /// Commands before the first one with a time.
    pub(crate) before_first: u64,
    /// The first time, in microseconds.
    pub(crate) first_us: Option<i64>,
    /// Lines that make no sense.
    pub(crate) odd: u64,
}

impl Survey {
    /// Counts one more.
    pub(crate) fn count(&mut self, found: &Found) {
        let entry = match found {
            Found::Entry(entry) => entry,
            Found::Record(_) => {
                self.commands += 1;
                return;
            }
            Found::Odd(_) => {
                self.odd += 1;
                return;
            }
        };
        self.commands += 1;
        if self.first_us.is_none() {
            self.first_us = stated_us(entry);
            self.before_first += u64::from(self.first_us.is_none());
        }
    }
}

/// Gives times, in the order of the file.
pub(crate) struct Times {
    /// The last stated time, and how many commands have followed it.
    last: Option<(i64, i64)>,
    /// Where the commands before the first time lead to, and how many of them are left.
    lead: (i64, i64),
}

/// Between commands without a time: more than the clock of any shell resolves, and a long file stays within hours.
const STEP_US: i64 = 1000;

impl Times {
    /// For a file that was written last at this time.
    pub(crate) fn new(survey: &Survey, written_us: i64) -> Self {
        let left = i64::try_from(survey.before_first).unwrap_or(i64::MAX);
        Self { last: None, lead: (survey.first_us.unwrap_or(written_us), left) }
    }

    /// When the next command of the file started, in microseconds since 1970.
    pub(crate) fn next(&mut self, entry: &Entry) -> i64 {
        match (stated_us(entry), &mut self.last) {
            // Equal seconds: a microsecond each keeps the order.
            (Some(stated), Some((last, after))) if stated == *last => {
                *after += 1;
                stated + *after
            }
            (Some(stated), last) => {
                *last = Some((stated, 0));
                stated
            }
            (None, Some((last, after))) => {
                *after += STEP_US;
                last.saturating_add(*after)
            }
            (None, None) => {
                let (to, left) = &mut self.lead;
                let before = left.saturating_mul(STEP_US);
                *left -= 1;
                to.saturating_sub(before)
            }
        }
    }
}

/// The time that the file states, unless no shell can have written it.
pub(crate) fn stated_us(entry: &Entry) -> Option<i64> {
    let latest_us = i64::try_from(caro_schema::limits::STAMP_MS_MAX).unwrap_or(i64::MAX).saturating_mul(1000);
    entry.start_us.filter(|us| (1..latest_us).contains(us))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(starts: &[Option<i64>], written_us: i64) -> Vec<i64> {
        let entry = |start_s: &Option<i64>| Entry::plain(b"x".to_vec(), *start_s, None);
        let entries: Vec<Entry> = starts.iter().map(entry).collect();
        let mut survey = Survey::default();
        entries.iter().for_each(|entry| survey.count(&Found::Entry(entry.clone())));
        let mut times = Times::new(&survey, written_us);
        entries.iter().map(|entry| times.next(entry)).collect()
    }

    #[test]
    fn a_file_without_times_ends_when_it_was_written() {
        assert_eq!(times(&[None, None, None], 5_000_000), [4_997_000, 4_998_000, 4_999_000]);
    }

    #[test]
    fn commands_without_a_time_lie_between_those_with_one() {
        assert_eq!(
            times(&[None, None, Some(10), None, Some(20)], 0),
            [9_998_000, 9_999_000, 10_000_000, 10_001_000, 20_000_000]
        );
    }

    #[test]
    fn equal_seconds_keep_the_order() {
        assert_eq!(times(&[Some(10), Some(10), Some(10), Some(9)], 0), [10_000_000, 10_000_001, 10_000_002, 9_000_000]);
    }

    #[test]
    fn a_time_that_no_shell_can_have_written_is_none() {
        assert_eq!(times(&[Some(0), Some(i64::MAX), Some(10)], 0), [9_998_000, 9_999_000, 10_000_000]);
    }
}
