//! What making and joining an account have in common: the relay, the device's name, and how long it may take.

use std::time::Duration;

use caro_schema::ipc::sync::SyncStatus;
use clap::Args;

use super::status;
use crate::{
    error::{Failure, Outcome},
    exit,
    output::Out,
};

/// Deriving keys takes seconds on a small machine, the network up to its own timeouts; both together stay below this.
pub(super) const JOIN_WITHIN: Duration = Duration::from_secs(180);

/// Where, and under which name.
#[derive(Args, Clone)]
pub(super) struct Where {
    /// The relay's address, as the relay prints it: wss://host:port/#key
    #[arg(long, value_name = "ADDRESS")]
    relay: String,
    /// What to call this device; its host name if not given
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Print the result as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// Letters of a device's name.
const NAME_CHARS_MAX: usize = 64;

impl Where {
    pub(super) fn relay(&self) -> String {
        self.relay.trim().to_owned()
    }

    pub(super) fn device_name(&self) -> Outcome<String> {
        match &self.name {
            Some(name) => checked_name(name),
            None => Ok(host_name()),
        }
    }

    /// Says that it worked.
    pub(super) fn tell(&self, status: &SyncStatus, words: &str) -> Outcome {
        let mut out = Out::new();
        if self.json {
            out.json(&status::json(status, &[]))?;
        } else {
            out.line(words)?;
            out.line("see how it goes: caro sync status")?;
        }
        out.finish()
    }
}

pub(super) fn host_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() { "unnamed".to_owned() } else { name.chars().take(NAME_CHARS_MAX).collect() }
}

/// A name that can be shown on every other machine.
pub(super) fn checked_name(name: &str) -> Outcome<String> {
    let name = name.trim();
    let wrong = |what: &str| Err(Failure::new(exit::USAGE, format!("that is no name for a device: {what}")));
    if name.is_empty() {
        return wrong("it is empty");
    }
    if name.chars().count() > NAME_CHARS_MAX {
        return wrong(&format!("it is longer than {NAME_CHARS_MAX} letters"));
    }
    if !crate::output::visible::is_plain_line(name.as_bytes()) {
        return wrong("it holds characters that cannot be seen");
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_name_is_short_and_visible() {
        assert_eq!(checked_name(" Ada's laptop ").as_deref(), Ok("Ada's laptop"));
        for wrong in ["", "  ", "a\nb", "\u{202e}x", &"x".repeat(65)] {
            assert_eq!(checked_name(wrong).map_err(|failure| failure.code), Err(exit::USAGE), "{wrong:?}");
        }
    }
}
