//! The report of `caro stats`: a summary, tables with bars, the hours of the day and the days of the week.

use caro_schema::ipc::stats::{Counted, LongRun, Stats};
use jiff::tz::TimeZone;
use unicode_width::UnicodeWidthStr;

use super::{
    day,
    draw::{Canvas, fit},
    heat,
};
use crate::output::{time, visible};

/// All lines.
pub(super) fn report(stats: &Stats, canvas: &Canvas, zone: &TimeZone) -> Vec<String> {
    let mut lines = summary(stats, zone);
    let Stats { programs, most_failed, most_time, subcommands, commands, directories, hosts, shells, .. } = stats;
    let mut section = |title: &str, rows: Vec<String>| {
        if !rows.is_empty() {
            lines.push(String::new());
            lines.push(canvas.heading(title));
            lines.extend(rows);
        }
    };
    section("Programs", table(programs, stats.total, canvas));
    section("Subcommands", table(subcommands, stats.total, canvas));
    section("Commands", table(commands, stats.total, canvas));
    section("Directories", table(directories, stats.total, canvas));
    // One host or shell says nothing that one did not know.
    section("Hosts", if hosts.len() > 1 { table(hosts, stats.total, canvas) } else { Vec::new() });
    section("Shells", if shells.len() > 1 { table(shells, stats.total, canvas) } else { Vec::new() });
    section("Most failures", failures(most_failed, canvas));
    section("Most time", times(most_time, canvas));
    section("Longest", longest(&stats.longest, canvas, zone));
    section("By hour", hours(&stats.hours, canvas));
    section("By day of the week", weekdays(&stats.weekdays, canvas));
    section("By day", days(stats, canvas));
    lines
}

/// A few sentences.
pub(super) fn summary(stats: &Stats, zone: &TimeZone) -> Vec<String> {
    let Stats { total, distinct, sessions, ended, failed, time_us, first_us, last_us, programs_total, .. } = stats;
    let mut lines = vec![format!(
        "{}, {} different, {}, in {}",
        so_many(*total, "command"),
        grouped(*distinct),
        so_many(*programs_total, "program"),
        so_many(*sessions, "session")
    )];
    if let (Some(first_us), Some(last_us)) = (first_us, last_us) {
        lines.push(format!("from {} to {}", day(*first_us, zone), day(*last_us, zone)));
    }
    if *ended > 0 {
        let percent = *failed as f64 / *ended as f64 * 100.0;
        lines.push(format!("{percent:.1} % failed, of {} with a known status", grouped(*ended)));
        lines.push(format!("{} were spent waiting", time::duration(*time_us)));
    }
    lines
}

/// Rows with a bar each: what, a bar, how often, which part of all.
pub(super) fn table(rows: &[Counted], total: u64, canvas: &Canvas) -> Vec<String> {
    let share = |runs: u64| if total == 0 { 0.0 } else { runs as f64 / total as f64 * 100.0 };
    let numbers = rows.iter().map(|row| (row.runs, format!("{:>5.1} %", share(row.runs))));
    bars(rows, numbers.collect(), grouped, canvas)
}

fn failures(programs: &[Counted], canvas: &Canvas) -> Vec<String> {
    let rows = &programs[..programs.len().min(SHORT)];
    let rate = |row: &Counted| row.failed as f64 / row.runs.max(1) as f64 * 100.0;
    let numbers = rows.iter().map(|row| (row.failed, format!("{:>5.1} %", rate(row)))).collect();
    bars(rows, numbers, grouped, canvas)
}

fn times(programs: &[Counted], canvas: &Canvas) -> Vec<String> {
    let rows = &programs[..programs.len().min(SHORT)];
    let each = |row: &Counted| time::duration(row.time_us / row.runs.max(1));
    let numbers = rows.iter().map(|row| (row.time_us, format!("{:>5} each", each(row)))).collect();
    bars(rows, numbers, time::duration, canvas)
}

/// Rows of the tables that are a different look at the programs.
const SHORT: usize = 5;

/// The longest text beside a bar: more would leave the bar no room.
const LABEL_MAX: usize = 36;

fn bars(rows: &[Counted], numbers: Vec<(u64, String)>, number: impl Fn(u64) -> String, canvas: &Canvas) -> Vec<String> {
    let texts: Vec<String> = rows.iter().map(|row| visible::line(&row.text)).collect();
    let widest = texts.iter().map(|text| text.width()).max().unwrap_or(0);
    let label = widest.min(LABEL_MAX).min(canvas.width * 2 / 5);
    let shown: Vec<String> = numbers.iter().map(|(value, _)| number(*value)).collect();
    let digits = shown.iter().map(|text| text.width()).max().unwrap_or(0);
    let after = numbers.iter().map(|(_, text)| text.width()).max().unwrap_or(0);
    let most = numbers.iter().map(|(value, _)| *value).max().unwrap_or(0);
    let columns = canvas.width.saturating_sub(label + digits + after + 7);
    let rows = texts.iter().zip(&shown).zip(&numbers);
    rows.map(|((text, shown), (value, more))| {
        let bar = canvas.bar(*value, most, columns);
        let label = fit(text, label, canvas.unicode);
        format!("  {label}  {bar}  {shown:>digits$} {more:>after$}")
    })
    .map(|line| line.trim_end().to_owned())
    .collect()
}

fn longest(runs: &[LongRun], canvas: &Canvas, zone: &TimeZone) -> Vec<String> {
    let line = |run: &LongRun| {
        let text = visible::line(&run.command);
        let room = canvas.width.saturating_sub(20);
        format!(
            "  {:>5}  {}  {}",
            time::duration(run.duration_us),
            day(run.start_us, zone),
            fit(&text, room, canvas.unicode)
        )
        .trim_end()
        .to_owned()
    };
    runs.iter().take(SHORT).map(line).collect()
}

pub(super) fn hours(hours: &[u64], canvas: &Canvas) -> Vec<String> {
    if hours.iter().all(|runs| *runs == 0) {
        return Vec::new();
    }
    let columns = if canvas.width >= 24 * 2 + 2 { 2 } else { 1 };
    let mut below = String::new();
    for hour in [0usize, 6, 12, 18] {
        below += &" ".repeat((hour * columns).saturating_sub(below.len()));
        below += &hour.to_string();
    }
    vec![format!("  {}", canvas.levels(hours, columns)), format!("  {below}")]
}

fn weekdays(days: &[u64], canvas: &Canvas) -> Vec<String> {
    const NAMES: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let rows: Vec<Counted> = NAMES
        .iter()
        .zip(days)
        .map(|(name, runs)| Counted { text: name.as_bytes().to_vec().into(), runs: *runs, ..Counted::default() })
        .collect();
    if days.iter().all(|runs| *runs == 0) { Vec::new() } else { table(&rows, days.iter().sum(), canvas) }
}

/// A map of the last year, where there is more than a month to show.
fn days(stats: &Stats, canvas: &Canvas) -> Vec<String> {
    const MONTH: i32 = 31;
    let (Some(first), Some(last)) = (stats.days.first(), stats.days.last()) else { return Vec::new() };
    let from = first.day.max(last.day - 364);
    if last.day - from < MONTH { Vec::new() } else { heat::map(&stats.days, from, last.day, canvas) }
}

/// So many of something: `1 command`, `1,234 commands`.
pub(super) fn so_many(count: u64, one: &str) -> String {
    format!("{} {one}{}", grouped(count), if count == 1 { "" } else { "s" })
}

/// A number with its thousands apart.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{super::draw::PLAIN, *};

    fn row(text: &str, runs: u64, failed: u64, seconds: u64) -> Counted {
        Counted { text: text.as_bytes().to_vec().into(), runs, failed, time_us: seconds * 1_000_000 }
    }

    fn figures() -> Stats {
        Stats {
            total: 1234,
            distinct: 56,
            sessions: 7,
            ended: 1000,
            failed: 31,
            time_us: 5_000_000,
            first_us: Some(0),
            last_us: Some(86_400_000_000),
            programs_total: 3,
            programs: vec![row("git", 800, 30, 1), row("cargo\x1b[2J", 400, 1, 4)],
            most_failed: vec![row("git", 800, 30, 1), row("backup", 2, 2, 9)],
            most_time: vec![row("backup", 2, 2, 9), row("cargo\x1b[2J", 400, 1, 4)],
            subcommands: vec![row("git commit", 500, 0, 0)],
            hosts: vec![row("desk", 1234, 0, 0)],
            longest: vec![LongRun { command: b"make".to_vec().into(), start_us: 0, duration_us: 90_000_000 }],
            hours: (0..24).collect(),
            weekdays: vec![1, 2, 3, 4, 5, 6, 7],
            ..Stats::default()
        }
    }

    #[test]
    fn a_report_says_what_was_counted() {
        let report = report(&figures(), &PLAIN, &TimeZone::UTC).join("\n");
        assert!(report.starts_with("1,234 commands, 56 different, 3 programs, in 7 sessions\nfrom 1970-01-01 to 1970-01-02\n3.1 % failed, of 1,000 with a known status\n5.0s were spent waiting"), "{report}");
        assert!(report.contains("  git         ██"), "{report}");
        assert!(report.contains("cargo^[[2J"), "what a terminal would obey is shown: {report}");
        assert!(report.contains("1m30  1970-01-01  make"), "{report}");
        let first_of = |title: &str| report.split(title).nth(1).and_then(|after| after.split_whitespace().next());
        assert_eq!((first_of("Most failures"), first_of("Most time")), (Some("git"), Some("backup")));
        assert!(
            !report.contains("Hosts") && !report.contains("By day\n"),
            "one host and two days say nothing: {report}"
        );
        assert!(report.lines().all(|line| line.width() <= PLAIN.width), "{report}");
    }

    #[test]
    fn a_narrow_terminal_and_ascii_are_enough() {
        let narrow = Canvas { width: 30, colour: false, unicode: false };
        let report = report(&figures(), &narrow, &TimeZone::UTC);
        let tables: Vec<&String> = report[4..].iter().collect();
        assert!(tables.iter().all(|line| line.is_ascii() && line.len() <= 42), "{report:#?}");
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn one_is_said_as_one() {
        assert_eq!([so_many(1, "command"), so_many(0, "command")], ["1 command", "0 commands"]);
        assert_eq!(so_many(1234, "day"), "1,234 days");
    }
}
