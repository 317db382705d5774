//! Periods as people name them, and their time zone as the daemon takes it. The clock comes in as an argument.

use std::str::FromStr;

use caro_schema::ipc::{
    history::Filter,
    stats::{ZONE_STEPS_MAX, ZoneStep},
};
use jiff::{Timestamp, ToSpan, Zoned, civil::Date};

/// A period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Period {
    All,
    Today,
    Yesterday,
    /// The last seven days, today among them.
    Week,
    /// The last thirty days, today among them.
    Month,
    /// The last 365 days, today among them.
    Year,
    /// From a day to the day before another.
    Between(Date, Date),
}

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" => return Ok(Self::All),
            "today" => return Ok(Self::Today),
            "yesterday" => return Ok(Self::Yesterday),
            "week" => return Ok(Self::Week),
            "month" => return Ok(Self::Month),
            "year" => return Ok(Self::Year),
            _ => {}
        }
        let parts: Option<Vec<i16>> = text.split('-').map(|part| part.parse().ok()).collect();
        let between = match parts.as_deref() {
            Some([year]) => Date::new(*year, 1, 1).and_then(|from| Ok((from, from.checked_add(1.year())?))),
            Some([year, month]) => Date::new(*year, i8::try_from(*month).unwrap_or(0), 1)
                .and_then(|from| Ok((from, from.checked_add(1.month())?))),
            _ => return Err(EXPECTED.to_owned()),
        };
        between.map(|(from, to)| Self::Between(from, to)).map_err(|_| EXPECTED.to_owned())
    }
}

const EXPECTED: &str = "today, yesterday, week, month, year, all, a year such as 2026 or a month such as 2026-03";

impl Period {
    /// When it begins and ends, in microseconds since 1970.
    pub(crate) fn bounds(self, now: &Zoned) -> (Option<i64>, Option<i64>) {
        let today = now.date();
        let start =
            |date: Date| date.to_zoned(now.time_zone().clone()).ok().map(|moment| moment.timestamp().as_microsecond());
        let days_ago = |days: i64| today.checked_sub(days.days()).ok().and_then(start);
        match self {
            Self::All => (None, None),
            Self::Today => (start(today), None),
            Self::Yesterday => (days_ago(1), start(today)),
            Self::Week => (days_ago(6), None),
            Self::Month => (days_ago(29), None),
            Self::Year => (days_ago(364), None),
            Self::Between(from, to) => (start(from), start(to)),
        }
    }

    /// Takes from a filter what is not of the period. What it says of time itself holds as well.
    pub(super) fn narrow(self, filter: &mut Filter, now: &Zoned) {
        let (since_us, until_us) = self.bounds(now);
        filter.since_us = filter.since_us.max(since_us);
        filter.until_us = [filter.until_us, until_us].into_iter().flatten().min();
    }
}

/// The time zone, from 1970 to a year from now.
pub(super) fn zone(now: &Zoned) -> Vec<ZoneStep> {
    let zone = now.time_zone();
    let first = ZoneStep { from_us: i64::MIN, offset_s: zone.to_offset(Timestamp::UNIX_EPOCH).seconds() };
    let end = now.timestamp().as_second().saturating_add(366 * 86_400);
    let later = zone.following(Timestamp::UNIX_EPOCH).take_while(|step| step.timestamp().as_second() < end);
    let later: Vec<ZoneStep> = later
        .take(ZONE_STEPS_MAX - 1)
        .map(|step| ZoneStep { from_us: step.timestamp().as_microsecond(), offset_s: step.offset().seconds() })
        .collect();
    [vec![first], later].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noon() -> Zoned {
        "2026-03-10T12:00:00+01:00[+01:00]".parse().expect("a moment")
    }

    #[test]
    fn periods_are_read_as_people_name_them() {
        let shown = |text: &str| {
            let (from, to) = text.parse::<Period>().expect("a period").bounds(&noon());
            let at = |us: Option<i64>| us.map(crate::output::time::rfc3339).unwrap_or_default();
            (at(from), at(to))
        };
        for (text, from, to) in [
            ("all", "", ""),
            ("today", "2026-03-09T23:00:00Z", ""),
            ("yesterday", "2026-03-08T23:00:00Z", "2026-03-09T23:00:00Z"),
            ("week", "2026-03-03T23:00:00Z", ""),
            ("2025", "2024-12-31T23:00:00Z", "2025-12-31T23:00:00Z"),
            ("2025-12", "2025-11-30T23:00:00Z", "2025-12-31T23:00:00Z"),
        ] {
            assert_eq!(shown(text), (from.to_owned(), to.to_owned()), "{text}");
        }
        for nonsense in ["", "soon", "2026-13", "2026-0", "99999", "1-2-3"] {
            assert!(nonsense.parse::<Period>().is_err(), "{nonsense}");
        }
    }

    #[test]
    fn a_period_and_a_filter_narrow_together() {
        let day_us = 86_400_000_000;
        let (begin, end) = Period::Yesterday.bounds(&noon());
        let (begin, end) = (begin.expect("a beginning"), end.expect("an end"));
        let check = |period: Period, (since_us, until_us), expected| {
            let mut filter = Filter { since_us, until_us, ..Filter::default() };
            period.narrow(&mut filter, &noon());
            assert_eq!((filter.since_us, filter.until_us), expected, "{period:?}");
        };
        check(Period::Yesterday, (None, None), (Some(begin), Some(end)));
        check(Period::Yesterday, (Some(0), Some(end + day_us)), (Some(begin), Some(end)));
        check(Period::Yesterday, (Some(begin + 1), Some(end - 1)), (Some(begin + 1), Some(end - 1)));
        check(Period::Today, (Some(0), None), (Some(end), None));
        check(Period::All, (Some(1), Some(2)), (Some(1), Some(2)));
    }

    #[test]
    fn a_zone_without_summer_has_one_step_and_one_with_it_many() {
        assert_eq!(zone(&noon()), [ZoneStep { from_us: i64::MIN, offset_s: 3600 }]);
        let Ok(vienna) = jiff::tz::TimeZone::get("Europe/Vienna") else {
            return crate::testing::skip("a_zone_without_summer_has_one_step_and_one_with_it_many", "the time zones");
        };
        let steps = zone(&noon().with_time_zone(vienna));
        assert!((80..ZONE_STEPS_MAX).contains(&steps.len()), "{}", steps.len());
        assert!(steps.windows(2).all(|pair| pair[0].from_us < pair[1].from_us));
    }
}
