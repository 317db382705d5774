//! A million lines of zsh taken in, the same file again, and the way out and in by caro's own format; the leader beside it.

use std::{fmt::Write, path::Path, time::Instant};

use caro_tests::{Device, Home};

use crate::{atuin, cold::resident_mb, figures::Figures};

/// Lines of the file.
const LINES: u64 = 1_000_000;

/// Different commands among them, about.
const DISTINCT: u64 = 188_000;

pub(crate) fn measure(figures: &mut Figures) {
    let text = zsh_history(LINES);
    let device = Device::new();
    let file = device.home.write("zsh_history", &text);
    let timed = |figures: &mut Figures, what: &str, arguments: &[&str]| {
        let begun = Instant::now();
        let printed = device.home.caro_ok(arguments);
        let seconds = begun.elapsed().as_secs_f64();
        figures.one(what, "s", seconds);
        (printed, seconds)
    };
    let import = ["import", "zsh", path(&file)];
    timed(figures, "caro import --dry-run of 1,000,000 zsh lines", &["import", "zsh", path(&file), "--dry-run"]);
    let (printed, ours) = timed(figures, "caro import of 1,000,000 zsh lines", &import);
    assert!(printed.contains("1000000 new, 0 known"), "{printed}");
    let (printed, _) = timed(figures, "caro import of the same file again", &import);
    assert!(printed.contains("0 new, 1000000 known"), "{printed}");
    figures.one("caro-daemon resident after it", "MB", resident_mb(device.pid()));
    let out = file.with_file_name("out.jsonl");
    timed(figures, "caro export of 1,000,000 commands, jsonl", &["export", "jsonl", "--output", path(&out)]);
    let (printed, _) = timed(figures, "caro import of that export", &["import", "caro", path(&out)]);
    assert!(printed.contains("0 new, 1000000 known"), "{printed}");
    if let Some(theirs) = leader(figures, &text) {
        figures.ratio("  the leader's import takes times", theirs, ours);
    }
}

fn path(path: &Path) -> &str {
    path.to_str().expect("text")
}

/// The seconds of the leader's import of the same file.
fn leader(figures: &mut Figures, text: &str) -> Option<f64> {
    if !atuin::is_here() {
        return None;
    }
    let home = Home::new();
    home.write(".zsh_history", text);
    let begun = Instant::now();
    atuin::run(&home, &["import", "zsh"])?;
    let seconds = begun.elapsed().as_secs_f64();
    figures.one("atuin import of 1,000,000 zsh lines", "s", seconds);
    Some(seconds)
}

/// Extended history: a few commands very often, most a few times, from a seed.
fn zsh_history(lines: u64) -> String {
    let mut state = 42_u64;
    let mut text = String::new();
    for line in 0..lines {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let draw = state >> 33;
        // The product of two draws is skewed to the small numbers.
        let number = (draw % 1000) * (draw / 1000 % 1000) * DISTINCT / 1_000_000;
        let command = match number % 7 {
            0 => format!("git commit -m 'change {number} of the parser'"),
            1 => format!("cd /srv/project-{}/src/part-{number}", number % 8),
            2 => format!("ssh host-{number}.example.org tail -n {} /var/log/syslog", number % 97),
            3 => format!("cargo test -p crate-{number} -- --nocapture"),
            4 => format!("vim notes/{number}.md"),
            5 => format!("for i in 1 2 3; do\\\n  echo {number} $i\\\ndone"),
            _ => format!("docker run --rm image:{number} make check"),
        };
        // Every line has its own second, as those that somebody typed nearly have.
        writeln!(text, ": {}:{};{command}", 1_600_000_000 + line * 90, draw % 9).expect("memory");
    }
    text
}
