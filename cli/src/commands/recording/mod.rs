//! `caro pause`, `caro resume` and `caro private`: whether commands are recorded, here or everywhere on this machine.
//! The daemon keeps it; what was typed before is taken in first, so that the line is drawn where it was asked for.

pub(crate) mod hint;
mod words;

use caro_schema::ipc::{Reply, Request, status::Recording};
use clap::Args;
use jiff::SignedDuration;

pub(crate) use self::words::{json, lines};
use super::{history::settle_newest, unexpected};
use crate::{
    client::Client,
    error::{Failure, Outcome},
    exit,
    output::{Out, time},
    session,
};

/// Record nothing until resume
///
/// Everywhere on this machine, in all shells, or only in the one that you are in. What is typed meanwhile is neither kept
/// nor left in a file. Other history, such as the shell's own, goes on.
///
/// Example: caro pause --for 1h
#[derive(Args)]
pub(crate) struct Pause {
    /// Only for so long, such as 90s, 30m, 1h or 2 days
    #[arg(long = "for", value_name = "TIME", value_parser = period)]
    period: Option<SignedDuration>,
    #[command(flatten)]
    whose: Whose,
}

/// Record again
///
/// Everywhere, in shells that were paused for themselves as well, or only in the shell that you are in.
#[derive(Args)]
pub(crate) struct Resume {
    #[command(flatten)]
    whose: Whose,
}

/// Record nothing in this shell from now on
///
/// Until the shell ends, or caro private --off. The same as caro pause --session.
#[derive(Args)]
pub(crate) struct Private {
    /// Record again in this shell
    #[arg(long)]
    off: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct Whose {
    /// Only in this run of a shell; without a value, in the shell that you are in
    #[arg(long, value_name = "ID", num_args = 0..=1, require_equals = true)]
    session: Option<Option<String>>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn period(text: &str) -> Result<SignedDuration, String> {
    let period: SignedDuration = text.parse().map_err(|_| "a time such as 90s, 30m, 1h or 2 days".to_owned())?;
    if period.is_positive() { Ok(period) } else { Err("longer than nothing".to_owned()) }
}

impl Pause {
    pub(crate) fn run(self) -> Outcome {
        let until_us = self.period.map(|period| {
            let us = i64::try_from(period.as_micros()).unwrap_or(i64::MAX);
            time::now_us().saturating_add(us)
        });
        ask(Request::Pause { session: self.whose.session()?, until_us }, self.whose.json)
    }
}

impl Resume {
    pub(crate) fn run(self) -> Outcome {
        ask(Request::Resume { session: self.whose.session()? }, self.whose.json)
    }
}

impl Private {
    pub(crate) fn run(self) -> Outcome {
        let session = Some(session::required()?);
        let request = if self.off { Request::Resume { session } } else { Request::Pause { session, until_us: None } };
        ask(request, self.json)
    }
}

impl Whose {
    fn session(&self) -> Outcome<Option<String>> {
        match &self.session {
            None => Ok(None),
            Some(Some(named)) if named.is_empty() => Err(Failure::new(exit::USAGE, "a session has a name")),
            Some(Some(named)) => Ok(Some(named.clone())),
            Some(None) => session::required().map(Some),
        }
    }
}

fn ask(request: Request, as_json: bool) -> Outcome {
    let mut client = Client::open()?;
    settle_newest(&mut client)?;
    let recording = match client.ask(request)? {
        Reply::Recording(recording) => recording,
        _ => return Err(unexpected()),
    };
    tell(&recording, as_json)
}

fn tell(recording: &Recording, as_json: bool) -> Outcome {
    let mut out = Out::new();
    if as_json {
        out.json(&json(recording))?;
    } else {
        for line in words::pauses(recording, time::now_us()) {
            out.line(&line)?;
        }
    }
    out.finish()
}
