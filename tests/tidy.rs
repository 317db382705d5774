//! House rules that no compiler checks: every source file opens with what it is for, and no marker of unfinished
//! work or path of somebody's machine is left in the tree.

use std::{fs, path::Path, process::Command};

fn tracked(pattern: &str) -> Vec<String> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", pattern])
        .current_dir(root())
        .output()
        .expect("git runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("paths are UTF-8").lines().map(str::to_owned).collect()
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(root().join(path)).ok()
}

#[test]
fn every_rust_file_says_what_it_is_for() {
    let files = tracked("*.rs");
    assert!(!files.is_empty());
    let silent: Vec<&String> =
        files.iter().filter(|path| read(path).is_some_and(|text| !text.starts_with("//!"))).collect();
    assert!(silent.is_empty(), "without a first line that starts with //!: {silent:?}");
}

#[test]
fn no_marker_of_unfinished_work_is_left() {
    // Put together here, so that this file does not find itself.
    let markers =
        [["TO", "DO"].concat(), ["FIX", "ME"].concat(), ["unimplem", "ented!"].concat(), ["to", "do!"].concat()];
    let mut found = Vec::new();
    for path in tracked("*.rs").iter().chain(&tracked("*.sh")).chain(&tracked("shell/*")) {
        for (number, line) in read(path).unwrap_or_default().lines().enumerate() {
            if markers.iter().any(|marker| line.contains(marker.as_str())) {
                found.push(format!("{path}:{}", number + 1));
            }
        }
    }
    assert!(found.is_empty(), "{found:?}");
}
