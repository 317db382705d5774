//! Which device of the account is meant: by the beginning of its id, or by its whole name. Where several are, they are
//! named, and nothing is done.

use caro_schema::ipc::{Fault, sync::Device};

use crate::{
    error::{Failure, Outcome},
    exit,
    output::visible,
};

/// The device that is meant.
pub(super) fn device<'a>(devices: &'a [Device], meant: &str) -> Outcome<&'a Device> {
    let meant = meant.trim();
    let id = meant.to_ascii_lowercase();
    let is_meant = |device: &&Device| device.name == meant || (!id.is_empty() && device.device.hex().starts_with(&id));
    let found: Vec<&Device> = devices.iter().filter(is_meant).collect();
    // One that was taken off has left its name to others.
    let standing: Vec<&Device> = found.iter().copied().filter(|device| device.revoked.is_none()).collect();
    match (&found[..], &standing[..]) {
        ([], _) => Err(Fault::NoSuchDevice.into()),
        ([one], _) | (_, [one]) => Ok(one),
        (several, _) => Err(ambiguous(meant, several)),
    }
}

fn ambiguous(meant: &str, several: &[&Device]) -> Failure {
    let named = |device: &&Device| {
        let name = visible::line(device.name.as_bytes());
        format!("{} \"{name}\"", device.id)
    };
    let list = several.iter().map(named).collect::<Vec<_>>().join(", ");
    let message = format!("\"{}\" can be {} devices: {list}", visible::line(meant.as_bytes()), several.len());
    Failure::new(exit::USAGE, message).hint("give more of its id: caro sync devices --json shows all of it")
}

#[cfg(test)]
pub(super) mod tests {
    use caro_schema::{id::DeviceId, ipc::sync::RevokedDevice};

    use super::*;

    pub(crate) fn some(first: u8, name: &str) -> Device {
        let mut id = [7; 32];
        id[0] = first;
        let device = DeviceId(id);
        Device {
            id: device.hex()[..8].to_owned(),
            name: name.to_owned(),
            platform: "linux".to_owned(),
            added_ms: 1_700_000_000_000,
            last_seen_ms: 1_700_000_100_000,
            this: false,
            device,
            added_by: None,
            last_sync_ms: 1_700_000_100_000,
            behind: Some(0),
            revoked: None,
        }
    }

    #[test]
    fn a_device_is_meant_by_the_beginning_of_its_id_or_by_its_name() {
        let devices = [some(0xab, "desk"), some(0xac, "laptop"), some(0x12, "desk two")];
        let chosen = |meant: &str| device(&devices, meant).map(|device| device.name.clone());
        assert_eq!(chosen("ab").as_deref(), Ok("desk"));
        assert_eq!(chosen("AC").as_deref(), Ok("laptop"));
        assert_eq!(chosen("desk").as_deref(), Ok("desk"), "the whole name, and not its beginning");
        assert_eq!(chosen(&devices[2].device.hex()).as_deref(), Ok("desk two"));
        for none in ["", "zz", "lap", "ad"] {
            assert_eq!(chosen(none).map_err(|failure| failure.code), Err(exit::USAGE), "{none:?}");
        }
    }

    #[test]
    fn what_can_be_several_is_listed_and_a_revoked_one_gives_way() {
        let mut devices = [some(0xab, "desk"), some(0xac, "desk")];
        let failure = device(&devices, "desk").expect_err("two");
        assert_eq!(failure.message, "\"desk\" can be 2 devices: ab070707 \"desk\", ac070707 \"desk\"");
        assert!(device(&devices, "a").is_err());
        devices[0].revoked = Some(RevokedDevice { at_ms: 1, why: None, by: None, with_another: false });
        assert_eq!(device(&devices, "desk").map(|device| device.device), Ok(devices[1].device));
        assert_eq!(device(&devices, "ab").map(|device| device.device), Ok(devices[0].device));
    }
}
