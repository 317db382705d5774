//! Proves the dependency table of `docs/architecture.md` from the real graph, so that "the relay cannot read" is a
//! fact about the build and not a habit.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use serde_json::Value;

/// What each crate may depend on, outside tests, of ours.
const ALLOWED: &[(&str, &[&str])] = &[
    ("caro-schema", &[]),
    ("caro-link", &["caro-schema"]),
    ("caro-core", &["caro-schema", "caro-link"]),
    ("caro-daemon", &["caro-schema", "caro-link", "caro-core"]),
    ("caro-relay", &["caro-schema", "caro-link"]),
    ("caro", &["caro-schema"]),
];

/// What a pure crate must not be able to reach: clocks and sockets come in as arguments.
const NOT_IN_PURE: &[&str] = &["tokio", "rusqlite", "interprocess", "keyring", "notify"];

/// The system that this was built for, as rustc names it.
fn host() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output().expect("rustc runs");
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().find_map(|line| line.strip_prefix("host: ")).expect("a host").to_owned()
}

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline", "--locked"])
        // Packages of other systems were never fetched here.
        .args(["--filter-platform", &host()])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo prints JSON")
}

/// Package name to the names of what it links outside tests.
fn graph(metadata: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let names: BTreeMap<&str, &str> = metadata["packages"]
        .as_array()
        .expect("packages")
        .iter()
        .map(|package| (package["id"].as_str().expect("id"), package["name"].as_str().expect("name")))
        .collect();
    let is_normal =
        |dep: &&Value| dep["dep_kinds"].as_array().expect("kinds").iter().any(|kind| kind["kind"].is_null());
    metadata["resolve"]["nodes"]
        .as_array()
        .expect("nodes")
        .iter()
        .map(|node| {
            let deps = node["deps"].as_array().expect("deps").iter().filter(is_normal);
            let linked = deps.map(|dep| names[dep["pkg"].as_str().expect("pkg")].to_owned()).collect();
            (names[node["id"].as_str().expect("id")].to_owned(), linked)
        })
        .collect()
}

fn reach(graph: &BTreeMap<String, BTreeSet<String>>, from: &str) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut todo = vec![from.to_owned()];
    while let Some(name) = todo.pop() {
        for dep in graph.get(&name).into_iter().flatten() {
            if seen.insert(dep.clone()) {
                todo.push(dep.clone());
            }
        }
    }
    seen
}

#[test]
fn each_crate_depends_only_on_what_the_table_allows() {
    let graph = graph(&metadata());
    let ours: BTreeSet<&str> = ALLOWED.iter().map(|(name, _)| *name).collect();
    for (name, allowed) in ALLOWED {
        let linked: BTreeSet<&str> = graph[*name].iter().map(String::as_str).filter(|dep| ours.contains(dep)).collect();
        let allowed: BTreeSet<&str> = allowed.iter().copied().collect();
        assert!(linked.is_subset(&allowed), "{name} depends on {:?}", linked.difference(&allowed));
    }
}

#[test]
fn nfr_s003_the_relay_cannot_name_what_opens_a_cell() {
    let reached = reach(&graph(&metadata()), "caro-relay");
    for sealed in ["caro-core", "argon2", "bip39", "x-wing", "hkdf"] {
        assert!(!reached.contains(sealed), "the relay links {sealed}");
    }
}

#[test]
fn the_core_has_no_clock_socket_or_file_of_its_own() {
    let graph = graph(&metadata());
    for pure in ["caro-schema", "caro-link", "caro-core"] {
        let reached = reach(&graph, pure);
        for banned in NOT_IN_PURE {
            assert!(!reached.contains(*banned), "{pure} links {banned}");
        }
    }
}
