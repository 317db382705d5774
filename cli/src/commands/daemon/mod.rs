//! `caro daemon`: the program in the background. It starts by itself when something needs it; these commands are for
//! people who want to see to it.

mod install;
mod unit;

use std::{os::unix::process::CommandExt, process::Command};

use caro_schema::ipc::{Reply, Request, status::DaemonStatus};
use clap::{Args, Subcommand};

use super::unexpected;
use crate::{
    client::{self, Client},
    error::{Failure, Outcome, system},
    exit,
    output::{Out, visible},
};

/// Start, stop and install the program in the background
///
/// caro-daemon takes in what shells record, answers searches and syncs. It starts by itself with the first shell or
/// command that needs it; install has the system start it at login.
#[derive(Args)]
pub(crate) struct Daemon {
    #[command(subcommand)]
    command: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Start it, and return when it answers
    Start,
    /// Have it finish what is under way and end
    Stop,
    /// Stop it and start it again
    Restart,
    /// Say how it is; ends with status 69 when none runs
    Status(Status),
    /// Run it here, on this terminal, until it is stopped
    Run,
    Install(install::Install),
}

/// Say how it is
#[derive(Args)]
pub(crate) struct Status {
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl Daemon {
    pub(crate) fn run(self) -> Outcome {
        match self.command {
            Verb::Start => tell(&start()?),
            Verb::Stop => {
                let words = if client::stop()? { "stopped" } else { "no daemon was running" };
                let mut out = Out::new();
                out.line(words)?;
                out.finish()
            }
            Verb::Restart => {
                client::stop()?;
                tell(&start()?)
            }
            Verb::Status(status) => status.run(),
            Verb::Run => run_here(),
            Verb::Install(install) => install.run(),
        }
    }
}

fn start() -> Outcome<DaemonStatus> {
    status(&mut Client::open()?)
}

fn status(client: &mut Client) -> Outcome<DaemonStatus> {
    match client.ask(Request::DaemonStatus)? {
        Reply::Daemon(status) => Ok(status),
        _ => Err(unexpected()),
    }
}

fn tell(status: &DaemonStatus) -> Outcome {
    let mut out = Out::new();
    out.line(&format!("running, process {}, version {}", status.pid, visible::line(status.build.as_bytes())))?;
    out.finish()
}

fn run_here() -> Outcome {
    let program = client::find_daemon()?;
    let error = Command::new(&program).exec();
    Err(Failure::new(exit::UNAVAILABLE, format!("{} cannot be started: {}", program.display(), system(&error))))
}

impl Status {
    fn run(self) -> Outcome {
        let Some(mut client) = Client::open_running()? else {
            if self.json {
                let mut out = Out::new();
                out.json(&serde_json::json!({ "running": false }))?;
                out.finish()?;
                return Err(Failure::silent(exit::UNAVAILABLE));
            }
            return Err(client::NotThere::Nobody.into());
        };
        let status = status(&mut client)?;
        let mut out = Out::new();
        if self.json {
            out.json(&json(&status))?;
        } else {
            for line in lines(&status) {
                out.line(&line)?;
            }
        }
        out.finish()
    }
}

fn lines(status: &DaemonStatus) -> Vec<String> {
    let DaemonStatus {
        pid,
        build,
        uptime_s,
        records,
        distinct,
        resident_bytes,
        database_bytes,
        database,
        spool,
        socket,
        complete,
        recording,
    } = status;
    let mib = |bytes: &u64| format!("{:.1} MiB", *bytes as f64 / 1_048_576.0);
    let reading = if *complete { "" } else { ", older ones are still being read" };
    let shown = |text: &str| visible::line(text.as_bytes());
    let mut lines = vec![
        format!(
            "running for {}, process {pid}, version {}",
            crate::output::time::duration(uptime_s.saturating_mul(1_000_000)),
            shown(build)
        ),
        format!("history   {records} commands, {distinct} different{reading}"),
        format!("memory    {}", mib(resident_bytes)),
        format!("database  {}, {}", shown(database), mib(database_bytes)),
        format!("spool     {}", shown(spool)),
        format!("socket    {}", shown(socket)),
    ];
    lines.extend(super::recording::lines(recording, crate::output::time::now_us()));
    lines
}

fn json(status: &DaemonStatus) -> serde_json::Value {
    let DaemonStatus {
        pid,
        build,
        uptime_s,
        records,
        distinct,
        resident_bytes,
        database_bytes,
        database,
        spool,
        socket,
        complete,
        recording,
    } = status;
    serde_json::json!({
        "running": true, "pid": pid, "build": build, "uptime_s": uptime_s, "records": records, "distinct": distinct,
        "resident_bytes": resident_bytes, "database_bytes": database_bytes, "database": database, "spool": spool,
        "socket": socket, "complete": complete, "recording": super::recording::json(recording),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_for_people_and_for_scripts() {
        let status = DaemonStatus {
            pid: 7,
            build: "0.1.0".into(),
            uptime_s: 90,
            records: 12,
            resident_bytes: 3 << 20,
            complete: true,
            ..DaemonStatus::default()
        };
        let shown = lines(&status).join("\n");
        assert!(shown.starts_with("running for 1m30, process 7, version 0.1.0\nhistory   12 commands"), "{shown}");
        assert!(shown.contains("memory    3.0 MiB"), "{shown}");
        assert_eq!(json(&status)["records"], 12);
    }
}
