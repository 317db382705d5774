//! A year, or less, as a map: a column for each week, a row for each day of the week, the more the darker.

use caro_schema::ipc::stats::Day;
use jiff::{ToSpan, civil::Date};

use super::draw::Canvas;

/// A day, counted from 1970, as a date.
pub(super) fn date(day: i32) -> Date {
    Date::new(1970, 1, 1).ok().and_then(|first| first.checked_add(i64::from(day).days()).ok()).unwrap_or(Date::MIN)
}

/// A date, as a day counted from 1970.
pub(super) fn day_of(date: Date) -> i32 {
    let first = Date::new(1970, 1, 1).unwrap_or(Date::MIN);
    date.since(first).map_or(0, |span| span.get_days())
}

/// The map of the days from one to another, both included, in as many rows of maps as the width asks.
pub(super) fn map(days: &[Day], from: i32, to: i32, canvas: &Canvas) -> Vec<String> {
    let monday = from - weekday(from);
    let weeks = (to - monday) / 7 + 1;
    let across = i32::try_from(canvas.width.saturating_sub(LABEL)).unwrap_or(1).max(1);
    let rows = (weeks + across - 1) / across;
    // Halves of the same width rather than a full row and a stub.
    let each = (weeks + rows - 1) / rows;
    let most = days.iter().filter(|day| (from..=to).contains(&day.day)).map(|day| day.runs).max().unwrap_or(0);
    let mut lines = Vec::new();
    for row in 0..rows {
        let first = monday + row * each * 7;
        let count = each.min(weeks - row * each);
        lines.push(months(first, count));
        for weekday in 0..7 {
            let label =
                if weekday % 2 == 0 { ["Mon ", "", "Wed ", "", "Fri ", "", "Sun "][weekday as usize] } else { "" };
            let cells: String = (0..count)
                .map(|week| {
                    let day = first + week * 7 + weekday;
                    if (from..=to).contains(&day) { cell(runs(days, day), most, canvas) } else { " ".to_owned() }
                })
                .collect();
            lines.push(format!("{label:LABEL$}{cells}").trim_end().to_owned());
        }
    }
    lines.push(legend(canvas));
    lines
}

/// Columns of the names of days.
const LABEL: usize = 4;

/// The names of months above the weeks in which they begin, where there is room for one.
fn months(first: i32, weeks: i32) -> String {
    let mut line = " ".repeat(LABEL);
    for week in 0..weeks {
        let begins = (0..7).map(|day| date(first + week * 7 + day)).find(|date| date.day() == 1);
        let at = LABEL + week as usize;
        if let Some(date) = begins.filter(|_| line.len() <= at && at + 3 <= LABEL + weeks as usize) {
            line += &" ".repeat(at - line.len());
            line += NAMES[date.month() as usize - 1];
            // A blank between two.
            line.push(' ');
        }
    }
    line.trim_end().to_owned()
}

const NAMES: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

fn runs(days: &[Day], day: i32) -> u32 {
    days.binary_search_by_key(&day, |known| known.day).map_or(0, |at| days[at].runs)
}

/// Shades, none first. They differ without colour too.
const UNICODE: [&str; 5] = ["·", "░", "▒", "▓", "█"];
const ASCII: [&str; 5] = [".", ":", "+", "*", "#"];

/// Colours of the shades, of 256: a dark grey, then greens.
const COLOURS: [u8; 5] = [238, 22, 28, 34, 46];

fn cell(runs: u32, most: u32, canvas: &Canvas) -> String {
    // By root, because a few days have very many.
    let share = if most == 0 { 0.0 } else { (f64::from(runs) / f64::from(most)).sqrt() };
    let shade = if runs == 0 { 0 } else { ((share * 4.0).ceil() as usize).clamp(1, 4) };
    shaded(shade, canvas)
}

fn shaded(shade: usize, canvas: &Canvas) -> String {
    let sign = if canvas.unicode { UNICODE[shade] } else { ASCII[shade] };
    if canvas.colour { format!("\x1b[38;5;{}m{sign}\x1b[0m", COLOURS[shade]) } else { sign.to_owned() }
}

fn legend(canvas: &Canvas) -> String {
    let shades: String = (0..5).map(|shade| shaded(shade, canvas)).collect();
    format!("{:LABEL$}none {shades} most", "")
}

/// Monday is 0. 1970 began on a Thursday.
fn weekday(day: i32) -> i32 {
    (day + 3).rem_euclid(7)
}

#[cfg(test)]
mod tests {
    use super::{super::draw::PLAIN, *};

    fn first_of(year: i16) -> i32 {
        day_of(Date::new(year, 1, 1).expect("a date"))
    }

    #[test]
    fn days_and_dates_are_the_same_both_ways() {
        for day in [0, 1, 20_000, 20_514, -1] {
            assert_eq!(day_of(date(day)), day);
        }
        assert_eq!((date(0).to_string(), weekday(0)), ("1970-01-01".to_owned(), 3));
        assert_eq!(date(first_of(2026)).to_string(), "2026-01-01");
    }

    #[test]
    fn a_year_is_seven_rows_and_the_busiest_day_is_the_darkest() {
        let (from, to) = (first_of(2026), first_of(2027) - 1);
        let days = [Day { day: from, runs: 1 }, Day { day: from + 5, runs: 100 }, Day { day: to, runs: 25 }];
        let map = map(&days, from, to, &PLAIN);
        assert_eq!(map.len(), 9);
        assert!(map[0].starts_with("    Jan Feb Mar"), "{}", map[0]);
        // 2026 begins on a Thursday, and its sixth day is a Tuesday.
        assert_eq!(map[4].chars().nth(4), Some('░'));
        assert_eq!(map[2].chars().nth(5), Some('█'));
        assert_eq!(map[1].chars().nth(4), Some(' '), "the Monday before it is in another year");
        assert!(map[4].ends_with('▒'), "the last day is a Thursday: {}", map[4]);
        assert_eq!(map[8], "    none ·░▒▓█ most");
        assert!(map.iter().all(|line| line.chars().count() <= PLAIN.width));
    }

    #[test]
    fn a_narrow_terminal_gets_the_year_in_pieces_and_no_colour_gets_signs() {
        let narrow = Canvas { width: 34, colour: false, unicode: false };
        let (from, to) = (first_of(2026), first_of(2027) - 1);
        let map = map(&[Day { day: from, runs: 3 }], from, to, &narrow);
        assert_eq!(map.len(), 8 * 2 + 1);
        assert!(map.iter().all(|line| line.len() <= 34 && line.is_ascii()), "{map:#?}");
        let coloured = Canvas { colour: true, ..narrow };
        assert!(super::map(&[Day { day: from, runs: 3 }], from, to, &coloured)[4].contains("\x1b[38;5;46m#\x1b[0m"));
    }
}
