//! `caro doctor`: what this program can see, and what the daemon finds of itself.

use std::{env, fs, os::unix::fs::MetadataExt, path::PathBuf};

use caro_schema::ipc::{
    Reply, Request,
    status::{Finding, Level},
};
use clap::Args;

use super::unexpected;
use crate::{
    client::{self, Client, places},
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
        findings.extend(self.daemon_findings());
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

    /// What the daemon says, or why there is none.
    fn daemon_findings(&self) -> Vec<Finding> {
        let asked = Client::open().and_then(|mut client| {
            let mut findings = vec![versions(client.build())];
            match client.ask_within(Request::Doctor { verify: self.verify }, VERIFY_WITHIN)? {
                Reply::Doctor(doctor) => findings.extend(doctor.findings),
                _ => return Err(unexpected()),
            }
            Ok(findings)
        });
        asked.unwrap_or_else(|failure| vec![finding("daemon", Level::Bad, failure.message, failure.hint)])
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
    let mut findings = vec![programs(), hook(), this_shell()];
    findings.extend(runtime_folder());
    findings.extend(configuration());
    findings
}

fn programs() -> Finding {
    const CHECK: &str = "programs";
    let own = env::current_exe().map(|path| path.display().to_string()).unwrap_or_default();
    match client::find_daemon() {
        Ok(daemon) => good(CHECK, format!("{own} and {}", daemon.display())),
        Err(failure) => finding(CHECK, Level::Bad, failure.message, failure.hint),
    }
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

/// The start files of the three shells, as they are usually named.
const START_FILES: [&str; 6] =
    [".bashrc", ".bash_profile", ".zshrc", ".config/zsh/.zshrc", ".config/fish/config.fish", ".profile"];

fn hook() -> Finding {
    const CHECK: &str = "hook";
    let home = env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let zsh = env::var_os("ZDOTDIR").map(|folder| PathBuf::from(folder).join(".zshrc"));
    let snippets = fs::read_dir(home.join(".config/fish/conf.d")).into_iter().flatten().flatten();
    let files = START_FILES.iter().map(|name| home.join(name)).chain(zsh).chain(snippets.map(|entry| entry.path()));
    let mut hooked: Vec<(PathBuf, usize)> = files.map(|path| (path.clone(), hook_lines(&path))).collect();
    hooked.retain(|(_, count)| *count > 0);
    hooked.dedup();
    let names: Vec<String> = hooked.iter().map(|(path, _)| path.display().to_string()).collect();
    if hooked.is_empty() {
        let advice =
            "add to the start file of your shell: eval \"$(caro init bash)\"; for fish: caro init fish | source";
        return finding(CHECK, Level::Notice, "no start file of a shell calls caro init", advice);
    }
    if hooked.iter().any(|(_, count)| *count > 1) {
        let advice = "it works, since the hook notices; one line is enough";
        return finding(CHECK, Level::Notice, format!("called more than once in {}", names.join(", ")), advice);
    }
    good(CHECK, names.join(", "))
}

fn hook_lines(path: &std::path::Path) -> usize {
    let text = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    // The program's path may be in quotes.
    let calls = |line: &str| line.replace(['\'', '"'], "").contains("caro init");
    text.lines().filter(|line| !line.trim_start().starts_with('#') && calls(line)).count()
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

/// A folder in a shared place that somebody else made first.
fn runtime_folder() -> Option<Finding> {
    const CHECK: &str = "socket folder";
    let places = places().ok()?;
    let meta = fs::symlink_metadata(&places.runtime).ok()?;
    if meta.uid() == rustix::process::geteuid().as_raw() {
        return None;
    }
    let found = format!("{} belongs to another user", places.runtime.display());
    Some(finding(CHECK, Level::Bad, found, "remove it, or set XDG_RUNTIME_DIR to a folder of your own"))
}

/// The tables that the daemon leaves to this program.
fn configuration() -> Vec<Finding> {
    let Ok(places) = places() else { return Vec::new() };
    let (_, problems) = Config::read(&places.config);
    let advice = format!("edit {}", places.config.display());
    problems
        .into_iter()
        .map(|problem| finding("configuration of the screen", Level::Notice, problem, advice.clone()))
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
    fn a_commented_hook_is_no_hook() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("rc");
        fs::write(&path, b"# eval \"$(caro init bash)\"\neval \"$('/b/caro' init bash)\"\n\xff\n").expect("written");
        assert_eq!(hook_lines(&path), 1);
        assert_eq!(hook_lines(&folder.path().join("none")), 0);
    }
}
