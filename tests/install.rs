//! `install.sh`: what it puts where, once however often it runs, and that it takes all of it away again. Only the build is
//! stood in for: a `cargo` on the PATH that says where the programs are that this test was built beside.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Output,
};

use caro_tests::{Home, have, programs};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../install.sh");

/// A home with a `cargo` that has built everything.
struct Machine {
    home: Home,
    tools: PathBuf,
}

impl Machine {
    fn new() -> Self {
        let home = Home::new();
        let built = home.path().join("target/release");
        fs::create_dir_all(&built).expect("made");
        for name in ["caro", "caro-daemon", "caro-relay"] {
            symlink(programs::program(name), built.join(name)).expect("linked");
        }
        let target = home.path().join("target");
        let cargo = format!(
            "#!/bin/sh\ncase $1 in\n--version) echo 'cargo 1.95.0 (stand-in)' ;;\nmetadata) echo '{{\"target_directory\":\"{}\"}}' ;;\nesac\n",
            target.display()
        );
        let path = home.write("tools/cargo", cargo);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("may be run");
        let tools = path.parent().expect("a folder").to_owned();
        Self { home, tools }
    }

    fn install(&self, arguments: &[&str]) -> Output {
        self.run(&format!("{}:/usr/bin:/bin", self.tools.display()), arguments)
    }

    fn run(&self, path: &str, arguments: &[&str]) -> Output {
        let mut command = self.home.command("bash");
        command.arg(SCRIPT).args(arguments).env("PATH", path).env("SHELL", "/bin/bash");
        command.output().expect("it starts")
    }

    fn bin(&self) -> PathBuf {
        self.home.path().join(".local/bin")
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Uninstalled already, or the daemon ends here.
        drop(self.home.caro(&["daemon", "stop"]));
    }
}

fn ok(output: &Output) -> String {
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}");
    text
}

fn hooks_in(path: &Path) -> usize {
    fs::read_to_string(path).unwrap_or_default().lines().filter(|line| line.contains("caro' init")).count()
}

#[test]
fn in001_installed_twice_there_is_one_hook_and_uninstalled_there_is_the_data_and_nothing_else() {
    let machine = Machine::new();
    let rc = machine.home.write(".bashrc", "alias mine=true");
    for _ in 0..2 {
        ok(&machine.install(&["--shell", "bash"]));
    }
    assert_eq!(hooks_in(&rc), 1);
    assert!(fs::read_to_string(&rc).expect("there").starts_with("alias mine=true\n"), "what was there is as it was");
    for name in ["caro", "caro-daemon", "caro-relay"] {
        assert!(machine.bin().join(name).is_file(), "{name}");
    }
    assert!(machine.home.daemon_pid().is_some(), "the daemon runs");
    let said = ok(&machine.install(&["--uninstall"]));
    assert!(said.contains(".local/share/caro"), "it says where the data is: {said}");
    assert_eq!(fs::read_to_string(&rc).expect("there"), "alias mine=true\n");
    assert_eq!(fs::read_dir(machine.bin()).expect("a folder").count(), 0);
    assert!(machine.home.data().is_dir());
    assert_eq!(machine.home.daemon_pid(), None);
}

#[test]
fn in001_what_is_no_text_in_a_start_file_stays_as_it_is_byte_by_byte_and_a_link_stays_one() {
    let machine = Machine::new();
    let own = b"bindkey '\0'\nalias caf\xe9=true\nalias last=true\n";
    let file = machine.home.write("dotfiles/bashrc", own);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).expect("it is ours");
    let rc = machine.home.path().join(".bashrc");
    symlink(&file, &rc).expect("linked");
    for _ in 0..2 {
        ok(&machine.install(&["--shell", "bash"]));
    }
    let with_hook = fs::read(&file).expect("there");
    assert!(with_hook.starts_with(own));
    let lines = with_hook[own.len()..].iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(lines, 1, "one hook");
    ok(&machine.install(&["--uninstall"]));
    assert_eq!(fs::read(&file).expect("there"), own);
    assert!(rc.is_symlink());
    assert_eq!(fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o640);
    assert_eq!(fs::read_dir(file.parent().expect("a folder")).expect("read").count(), 1, "nothing is left beside it");
}

#[test]
fn in002_every_shell_has_its_file_and_the_hook_in_it_works() {
    for (shell, file) in [("zsh", ".zshrc"), ("fish", ".config/fish/conf.d/caro.fish"), ("bash", ".bashrc")] {
        if !have(shell) {
            caro_tests::skip(&format!("in002 in {shell}"), shell);
            continue;
        }
        let machine = Machine::new();
        ok(&machine.install(&["--shell", shell]));
        let file = machine.home.path().join(file);
        assert_eq!(hooks_in(&file), 1, "{shell}");
        let syntax = machine.home.command(shell).arg("-n").arg(&file).output().expect("it starts");
        assert!(syntax.status.success() && syntax.stderr.is_empty(), "{shell}: {syntax:?}");
    }
}

#[test]
fn in003_without_cargo_it_says_how_to_get_it_and_changes_nothing() {
    let machine = Machine::new();
    // The system's programs without a cargo among them.
    let tools = machine.home.path().join("bare");
    fs::create_dir(&tools).expect("made");
    for name in ["bash", "dirname", "basename", "sed", "awk", "sort", "head", "id", "mkdir", "printf"] {
        if let Some(found) =
            ["/usr/bin", "/bin"].iter().map(|folder| Path::new(folder).join(name)).find(|it| it.is_file())
        {
            symlink(found, tools.join(name)).expect("linked");
        }
    }
    let output = machine.run(&tools.display().to_string(), &[]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("cargo") && said.contains("rustup.rs"), "{said}");
    assert!(!machine.bin().exists());
}

#[test]
fn in004_an_unknown_argument_is_refused() {
    let machine = Machine::new();
    let output = machine.install(&["--everywhere"]);
    assert!(!output.status.success() && String::from_utf8_lossy(&output.stderr).contains("--help"), "{output:?}");
}
