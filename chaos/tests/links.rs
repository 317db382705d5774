//! Links that are broken on purpose, and the programs over them: that a lab does what it was asked for, and a few rows of the
//! tiers PROXY and NET in their brief form. The others take too long for a run that everybody waits for:
//! `cargo run -p chaos-tests -- --all --tier proxy --tier net -n 5`.

use std::{
    collections::BTreeSet,
    fs,
    net::{Ipv4Addr, UdpSocket},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use caro_tests::{eventually, skip};
use chaos_tests::{
    catalogue::ALL,
    netlab::{Lab, link::Way},
    scenario::{Scenario, Verdict},
};

/// Rows of which a test is a body of a tier, here in its brief form with each of its twins.
const HERE: &[(&str, &str)] = &[
    ("T-CONN-04", "PROXY"),
    ("T-CONN-05", "PROXY"),
    ("E-HS-01", "PROXY"),
    ("E-HS-02", "PROXY"),
    ("E-ENC-01", "PROXY"),
    ("S-SM-01", "PROXY"),
    ("S-SM-02", "PROXY"),
    ("T-CONN-05", "NET"),
    ("A-RES-01", "NET"),
];

/// Rows that are run by `--all` alone: their outcome is a matter of many seconds.
const LATER: &[(&str, &str)] = &[
    ("T-LAT-01", "NET"),
    ("T-LAT-02", "NET"),
    ("T-LAT-03", "PROXY"),
    ("T-LAT-04", "NET"),
    ("T-LOSS-01", "NET"),
    ("T-LOSS-02", "NET"),
    ("T-LOSS-03", "NET"),
    ("T-LOSS-04", "NET"),
    ("T-LOSS-04", "PROXY"),
    ("T-CONN-03", "PROXY"),
    ("T-BW-01", "PROXY"),
    ("T-BW-02", "PROXY"),
    ("T-BW-03", "PROXY"),
    ("E-HS-03", "PROXY"),
    ("E-HS-04", "PROXY"),
    ("E-HS-05", "PROXY"),
    ("E-PQ-02", "NET"),
    ("S-CONV-01", "NET"),
    ("S-CONV-03", "NET"),
    ("S-BLOB-01", "NET"),
    ("A-RES-03", "PROXY"),
    ("A-RES-04", "PROXY"),
    ("X-PLAT-01", "NET"),
    ("MR-5", "PROXY"),
];

#[test]
fn every_body_over_a_link_is_run_here_or_said_to_be_run_later() {
    let listed: BTreeSet<(&str, String)> =
        HERE.iter().chain(LATER).map(|(id, tier)| (*id, (*tier).to_owned())).collect();
    assert_eq!(listed.len(), HERE.len() + LATER.len(), "a body is listed twice");
    let bodies = |scenario: &&'static Scenario| {
        let (id, bodies) = (scenario.id, scenario.bodies);
        bodies.iter().filter(|body| body.tier.is_link()).map(move |body| (id, body.tier.to_string()))
    };
    assert_eq!(ALL.iter().flat_map(|scenario| bodies(scenario)).collect::<BTreeSet<_>>(), listed);
}

/// Seeds until a missing protection must have shown.
const TWIN_SEEDS: u64 = 2;

fn check(id: &str, tier: &str) {
    assert!(HERE.contains(&(id, tier)), "{id} {tier} is not listed");
    let scenario: &Scenario = ALL.iter().find(|scenario| scenario.id == id).expect("it is in the catalogue");
    let body = scenario.bodies.iter().find(|body| body.tier.to_string() == tier).expect("it has this tier");
    match scenario.check_briefly(body, 1, None) {
        Ok(()) => {}
        Err(Verdict::Failed(said)) => panic!("{said}"),
        Err(Verdict::Skipped(needs)) => return skip(&format!("{id} {tier}"), &needs),
    }
    for sabotage in body.broken_by {
        let verdict = |seed| scenario.check_briefly(body, seed, Some(*sabotage)).err();
        let noticed = (1..=TWIN_SEEDS).filter_map(verdict).any(|verdict| verdict.is_of_outcome());
        assert!(noticed, "{id} {tier} passes without {}", sabotage.name());
    }
}

macro_rules! rows {
    ($($test:ident => $id:literal $tier:literal,)*) => { $(
        #[test]
        fn $test() {
            check($id, $tier);
        }
    )*

    #[test]
    fn every_body_that_is_run_here_is_a_test() {
        assert_eq!(BTreeSet::from([$(($id, $tier),)*]), HERE.iter().copied().collect());
    } };
}

rows! {
    t_conn_04_reset_ten_times => "T-CONN-04" "PROXY",
    t_conn_05_no_goodbye => "T-CONN-05" "PROXY",
    t_conn_05_dead_one_way => "T-CONN-05" "NET",
    e_hs_01_corrupted => "E-HS-01" "PROXY",
    e_hs_02_truncated => "E-HS-02" "PROXY",
    e_enc_01_flipped => "E-ENC-01" "PROXY",
    s_sm_01_cut_pushes => "S-SM-01" "PROXY",
    s_sm_02_cut_pulls => "S-SM-02" "PROXY",
    a_res_01_flood => "A-RES-01" "NET",
}

const NEAR: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
const AWAY: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

/// A lab of two nodes with a socket at each, of which the far one answers.
struct Pair {
    lab: Lab,
    near: UdpSocket,
    away: UdpSocket,
}

impl Pair {
    fn new(test: &str) -> Option<Self> {
        let lab = match Lab::new(&[("near", NEAR), ("away", AWAY)], 1) {
            Ok(lab) => lab,
            Err(needs) => {
                skip(test, &needs);
                return None;
            }
        };
        let bind = |node, address: Ipv4Addr| lab.within(node, || UdpSocket::bind((address, 7000)).expect("a port"));
        let (Some(near), Some(away)) = (bind("near", NEAR), bind("away", AWAY)) else {
            skip(test, "root, to enter a network as it is");
            return None;
        };
        near.connect((AWAY, 7000)).expect("connected");
        away.connect((NEAR, 7000)).expect("connected");
        for socket in [&near, &away] {
            socket.set_read_timeout(Some(Duration::from_millis(700))).expect("set");
        }
        Some(Self { lab, near, away })
    }

    /// Sends so many packets of so many bytes, as fast as the link's queue takes them or one each so often. Gives for each
    /// that came how long it took, and how long all took.
    fn send(&self, count: u32, bytes: usize, every: Duration) -> (Vec<Duration>, Duration) {
        let begun = Instant::now();
        thread::scope(|scope| {
            scope.spawn(|| {
                for n in 0..count {
                    eventually("its moment", || (begun.elapsed() >= every * n).then_some(()));
                    let mut packet = vec![0; bytes];
                    let sent_us = u64::try_from(begun.elapsed().as_micros()).expect("not long");
                    packet[..8].copy_from_slice(&sent_us.to_be_bytes());
                    self.near.send(&packet).expect("sent");
                }
            });
            let (mut took, mut last, mut packet) = (Vec::new(), begun.elapsed(), vec![0; 2000]);
            while let Ok(size) = self.away.recv(&mut packet) {
                assert_eq!(size, bytes);
                let sent = Duration::from_micros(u64::from_be_bytes(packet[..8].try_into().expect("eight")));
                last = begun.elapsed();
                took.push(last - sent);
            }
            (took, last)
        })
    }
}

#[test]
fn netlab_a_real_link_has_the_delay_the_losses_and_the_rate_that_were_asked_for() {
    let Some(mut pair) = Pair::new("netlab link") else { return };
    let perfect = Way::default();
    pair.lab.set("near", &Way::late(40), &perfect);
    let (mut took, _) = pair.send(100, 100, Duration::from_millis(2));
    took.sort();
    assert_eq!(took.len(), 100);
    assert!(took[0] >= Duration::from_millis(40), "{:?}", took[0]);
    assert!(took[50] <= Duration::from_millis(150), "half of them took {:?}", took[50]);
    pair.lab.set("near", &Way::lossy(20.0), &perfect);
    let (took, _) = pair.send(600, 100, Duration::from_micros(200));
    assert!((430..530).contains(&took.len()), "{} of 600", took.len());
    assert_eq!(pair.lab.counts("near").0.lost as usize, 600 - took.len());
    pair.lab.set("near", &Way { rate: 100_000, ..Way::default() }, &perfect);
    let (took, all) = pair.send(60, 972, Duration::ZERO);
    // With its heads a packet is a thousand bytes.
    assert_eq!(took.len(), 60);
    assert!((Duration::from_millis(590)..Duration::from_millis(2000)).contains(&all), "{all:?}");
}

#[test]
fn netlab_nothing_is_left_of_a_lab() {
    let Some(pair) = Pair::new("netlab end") else { return };
    let holders: Vec<String> = pair.lab.enter("near").into_iter().chain(pair.lab.enter("away")).collect();
    let pids: Vec<&String> = holders.iter().filter(|word| word.parse::<u32>().is_ok()).collect();
    assert_eq!(pids.len(), 2);
    let is_there = |pid: &str| Path::new("/proc").join(pid).exists();
    assert!(pids.iter().all(|pid| is_there(pid)));
    drop(pair);
    eventually("they are gone", || (!pids.iter().any(|pid| is_there(pid))).then_some(()));
}

/// The Compose files: what stands in them is there, and every service is what another one names.
#[test]
fn compose_files_name_what_exists() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/compose"));
    let programs = ["caro-relay", "caro-daemon", "chaos-proxy", "sh"];
    let mut seen = 0;
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let text = fs::read_to_string(&path).expect("text");
        if path.extension().is_some_and(|kind| kind == "json") {
            let doors: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            let whole =
                |door: &serde_json::Value| ["name", "listen", "upstream"].iter().all(|key| door[key].is_string());
            assert!(doors.as_array().is_some_and(|doors| doors.iter().all(whole)), "{doors}");
            continue;
        }
        seen += 1;
        let name = path.display();
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
        assert_eq!(lines.first(), Some(&"services:"), "{name}");
        let services: Vec<&str> = lines.iter().filter_map(|line| service(line)).collect();
        assert!(services.contains(&"relay") && services.contains(&"laptop") && services.contains(&"desktop"), "{name}");
        let count = |key: &str| lines.iter().filter(|line| line.trim_start().starts_with(key)).count();
        assert_eq!(count("image: "), services.len(), "{name}: every service has an image");
        assert_eq!(count("command: "), services.len(), "{name}: every service has a command");
        for line in &lines {
            assert!(!line.contains('\t') && (line.len() - line.trim_start().len()) % 2 == 0, "{name}: {line}");
            if let Some(command) = line.trim().strip_prefix("command: ") {
                let words: Vec<String> = serde_json::from_str(command).expect("a list of words");
                assert!(programs.contains(&words[0].as_str()), "{name}: {command}");
            }
            if let Some(other) = line.trim().strip_prefix("network_mode: ") {
                let other = other.trim_matches('"').strip_prefix("service:").expect("a service");
                assert!(services.contains(&other), "{name}: {line}");
            }
            let Some(item) = line.trim().strip_prefix("- ") else { continue };
            if let Some((from, _)) = item.split_once(':').filter(|(from, _)| from.starts_with('.')) {
                // What is built is there only after it was built; the folder that it is built in is this tree's.
                let built = from == "../../target/release";
                assert!(built || folder.join(from).exists(), "{name}: {from} is not there");
            } else if !item.starts_with('"') && item != "NET_ADMIN" {
                assert!(services.contains(&item), "{name}: nobody is called {item}");
            }
        }
    }
    assert_eq!(seen, 3);
}

/// The name of a service, when the line begins one.
fn service(line: &str) -> Option<&str> {
    let name = line.strip_prefix("  ")?.strip_suffix(':')?;
    (!name.starts_with(' ')).then_some(name)
}
