//! `caro-relay key`.

use std::process::ExitCode;

use caro_relay::keys::Keys;

use super::{Outcome, Place, print};

pub(crate) fn run(place: &Place) -> Outcome {
    print(&Keys::load(&place.load()?.data)?.address_key())?;
    Ok(ExitCode::SUCCESS)
}
