//! What looks through everything costs: each filter alone and several together, in a search and in a list, and the figures of
//! `caro stats` and `caro wrapped`, over a million runs with directories, hosts, sessions, lengths and endings.
//!
//! As whole processes by the clock, and what the daemon works for them, which the machine's other work touches less.

use std::{
    io::{BufWriter, Write},
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use caro_tests::{Device, Home};

use crate::{atuin, figures::Figures, search};

/// Runs.
const RUNS: u64 = 1_000_000;

/// Lines for the leader and for caro beside it: it takes minutes to read the large history.
const SMALL: u64 = 100_000;

/// How often each is asked.
const TIMES: usize = 7;

/// The first run, in seconds since 1970, and the seconds from one to the next: two years in all.
const BEGINS: u64 = 1_700_000_000;
const STEP: u64 = 63;

const DIRECTORIES: [&str; 8] = [
    "/home/ada/src/caro",
    "/home/ada",
    "/home/ada/src/caro/daemon",
    "/home/ada/src/site",
    "/etc/nginx",
    "/var/log",
    "/home/ada/notes",
    "/tmp",
];

/// A question and its name.
type Asked = (&'static str, &'static [&'static str]);

const SEARCHES: [Asked; 12] = [
    ("no filter", &["git"]),
    ("dir:", &["git dir:/home/ada/src/caro"]),
    ("under:", &["git under:/home/ada/src"]),
    ("host:", &["git host:laptop"]),
    ("host:!", &["git host:!laptop"]),
    ("session:", &["git session:run-99"]),
    ("exit:!0", &["git exit:!0"]),
    ("after: and before:", &["git after:2024-06-01 before:2024-09-01"]),
    ("took:>", &["git took:>5s"]),
    ("author:", &["git author:me"]),
    ("all together", &["git under:/home/ada host:!laptop exit:!0 after:2024-01-01 took:>1s author:me"]),
    ("all together, every run", &["git under:/home/ada host:!laptop exit:!0 after:2024-01-01", "--all-runs"]),
];

const LISTS: [Asked; 4] = [
    ("of the newest 100", &["-n", "100"]),
    ("of the newest 100 that failed", &["-n", "100", "--failed"]),
    ("of the newest 100 different ones", &["-n", "100", "--unique"]),
    ("of everything", &[]),
];

const STATS: [Asked; 4] = [
    ("stats", &["stats"]),
    ("stats of a year", &["stats", "2024"]),
    ("stats below a directory", &["stats", "--under", "/home/ada/src"]),
    ("wrapped", &["wrapped", "2024"]),
];

pub(crate) fn measure(figures: &mut Figures) {
    let device = Device::new();
    let file = device.home.path().join("history.jsonl");
    write(&file);
    device.home.caro_ok(&["import", "caro", file.to_str().expect("text")]);
    let mut ask = |what: String, arguments: &[&str]| {
        let (mut took, mut worked) = (Vec::new(), Vec::new());
        for _ in 0..TIMES {
            let before = worked_ms(device.pid());
            took.push(run(device.home.command("caro").args(arguments)));
            worked.push(worked_ms(device.pid()) - before);
        }
        figures.samples(&what, "ms", took);
        figures.samples("  of it the daemon works", "ms", worked);
    };
    for (name, query) in SEARCHES {
        ask(format!("caro search, {name}, {RUNS} runs"), &[&["search", "-n", "50"], query].concat());
    }
    for (name, options) in LISTS {
        ask(format!("caro history list {name}, {RUNS} runs"), &[&["history", "list"], options].concat());
    }
    for (name, arguments) in STATS {
        ask(format!("caro {name}, {RUNS} runs"), arguments);
    }
    beside_the_leader(figures);
}

fn beside_the_leader(figures: &mut Figures) {
    if !atuin::is_here() {
        return;
    }
    let (device, home, lines) = (Device::new(), Home::new(), search::history(SMALL));
    let file = device.home.write("history", &lines);
    device.home.caro_ok(&["import", "bash", file.to_str().expect("text")]);
    atuin::history_file(&home, &lines);
    assert!(atuin::run(&home, &["import", "bash"]).is_some(), "the leader imports");
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..TIMES {
        ours.push(run(device.home.command("caro").arg("stats")));
        let mut command = home.command("atuin");
        command.env("ATUIN_SESSION", "0190f0b0c0d07000a000000000000001").args(["stats", "all"]);
        theirs.push(run(&mut command));
    }
    let ours = figures.samples(&format!("caro stats, {SMALL} lines"), "ms", ours);
    let theirs = figures.samples(&format!("atuin stats all, {SMALL} lines"), "ms", theirs);
    figures.ratio("  the leader takes times", theirs, ours);
}

/// The milliseconds of a process, whatever it prints.
fn run(command: &mut Command) -> f64 {
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let begun = Instant::now();
    // That nothing was found is an answer too.
    command.status().expect("it runs");
    begun.elapsed().as_secs_f64() * 1e3
}

/// The milliseconds that a process has worked so far, as the system counts them.
fn worked_ms(pid: i32) -> f64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("it runs").flatten();
    let worked = tasks.filter_map(|task| {
        let line = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        line.split_whitespace().next()?.parse::<f64>().ok()
    });
    worked.sum::<f64>() / 1e6
}

/// Runs as caro writes them, from a seed: sessions of sixty commands on two hosts, half of the commands from a thousand.
fn write(path: &Path) {
    let mut file = BufWriter::new(std::fs::File::create(path).expect("a file"));
    let mut state = 42_u64;
    let mut random = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for n in 0..RUNS {
        let number = if random(2) == 0 { random(1000) } else { random(206_000) };
        let command = match number % 5 {
            0 => format!("git push origin part-{number}"),
            1 => format!("git commit -m 'change {number} of the parser'"),
            2 => format!("cargo test -p crate-{number} -- --nocapture"),
            3 => format!("ssh host-{number}.example.org tail -n 50 /var/log/syslog"),
            _ => format!("vim src/module_{number}.rs"),
        };
        let run = serde_json::json!({
            "command": command,
            "directory": DIRECTORIES[random(8).min(random(8)) as usize],
            "host": if random(5) == 0 { "laptop" } else { "desk" },
            "user": "ada",
            "shell": "zsh 5.9",
            "session": format!("run-{}", n / 60),
            "start_us": (BEGINS + n * STEP) * 1_000_000,
            "duration_us": random(9_000_000),
            "exit": u64::from(random(12) == 0),
        });
        writeln!(file, "{run}").expect("a disk");
    }
    file.flush().expect("a disk");
}
