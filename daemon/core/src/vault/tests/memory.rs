//! Trap 24: where the memory for the phrase's key is missing, there is an error, and no other key.
//!
//! The memory is taken away from a child process, which is this test program itself, by the shell's `ulimit`.

#![allow(clippy::disallowed_methods)] // a test starts itself again as a child, and counts what it cannot do

use std::{
    fs::OpenOptions,
    io::Write,
    process::{Command, Output},
};

use crate::vault::{Phrase, RootKey};

/// Says to the child that it is one.
const CHILD: &str = "CARO_TEST_STARVED";
const NAME: &str = "vault::tests::memory::trap_24_without_the_memory_there_is_an_error_and_no_other_key";

#[test]
fn trap_24_without_the_memory_there_is_an_error_and_no_other_key() {
    if std::env::var_os(CHILD).is_some() {
        return derive_and_tell();
    }
    if !cfg!(target_os = "linux") {
        return skip("a limit on address space, which only Linux keeps");
    }
    let expected = RootKey::derive(&Phrase::from_entropy(&[1; 32])).unwrap().dataset();
    let key = format!("root {}\n", hex::encode(expected.0));
    let error = "error deriving the key needs 65536 KiB of memory, which are not there\n";

    assert!(told(starved(4 * 1024 * 1024)).ends_with(&key));
    // A test program has a size of its own, which grows with it.
    let own_kib = own_size_kib();
    // From too little for the memory alone to enough for it but perhaps not for a thread beside it.
    for mib in [15, 30, 45, 60, 66, 70, 80, 90, 100, 120, 150, 200] {
        let told = told(starved(own_kib + mib * 1024));
        // Where it starts to be enough differs between systems; below the memory alone it never is.
        let expected = if mib > 64 && told == key { &key } else { error };
        assert_eq!(told, expected, "{mib} MiB beside the program");
    }
}

#[allow(clippy::print_stdout)] // what the parent reads
fn derive_and_tell() {
    println!("\nsize {}", peak_kib());
    match RootKey::derive(&Phrase::from_entropy(&[1; 32])) {
        Ok(root) => println!("root {}", hex::encode(root.dataset().0)),
        Err(error) => println!("error {error}"),
    }
}

/// The most address space that this process has had, in KiB.
fn peak_kib() -> u32 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// What a child has before it derives anything.
fn own_size_kib() -> u32 {
    let output = String::from_utf8(starved(4 * 1024 * 1024).stdout).unwrap();
    output.lines().find_map(|line| line.strip_prefix("size ")).unwrap().parse().unwrap()
}

/// Runs this test again with so much address space, in KiB.
fn starved(kib: u32) -> Output {
    let script = format!("ulimit -v {kib} && exec \"$0\" --exact {NAME} --nocapture --test-threads 1");
    let program = std::env::current_exe().unwrap();
    // Or the C library sets 64 MiB of addresses aside for a thread that may never use them.
    let arenas = ("MALLOC_ARENA_MAX", "1");
    Command::new("sh").args(["-c", &script]).arg(program).env(CHILD, "1").env(arenas.0, arenas.1).output().unwrap()
}

/// What the child said, without what the test harness says around it.
fn told(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let said = text.lines().filter(|line| line.starts_with("root ") || line.starts_with("error "));
    said.fold(String::new(), |all, line| all + line + "\n")
}

fn skip(needs: &str) {
    if let Some(path) = std::env::var_os("CARO_TEST_SKIPS") {
        let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        writeln!(file, "trap_24_without_the_memory: needs {needs}").unwrap();
    }
}
