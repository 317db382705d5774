//! `caro doctor`: what this program can see, and what the daemon finds of itself. Start files of shells are in
//! [`shells`], programs and folders in [`places`].

mod places;
mod shells;

use std::{env, fs};

use caro_schema::ipc::{
    Reply, Request,
    status::{Finding, Level},
};
use clap::Args;

use super::{config::problems, unexpected};
use crate::{
    client::{self, Client},
    config::Config,
    error::{Failure, Outcome},
    exit,
    output::{Out, visible},
    session,
};

/// Look for everything that commonly goes wrong
///
/// Each finding says what is and what to do about it. Ends with status 1 when something does not work.
#[derive(Args)]
pub(crate) struct Doctor {
    /// Also prove that every row of the database is whole, which takes longer
    #[arg(long)]
    verify: bool,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

/// Proving a million rows takes a while on a slow disk.
const VERIFY_WITHIN: std::time::Duration = std::time::Duration::from_secs(600);

impl Doctor {
    pub(crate) fn run(self) -> Outcome {
        let mut findings = own_findings();
        match self.daemon_findings() {
            Ok(found) => findings.extend(found),
            Err(failure) => {
                // Then nobody else looks at its part of the file.
                findings.extend(configuration_of_the_daemon());
                findings.push(finding("daemon", Level::Bad, failure.message, failure.hint));
            }
        }
        let mut out = Out::new();
        for finding in &findings {
            if self.json {
                out.json(&json(finding))?;
            } else {
                out.line(&line(finding))?;
            }
        }
        out.finish()?;
        let worst = findings.iter().map(|finding| finding.level).max();
        if worst == Some(Level::Bad) { Err(Failure::silent(exit::FAILURE)) } else { Ok(()) }
    }

    /// What the daemon says.
    fn daemon_findings(&self) -> Outcome<Vec<Finding>> {
        let mut client = Client::open()?;
        let mut findings = vec![versions(client.build())];
        match client.ask_within(Request::Doctor { verify: self.verify }, VERIFY_WITHIN)? {
            Reply::Doctor(doctor) => findings.extend(doctor.findings),
            _ => return Err(unexpected()),
        }
        Ok(findings)
    }
}

fn line(finding: &Finding) -> String {
    let Finding { check, level, found, advice } = finding;
    let mark = match level {
        Level::Good => "ok  ",
        Level::Notice => "note",
        Level::Bad => "BAD ",
    };
    let shown = |text: &str| visible::line(text.as_bytes());
    let first = format!("{mark}  {}: {}", shown(check), shown(found));
    if advice.is_empty() { first } else { format!("{first}\n      -> {}", shown(advice)) }
}

fn json(finding: &Finding) -> serde_json::Value {
    let Finding { check, level, found, advice } = finding;
    let level = match level {
        Level::Good => "good",
        Level::Notice => "notice",
        Level::Bad => "bad",
    };
    serde_json::json!({ "check": check, "level": level, "found": found, "advice": advice })
}

fn finding(check: &str, level: Level, found: impl Into<String>, advice: impl Into<String>) -> Finding {
    Finding { check: check.to_owned(), level, found: found.into(), advice: advice.into() }
}

fn good(check: &str, found: impl Into<String>) -> Finding {
    finding(check, Level::Good, found, "")
}

/// What can be seen without a daemon.
fn own_findings() -> Vec<Finding> {
    let mut findings = places::programs();
    let files = shells::StartFiles::read();
    findings.extend(files.findings(env::var("SHELL").ok().as_deref()));
    findings.push(this_shell());
    findings.extend(places::runtime_folder());
    findings.extend(terminal(|name| env::var(name).ok()));
    findings.extend(configuration());
    findings
}

fn versions(daemon: &str) -> Finding {
    const CHECK: &str = "versions";
    let own = client::BUILD;
    if daemon == own {
        return good(CHECK, format!("both programs are {own}"));
    }
    finding(
        CHECK,
        Level::Notice,
        format!("caro is {own}, the running daemon {daemon}"),
        "it takes over a newer version by itself within a minute; at once: caro daemon restart",
    )
}

fn this_shell() -> Finding {
    const CHECK: &str = "this shell";
    match session::own() {
        Some(_) => good(CHECK, "records"),
        None => finding(
            CHECK,
            Level::Notice,
            "this command was not started from a shell that records",
            "open a new shell after adding the hook",
        ),
    }
}

/// What a terminal cannot show, as the environment says.
fn terminal(var: impl Fn(&str) -> Option<String>) -> Vec<Finding> {
    const CHECK: &str = "terminal";
    let mut findings = Vec::new();
    if var("TERM").is_none_or(|term| term.is_empty() || term == "dumb") {
        let advice = "set TERM to what the terminal is, such as xterm-256color; the screen needs it";
        findings.push(finding(CHECK, Level::Notice, "TERM says that it can show lines and nothing else", advice));
    }
    let named = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(&var).find(|value| !value.is_empty());
    let is_utf8 = named.as_deref().is_some_and(|value| {
        let value = value.to_ascii_lowercase();
        value.contains("utf-8") || value.contains("utf8")
    });
    if !is_utf8 {
        let found = format!("the locale is {}, without Unicode", named.as_deref().unwrap_or("not set"));
        findings.push(finding(CHECK, Level::Notice, found, "set LANG to one in UTF-8, such as C.UTF-8"));
    }
    findings
}

/// The tables that the daemon leaves to this program.
fn configuration() -> Vec<Finding> {
    let Ok(places) = client::places() else { return Vec::new() };
    let (_, problems) = Config::read(&places.config, &places.shared_settings());
    let advice = "look at it: caro config edit";
    problems.into_iter().map(|problem| finding("configuration of the screen", Level::Notice, problem, advice)).collect()
}

/// The other tables, where no daemon tells of them.
fn configuration_of_the_daemon() -> Vec<Finding> {
    let Ok(places) = client::places() else { return Vec::new() };
    let text = fs::read_to_string(&places.config).unwrap_or_default();
    let is_of_the_screen = |what: &str| what.contains("screen.") || what.contains("search.");
    problems(&text)
        .into_iter()
        .filter(|problem| !is_of_the_screen(&problem.what))
        .map(|problem| {
            let advice = match problem.instead.as_str() {
                "" => "look at it: caro config edit".to_owned(),
                instead => format!("it may be: {instead}; look at it: caro config edit"),
            };
            finding("configuration", Level::Notice, problem.what, advice)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r004_a_finding_says_what_is_and_what_to_do() {
        let bad = finding("writing", Level::Bad, "disk full\x1b[2J", "make room");
        assert_eq!(line(&bad), "BAD   writing: disk full^[[2J\n      -> make room");
        assert_eq!(line(&good("daemon", "runs")), "ok    daemon: runs");
        assert_eq!(json(&bad)["level"], "bad");
    }

    #[test]
    fn a_terminal_that_can_show_little_is_named() {
        let found = |set: &'static [(&str, &str)]| {
            let var = |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
            terminal(var).len()
        };
        assert_eq!(found(&[("TERM", "xterm"), ("LANG", "de_AT.UTF-8")]), 0);
        assert_eq!(found(&[("TERM", "dumb"), ("LC_ALL", "C"), ("LANG", "de_AT.UTF-8")]), 2);
    }
}
