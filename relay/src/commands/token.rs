//! `caro-relay token create|list|revoke`: invitations, for `registration = "token"`.

use std::process::ExitCode;

use caro_relay::{
    admin::{Answer, Ask, InvitationRow},
    log::sqlite::invitations::now,
};
use clap::{Args, Subcommand};

use super::{Outcome, Place, out_of_turn, parse_span, print, print_json, print_list, say};

#[derive(Subcommand)]
pub(crate) enum Token {
    /// Make an invitation and print it, this once
    ///
    /// Give it to whoever is invited: `caro sync init` asks for it. Only its hash is kept, so it cannot be printed again; and
    /// it is not kept which account was made with it.
    Create(Create),
    /// List the invitations, without their secrets
    List(List),
    /// Make an invitation worthless
    ///
    /// Accounts that were made with it stay; caro-relay account closes one.
    Revoke(Revoke),
}

#[derive(Args)]
pub(crate) struct Create {
    #[command(flatten)]
    place: Place,
    /// How many accounts may be made with it
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    uses: u32,
    /// How long it is good for: a number and s, m, h, d or w
    #[arg(long, value_name = "SPAN", value_parser = parse_span, default_value = "7d", conflicts_with = "forever")]
    expires: u64,
    /// Let it never expire
    #[arg(long)]
    forever: bool,
    /// What the list is to show beside it
    #[arg(long, value_name = "TEXT", default_value = "")]
    note: String,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct List {
    #[command(flatten)]
    place: Place,
    /// Print a JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct Revoke {
    #[command(flatten)]
    place: Place,
    /// The number that the list shows
    #[arg(value_name = "NUMBER")]
    number: u64,
}

impl Token {
    pub(crate) fn run(self) -> Outcome {
        match self {
            Self::Create(create) => create.run(),
            Self::List(list) => list.run(),
            Self::Revoke(revoke) => {
                revoke.place.ask(Ask::Revoke { number: revoke.number })?;
                print(&format!("invitation {} is worth nothing any more", revoke.number))?;
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

impl Create {
    fn run(self) -> Outcome {
        let expires = (!self.forever).then(|| now().saturating_add(self.expires));
        let ask = Ask::Invite { note: self.note, expires, uses: self.uses };
        let Answer::Invited { number, secret } = self.place.ask(ask)? else { return Err(out_of_turn()) };
        if self.json {
            print_json(
                &serde_json::json!({ "number": number, "token": secret.reveal(), "expires": expires, "uses": self.uses }),
            )?;
        } else {
            print(secret.reveal())?;
            say(&format!("invitation {number}; it is not shown again"));
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl List {
    fn run(self) -> Outcome {
        let mut rows: Vec<InvitationRow> = Vec::new();
        loop {
            let after = rows.last().map_or(0, |row| row.number);
            let Answer::Invitations(some) = self.place.ask(Ask::Invitations { after })? else {
                return Err(out_of_turn());
            };
            if some.is_empty() {
                break;
            }
            rows.extend(some);
        }
        print_list(&rows, self.json, line, "there are no invitations; caro-relay token create makes one")
    }
}

fn line(row: &InvitationRow) -> String {
    let InvitationRow { number, note, expires, uses_left, used } = row;
    let state = match expires.map(|expires| expires.checked_sub(now())) {
        _ if *uses_left == 0 => "used up".to_owned(),
        Some(None | Some(0)) => "expired".to_owned(),
        Some(Some(seconds)) => format!("good for {}", span(seconds)),
        None => "good for ever".to_owned(),
    };
    format!("{number:>4}  {used} used, {uses_left} left  {state}  {note}").trim_end().to_owned()
}

/// A time as people read it, in its largest unit.
fn span(seconds: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(86_400, "days"), (3_600, "hours"), (60, "minutes")];
    match UNITS.iter().find(|(size, _)| seconds >= 2 * size) {
        Some((size, unit)) => format!("{} {unit}", seconds / size),
        None => format!("{seconds} seconds"),
    }
}
