//! What a script says of itself: which program runs it, and which variables it takes. Only reads text.
//!
//! A variable is declared in a comment among the first lines, and reaches the script through the environment, never by being
//! written into its text: whatever its value is, it cannot become a part of the program.
//!
//! ```text
//! #!/usr/bin/env bash
//! # caro: var host             where to deploy
//! # caro: var branch = main    what to deploy
//! ssh "$host" deploy "$branch"
//! ```

use caro_schema::items::Sort;

/// A variable that a script takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Variable {
    /// Its name, as in the environment.
    pub(crate) name: String,
    /// What it is when nobody says otherwise; none when somebody must.
    pub(crate) default: Option<String>,
    /// What it is for.
    pub(crate) about: String,
}

/// A program, and the argument that stands in front of the script's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Interpreter {
    /// Its path.
    pub(crate) program: String,
    /// One argument, as the system passes it.
    pub(crate) argument: Option<String>,
}

/// Lines in which variables are looked for.
const HEAD_LINES: usize = 64;

/// What stands in front of a declaration, behind the sign of a comment.
const MARK: &str = "caro: var ";

/// Runs a script that does not say what runs it.
const USUAL: &str = "/bin/sh";

/// The program that runs a script, as the system reads it from the first line.
pub(crate) fn interpreter(script: &[u8]) -> Interpreter {
    let first = script.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let named = first.strip_prefix(b"#!").and_then(|rest| std::str::from_utf8(rest).ok()).map(str::trim);
    let Some(named) = named.filter(|named| !named.is_empty()) else {
        return Interpreter { program: USUAL.to_owned(), argument: None };
    };
    match named.split_once([' ', '\t']) {
        Some((program, argument)) => {
            Interpreter { program: program.to_owned(), argument: Some(argument.trim().to_owned()) }
        }
        None => Interpreter { program: named.to_owned(), argument: None },
    }
}

/// The variables that a script declares, in order, or the line that is wrong.
pub(crate) fn variables(script: &[u8]) -> Result<Vec<Variable>, String> {
    let text = String::from_utf8_lossy(script);
    let mut found: Vec<Variable> = Vec::new();
    for (number, line) in text.lines().take(HEAD_LINES).enumerate() {
        let Some(declared) = comment(line).and_then(|text| text.strip_prefix(MARK)) else { continue };
        let wrong = |why: &str| format!("line {}: {why}", number + 1);
        let variable =
            declaration(declared).ok_or_else(|| wrong("a variable is declared as: caro: var NAME = DEFAULT"))?;
        if let Err(why) = Sort::Variable.check_name(&variable.name) {
            return Err(wrong(&why.to_string()));
        }
        if found.iter().any(|known| known.name == variable.name) {
            return Err(wrong("this variable is declared already"));
        }
        found.push(variable);
    }
    Ok(found)
}

/// The text of a comment, in the languages that scripts are written in.
fn comment(line: &str) -> Option<&str> {
    let line = line.trim_start();
    ["#", "//", "--", ";", "%"].into_iter().find_map(|sign| line.strip_prefix(sign)).map(str::trim_start)
}

/// `NAME`, `NAME = default` or `NAME = "a default"`, each with words behind two blanks or a tab.
fn declaration(text: &str) -> Option<Variable> {
    let text = text.trim();
    let end = text.find(|sign: char| !sign.is_ascii_alphanumeric() && sign != '_').unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    if name.is_empty() {
        return None;
    }
    let variable = |default: Option<&str>, about: &str| Variable {
        name: name.to_owned(),
        default: default.map(str::to_owned),
        about: about.trim().to_owned(),
    };
    let Some(value) = rest.trim_start().strip_prefix('=') else {
        // Without a default, everything behind the name says what it is for.
        return (rest.is_empty() || rest.starts_with([' ', '\t'])).then(|| variable(None, rest));
    };
    let value = value.trim_start();
    if let Some(quoted) = value.strip_prefix('"') {
        let (default, about) = quoted.split_once('"')?;
        return Some(variable(Some(default), about));
    }
    let (default, about) = value.split_once("  ").or_else(|| value.split_once('\t')).unwrap_or((value, ""));
    Some(variable(Some(default.trim_end()), about))
}

/// What a script is for: the first comment that is no declaration and not the line that names its program.
pub(crate) fn about(script: &[u8]) -> String {
    let text = String::from_utf8_lossy(script);
    let comments = text.lines().take(HEAD_LINES).filter(|line| !line.starts_with("#!")).map(comment);
    let mut said = comments.take_while(Option::is_some).flatten().filter(|text| !text.starts_with(MARK));
    said.find(|text| !text.is_empty()).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(name: &str, default: Option<&str>, about: &str) -> Variable {
        Variable { name: name.into(), default: default.map(Into::into), about: about.into() }
    }

    #[test]
    fn the_first_line_says_what_runs_a_script() {
        for (script, program, argument) in [
            ("echo", "/bin/sh", None),
            ("#!/bin/bash\n", "/bin/bash", None),
            ("#! /usr/bin/env -S python3 -u\n", "/usr/bin/env", Some("-S python3 -u")),
            ("#!/usr/bin/env fish\r\n", "/usr/bin/env", Some("fish")),
            ("#!\n", "/bin/sh", None),
            ("#!/bin/\u{fffd}", "/bin/\u{fffd}", None),
        ] {
            let found = interpreter(script.as_bytes());
            assert_eq!((found.program.as_str(), found.argument.as_deref()), (program, argument), "{script:?}");
        }
        assert_eq!(interpreter(b"#!/bin/\xff").program, "/bin/sh");
    }

    #[test]
    fn variables_are_declared_in_comments() {
        let script =
            b"#!/bin/sh\n# Deploys\n# caro: var host             where to deploy\n// caro: var branch = main    what\n\
                       -- caro: var title = \"two words\" of it\n; caro: var flag=\n# caro: var last = a b\necho\n";
        let expected = [
            variable("host", None, "where to deploy"),
            variable("branch", Some("main"), "what"),
            variable("title", Some("two words"), "of it"),
            variable("flag", Some(""), ""),
            variable("last", Some("a b"), ""),
        ];
        assert_eq!(variables(script).expect("declared"), expected);
        assert_eq!(about(script), "Deploys");
        assert_eq!((variables(b"echo caro: var x"), about(b"echo")), (Ok(vec![]), String::new()));
    }

    #[test]
    fn a_declaration_that_cannot_be_is_named_with_its_line() {
        for (script, said) in [
            ("# caro: var \n# caro: var -x\n", "line 1: a variable is declared as"),
            ("\n# caro: var PS1 = x\n", "line 2: a shell or the system goes by this variable itself"),
            ("# caro: var a\n# caro: var a\n", "line 2: this variable is declared already"),
            ("# caro: var a = \"x\n", "line 1: a variable is declared as"),
            ("# caro: var LD_PRELOAD = /tmp/x.so\n", "line 1: a shell or the system goes by"),
        ] {
            let wrong = variables(script.as_bytes()).expect_err("not declared");
            assert!(wrong.starts_with(said), "{wrong}");
        }
    }

    #[test]
    fn any_bytes_give_some_answer() {
        proptest::proptest!(|(script: Vec<u8>)| {
            drop((interpreter(&script), variables(&script), about(&script)));
        });
    }
}
