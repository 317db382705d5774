//! The relay under load: one of our own, or another on this machine. Never one elsewhere.

use std::{fs, net::SocketAddr, path::Path};

use chaos_tests::programs::relay::RelayProgram;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::session::Lost;

/// A relay, and what can be seen of it from outside.
pub(crate) struct Loaded {
    place: SocketAddr,
    own: Option<RelayProgram>,
}

/// What would keep one address with ten thousand devices out. Limits on size, time and memory stay as they are.
const LIMITS: &str = "connections_max = 40000\nopening_max = 20000\nconnections_per_address_max = 40000\n\
    connections_per_address_per_minute = 4000000\nmessages_per_second = 100000\nmessages_per_second_total = 4000000\n\
    accounts_max = 1000000\naccounts_per_address_per_hour = 4000000\nbytes_per_account = 0";

impl Loaded {
    /// Starts one, with `limits` in the place of what it names.
    pub(crate) fn start(limits: &str) -> Result<Self, Lost> {
        allow_many_descriptors()?;
        let given = |line: &str| line.split('=').next().unwrap_or_default().trim().to_owned();
        let names: Vec<String> = limits.lines().map(given).collect();
        let kept: Vec<&str> = LIMITS.lines().filter(|line| !names.contains(&given(line))).collect();
        let relay = RelayProgram::with_limits(&format!("{}\n{limits}", kept.join("\n")));
        Ok(Self { place: relay.place(), own: Some(relay) })
    }

    /// One that runs already, by the address that it prints.
    pub(crate) fn at(address: &str) -> Result<Self, Lost> {
        allow_many_descriptors()?;
        let Some(rest) = address.strip_prefix("ws://") else {
            return Err(Lost::Told(
                "the relay's address must begin with ws://: load is put on a relay without TLS".into(),
            ));
        };
        let place: SocketAddr = rest.split('/').next().unwrap_or_default().parse().map_err(|_| {
            Lost::Told("the relay's address must be a number and a port, such as 127.0.0.1:8443".into())
        })?;
        if !place.ip().is_loopback() {
            return Err(Lost::Told("load is put only on a relay on this machine".into()));
        }
        Ok(Self { place, own: None })
    }

    /// Where it listens.
    pub(crate) fn place(&self) -> SocketAddr {
        self.place
    }

    /// It, when it is our own.
    pub(crate) fn own(&self) -> Option<&RelayProgram> {
        self.own.as_ref()
    }

    /// The same, to end and start it.
    pub(crate) fn own_mut(&mut self) -> Option<&mut RelayProgram> {
        self.own.as_mut()
    }

    /// Resident memory in KiB, when it can be seen.
    pub(crate) fn resident_kib(&self) -> Option<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.own()?.pid())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.split_whitespace().next()?.parse().ok()
    }

    /// Its open descriptors, when they can be seen.
    pub(crate) fn descriptors(&self) -> Option<usize> {
        self.own().map(RelayProgram::descriptors)
    }

    /// Bytes of its folder, when it can be seen.
    pub(crate) fn stored_bytes(&self) -> Option<u64> {
        self.own().map(|relay| bytes_below(&relay.data()))
    }
}

fn bytes_below(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    entries.filter_map(|entry| entry.ok()?.metadata().ok()).filter(fs::Metadata::is_file).map(|meta| meta.len()).sum()
}

/// As many as this process may have. The relay inherits it.
fn allow_many_descriptors() -> Result<(), Lost> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
        .map_err(|error| Lost::Told(format!("the number of open files cannot be raised: {error}")))
}
