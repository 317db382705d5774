//! What changes while the relay runs: limits, who may make an account, which proxies are believed, the certificate. A new
//! configuration is taken over whole or not at all; what in it needs a restart is named. A certificate that is replaced where it
//! lies is noticed by itself, and one that cannot be used leaves the old one in place.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use caro_schema::id::Hash;
use toml::{Table, Value};

use crate::{
    address,
    admin::{Answer, AskError},
    config::{Config, ConfigError, Mode},
    connection::{Live, Shared},
    disk::Setup,
    protocol::Policy,
    tls,
};

/// Reads the configuration again, from where it was read first.
pub struct Loader(Option<Box<dyn Fn() -> Result<Config, ConfigError> + Send>>);

impl Loader {
    /// From a function that reads it.
    pub fn new(load: impl Fn() -> Result<Config, ConfigError> + Send + 'static) -> Self {
        Self(Some(Box::new(load)))
    }

    /// Where there is nothing to read it from.
    pub fn none() -> Self {
        Self(None)
    }
}

/// What holds now, and where it counts.
pub(crate) struct Reloading {
    config: Config,
    shared: Arc<Shared>,
    setup: Arc<Setup>,
    signer: Hash,
    seen: Option<Seen>,
    looked_at: Instant,
}

/// How the files of the certificate looked: number, length and time of change of each.
type Seen = [Option<(u64, u64, i64, i64)>; 2];

/// How often the files of a certificate are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Settings that are taken over without a restart, beside the limits.
const TAKEN: [&str; 5] = ["registration", "invitations", "trusted_proxies", "certificate", "certificate_key"];

impl Reloading {
    pub(crate) fn new(config: Config, shared: Arc<Shared>, setup: Arc<Setup>, signer: Hash) -> Self {
        let seen = seen(&config);
        Self { config, shared, setup, signer, seen, looked_at: Instant::now() }
    }

    /// Reads the configuration again and takes over what can be.
    pub(crate) fn reload(&mut self, loader: &Loader) -> Result<Answer, AskError> {
        let result = self.try_reload(loader);
        let metrics = self.shared.engine.metrics();
        match &result {
            Ok((taken, waiting)) => {
                metrics.reloads.add(1);
                tracing::info!(
                    taken = taken.join(" "),
                    needs_a_restart = waiting.join(" "),
                    "the configuration was read again"
                );
            }
            Err(error) => {
                metrics.reload_failures.add(1);
                tracing::error!(%error, "the new configuration is not taken over; the old one holds");
            }
        }
        result.map(|(taken, waiting)| Answer::Reloaded { taken, waiting })
    }

    fn try_reload(&mut self, loader: &Loader) -> Result<(Vec<String>, Vec<String>), AskError> {
        let wrong = |error: &dyn std::fmt::Display| AskError::Configuration(error.to_string());
        let load = loader.0.as_ref().ok_or(AskError::NotRunning)?;
        let next = load().map_err(|error| wrong(&error))?;
        let (taken, waiting) = differences(&self.config, &next);
        let next = Config {
            limits: next.limits,
            registration: next.registration,
            invitations: next.invitations,
            trusted_proxies: next.trusted_proxies,
            certificate: next.certificate,
            certificate_key: next.certificate_key,
            ..self.config.clone()
        };
        let registration = next.registration().map_err(|error| wrong(&error))?;
        let tls = tls::of(&next, &self.config.data).map_err(|error| wrong(&error))?;
        // From here on nothing can go wrong.
        let mut limits = next.limits.clone();
        limits.connections_max = address::descriptors_for(&next);
        let forgets = next.mode == Mode::Mailbox;
        self.setup.storage.set_free_min(limits.disk_free_min);
        self.shared.door.set_limits(limits.clone());
        let policy = Policy { limits: limits.clone(), registration, signer: self.signer, forgets };
        self.shared.engine.set_policy(policy);
        self.shared.set_live(Live { limits, tls, trusted_proxies: next.trusted_proxies.clone() });
        self.seen = seen(&next);
        self.config = next;
        Ok((taken, waiting))
    }

    /// Takes over a certificate that was replaced.
    pub(crate) fn look_at_certificate(&mut self) {
        if self.seen.is_none() || self.looked_at.elapsed() < LOOK {
            return;
        }
        self.looked_at = Instant::now();
        let now = seen(&self.config);
        if now == self.seen {
            return;
        }
        // Seen, whether it can be used or not: it is tried again when one of the files changes again.
        self.seen = now;
        let metrics = self.shared.engine.metrics();
        match tls::of(&self.config, &self.config.data) {
            Ok(tls) => {
                let live = self.shared.live();
                let (limits, trusted_proxies) = (live.limits.clone(), live.trusted_proxies.clone());
                self.shared.set_live(Live { limits, tls, trusted_proxies });
                metrics.reloads.add(1);
                tracing::info!("the certificate was replaced");
            }
            Err(error) => {
                metrics.reload_failures.add(1);
                tracing::error!(%error, "the new certificate cannot be used; the old one holds");
            }
        }
    }
}

fn seen(config: &Config) -> Option<Seen> {
    let look = |path: &Path| {
        let metadata = fs::metadata(path).ok()?;
        Some((metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec()))
    };
    Some([look(config.certificate.as_deref()?), look(config.certificate_key.as_deref()?)])
}

/// The names of settings that are not the same: those that are taken over, and those that need a restart.
fn differences(old: &Config, new: &Config) -> (Vec<String>, Vec<String>) {
    let flat = |config: &Config| {
        let mut table = Table::try_from(config).unwrap_or_default();
        if let Some(Value::Table(limits)) = table.remove("limits") {
            table.extend(limits.into_iter().map(|(name, value)| (format!("limits.{name}"), value)));
        }
        table
    };
    let (old, new) = (flat(old), flat(new));
    let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
    names.sort();
    names.dedup();
    let changed = names.into_iter().filter(|name| old.get(*name) != new.get(*name)).cloned();
    changed.partition(|name| name.starts_with("limits.") || TAKEN.contains(&name.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_is_named_and_what_needs_a_restart_too() {
        let old = Config::default();
        let mut new = Config { plain: true, public_host: Some("relay.example.org".to_owned()), ..Config::default() };
        new.limits.idle_ms = 1;
        new.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
        let (taken, waiting) = differences(&old, &new);
        assert_eq!(taken, ["limits.idle_ms", "trusted_proxies"]);
        assert_eq!(waiting, ["plain", "public_host"]);
        assert_eq!(differences(&new, &new), (vec![], vec![]));
    }
}
