//! `caro stats`: what is used most, where, when, how it ends and how long it takes. The daemon counts; here is what a
//! person sees of it. Pictures are in [`draw`], the look back on a year in [`wrapped`].

mod counts;
mod draw;
mod heat;
mod period;
mod tables;
pub(crate) mod wrapped;

pub(crate) use self::tables::grouped;

use caro_schema::ipc::{
    Reply, Request,
    stats::{Counted, Stats as Figures, StatsQuery},
};
use clap::Args;
use jiff::{Zoned, tz::TimeZone};

use self::draw::Canvas;
pub(crate) use self::period::Period;
use super::{filters::Filters, history::settle, unexpected};
use crate::{
    client::Client,
    error::{Failure, Outcome},
    exit,
    output::{Out, time},
};

/// What you use most, where, when, and how it ends
///
/// Of the whole history or of a period. A command of several programs, such as a pipe, counts for each of them; sudo, env
/// and the like are passed over.
///
/// Examples: caro stats week; caro stats 2026-03 --under ~/src; caro stats --since 30d --failed
#[derive(Args)]
pub(crate) struct Stats {
    /// today, yesterday, week, month, year, all, a year such as 2026 or a month such as 2026-03
    #[arg(value_name = "PERIOD", default_value = "all")]
    period: Period,
    /// Rows of each table
    #[arg(long, short = 'n', value_name = "COUNT", default_value_t = 10)]
    top: u32,
    /// As JSON
    #[arg(long)]
    json: bool,
    /// What all machines have counted as commands ended, by category, model and hour: also of commands that were deleted
    /// since, or are too old to be synced; imports are not among it
    #[arg(long, conflicts_with_all = ["period", "Filters"])]
    all_devices: bool,
    #[command(flatten)]
    filters: Filters,
}

impl Stats {
    pub(crate) fn run(self) -> Outcome {
        if self.all_devices {
            return counts::print(self.json, usize::try_from(self.top).unwrap_or(usize::MAX));
        }
        let now = Zoned::now();
        let mut filter = self.filters.resolve()?;
        self.period.narrow(&mut filter, &now);
        let figures = ask(StatsQuery { filter, top: self.top, zone: period::zone(&now) })?;
        let mut out = Out::new();
        if self.json {
            out.json(&json(&figures))?;
            return out.finish();
        }
        if figures.total == 0 {
            out.finish()?;
            return Err(Failure::new(exit::FAILURE, "there is no command in that period"));
        }
        let canvas = Canvas::of(&out);
        for line in tables::report(&figures, &canvas, now.time_zone()) {
            out.line(&line)?;
        }
        out.finish()
    }
}

/// Has the daemon count.
fn ask(query: StatsQuery) -> Outcome<Figures> {
    let mut client = Client::open()?;
    settle(&mut client)?;
    match client.ask(Request::Stats(Box::new(query)))? {
        Reply::Stats(figures) => Ok(*figures),
        _ => Err(unexpected()),
    }
}

/// For scripts.
fn json(figures: &Figures) -> serde_json::Value {
    let Figures {
        total,
        distinct,
        sessions,
        ended,
        failed,
        time_us,
        first_us,
        last_us,
        programs_total,
        programs,
        most_failed,
        most_time,
        subcommands,
        commands,
        new_programs,
        directories,
        hosts,
        shells,
        longest,
        hours,
        weekdays,
        days,
    } = figures;
    let table = |rows: &[Counted]| -> serde_json::Value { rows.iter().map(row).collect() };
    let longest: Vec<_> = longest
        .iter()
        .map(|run| {
            serde_json::json!({
                "command": String::from_utf8_lossy(&run.command), "start": time::rfc3339(run.start_us),
                "duration_us": run.duration_us,
            })
        })
        .collect();
    let days: Vec<_> = days
        .iter()
        .map(|day| serde_json::json!({ "date": heat::date(day.day).to_string(), "runs": day.runs }))
        .collect();
    serde_json::json!({
        "total": total, "distinct": distinct, "sessions": sessions, "ended": ended, "failed": failed,
        "time_us": time_us, "first": first_us.map(time::rfc3339), "last": last_us.map(time::rfc3339),
        "programs_total": programs_total, "programs": table(programs), "most_failed": table(most_failed),
        "most_time": table(most_time), "subcommands": table(subcommands),
        "commands": table(commands), "new_programs": table(new_programs), "directories": table(directories),
        "hosts": table(hosts), "shells": table(shells), "longest": longest, "hours": hours, "weekdays": weekdays,
        "days": days,
    })
}

fn row(counted: &Counted) -> serde_json::Value {
    let Counted { text, runs, failed, time_us } = counted;
    serde_json::json!({ "text": String::from_utf8_lossy(text), "runs": runs, "failed": failed, "time_us": time_us })
}

/// A day as people write it, in their own time zone.
fn day(us: i64, zone: &TimeZone) -> String {
    time::local(us, zone).split(' ').next().unwrap_or_default().to_owned()
}
