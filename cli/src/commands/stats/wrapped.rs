//! `caro wrapped`: a look back on a year, on one screen.

use caro_schema::ipc::{
    history::Filter,
    stats::{Day, Stats as Figures, StatsQuery},
};
use clap::Args;
use jiff::{Zoned, civil::Date, tz::TimeZone};

use super::{
    ask,
    draw::{Canvas, fit},
    heat, json,
    period::{Period, zone},
    tables::{grouped, hours, so_many, table},
};
use crate::{
    error::{Failure, Outcome},
    exit,
    output::{Out, time, visible},
};

/// Your year in the shell
///
/// This year, or in January the one that has just ended.
///
/// Example: caro wrapped 2025
#[derive(Args)]
pub(crate) struct Wrapped {
    /// Which year
    #[arg(value_name = "YEAR", value_parser = clap::value_parser!(i16).range(1970..=9999))]
    year: Option<i16>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Rows of the tables.
const TOP: u32 = 5;

impl Wrapped {
    pub(crate) fn run(self) -> Outcome {
        let now = Zoned::now();
        let year = self.year.unwrap_or_else(|| if now.month() == 1 { now.year() - 1 } else { now.year() });
        let (from, to) = year_of(year)?;
        let (since_us, until_us) = Period::Between(from, to).bounds(&now);
        let filter = Filter { since_us, until_us, ..Filter::default() };
        let figures = ask(StatsQuery { filter, top: TOP, zone: zone(&now) })?;
        let mut out = Out::new();
        if self.json {
            let mut value = json(&figures);
            value["year"] = year.into();
            out.json(&value)?;
            return out.finish();
        }
        if figures.total == 0 {
            out.finish()?;
            return Err(Failure::new(exit::FAILURE, format!("there is no command from {year}")));
        }
        let canvas = Canvas::of(&out);
        for line in lines(&figures, year, (heat::day_of(from), heat::day_of(to) - 1), &canvas, now.time_zone()) {
            out.line(&line)?;
        }
        out.finish()
    }
}

fn year_of(year: i16) -> Outcome<(Date, Date)> {
    let dates = Date::new(year, 1, 1).and_then(|from| Ok((from, Date::new(year + 1, 1, 1)?)));
    dates.map_err(|_| Failure::new(exit::USAGE, format!("{year} is no year")))
}

fn lines(figures: &Figures, year: i16, days: (i32, i32), canvas: &Canvas, zone: &TimeZone) -> Vec<String> {
    let mut lines = vec![canvas.heading(&format!("{year} in your shell")), String::new()];
    lines.extend(heat::map(&figures.days, days.0, days.1, canvas));
    lines.push(String::new());
    lines.extend(sentences(figures, zone));
    let mut section = |title: &str, rows: Vec<String>| {
        if !rows.is_empty() {
            lines.push(String::new());
            lines.push(canvas.heading(title));
            lines.extend(rows);
        }
    };
    section("Your tools", table(&figures.programs, figures.total, canvas));
    section("What you told them", table(&figures.subcommands, figures.total, canvas));
    section("New this year", table(&figures.new_programs, figures.total, canvas));
    section("Where", table(&figures.directories, figures.total, canvas));
    section("When", hours(&figures.hours, canvas));
    lines
}

/// What stands out.
fn sentences(figures: &Figures, zone: &TimeZone) -> Vec<String> {
    let Figures { total, distinct, ended, failed, time_us, days, hours, longest, .. } = figures;
    let active = days.len();
    let mut lines = vec![format!(
        "{}, {} of them different, on {}",
        so_many(*total, "command"),
        grouped(*distinct),
        so_many(active as u64, "day")
    )];
    if let Some(busiest) = days.iter().max_by_key(|day| (day.runs, std::cmp::Reverse(day.day))) {
        lines.push(format!("busiest day: {}, with {}", heat::date(busiest.day), grouped(u64::from(busiest.runs))));
    }
    if let Some((length, last)) = streak(days).filter(|(length, _)| *length > 1) {
        lines.push(format!("longest streak: {length} days in a row, to {}", heat::date(last)));
    }
    if let Some((hour, _)) = hours.iter().enumerate().max_by_key(|(hour, runs)| (**runs, std::cmp::Reverse(*hour))) {
        lines.push(format!("busiest hour: {hour}:00 to {}:00", (hour + 1) % 24));
    }
    if *ended > 0 {
        let well = 100.0 - *failed as f64 / *ended as f64 * 100.0;
        lines.push(format!(
            "{well:.1} % went well, of {} with a known status; {} were spent waiting",
            grouped(*ended),
            time::duration(*time_us)
        ));
    }
    if let Some(run) = longest.first() {
        let text = visible::line(&run.command);
        lines.push(format!(
            "longest: {}, on {}: {}",
            time::duration(run.duration_us),
            super::day(run.start_us, zone),
            fit(&text, LONGEST_COLUMNS, true).trim_end()
        ));
    }
    lines
}

/// Columns of the longest command; the rest is cut with a sign that it was.
const LONGEST_COLUMNS: usize = 60;

/// The most days in a row, and the last of them; of equal ones the latest.
fn streak(days: &[Day]) -> Option<(u32, i32)> {
    let mut best: Option<(u32, i32)> = None;
    let mut run = (0, i32::MIN);
    for day in days {
        run = if run.0 > 0 && day.day == run.1 + 1 { (run.0 + 1, day.day) } else { (1, day.day) };
        if best.is_none_or(|(length, _)| run.0 >= length) {
            best = Some(run);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use caro_schema::ipc::stats::Counted;

    use super::{super::draw::PLAIN, *};

    fn day(day: i32, runs: u32) -> Day {
        Day { day, runs }
    }

    #[test]
    fn a_streak_is_the_most_days_in_a_row() {
        assert_eq!(streak(&[]), None);
        assert_eq!(streak(&[day(5, 1)]), Some((1, 5)));
        assert_eq!(streak(&[day(1, 1), day(2, 1), day(3, 1), day(7, 1), day(8, 1)]), Some((3, 3)));
        assert_eq!(streak(&[day(1, 1), day(2, 1), day(7, 1), day(8, 1)]), Some((2, 8)));
    }

    #[test]
    fn a_year_is_looked_back_on() {
        let (from, to) = year_of(2025).expect("a year");
        let days = (heat::day_of(from), heat::day_of(to) - 1);
        let mut hours = vec![0; 24];
        hours[9] = 12;
        let tool = |text: &str| Counted { text: text.as_bytes().to_vec().into(), runs: 9, ..Counted::default() };
        let figures = Figures {
            total: 1012,
            distinct: 40,
            ended: 1000,
            failed: 20,
            days: vec![day(days.0, 12), day(days.0 + 1, 1000)],
            hours,
            programs: vec![tool("git")],
            new_programs: vec![tool("jj")],
            ..Figures::default()
        };
        let said = lines(&figures, 2025, days, &PLAIN, &TimeZone::UTC).join("\n");
        for part in [
            "2025 in your shell",
            "1,012 commands, 40 of them different, on 2 days",
            "busiest day: 2025-01-02, with 1,000",
            "longest streak: 2 days in a row, to 2025-01-02",
            "busiest hour: 9:00 to 10:00",
            "98.0 % went well, of 1,000 with a known status",
            "Your tools\n  git",
            "New this year\n  jj",
        ] {
            assert!(said.contains(part), "{part}: {said}");
        }
        assert!(!said.contains("Where"), "nothing is known of places: {said}");
    }
}
