//! PowerShell's script, as far as it can be looked at where no PowerShell is to be had: a parser of the language finds
//! nothing wrong with it, and finds what is wrong. `CARO_TEST_PYTHON` is a Python with `tree-sitter-powershell`.

use std::{
    env,
    io::Write,
    process::{Command, Stdio},
};

use caro_tests::skip;

/// Prints the lines that are no PowerShell.
const PARSER: &str = "
import sys, tree_sitter, tree_sitter_powershell
language = tree_sitter.Language(tree_sitter_powershell.language())
def walk(node):
    if node.type == 'ERROR' or node.is_missing:
        print('line', node.start_point[0] + 1)
    for child in node.children:
        walk(child)
walk(tree_sitter.Parser(language).parse(sys.stdin.buffer.read()).root_node)
";

const SCRIPT: &str = include_str!("../../../shell/caro.ps1");

fn complaints(python: &str, script: &str) -> String {
    let mut command = Command::new(python);
    let mut child =
        command.args(["-c", PARSER]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("Python starts");
    child.stdin.take().expect("piped").write_all(script.as_bytes()).expect("read");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "the parser is there");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn rh180_the_script_for_powershell_is_well_formed() {
    let Some(python) = env::var("CARO_TEST_PYTHON").ok().filter(|path| !path.is_empty()) else {
        return skip("rh180", "CARO_TEST_PYTHON with tree-sitter-powershell, because no PowerShell can be had here");
    };
    assert_eq!(complaints(&python, SCRIPT), "");
    let broken = SCRIPT.replacen("catch { }", "catch { ", 1);
    assert_ne!(complaints(&python, &broken), "", "it looks");
}
