//! Replays every corpus, and the seeds of today's formats, on whatever compiler builds the rest: what a fuzzer once found
//! stays found. Time and memory of each input are bounded; a test here has its process to itself where the runner gives
//! each test one, and measures nothing otherwise.

use std::{
    collections::BTreeSet,
    fs,
    time::{Duration, Instant},
};

use chaos_decoders::{corpora, inputs, target, targets};
use chaos_tests::fuzzing::{MEMORY_BYTES_MAX, Target, memory};

/// Far above what any input takes here; what grows with a number in its input takes for ever.
const INPUT_TIME_MAX: Duration = Duration::from_secs(20);

fn replay(target: &Target) {
    // What is made once per process is not counted.
    for seed in (target.seeds)().iter().take(1) {
        (target.run)(seed);
    }
    let alone = std::env::var_os("NEXTEST").is_some();
    for (name, input) in inputs(target).expect("the corpus can be read") {
        let started = Instant::now();
        let grown = memory::grown_by(|| (target.run)(&input));
        assert!(started.elapsed() < INPUT_TIME_MAX, "{}, {name}: too slow", target.name);
        if alone && let Some(grown) = grown {
            assert!(grown <= MEMORY_BYTES_MAX, "{}, {name}: {grown} bytes", target.name);
        }
    }
}

/// A test for each target, so that they run side by side and a failure has a name.
macro_rules! replays {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                replay(target(stringify!($name)).expect("a target"));
            }
        )*

        const REPLAYED: &[&str] = &[$(stringify!($name)),*];
    };
}

replays! {
    frame to_relay to_device ipc_call ipc_answer
    handshake_1 handshake_2 handshake_3 record
    cell_view cell_open cell_seal op payload change key_log device_list position
    device member pairing relay
    spool_grammar spool_file import config_daemon config_caro config_relay key_file
    export_all made hook assistant_file mcp
    history_block sealed_row vault_row device_rows database relay_database
    query times aliases script keys shown suggest proxy control
    phrase code address id
}

#[test]
fn every_target_is_replayed_and_has_a_corpus() {
    let replayed: BTreeSet<&str> = REPLAYED.iter().copied().collect();
    let known: BTreeSet<&str> = targets().map(|target| target.name).collect();
    assert_eq!(replayed, known);
    let folders: BTreeSet<String> = fs::read_dir(corpora())
        .expect("corpora")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(folders, known.iter().map(|name| (*name).to_owned()).collect());
}

#[test]
fn the_corpora_stay_small() {
    let (mut files, mut bytes) = (0, 0);
    for target in targets() {
        for entry in fs::read_dir(corpora().join(target.name)).expect("a corpus") {
            files += 1;
            bytes += entry.expect("an entry").metadata().expect("a file").len();
        }
    }
    assert!(files <= 400 && bytes <= 1 << 20, "{files} files, {bytes} bytes");
}

#[test]
fn the_page_lists_every_target() {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/fuzzing.md")).expect("the page");
    assert!(page.contains(&chaos_decoders::page()), "cargo run -p chaos-decoders -- page");
}
