//! Figures as they come: a table for people, then JSON lines for programs.

use std::{io::Write, sync::Arc, time::Duration};

use hdrhistogram::Histogram;
use tokio::sync::Notify;

/// What was measured.
#[derive(Default)]
pub(crate) struct Figures {
    lines: Vec<String>,
    closed: Arc<Notify>,
}

/// Times of one kind, in microseconds, to three digits.
pub(crate) struct Times(Histogram<u64>);

impl Times {
    /// None yet.
    pub(crate) fn new() -> Self {
        let mut histogram = Histogram::new(3).expect("three digits can be kept");
        histogram.auto(true);
        Self(histogram)
    }

    /// Adds one.
    pub(crate) fn add(&mut self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.0.record(micros.max(1)).expect("it grows as it needs");
    }

    /// Adds those of another.
    pub(crate) fn extend(&mut self, other: &Self) {
        self.0.add(&other.0).expect("it grows as it needs");
    }

    /// How many.
    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    /// The time that so many in a hundred do not exceed, in milliseconds.
    pub(crate) fn ms(&self, percent: f64) -> f64 {
        self.0.value_at_percentile(percent) as f64 / 1e3
    }
}

impl Figures {
    /// Many times of one thing.
    pub(crate) fn times(&mut self, what: &str, times: &Times) {
        let (median, p99, worst) = (times.ms(50.0), times.ms(99.0), times.ms(100.0));
        let count = times.count();
        self.print(&format!("{what:<44} {median:>10.2} ms   p99 {p99:>10.2}   worst {worst:>10.2}   of {count}"));
        let line = serde_json::json!({
            "what": what, "unit": "ms", "median": median, "p99": p99, "worst": worst, "count": count,
        });
        self.lines.push(line.to_string());
    }

    /// One number.
    pub(crate) fn one(&mut self, what: &str, unit: &str, value: f64) {
        self.print(&format!("{what:<44} {value:>10.2} {unit}"));
        self.lines.push(serde_json::json!({"what": what, "unit": unit, "value": value}).to_string());
    }

    /// Prints the JSON lines.
    pub(crate) fn finish(self) {
        self.print("");
        self.lines.iter().for_each(|line| self.print(line));
    }

    /// Told when nobody reads what is printed, as at the end of `load push | head`.
    pub(crate) fn closed(&self) -> Arc<Notify> {
        Arc::clone(&self.closed)
    }

    fn print(&self, line: &str) {
        if writeln!(std::io::stdout().lock(), "{line}").is_err() {
            self.closed.notify_one();
        }
    }
}
