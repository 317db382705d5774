//! In the place of the program that a key calls: one that writes down what it was asked, and gives the answer that lies
//! ready.

use std::fs;

use caro_tests::eventually;

use super::bare::{Bare, Setup};
use crate::session::Kind;

pub(super) const CTRL_R: &str = "\x12";
pub(super) const UP: &str = "\x1b[A";
pub(super) const LEFT: &str = "\x1b[D";

/// The program. Where a hook can, it takes the answer from a descriptor of its own.
fn program(kind: Kind) -> String {
    let answer = match kind {
        Kind::Bash | Kind::Zsh | Kind::Fish => 3,
        Kind::Nu | Kind::Xonsh => 1,
    };
    format!("#!/bin/sh\ncat >~/asked\nprintf '%s\\n' \"$*\" >~/arguments\ncat ~/answer >&{answer}\n")
}

/// With the program in the home, which no key calls yet.
pub(super) fn beside_program(kind: Kind) -> (Setup, std::path::PathBuf) {
    let setup = Setup::new(kind).file("answering program", &program(kind), 0o755);
    let path = setup.path().join("answering program");
    (setup, path)
}

/// With keys that call the program.
pub(super) fn setup(kind: Kind) -> Setup {
    let (setup, program) = beside_program(kind);
    setup.with_keys(program)
}

/// Presses a key that opens the screen, and waits until it was answered and the line editor is back.
pub(super) fn press(shell: &mut Bare, key: &str, answer: &str) -> String {
    shell.home.write("answer", answer);
    let arguments = shell.home.path().join("arguments");
    let questions = shell.terminal.questions();
    shell.terminal.keys(key);
    let asked =
        eventually("the program is called", || fs::read_to_string(&arguments).ok().filter(|text| text.ends_with('\n')));
    fs::remove_file(&arguments).expect("removed");
    shell.terminal.wait_until_alone();
    if shell.kind == Kind::Nu {
        eventually("its prompt again", || (shell.terminal.questions() > questions).then_some(()));
    }
    shell.terminal.wait_for_editor();
    asked
}

/// What the line was when the program was called.
pub(super) fn asked(shell: &Bare) -> String {
    fs::read_to_string(shell.home.path().join("asked")).expect("asked").trim_end_matches('\n').to_owned()
}
