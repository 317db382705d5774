//! `caro daemon install`: has the system start the daemon at login, and takes that back.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use clap::Args;

use super::unit::{LABEL, PLACES, UNIT, Unit};
use crate::{
    client,
    error::{Failure, Outcome, system},
    exit,
    output::{Out, say},
};

/// Have the system start it at login
///
/// Writes a systemd user unit, or a launchd agent on macOS, and starts it. Not needed for recording or searching: the
/// daemon starts by itself. It keeps a machine in sync on which no shell is open.
#[derive(Args)]
pub(crate) struct Install {
    /// Take it back
    #[arg(long, visible_alias = "remove")]
    uninstall: bool,
    /// Print the file that would be written, and change nothing
    #[arg(long, conflicts_with = "uninstall")]
    print: bool,
}

/// What starts programs at login here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Starter {
    Systemd,
    Launchd,
}

impl Install {
    pub(crate) fn run(self) -> Outcome {
        let starter = if cfg!(target_os = "macos") { Starter::Launchd } else { Starter::Systemd };
        if self.uninstall {
            return uninstall(starter);
        }
        let text = text(starter)?;
        if self.print {
            let mut out = Out::new();
            out.bytes(&text)?;
            return out.finish();
        }
        install(starter, &text)
    }
}

fn text(starter: Starter) -> Outcome<Vec<u8>> {
    let program = client::find_daemon()?;
    let set = |name: &'static str| {
        env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute()).map(|path| (name, path))
    };
    let environment: Vec<_> = PLACES.into_iter().filter_map(set).collect();
    let unit = Unit { program: &program, environment: &environment };
    Ok(match starter {
        Starter::Systemd => unit.systemd(),
        Starter::Launchd => unit.launchd(),
    })
}

fn file(starter: Starter) -> Outcome<PathBuf> {
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || absolute("HOME").ok_or_else(|| Failure::new(exit::STATE, "HOME is not set"));
    match starter {
        Starter::Systemd => {
            let config = match absolute("XDG_CONFIG_HOME") {
                Some(folder) => folder,
                None => home()?.join(".config"),
            };
            Ok(config.join("systemd/user").join(UNIT))
        }
        Starter::Launchd => Ok(home()?.join("Library/LaunchAgents").join(format!("{LABEL}.plist"))),
    }
}

fn install(starter: Starter, text: &[u8]) -> Outcome {
    let path = file(starter)?;
    write(&path, text)
        .map_err(|error| Failure::new(exit::CANNOT_CREATE, format!("{}: {}", path.display(), system(&error))))?;
    // The one that the system starts would find this one's lock taken, and leave.
    client::stop()?;
    let started = match starter {
        Starter::Systemd => run("systemctl", &["--user", "daemon-reload"])
            .and_then(|()| run("systemctl", &["--user", "enable", "--now", UNIT])),
        Starter::Launchd => {
            // It may be loaded from before, with another text.
            drop(run("launchctl", &["bootout", &format!("{}/{LABEL}", domain())]));
            run("launchctl", &["bootstrap", &domain(), &path.to_string_lossy()])
        }
    };
    if let Err(reason) = started {
        return Err(Failure::new(
            exit::UNAVAILABLE,
            format!("{} is written, but the system did not take it: {reason}", path.display()),
        )
        .hint("it will be taken at the next login; until then the daemon starts by itself when needed"));
    }
    let mut out = Out::new();
    out.line(&format!("installed: {}", path.display()))?;
    out.finish()
}

fn uninstall(starter: Starter) -> Outcome {
    let path = file(starter)?;
    let mut out = Out::new();
    if !path.exists() {
        out.line("it was not installed")?;
        return out.finish();
    }
    let stopped = match starter {
        Starter::Systemd => run("systemctl", &["--user", "disable", "--now", UNIT]),
        Starter::Launchd => run("launchctl", &["bootout", &format!("{}/{LABEL}", domain())]),
    };
    if let Err(reason) = stopped {
        say(&format!("the system did not stop it: {reason}"));
    }
    fs::remove_file(&path).map_err(|error| Failure::at(&path, &error))?;
    if starter == Starter::Systemd {
        // Only tidies up: without the file the unit is gone at the next login anyway.
        drop(run("systemctl", &["--user", "daemon-reload"]));
    }
    out.line(&format!("removed: {}", path.display()))?;
    out.finish()
}

fn domain() -> String {
    format!("gui/{}", rustix::process::getuid().as_raw())
}

fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, text)
}

/// Runs a program of the system, and gives its own words when it fails.
fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{program}: {}", system(&error)))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let line = said.lines().next().unwrap_or("it failed without a word");
    Err(crate::output::visible::line(line.as_bytes()))
}
