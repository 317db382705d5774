//! All fuzz targets in one place: those over what is pure (`chaos_tests::fuzzing`), and those that need the programs and
//! their files, which are here. A crate of its own, so that the scenarios need not build the programs.
//!
//! `chaos/fuzz` runs them under a fuzzer, `tests/corpora.rs` replays what it found. `docs/fuzzing.md` says how.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use chaos_tests::fuzzing::{self, Target};

mod export;
mod files;
pub mod mutate;
mod programs;
mod rows;
mod scratch;
mod typed;
mod wires;
mod words;

/// The groups of this crate.
const GROUPS: &[&[Target]] = &[
    files::TARGETS,
    export::TARGETS,
    programs::TARGETS,
    rows::TARGETS,
    typed::TARGETS,
    wires::TARGETS,
    words::TARGETS,
];

/// Every target.
pub fn targets() -> impl Iterator<Item = &'static Target> {
    fuzzing::GROUPS.iter().chain(GROUPS).copied().flatten()
}

/// A target by name.
pub fn target(name: &str) -> Option<&'static Target> {
    targets().find(|target| target.name == name)
}

/// The table for `docs/fuzzing.md`.
pub fn page() -> String {
    let rows = targets().map(|target| format!("| `{}` | {} |\n", target.name, target.what));
    format!("| target | what, and what must hold |\n|---|---|\n{}", rows.collect::<String>())
}

/// Where the corpora are.
pub fn corpora() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus")
}

/// A target's inputs: its corpus, in the order of the names, and the seeds that it makes now.
///
/// # Errors
/// When the corpus cannot be read.
pub fn inputs(target: &Target) -> io::Result<Vec<(String, Vec<u8>)>> {
    let folder = corpora().join(target.name);
    let mut inputs = Vec::new();
    if folder.is_dir() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            inputs.push((entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path())?));
        }
    }
    inputs.sort();
    let seeds = (target.seeds)();
    inputs.extend(seeds.into_iter().enumerate().map(|(at, seed)| (format!("seed {at}"), seed)));
    Ok(inputs)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_target_has_a_name_of_its_own_and_seeds() {
        let names: BTreeSet<&str> = targets().map(|target| target.name).collect();
        assert_eq!(names.len(), targets().count());
        for target in targets() {
            assert!(!(target.seeds)().is_empty(), "{}", target.name);
        }
    }
}
