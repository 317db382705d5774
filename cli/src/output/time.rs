//! Times and durations as people write and read them. The clock comes in as an argument.

use jiff::{Span, Timestamp, ToSpan, Zoned, civil, tz::TimeZone};

/// Now, in microseconds since 1970.
pub(crate) fn now_us() -> i64 {
    Timestamp::now().as_microsecond()
}

/// In UTC, for scripts; empty for a time that no calendar has.
pub(crate) fn rfc3339(us: i64) -> String {
    Timestamp::from_microsecond(us).map(|time| time.to_string()).unwrap_or_default()
}

/// In the person's own time zone, to the second.
pub(crate) fn local(us: i64, zone: &TimeZone) -> String {
    match Timestamp::from_microsecond(us) {
        Ok(time) => time.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => "?".to_owned(),
    }
}

/// Milliseconds since 1970 in the person's own time zone; zero is never.
pub(crate) fn local_ms(ms: u64, zone: &TimeZone) -> String {
    match i64::try_from(ms) {
        Ok(0) => "never".to_owned(),
        Ok(ms) => local(ms.saturating_mul(1000), zone),
        Err(_) => "?".to_owned(),
    }
}

/// How long ago, in at most four characters: `now`, `59s`, `3m`, `14h`, `6d`, `51w`, `12y`.
pub(crate) fn age(then_us: i64, now_us: i64) -> String {
    let seconds = now_us.saturating_sub(then_us) / 1_000_000;
    match seconds {
        ..=0 => "now".to_owned(),
        1..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        86_400..604_800 => format!("{}d", seconds / 86_400),
        604_800..31_557_600 => format!("{}w", seconds / 604_800),
        _ => format!("{}y", seconds / 31_557_600),
    }
}

/// How long something took, in at most five characters: `0ms`, `999ms`, `1.5s`, `42s`, `2m03`, `5h07`, `3d04`.
pub(crate) fn duration(us: u64) -> String {
    let (ms, seconds) = (us / 1000, us / 1_000_000);
    match seconds {
        0 => format!("{ms}ms"),
        1..10 => format!("{seconds}.{}s", ms % 1000 / 100),
        10..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h{:02}", seconds / 3600, seconds % 3600 / 60),
        86_400..8_640_000 => format!("{}d{:02}", seconds / 86_400, seconds % 86_400 / 3600),
        _ => format!("{}d", (seconds / 86_400).min(9999)),
    }
}

/// Reads a moment: `2026-03-01`, `2026-03-01 14:30`, `2026-03-01T14:30:00Z`, `14:30`, `2026`, `today`, `yesterday`, or so
/// long ago: `90m`, `2h`, `3 days`, `2 weeks ago`. Gives microseconds since 1970.
pub(crate) fn parse(text: &str, now: &Zoned) -> Option<i64> {
    let text = text.trim();
    let at = |zoned: Result<Zoned, jiff::Error>| zoned.ok().map(|zoned| zoned.timestamp().as_microsecond());
    match text {
        "now" => return Some(now.timestamp().as_microsecond()),
        "today" => return at(now.start_of_day()),
        "yesterday" => return at(now.checked_sub(1.day()).and_then(|day| day.start_of_day())),
        _ => {}
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time.as_microsecond());
    }
    if let Ok(time) = text.parse::<civil::DateTime>() {
        return at(time.to_zoned(now.time_zone().clone()));
    }
    if let Some(first) = first_of_year(text) {
        return at(first.to_zoned(now.time_zone().clone()));
    }
    // Without a colon it would be a time to the standard alone: to people 2025 is a year, and deleting goes by it.
    if text.contains(':')
        && let Ok(time) = text.parse::<civil::Time>()
    {
        return at(now.date().to_datetime(time).to_zoned(now.time_zone().clone()));
    }
    // A span reads as so long ago, whether it says so or not.
    let span: Span = text.parse().ok()?;
    at(now.checked_sub(span.abs()))
}

/// The first day of a year of four digits, as `caro stats` reads it too.
fn first_of_year(text: &str) -> Option<civil::Date> {
    let is_year = text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_digit());
    is_year.then(|| text.parse().ok()).flatten().and_then(|year| civil::Date::new(year, 1, 1).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noon() -> Zoned {
        "2026-03-10T12:00:00[Europe/Vienna]"
            .parse()
            .or_else(|_| "2026-03-10T12:00:00+01:00[+01:00]".parse())
            .expect("a moment")
    }

    #[test]
    fn moments_are_read_as_people_write_them() {
        for (text, expected) in [
            ("2026-03-01", "2026-02-28T23:00:00Z"),
            ("2026-03-01 14:30", "2026-03-01T13:30:00Z"),
            ("2026-03-01T14:30:00Z", "2026-03-01T14:30:00Z"),
            ("08:15", "2026-03-10T07:15:00Z"),
            ("14:30", "2026-03-10T13:30:00Z"),
            ("2025", "2024-12-31T23:00:00Z"),
            ("0815", "0814-12-31T23:00:00Z"),
            ("today", "2026-03-09T23:00:00Z"),
            ("yesterday", "2026-03-08T23:00:00Z"),
            ("90m", "2026-03-10T09:30:00Z"),
            ("2h", "2026-03-10T09:00:00Z"),
            ("3 days", "2026-03-07T11:00:00Z"),
            ("2 weeks ago", "2026-02-24T11:00:00Z"),
            ("now", "2026-03-10T11:00:00Z"),
        ] {
            assert_eq!(parse(text, &noon()).map(rfc3339).as_deref(), Some(expected), "{text}");
        }
        for nonsense in
            ["", "soon", "2026-13-01", "99999999 years", "-", "12", "202530", "T1430", "20255", "-2025", "２０２５"]
        {
            assert_eq!(parse(nonsense, &noon()), None, "{nonsense}");
        }
    }

    #[test]
    fn ages_and_durations_are_short() {
        let hour_us = 3_600_000_000;
        let shown: Vec<String> = [0, 59_000_000, hour_us, 30 * hour_us, 8760 * hour_us, 90_000 * hour_us]
            .iter()
            .map(|age_us| age(0, *age_us))
            .collect();
        assert_eq!(shown, ["now", "59s", "1h", "1d", "52w", "10y"]);
        assert_eq!(age(10, 0), "now", "a clock set back is no reason for a minus sign");
        let shown: Vec<String> =
            [0, 1500, 1_550_000, 42_000_000, 123_000_000, 18_420_000_000, u64::MAX].map(duration).into();
        assert_eq!(shown, ["0ms", "1ms", "1.5s", "42s", "2m03", "5h07", "9999d"]);
    }

    #[test]
    fn a_time_that_no_calendar_has_is_no_panic() {
        assert_eq!(rfc3339(i64::MAX), "");
        assert_eq!(local(i64::MIN, &TimeZone::UTC), "?");
        assert_eq!(local_ms(u64::MAX, &TimeZone::UTC), "?");
        assert_eq!(local_ms(0, &TimeZone::UTC), "never");
    }
}
