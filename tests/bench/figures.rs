//! Figures as they come, as a table for people and JSON lines for programs.

use std::io::Write;

/// What was measured.
#[derive(Default)]
pub(crate) struct Figures {
    lines: Vec<String>,
}

impl Figures {
    /// Many samples of one thing, in one unit.
    pub(crate) fn samples(&mut self, what: &str, unit: &str, mut samples: Vec<f64>) -> f64 {
        assert!(!samples.is_empty(), "{what}: nothing was measured");
        samples.sort_by(f64::total_cmp);
        let at = |share: f64| samples[((samples.len() - 1) as f64 * share).round() as usize];
        let (median, p99) = (at(0.5), at(0.99));
        print(&format!("{what:<52} {median:>10.2} {unit:<4} p99 {p99:>10.2}  of {}", samples.len()));
        self.lines.push(
            serde_json::json!({"what": what, "unit": unit, "median": median, "p99": p99, "samples": samples.len()})
                .to_string(),
        );
        median
    }

    /// One number.
    pub(crate) fn one(&mut self, what: &str, unit: &str, value: f64) {
        print(&format!("{what:<52} {value:>10.2} {unit}"));
        self.lines.push(serde_json::json!({"what": what, "unit": unit, "value": value}).to_string());
    }

    /// How many times one figure is another.
    pub(crate) fn ratio(&mut self, what: &str, theirs: f64, ours: f64) {
        self.one(what, "x", theirs / ours.max(f64::MIN_POSITIVE));
    }

    /// Prints the JSON lines.
    pub(crate) fn finish(self) {
        for line in self.lines {
            print(&line);
        }
    }
}

fn print(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").expect("somebody reads this");
}
