//! How long a keystroke takes, for each mode, and what the history costs in memory and at start. Made input from one
//! seed, so that two runs measure the same; nothing of it is from anybody's history.
//!
//! `cargo run --release -p caro-core --example search_bench -- [records …] [case …]`, with 10000, 100000 and 1000000 and
//! all cases when nothing is given. Prints a table, then one line of JSON for each of its rows. It only measures: nothing fails for being slow.

// A benchmark measures time, looks at its own process and prints; the rest of this crate must not.
#![allow(clippy::disallowed_methods, clippy::print_stdout)]

use std::{
    error::Error,
    time::{Duration, Instant},
};

use caro_core::{
    history::{BLOCK_RECORDS_MAX, History, block},
    search::Searcher,
};
use caro_schema::{
    body::history::Record,
    id::RecordId,
    ipc::history::{Except, ExitFilter, Filter, Mode, Order, Place, Query, Window},
};

/// Each text is typed this many times.
const ROUNDS: usize = 5;

/// What a screen shows.
const SCREEN: Window = Window { offset: 0, limit: 50 };

const NOW_US: i64 = 1_790_000_000_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    let (sizes, names): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|given| given.bytes().all(|byte| byte.is_ascii_digit()));
    let given: Vec<usize> = sizes.iter().map(|size| size.parse()).collect::<Result<_, _>>()?;
    let sizes = if given.is_empty() { vec![10_000, 100_000, 1_000_000] } else { given };
    let mut lines = Vec::new();
    for size in sizes {
        let history = start(size, &mut lines)?;
        println!(
            "{:<28}{:>8}{:>10}{:>10}{:>10}{:>12}{:>10}",
            "search, milliseconds", "letters", "median", "p99", "worst", "processor", "p99"
        );
        for case in cases().into_iter().filter(|case| names.is_empty() || names.iter().any(|name| name == case.name)) {
            lines.push(measure(&history, &case)?);
        }
        println!();
    }
    for line in lines {
        println!("{line}");
    }
    Ok(())
}

/// Fills a history as a start of the daemon does, from blocks.
fn start(size: usize, lines: &mut Vec<serde_json::Value>) -> Result<History, Box<dyn Error>> {
    let mut corpus = Corpus { seed: 42, pool: (size * 206 / 1000).max(1) };
    let records: Vec<Record> = (0..size).map(|n| corpus.record(n, size)).collect();
    let blocks: Vec<Vec<u8>> = records.chunks(BLOCK_RECORDS_MAX).map(block::encode).collect();
    let stored: usize = blocks.iter().map(Vec::len).sum();
    drop(records);
    let (mut history, mut decoding, mut loading) = (History::new(), Duration::ZERO, Duration::ZERO);
    for (number, bytes) in blocks.iter().enumerate().rev() {
        let begun = Instant::now();
        let records = block::decode(bytes)?;
        let decoded = Instant::now();
        history.load_block(number as u64 + 1, records);
        decoding += decoded - begun;
        loading += decoded.elapsed();
    }
    history.set_complete();
    let (distinct, memory) = (history.distinct(), history.memory_bytes());
    println!("{size} records, {distinct} distinct: {:.1} MB in memory", memory as f64 / 1e6);
    println!(
        "from blocks of {:.1} MB: {:.0} ms decoding, {:.0} ms loading",
        stored as f64 / 1e6,
        ms(decoding),
        ms(loading)
    );
    lines.push(serde_json::json!({
        "bench": "history_load", "records": size, "distinct": distinct, "memory_bytes": memory,
        "stored_bytes": stored, "decode_ms": ms(decoding), "load_ms": ms(loading),
    }));
    Ok(history)
}

/// What is typed, how, and where.
struct Case {
    name: &'static str,
    query: Query,
    texts: Vec<String>,
    /// Each query comes with a searcher that knows nothing: what is pasted, or stands on the prompt when Up is pressed.
    cold: bool,
}

/// Letters typed, of which one row of the table is.
const LENGTHS: [std::ops::RangeInclusive<usize>; 5] = [1..=1, 2..=2, 3..=4, 5..=9, 10..=20];

fn cases() -> Vec<Case> {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let common = owned(&[
        "git push origin main",
        "docker run --rm -it c",
        "cargo test -p relay -",
        "kubectl get pods -n b",
        "ls -la /srv/metrics/1",
        "ssh ada@frontend-12.e",
        "e",
        "python3 scripts/Repor",
    ]);
    let spread =
        owned(&["gpom", "dkrrnit relay", "crgtst case1", "kgpnbill", "sshprod 7", "pyscrp nmbr vrbs", "eitms", "xJ8"]);
    let nothing = owned(&["xyzzy plugh and so on", "zzz", "qqqqqqqqqqqqqqqqqqqq", "~~~", "git pushh origin mainn"]);
    let signs =
        owned(&["^git main$", "'push !main", "^ls | ^cd relay", "!git !cargo ^docker", "'e 7$", "git | docker 'main"]);
    let expressions =
        owned(&["git.*main-1", r"^ls\b.*7$", r"\d{3,}$", "(push|pull) origin", "zzz+", r"\bcase_\d+7\b", "e"]);
    let place = Place {
        directory: b"/home/ada/src/caro".to_vec().into(),
        host: "desk".to_owned(),
        session: "session-9".to_owned(),
        now_us: NOW_US,
    };
    let query = |mode| Query { mode, unique: true, place: place.clone(), ..Query::default() };
    let fuzzy = query(Mode::Fuzzy);
    let filtered = |filter| Query { filter, ..fuzzy.clone() };
    let here = Filter { subtree: Some(b"/home/ada/src/caro".to_vec().into()), ..Filter::default() };
    let host = Filter { host: Some("desk".to_owned()), ..Filter::default() };
    let failed = Filter {
        exit: Some(ExitFilter::Not(0)),
        since_us: Some(NOW_US - 400 * 86_400_000_000),
        except: vec![Except::Host("laptop".to_owned())],
        ..Filter::default()
    };
    let typed = |name, query, texts: &[String]| Case { name, query, texts: texts.to_vec(), cold: false };
    vec![
        typed("fuzzy", fuzzy.clone(), &common),
        typed("fuzzy, letters spread", fuzzy.clone(), &spread),
        typed("fuzzy, nothing there", fuzzy.clone(), &nothing),
        typed("fuzzy, with signs", fuzzy.clone(), &signs),
        typed("substring", query(Mode::Substring), &common),
        typed("substring, nothing there", query(Mode::Substring), &nothing),
        typed("prefix", query(Mode::Prefix), &common),
        typed("prefix, nothing there", query(Mode::Prefix), &nothing),
        typed("regex", query(Mode::Regex), &expressions),
        typed("regex, nothing there", query(Mode::Regex), &owned(&["zzz+y", r"\d{9}", "xyzzy.*plugh"])),
        typed("fuzzy on this host", filtered(host), &common),
        typed("fuzzy below this directory", filtered(here), &common),
        typed("fuzzy, what failed lately", filtered(failed), &common),
        typed("fuzzy, every run", Query { unique: false, ..fuzzy.clone() }, &common),
        typed("newest, every run", Query { unique: false, order: Order::Newest, ..fuzzy.clone() }, &common),
        Case { name: "fuzzy, pasted", query: fuzzy.clone(), texts: common.clone(), cold: true },
        Case { name: "substring, pasted", query: query(Mode::Substring), texts: common.clone(), cold: true },
        Case { name: "regex, pasted", query: query(Mode::Regex), texts: expressions, cold: true },
    ]
}

/// Types each text letter by letter, from nothing. The first search of a screen is for nothing typed, and what follows
/// its answer in the daemon is here too.
fn measure(history: &History, case: &Case) -> Result<serde_json::Value, Box<dyn Error>> {
    let mut keys: Vec<Key> = Vec::new();
    for round in 0..ROUNDS {
        let mut number = 0;
        for text in &case.texts {
            let mut searcher = Searcher::default();
            searcher.search(history, &Query { order: Order::Newest, ..case.query.clone() }, SCREEN)?;
            searcher.prepare(history, &case.query.place);
            for (length, (end, letter)) in text.char_indices().enumerate() {
                if case.cold {
                    searcher = Searcher::default();
                }
                let typed = text[..end + letter.len_utf8()].to_owned();
                let query = Query { text: typed, ..case.query.clone() };
                let (begun, worked) = (Instant::now(), processor_time());
                // Half an expression may not be valid: that is an answer too.
                match searcher.search(history, &query, SCREEN) {
                    Ok(_) | Err(caro_schema::ipc::Fault::BadPattern { .. }) => {}
                    Err(fault) => return Err(fault.into()),
                }
                let (took, worked) = (begun.elapsed(), processor_time().saturating_sub(worked));
                if round == 0 {
                    let text = query.text.clone();
                    keys.push(Key { text, length: length + 1, times: Vec::new(), work: Vec::new() });
                }
                keys[number].times.push(took);
                keys[number].work.push(worked);
                number += 1;
            }
        }
    }
    let mut rows = Vec::new();
    for lengths in LENGTHS.iter().cloned().chain([1..=20]) {
        let those: Vec<&Key> = keys.iter().filter(|key| lengths.contains(&key.length)).collect();
        if !those.is_empty() {
            rows.push(row(case, &lengths, &those));
        }
    }
    // What to look at first, by the least that it ever took: the machine's other work only ever adds.
    let least = |key: &Key| ms(key.work.iter().copied().min().unwrap_or_default());
    let slowest = keys.iter().max_by(|one, other| least(one).total_cmp(&least(other)));
    let (text, took) = slowest.map_or(("", 0.0), |key| (key.text.as_str(), least(key)));
    println!("{:<28}  the most work: {took:.2} for {text:?}", case.name);
    Ok(serde_json::json!({
        "bench": "search", "case": case.name, "records": history.len(), "lengths": rows,
        "most_work": {"text": text, "processor_ms": took},
    }))
}

/// One key, pressed in each round.
struct Key {
    text: String,
    length: usize,
    times: Vec<Duration>,
    /// What all threads worked together.
    work: Vec<Duration>,
}

/// By the clock, and by the processor: the machine has other work to do, and what all threads worked together is what the
/// search itself costs, on one processor that does nothing else.
fn row(case: &Case, lengths: &std::ops::RangeInclusive<usize>, keys: &[&Key]) -> serde_json::Value {
    let sorted = |times: Vec<Duration>| {
        let mut times = times;
        times.sort_unstable();
        move |share: f64| ms(times[((times.len() - 1) as f64 * share).round() as usize])
    };
    let all = sorted(keys.iter().flat_map(|key| key.times.iter().copied()).collect());
    let work = sorted(keys.iter().flat_map(|key| key.work.iter().copied()).collect());
    let letters = format!("{}-{}", lengths.start(), lengths.end());
    let (median, p99, work_median, work_p99) = (all(0.5), all(0.99), work(0.5), work(0.99));
    println!(
        "{:<28}{letters:>8}{median:>10.2}{p99:>10.2}{:>10.2}{work_median:>12.2}{work_p99:>10.2}",
        case.name,
        all(1.0)
    );
    serde_json::json!({
        "letters": letters, "median_ms": median, "p99_ms": p99, "worst_ms": all(1.0),
        "processor_median_ms": work_median, "processor_p99_ms": work_p99,
    })
}

/// What all threads of this process have worked, as the system counts it. Nothing where it does not say.
fn processor_time() -> Duration {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let worked = threads.filter_map(|thread| {
        let line = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        line.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
    });
    worked.sum()
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// Commands as people type them: a few very often, most once or twice.
struct Corpus {
    seed: u64,
    pool: usize,
}

impl Corpus {
    fn random(&mut self, below: usize) -> usize {
        // SplitMix64.
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.seed;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) % below.max(1) as u64) as usize
    }

    fn record(&mut self, n: usize, size: usize) -> Record {
        let common = self.random(2) == 0;
        let which = if common { self.random(self.pool.min(1000)) } else { self.random(self.pool) };
        let directory = DIRECTORIES[self.random(DIRECTORIES.len()).min(self.random(DIRECTORIES.len()))];
        let mut id = [0; 16];
        id[..8].copy_from_slice(&(n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        id[8..].copy_from_slice(&(n as u64).to_be_bytes());
        Record {
            id: RecordId(id),
            command: command(which).into_bytes().into(),
            directory: directory.as_bytes().to_vec().into(),
            host: if self.random(5) == 0 { "laptop" } else { "desk" }.to_owned(),
            user: "ada".to_owned(),
            shell: "zsh 5.9".to_owned(),
            session: format!("session-{}", n / 60),
            start_us: NOW_US - (size - n) as i64 * 97_000_000,
            duration_us: Some(self.random(9_000_000) as u64),
            exit: Some(if self.random(12) == 0 { 1 } else { 0 }),
            assistant: None,
        }
    }
}

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

/// The text of one command; another number, another text.
fn command(which: usize) -> String {
    let name = NAMES[which / 20 % NAMES.len()];
    match which % 20 {
        0 => format!("git commit -m \"fix {name} in part {which}\""),
        1 => format!("git checkout -b {name}/{which}"),
        2 => format!("git push origin {name}-{which}"),
        3 => format!("cargo test -p {name} -- case_{which}"),
        4 => format!("docker run --rm -it {name}:{which} bash"),
        5 => format!("kubectl get pods -n {name} | grep {which}"),
        6 => format!("ssh ada@{name}-{which}.example.org"),
        7 => format!("ls -la /srv/{name}/{which}"),
        8 => format!("cd ~/src/{name}/{which}"),
        9 => format!("vim src/{name}/module_{which}.rs"),
        10 => format!("rg -n '{name}' --type rust -g '*{which}*'"),
        11 => format!("curl -sS https://{name}.example.org/v1/items/{which} | jq ."),
        12 => format!("python3 scripts/{name}.py --number {which} --verbose"),
        13 => format!("sudo systemctl restart {name}@{which}"),
        14 => format!("tail -f /var/log/{name}/{which}.log"),
        15 => format!("make -j8 {name} TARGET={which}"),
        16 => format!("npm run build:{name} -- --port {which}"),
        17 => format!("scp build/{name}.tar.gz prod{which}:/srv/"),
        18 => format!("for f in {name}/*.{which}; do echo \"$f\"; done"),
        _ => format!("psql -h {name} -c 'select * from items where id = {which}'"),
    }
}

const NAMES: [&str; 16] = [
    "core", "relay", "main", "auth", "billing", "search", "worker", "frontend", "gateway", "metrics", "Docs", "proxy",
    "cache", "mailer", "storage", "Report",
];
