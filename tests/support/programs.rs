//! The programs under test, built once per run, and the programs of the system that a test needs.

use std::{
    env,
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// The folder with `caro`, `caro-daemon` and `caro-relay`: the one in `CARO_TEST_PROGRAMS`, or the one that this test
/// was built into, brought up to date first.
pub fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| match env::var_os("CARO_TEST_PROGRAMS") {
        Some(given) => PathBuf::from(given),
        None => build(),
    })
}

/// A program of ours.
pub fn program(name: &str) -> PathBuf {
    folder().join(name)
}

fn build() -> PathBuf {
    let test = env::current_exe().expect("a test has a file");
    let beside = test.parent().expect("a file is in a folder");
    // Tests are in a folder of the profile's, programs that drive the others in the profile's itself.
    let folder =
        if beside.ends_with("deps") { beside.parent().expect("built into target/<profile>/deps") } else { beside };
    let folder = folder.to_owned();
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--quiet", "--locked"]);
    command.args(["-p", "caro", "-p", "caro-daemon", "-p", "caro-relay"]);
    if folder.ends_with("release") {
        command.arg("--release");
    }
    assert!(command.status().expect("cargo starts").success(), "the programs do not build");
    folder
}

/// Whether a program of the system is here.
pub fn have(name: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(name).is_file())
}

/// Says that a test could not run here and what it needs, where the runner counts it.
///
/// # Panics
/// When the list cannot be written to: a skip that is not counted would be a silent one.
pub fn skip(name: &str, needs: &str) {
    let line = format!("{name}: needs {needs}\n");
    let Some(path) = env::var_os("CARO_TEST_SKIPS") else {
        std::io::stderr().write_all(line.as_bytes()).expect("the reason is printed");
        return;
    };
    let mut file = File::options().append(true).create(true).open(path).expect("the list of skipped tests opens");
    file.write_all(line.as_bytes()).expect("a line is added");
}
