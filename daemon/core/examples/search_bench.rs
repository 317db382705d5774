//! How long a keystroke takes, for each mode, and what the history costs in memory and at start. Made input from one
//! seed, so that two runs measure the same; nothing of it is from anybody's history.
//!
//! `cargo run --release -p caro-core --example search_bench -- [records …]`, with 10000, 100000 and 1000000 when nothing
//! is given. Prints a table, then one line of JSON for each of its rows. It only measures: nothing fails for being slow.

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
    ipc::history::{Filter, Mode, Order, Place, Query, Window},
};

/// Each query is typed this many times.
const ROUNDS: usize = 7;

/// What a screen shows.
const SCREEN: Window = Window { offset: 0, limit: 50 };

const NOW_US: i64 = 1_790_000_000_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    let given: Vec<usize> = std::env::args().skip(1).map(|size| size.parse()).collect::<Result<_, _>>()?;
    let sizes = if given.is_empty() { vec![10_000, 100_000, 1_000_000] } else { given };
    let mut lines = Vec::new();
    for size in sizes {
        let history = start(size, &mut lines)?;
        println!("{:<34}{:>8}{:>11}{:>11}{:>11}", "search", "typed", "median ms", "p99 ms", "worst ms");
        for case in cases() {
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
    let mut corpus = Corpus { seed: 42, pool: (size / 5).max(1) };
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
    texts: &'static [&'static str],
}

fn cases() -> Vec<Case> {
    const COMMON: &[&str] = &["git push", "docker run", "cargo test", "ls", "kubectl get pods"];
    const ODD: &[&str] = &["gpom", "dkrrn", "xyzzy", "ssh prod", "e"];
    const EXPRESSIONS: &[&str] = &["git.*main", r"^ls\b", r"\d{3,}$", "(push|pull) origin", "zzz"];
    let place = Place {
        directory: b"/home/ada/src/caro".to_vec().into(),
        host: "desk".to_owned(),
        session: "session-9".to_owned(),
        now_us: NOW_US,
    };
    let query = |mode| Query { mode, unique: true, place: place.clone(), ..Query::default() };
    let fuzzy = query(Mode::Fuzzy);
    let here = Filter { subtree: Some(b"/home/ada/src/caro".to_vec().into()), ..Filter::default() };
    let host = Filter { host: Some("desk".to_owned()), ..Filter::default() };
    vec![
        Case { name: "fuzzy, common", query: fuzzy.clone(), texts: COMMON },
        Case { name: "fuzzy, odd", query: fuzzy.clone(), texts: ODD },
        Case { name: "substring, common", query: query(Mode::Substring), texts: COMMON },
        Case { name: "substring, odd", query: query(Mode::Substring), texts: ODD },
        Case { name: "prefix", query: query(Mode::Prefix), texts: COMMON },
        Case { name: "regex", query: query(Mode::Regex), texts: EXPRESSIONS },
        Case { name: "fuzzy on this host", query: Query { filter: host, ..fuzzy.clone() }, texts: COMMON },
        Case { name: "fuzzy below this directory", query: Query { filter: here, ..fuzzy.clone() }, texts: COMMON },
        Case { name: "fuzzy, every run", query: Query { unique: false, ..fuzzy.clone() }, texts: COMMON },
        Case {
            name: "newest, every run",
            query: Query { unique: false, order: Order::Newest, ..fuzzy },
            texts: COMMON,
        },
    ]
}

/// Types each text letter by letter, from nothing, each time with a searcher that knows nothing yet.
fn measure(history: &History, case: &Case) -> Result<serde_json::Value, Box<dyn Error>> {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        for text in case.texts {
            let mut searcher = Searcher::default();
            for (end, letter) in text.char_indices() {
                let typed = text[..end + letter.len_utf8()].to_owned();
                let query = Query { text: typed, ..case.query.clone() };
                let begun = Instant::now();
                // Half an expression may not be valid: that is an answer too.
                match searcher.search(history, &query, SCREEN) {
                    Ok(hits) => times.push((begun.elapsed(), hits.total)),
                    Err(caro_schema::ipc::Fault::BadPattern { .. }) => {}
                    Err(fault) => return Err(fault.into()),
                }
            }
        }
    }
    times.sort_unstable();
    let at = |share: f64| ms(times[((times.len() - 1) as f64 * share) as usize].0);
    let (median, p99, worst) = (at(0.5), at(0.99), at(1.0));
    println!("{:<34}{:>8}{median:>11.3}{p99:>11.3}{worst:>11.3}", case.name, times.len());
    Ok(serde_json::json!({
        "bench": "search", "case": case.name, "records": history.len(), "keystrokes": times.len(),
        "median_ms": median, "p99_ms": p99, "worst_ms": worst,
    }))
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
