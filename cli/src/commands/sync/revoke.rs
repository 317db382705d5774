//! `caro sync revoke` and `rotate`: taking a device off the account, and a new key for those that stay. Both need the
//! phrase: nothing that is kept on a device can do this, or a thief could do it to its owner.

use caro_schema::{
    body::device::Reason,
    ipc::{
        Fault, Request,
        sync::{Device, RevokeRequest, RotateRequest, SyncStatus, Warning},
    },
    redacted::Redacted,
};
use clap::Args;
use jiff::tz::TimeZone;
use zeroize::Zeroizing;

use super::{choose, devices::standing, join::JOIN_WITHIN, status, sync_status};
use crate::{
    client::Client,
    error::{Failure, Outcome},
    output::{Out, say, visible},
    terminal::{ask, secret},
};

/// Take a device off the account
///
/// From then on the relays let it in no more, and what the others write is sealed with a key that it does not get. What
/// it had before, it has: nothing can take that back. Asks for the phrase.
///
/// Example: caro sync revoke laptop --lost
#[derive(Args)]
pub(crate) struct Revoke {
    /// The beginning of its id, or its whole name, as caro sync devices shows them
    #[arg(value_name = "DEVICE")]
    device: String,
    #[command(flatten)]
    why: Why,
    /// Also take off every device that it let in with a code
    #[arg(long)]
    with_admitted: bool,
    /// Read the phrase from standard input
    #[arg(long)]
    phrase_stdin: bool,
    /// Ask nothing but the phrase
    #[arg(long, short = 'y')]
    yes: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Why {
    /// It is gone, and nobody is known to have what is on it
    #[arg(long)]
    lost: bool,
    /// It is not needed any more; let it sync first: what it has not sent is not taken later
    #[arg(long)]
    retired: bool,
    /// Somebody has, or may have, what is on it
    #[arg(long)]
    compromised: bool,
}

/// Give the devices a new key
///
/// What is written from then on is sealed with it. With --reseal so is what the relays hold already, and the old sealed
/// copies are purged there. Also finishes a revocation that a relay could not take. Asks for the phrase.
#[derive(Args)]
pub(crate) struct Rotate {
    /// Also seal anew what the relays hold; takes as long as sending all of it
    #[arg(long)]
    reseal: bool,
    /// Read the phrase from standard input
    #[arg(long)]
    phrase_stdin: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

impl Why {
    fn reason(&self) -> Reason {
        match (self.lost, self.retired) {
            (true, _) => Reason::Lost,
            (_, true) => Reason::Retired,
            _ => Reason::Compromised,
        }
    }
}

impl Revoke {
    pub(crate) fn run(self) -> Outcome {
        secret::close_to_others();
        let mut client = Client::open()?;
        let devices = status::devices(&mut client)?;
        let device = choose::device(&devices, &self.device)?;
        refuse(device, &devices)?;
        let admitted = let_in_by(device, &devices);
        let why = self.why.reason();
        if !self.json {
            for line in what_it_means(device, why, &TimeZone::system()) {
                say(&line);
            }
        }
        let mut going = vec![device.device];
        if self.takes_admitted(&admitted)? {
            going.extend(admitted.iter().map(|device| device.device));
        }
        let name = visible::line(device.name.as_bytes());
        if !self.yes && !ask::yes(&format!("Take \"{name}\" off?"), "--yes")? {
            return Err(Failure::cancelled());
        }
        let mut phrase = phrase(self.phrase_stdin)?;
        let phrase = Redacted::new(std::mem::take(&mut *phrase));
        let request = Request::SyncRevoke(RevokeRequest { devices: going, why, phrase });
        let status = sync_status(client.ask_within(request, JOIN_WITHIN)?)?;
        tell(&status, self.json, &format!("\"{name}\" is off the account"))
    }

    /// Whom a thief let in is the thief's. Whom the owner let in on that device may be anybody's.
    fn takes_admitted(&self, admitted: &[&Device]) -> Outcome<bool> {
        if admitted.is_empty() || self.with_admitted {
            return Ok(self.with_admitted);
        }
        for device in admitted {
            let name = visible::line(device.name.as_bytes());
            say(&format!("it let in {} \"{name}\"; {}", device.id, standing(device, &TimeZone::system())));
        }
        if self.yes {
            say("these stay; to take them off as well: --with-admitted");
            return Ok(false);
        }
        ask::yes("Take off what it let in as well?", "--yes, or --with-admitted")
    }
}

impl Rotate {
    pub(crate) fn run(self) -> Outcome {
        secret::close_to_others();
        let mut client = Client::open()?;
        // Nobody should type a phrase to be told that there is no account.
        status::devices(&mut client)?;
        let mut phrase = phrase(self.phrase_stdin)?;
        let phrase = Redacted::new(std::mem::take(&mut *phrase));
        let request = Request::SyncRotate(RotateRequest { phrase, reseal: self.reseal });
        let status = sync_status(client.ask_within(request, JOIN_WITHIN)?)?;
        tell(&status, self.json, "what is written from now on is sealed with a new key")
    }
}

/// What can be told before anybody types a phrase.
fn refuse(device: &Device, devices: &[Device]) -> Outcome {
    let others = devices.iter().filter(|other| other.revoked.is_none() && !other.this).count();
    if device.revoked.is_some() {
        return Err(Fault::AlreadyRevoked.into());
    }
    if device.this && others == 0 {
        return Err(Failure::new(crate::exit::USAGE, "it is the account's only device, and it cannot take itself off")
            .hint("to stop syncing here: caro sync off; nobody else can come in without the phrase"));
    }
    if device.this { Err(Fault::ThisDevice.into()) } else { Ok(()) }
}

/// Those that a device let in with a code, and those that these let in.
fn let_in_by<'a>(device: &Device, devices: &'a [Device]) -> Vec<&'a Device> {
    let mut found: Vec<&Device> = Vec::new();
    let mut by = vec![device.id.clone()];
    while let Some(id) = by.pop() {
        let is_by = |other: &&Device| other.added_by.as_ref().is_some_and(|by| by.id == id);
        for other in devices.iter().filter(is_by).filter(|other| other.revoked.is_none() && !other.this) {
            if found.iter().all(|known| known.device != other.device) {
                found.push(other);
                by.push(other.id.clone());
            }
        }
    }
    found
}

/// What is true afterwards, and what is not.
fn what_it_means(device: &Device, why: Reason, zone: &TimeZone) -> Vec<String> {
    let name = visible::line(device.name.as_bytes());
    let mut lines = vec![
        format!("{} \"{name}\": {}", device.id, standing(device, zone)),
        "Nothing that is written from now on can be read there. What it has had until now it has, and whoever has the \
         device has it."
            .to_owned(),
    ];
    lines.push(match why {
        Reason::Retired => {
            "What it has not sent yet is not taken later: if it is at hand, run caro sync now there first.".to_owned()
        }
        Reason::Lost | Reason::Compromised => "What it says from now on counts nowhere. Passwords and tokens that are \
                                               in its history should be changed."
            .to_owned(),
    });
    if why == Reason::Compromised {
        lines.push("If the phrase may be known too, this does not help: whoever has it can come in again.".to_owned());
    }
    lines
}

pub(super) fn phrase(from_stdin: bool) -> Outcome<Zeroizing<String>> {
    if from_stdin {
        return secret::from_stdin("a phrase");
    }
    let phrase = ask::phrase("Recovery phrase:", "--phrase-stdin reads the phrase from standard input");
    phrase.inspect_err(|_| ask::forget_typed_ahead())
}

/// Says that it is done, and what is not.
fn tell(status: &SyncStatus, as_json: bool, done: &str) -> Outcome {
    let mut out = Out::new();
    if as_json {
        out.json(&status::json(status, &[]))?;
        return out.finish();
    }
    out.line(done)?;
    let unfinished = |warning: &&Warning| {
        matches!(warning, Warning::Unfinished { .. } | Warning::KeyExposed | Warning::Resealing { .. })
    };
    for warning in status.warnings.iter().filter(unfinished) {
        out.line(&status::warning(warning))?;
    }
    out.finish()
}

#[cfg(test)]
mod tests {
    use caro_schema::ipc::sync::DeviceName;

    use super::{super::choose::tests::some, *};

    #[test]
    fn nobody_types_a_phrase_for_what_cannot_be() {
        let mut devices = vec![some(1, "desk"), some(2, "laptop")];
        devices[0].this = true;
        assert!(refuse(&devices[1], &devices).is_ok());
        let failure = refuse(&devices[0], &devices).expect_err("itself");
        assert!(failure.message.contains("cannot take itself off"), "{}", failure.message);
        let failure = refuse(&devices[0], &devices[..1]).expect_err("the last one");
        assert!(failure.message.contains("the account's only device"), "{}", failure.message);
    }

    #[test]
    fn whom_a_device_let_in_is_found_through_those_that_it_let_in() {
        let mut devices = vec![some(1, "desk"), some(2, "thief"), some(3, "friend"), some(4, "friend's")];
        let by = |device: &Device| Some(DeviceName { id: device.id.clone(), name: String::new() });
        devices[2].added_by = by(&devices[1]);
        devices[3].added_by = by(&devices[2]);
        // A ring ends.
        devices[1].added_by = by(&devices[3]);
        let names: Vec<&str> = let_in_by(&devices[1], &devices).iter().map(|device| &device.name[..]).collect();
        assert_eq!(names[..2], ["friend", "friend's"]);
        assert!(let_in_by(&devices[0], &devices).is_empty());
    }

    #[test]
    fn what_a_revoked_device_still_has_is_said_each_time() {
        for why in [Reason::Lost, Reason::Retired, Reason::Compromised] {
            let said = what_it_means(&some(1, "desk"), why, &TimeZone::UTC).join("\n");
            assert!(said.contains("What it has had until now it has"), "{said}");
            assert_eq!(said.contains("change"), why != Reason::Retired, "{said}");
        }
    }
}
