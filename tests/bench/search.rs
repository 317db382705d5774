//! How long `caro search` takes as a whole process, in each mode, for texts of one letter to twenty, and what the daemon
//! holds in memory for a million lines. The same words for fzf and for the leader where they are here.
//!
//! What the search itself takes for a key, without a process and a socket, is in `daemon/core/examples/search_bench.rs`,
//! for each mode and each number of letters.

use std::{
    process::{Command, Stdio},
    time::Instant,
};

use caro_tests::{Device, Home, have};

use crate::{atuin, cold::resident_mb, figures::Figures};

/// Lines for caro and fzf, and for all three: the leader takes minutes to read the large one.
const LARGE: u64 = 1_000_000;
const SMALL: u64 = 100_000;

/// How often each text is looked for.
const RUNS: usize = 5;

/// What is looked for: common, spread, long, and not there.
const TEXTS: [&str; 6] = ["e", "git", "gpom", "kubectl get", "cargo test -p relay -", "xyzzyq"];

const MODES: [&str; 4] = ["fuzzy", "substring", "prefix", "regex"];

pub(crate) fn measure(figures: &mut Figures) {
    for count in [SMALL, LARGE] {
        let lines = history(count);
        let device = Device::new();
        let file = device.home.write("history", &lines);
        device.home.caro_ok(&["import", "bash", file.to_str().expect("text")]);
        for mode in MODES {
            let took = times(|text| {
                let mut command = device.home.command("caro");
                command.args(["search", "--mode", mode, "-n", "50", "--", text]);
                command
            });
            figures.samples(&format!("caro search --mode {mode}, {count} lines"), "ms", took);
        }
        let narrowed = times(|text| {
            let mut command = device.home.command("caro");
            command.args(["search", "-n", "50", "--", text, "after:30days", "exit:!0"]);
            command
        });
        figures.samples(&format!("caro search with filters, {count} lines"), "ms", narrowed);
        figures.one(&format!("caro-daemon resident, {count} lines"), "MB", resident_mb(device.pid()));
        if have("fzf") {
            fzf(figures, count, &lines);
        }
    }
    if atuin::is_here() {
        let home = Home::new();
        atuin::history_file(&home, &history(SMALL));
        assert!(atuin::run(&home, &["import", "bash"]).is_some(), "the leader imports");
        let took = times(|text| {
            let mut command = home.command("atuin");
            command.env("ATUIN_SESSION", "0190f0b0c0d07000a000000000000001");
            command.args(["search", "--search-mode", "fuzzy", "--limit", "50", "--cmd-only", "--", text]);
            command
        });
        figures.samples(&format!("atuin search --search-mode fuzzy, {SMALL} lines"), "ms", took);
    }
}

/// fzf reads all lines each time, as it does when it is opened.
fn fzf(figures: &mut Figures, count: u64, lines: &str) {
    let home = Home::new();
    let commands: Vec<&str> = lines.lines().filter(|line| !line.starts_with('#')).collect();
    let file = home.write("commands", commands.join("\n"));
    let took = times(|text| {
        let mut command = home.command("fzf");
        command.args(["--scheme=history", "--filter", text]);
        command.stdin(std::fs::File::open(&file).expect("just written"));
        command
    });
    figures.samples(&format!("fzf --filter, {count} lines"), "ms", took);
}

/// Runs a command for each text, in turns, and gives the milliseconds of each run.
fn times(command: impl Fn(&str) -> Command) -> Vec<f64> {
    let mut times = Vec::new();
    for _ in 0..RUNS {
        for text in TEXTS {
            let mut command = command(text);
            command.stdout(Stdio::null()).stderr(Stdio::null());
            let begun = Instant::now();
            // That nothing was found is an answer too.
            command.status().expect("it runs");
            times.push(begun.elapsed().as_secs_f64() * 1e3);
        }
    }
    times
}

/// Lines for bash's history file with their times: half of them from a thousand commands, half from so many that a
/// million lines have about 188,000 different ones.
pub(crate) fn history(count: u64) -> String {
    const NAMES: [&str; 8] = ["core", "relay", "main", "auth", "billing", "Docs", "proxy", "storage"];
    let different = count * 206 / 1000;
    let mut state = 42_u64;
    let mut random = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below.max(1)
    };
    let mut text = String::new();
    for n in 0..count {
        let number = if random(2) == 0 { random(different.min(1000)) } else { random(different) };
        let name = NAMES[(number / 6 % 8) as usize];
        let line = match number % 6 {
            0 => format!("git push origin {name}-{number}"),
            1 => format!("cargo test -p {name} -- case_{number}"),
            2 => format!("kubectl get pods -n {name} | grep {number}"),
            3 => format!("ssh ada@{name}-{number}.example.org"),
            4 => format!("vim src/{name}/module_{number}.rs"),
            _ => format!("curl -sS https://{name}.example.org/v1/items/{number} | jq ."),
        };
        text.push_str(&format!("#{}\n{line}\n", 1_700_000_000 + n * 60));
    }
    text
}
