//! How long a program takes from its start to its first answer.

use std::time::Instant;

use caro_tests::Device;

use crate::{atuin, corpus::bash_history, figures::Figures};

const RUNS: usize = 200;

pub(crate) fn measure(figures: &mut Figures) {
    let device = Device::new();
    let history = device.home.write("history", bash_history(10_000));
    device.home.caro_ok(&["import", "bash", history.to_str().expect("text")]);
    let mut ours = Vec::new();
    let mut theirs = Vec::new();
    let leader = atuin::is_here().then(|| {
        let home = caro_tests::Home::new();
        atuin::history_file(&home, &bash_history(10_000));
        assert!(atuin::run(&home, &["import", "bash"]).is_some(), "the leader imports");
        home
    });
    for _ in 0..RUNS {
        let begun = Instant::now();
        device.home.caro_ok(&["history", "last"]);
        ours.push(begun.elapsed().as_secs_f64() * 1e3);
        if let Some(home) = &leader {
            let begun = Instant::now();
            assert!(atuin::run(home, &["history", "last"]).is_some());
            theirs.push(begun.elapsed().as_secs_f64() * 1e3);
        }
    }
    let ours = figures.samples("caro history last, 10,000 commands", "ms", ours);
    if !theirs.is_empty() {
        let theirs = figures.samples("atuin history last, 10,000 commands", "ms", theirs);
        figures.ratio("  the leader takes times", theirs, ours);
    }
    let pid = device.pid();
    figures.one("caro-daemon resident, 10,000 commands, idle", "MB", resident_mb(pid));
}

/// What a process has in memory, of its own and of its program's file.
pub(crate) fn resident_mb(pid: i32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("there");
    let kib: f64 = line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number");
    kib * 1024.0 / 1e6
}
