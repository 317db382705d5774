//! `caro-relay reload`: has a running relay read its configuration again, and says what became of it.

use std::process::ExitCode;

use caro_relay::admin::{Answer, Ask};

use super::{Outcome, Place, out_of_turn, print};

pub(crate) fn run(place: &Place) -> Outcome {
    let Answer::Reloaded { taken, waiting } = place.ask(Ask::Reload)? else { return Err(out_of_turn()) };
    match taken.as_slice() {
        [] => print("read again; nothing has changed that is taken over without a restart")?,
        taken => print(&format!("read again; changed: {}", taken.join(", ")))?,
    }
    if !waiting.is_empty() {
        print(&format!("after a restart: {}", waiting.join(", ")))?;
    }
    Ok(ExitCode::SUCCESS)
}
