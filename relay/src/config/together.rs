//! Settings that do not go together: each is fine by itself, and whoever wrote both meant something else.

use std::net::Ipv6Addr;

use super::{Admission, Config, ConfigError, Loaded, Mode, Origin};
use crate::{limits::TABLE, log::postgres};

/// Connections of one relay to its database server. Each is a thread here and a process there.
const CONNECTIONS_MAX: u32 = 64;

/// Everything that does not go together.
pub(super) fn check(loaded: &Loaded) -> Vec<ConfigError> {
    let mut wrong = Vec::new();
    let mut when = |is_wrong: bool, text: &str| {
        if is_wrong {
            wrong.push(ConfigError::Together(text.to_owned()));
        }
    };
    let config = &loaded.config;
    when(
        config.certificate.is_some() != config.certificate_key.is_some(),
        "certificate and certificate_key must be set together",
    );
    when(config.plain && config.certificate.is_some(), "plain = true means no TLS, so no certificate either");
    when(
        config.invitations.is_some() && config.registration != Admission::Token,
        "invitations are only read with registration = \"token\"",
    );
    when(
        config.mailbox_days != Config::default().mailbox_days && config.mode != Mode::Mailbox,
        "mailbox_days only counts with mode = \"mailbox\"",
    );
    when(config.mailbox_days == 0, "mailbox_days = 0 would forget a cell before anybody could fetch it");
    when(
        config.health == Some(config.listen) && config.listen.port() != 0,
        "health needs an address of its own: devices connect to the one in listen",
    );
    when(
        config.public_host.as_deref().is_some_and(is_no_host),
        "public_host is a host name or an address, without scheme and port",
    );
    when(
        config.storage.is_none()
            && (config.storage_ca.is_some()
                || config.storage_password_file.is_some()
                || config.storage_connections != Config::default().storage_connections),
        "storage_password_file, storage_ca and storage_connections only count with storage = \"postgres://…\"",
    );
    when(
        !(2..=CONNECTIONS_MAX).contains(&config.storage_connections),
        "storage_connections is from 2, one that reads and one that writes, to 64",
    );
    if let Some(Err(error)) = config.storage.as_deref().map(postgres::check) {
        wrong.push(ConfigError::Together(error.to_string()));
    }
    wrong.extend(limits(loaded).into_iter().map(ConfigError::Together));
    wrong
}

fn is_no_host(host: &str) -> bool {
    host.is_empty() || (host.contains(['/', '#', '?', '@', ' ', ':']) && host.parse::<Ipv6Addr>().is_err())
}

/// Limits that would let nobody in, and parts that are larger than the whole.
fn limits(loaded: &Loaded) -> Vec<String> {
    let limits = &loaded.config.limits;
    let of = |name: &str| limits.value(name).unwrap_or_default();
    let may_be_zero = |name: &str| {
        matches!(name, "disk_free_min" | "accounts_max" | "accounts_per_address_per_hour")
            || name.starts_with("mailbox")
    };
    let mut wrong: Vec<String> = TABLE
        .iter()
        .filter(|row| !row.zero_is_none && !may_be_zero(row.name) && of(row.name) == 0)
        .map(|row| format!("limits.{} = 0 would let nobody in", row.name))
        .collect();
    for (part, whole) in [
        ("tls_ms", "opening_ms"),
        ("upgrade_ms", "opening_ms"),
        ("handshake_ms", "opening_ms"),
        ("hello_ms", "opening_ms"),
        ("opening_per_address_max", "opening_max"),
    ] {
        // A part that nobody set is at most the whole, whatever that is.
        let is_set = loaded.origin(&format!("limits.{part}")) != Origin::Default;
        if is_set && of(part) > of(whole) {
            wrong.push(format!("limits.{part} = {} is more than limits.{whole} = {}", of(part), of(whole)));
        }
    }
    wrong
}
