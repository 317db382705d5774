//! What the figures are for small histories that can be counted by hand.

use caro_schema::{body::history::Record, id::RecordId};

use super::*;

const HOUR_US: i64 = 3_600_000_000;

struct Run<'a> {
    command: &'a str,
    directory: &'a str,
    hour: i64,
    exit: Option<i32>,
    seconds: u64,
}

fn history(runs: &[Run<'_>]) -> History {
    let record = |(number, run): (usize, &Run<'_>)| Record {
        id: RecordId([number as u8 + 1; 16]),
        command: run.command.as_bytes().to_vec().into(),
        directory: run.directory.as_bytes().to_vec().into(),
        host: if number.is_multiple_of(2) { "desk".into() } else { "lap".into() },
        user: "ada".into(),
        shell: "zsh 5.9".into(),
        session: format!("s{}", number / 3),
        start_us: run.hour * HOUR_US,
        duration_us: run.exit.map(|_| run.seconds * 1_000_000),
        exit: run.exit,
        assistant: None,
    };
    let mut history = History::new();
    history.put(runs.iter().enumerate().map(record));
    history
}

fn run<'a>(command: &'a str, hour: i64, exit: i32, seconds: u64) -> Run<'a> {
    Run { command, directory: "/src", hour, exit: Some(exit), seconds }
}

fn texts(table: &[Counted]) -> Vec<(String, u64)> {
    table.iter().map(|row| (String::from_utf8_lossy(&row.text).into_owned(), row.runs)).collect()
}

fn rows(expected: &[(&str, u64)]) -> Vec<(String, u64)> {
    expected.iter().map(|(text, runs)| ((*text).to_owned(), *runs)).collect()
}

#[test]
fn everything_is_counted_once() {
    let history = history(&[
        run("git commit -m x", 1, 0, 2),
        run("git commit -m y", 2, 1, 3),
        run("cat f | git apply", 3, 0, 1),
        run("ls", 26, 0, 0),
        Run { command: "sleep 9", directory: "", hour: 27, exit: None, seconds: 0 },
    ]);
    let stats = stats(&history, &StatsQuery { top: 10, ..StatsQuery::default() });
    assert_eq!((stats.total, stats.distinct, stats.sessions, stats.ended, stats.failed), (5, 5, 4, 4, 1));
    assert_eq!(stats.time_us, 6_000_000);
    assert_eq!((stats.first_us, stats.last_us), (Some(HOUR_US), Some(27 * HOUR_US)));
    assert_eq!(texts(&stats.programs), rows(&[("git", 3), ("cat", 1), ("ls", 1), ("sleep", 1)]));
    assert_eq!(texts(&stats.subcommands), rows(&[("git commit", 2), ("git apply", 1)]));
    assert_eq!(stats.programs_total, 4);
    assert_eq!((stats.programs[0].failed, stats.programs[0].time_us), (1, 6_000_000));
    assert_eq!(texts(&stats.directories), rows(&[("/src", 4)]));
    assert_eq!(texts(&stats.hosts), rows(&[("desk", 3), ("lap", 2)]));
    assert_eq!(texts(&stats.shells), rows(&[("zsh", 5)]));
    assert_eq!(stats.days, [Day { day: 0, runs: 3 }, Day { day: 1, runs: 2 }]);
    assert_eq!(stats.hours.iter().sum::<u64>(), 5);
    assert_eq!((stats.hours[1], stats.hours[2], stats.hours[3]), (1, 2, 2));
    assert_eq!((stats.weekdays[3], stats.weekdays[4]), (3, 2), "1970 began on a Thursday");
    let longest: Vec<u64> = stats.longest.iter().map(|run| run.duration_us / 1_000_000).collect();
    assert_eq!(longest, [3, 2, 1]);
}

#[test]
fn a_period_and_a_place_narrow_it_and_new_programs_are_named() {
    let history = history(&[run("ls", 1, 0, 0), run("git log", 2, 0, 0), run("jj log", 30, 0, 0), run("ls", 31, 0, 0)]);
    let filter = Filter { since_us: Some(24 * HOUR_US), ..Filter::default() };
    let found = stats(&history, &StatsQuery { filter, top: 10, ..StatsQuery::default() });
    assert_eq!(found.total, 2);
    assert_eq!(texts(&found.new_programs), rows(&[("jj", 1)]));
    let filter = Filter { host: Some("lap".into()), ..Filter::default() };
    let found = stats(&history, &StatsQuery { filter, top: 1, ..StatsQuery::default() });
    assert_eq!((found.total, texts(&found.programs)), (2, rows(&[("git", 1)])));
    assert!(found.new_programs.is_empty(), "without a beginning nothing is new");
}

#[test]
fn what_runs_seldom_may_fail_most_and_take_longest() {
    let often: Vec<String> = (0..11).map(|number| format!("tool{number:02}")).collect();
    let mut runs: Vec<Run<'_>> = often.iter().flat_map(|tool| [run(tool, 1, 0, 1), run(tool, 2, 1, 0)]).collect();
    runs.extend((0..3).map(|number| Run { exit: (number > 0).then_some(1), ..run("backup", 3, 1, 100) }));
    runs.extend(often.iter().flat_map(|tool| [run(tool, 4, 0, 0), run(tool, 5, 0, 0)]));
    let found = stats(&history(&runs), &StatsQuery { top: 10, ..StatsQuery::default() });
    assert_eq!((found.programs.len(), found.programs_total), (10, 12));
    assert!(found.programs.iter().all(|row| *row.text != *b"backup"), "it ran less often than ten others");
    for table in [&found.most_failed, &found.most_time] {
        assert_eq!((table.len(), texts(table)[0].clone()), (10, ("backup".to_owned(), 3)));
        assert_eq!((table[0].failed, table[0].time_us), (2, 200_000_000));
        assert_eq!(texts(table)[1], ("tool00".to_owned(), 4), "of equal ones, in the order of their texts");
    }
    let one = history(&[run("ls", 1, 0, 0)]);
    let found = stats(&one, &StatsQuery { top: 10, ..StatsQuery::default() });
    assert!(found.most_failed.is_empty() && found.most_time.is_empty(), "of nothing there is no most");
}

#[test]
fn hours_and_days_are_the_persons_own_through_summer_and_winter() {
    let steps = [ZoneStep { from_us: i64::MIN, offset_s: 3600 }, ZoneStep { from_us: 48 * HOUR_US, offset_s: 7200 }];
    let history = history(&[run("ls", 23, 0, 0), run("ls", 47, 0, 0), run("ls", 48, 0, 0), run("ls", 22, 0, 0)]);
    let found = stats(&history, &StatsQuery { zone: steps.to_vec(), top: 1, ..StatsQuery::default() });
    let days: Vec<(i32, u32)> = found.days.iter().map(|day| (day.day, day.runs)).collect();
    assert_eq!(days, [(0, 1), (1, 1), (2, 2)]);
    assert_eq!((found.hours[0], found.hours[2], found.hours[23]), (2, 1, 1));
}

#[test]
fn nothing_gives_nothing_and_odd_times_do_no_harm() {
    let nothing = stats(&History::new(), &StatsQuery { top: u32::MAX, ..StatsQuery::default() });
    assert_eq!((nothing.total, nothing.first_us, nothing.days.len()), (0, None, 0));
    let history = history(&[run("ls", i64::MAX / HOUR_US, 0, u64::MAX / 1_000_000), run("ls", -5, 0, 9)]);
    let odd = stats(&history, &StatsQuery { top: 5, ..StatsQuery::default() });
    assert_eq!((odd.total, odd.hours.iter().sum::<u64>()), (2, 1), "a time before 1970 is no time");
}

#[test]
fn the_first_of_a_table_do_not_hang_on_the_order_of_the_rows() {
    let runs: Vec<String> = (0..100).map(|number| format!("tool{:02}", number % 50)).collect();
    let forward: Vec<Run<'_>> = runs.iter().map(|command| run(command, 1, 0, 0)).collect();
    let backward: Vec<Run<'_>> = runs.iter().rev().map(|command| run(command, 1, 0, 0)).collect();
    let query = StatsQuery { top: 7, ..StatsQuery::default() };
    let (one, other) = (stats(&history(&forward), &query), stats(&history(&backward), &query));
    assert_eq!((one.programs.len(), &one.programs), (7, &other.programs));
    assert_eq!(one.commands, other.commands);
}
