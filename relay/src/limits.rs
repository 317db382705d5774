//! Every limit of the relay, in one table, each with the reason for its size. What is here is enforced; each has a test
//! over a real socket (`tests/relay/limits`) that fails without it, and `docs/relay-limits.md` is printed from here. Limits on
//! the bytes themselves are in [`caro_schema::limits`], because both ends keep them.

use serde::{Deserialize, Serialize};

/// For whom a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// One network address; of IPv6 one /64.
    Address,
    /// One connection, from the moment it is accepted.
    Connection,
    /// One device, over all its connections.
    Device,
    /// One account.
    Account,
    /// The whole relay.
    Relay,
}

/// A limit, as the page shows it.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its name in the table `[limits]` of the configuration.
    pub name: &'static str,
    /// For whom it counts.
    pub scope: Scope,
    /// What it is when nobody sets it.
    pub default: u64,
    /// What happens beyond it.
    pub beyond: &'static str,
    /// Why it is as large as it is.
    pub why: &'static str,
    /// Whether zero means that there is none.
    pub zero_is_none: bool,
}

macro_rules! limits {
    ($($(#[doc = $why:literal])+ $name:ident: $kind:ty = $default:expr, $scope:ident, $beyond:literal $(, $none:ident)?;)+) => {
        /// The limits that a person who runs a relay may set, in the `[limits]` table of the configuration.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Limits {
            $($(#[doc = $why])+ pub $name: $kind,)+
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($name: $default,)+ }
            }
        }

        /// All of them.
        pub const TABLE: &[Row] = &[$(Row {
            name: stringify!($name),
            scope: Scope::$scope,
            default: $default as u64,
            beyond: $beyond,
            why: concat!($($why),+),
            zero_is_none: limits!(@none $($none)?),
        },)+];

        impl Limits {
            /// What one of them is.
            pub fn value(&self, name: &str) -> Option<u64> {
                match name {
                    $(stringify!($name) => Some(self.$name.into()),)+
                    _ => None,
                }
            }
        }
    };
    (@none) => { false };
    (@none zero_is_none) => { true };
}

limits! {
    /// Each idle one costs up to 64 KiB and a file descriptor; more would let strangers use up either.
    connections_max: u32 = 10_240, Relay, "a new connection is dropped";
    /// Connections that have not said who they are yet. More would let a flood of half-open ones starve the rest of CPU
    /// for handshakes; fewer would slow the return of everybody after a restart.
    opening_max: u32 = 512, Relay, "a new connection is dropped";
    /// New connections of everybody in a second; four seconds' worth may come at once. Two cores make about so many
    /// handshakes when they do nothing else.
    connections_per_second_total: u32 = 500, Relay, "a new connection is dropped";
    /// Fewer would shut out households and offices behind one address.
    connections_per_address_max: u32 = 256, Address, "a new connection is dropped";
    /// Of these, those that have not said who they are yet: one address never has all of `opening_max`.
    opening_per_address_max: u32 = 128, Address, "a new connection is dropped";
    /// New connections in a minute, all at once or spread. A device that reconnects as fast as it may makes about sixty.
    connections_per_address_per_minute: u32 = 600, Address, "a new connection is dropped";
    /// Milliseconds from TCP accept to the first message, everything included. A satellite link needs five round
    /// trips of 1.3 s; longer would let a slow opener hold its place for ever.
    opening_ms: u64 = 10_000, Connection, "the connection is dropped";
    /// Milliseconds for TLS, of these. Two round trips of a satellite link, and time to compute.
    tls_ms: u64 = 6_000, Connection, "the connection is dropped";
    /// Milliseconds for the HTTP request that opens a WebSocket, of these. One round trip.
    upgrade_ms: u64 = 4_000, Connection, "the connection is dropped";
    /// Milliseconds for the three messages of the handshake, of these. Two round trips.
    handshake_ms: u64 = 6_000, Connection, "the connection is dropped";
    /// Milliseconds from the handshake to the first message, of these. One round trip.
    hello_ms: u64 = 4_000, Connection, "the connection is dropped";
    /// Milliseconds of silence. A device asks every 10 s when it hears nothing.
    idle_ms: u64 = 60_000, Connection, "`Idle`, and the session ends";
    /// Milliseconds from the first to the last byte of one message. The largest push takes 80 s on a 56 kbit/s line.
    message_ms: u64 = 180_000, Connection, "`Idle`, and the session ends";
    /// Milliseconds in which one record (64 KiB at most) must leave for the other side. On a 56 kbit/s line it takes 10 s.
    write_ms: u64 = 30_000, Connection, "a reader that is slower is cut off";
    /// Milliseconds that a session may live. A device makes a new handshake after an hour; this leaves it a minute.
    session_ms: u64 = 3_660_000, Connection, "`SessionExpired`, and the session ends";
    /// Messages that wait to be sent. Pages are bounded by confirmation; this bounds the small ones.
    outbox_messages_max: u32 = 1_024, Connection, "the connection is cut off";
    /// Bytes that wait to be sent, and of what is being sent. Two pages fit and what else is said; a slow reader is cut off, not buffered.
    outbox_bytes_max: u64 = 4 << 20, Connection, "the connection is cut off";
    /// Bytes that wait to be sent to everybody, and of what is being sent: what slow readers can make a relay hold in all.
    outbox_bytes_total: u64 = 256 << 20, Relay, "the connection that is sent something is cut off";
    /// Bytes held for everybody's messages of which a part has come. A push is up to 1.3 MB and may take three minutes; some
    /// two hundred large ones on their way at once fit, and whoever stops half-way holds no more than this in all.
    message_bytes_begun_total: u64 = 256 << 20, Relay, "`StorageUnavailable` with the time to wait for the message that began first, and its session ends";
    /// Bytes of pushes that wait for the disk. Each cell of a purge counts 1,024 of them.
    push_bytes_waiting_max: u64 = 2 << 20, Connection, "nothing more is read from it until the disk has taken them";
    /// Bytes of everybody's pushes and purges that wait for the disk: what a slow disk can make a relay hold in all.
    push_bytes_waiting_total: u64 = 64 << 20, Relay, "`StorageUnavailable` for the push or purge, with the time to wait";
    /// Requests that wait for the disk.
    requests_waiting_max: u32 = 64, Connection, "nothing more is read from it until the disk has answered";
    /// Messages in a second, on average; four seconds' worth may come at once. A device list counts as fifty: its signature
    /// is checked while everybody waits.
    messages_per_second: u32 = 1_000, Device, "`RateLimited` with the time to wait, and the session ends";
    /// The same for the devices of an account together: a stranger can make as many devices as it likes.
    messages_per_second_per_account: u32 = 4_000, Account, "`RateLimited` with the time to wait, and the session ends";
    /// The same for all together, so that many cannot do what one may not.
    messages_per_second_total: u32 = 50_000, Relay, "`RateLimited` with the time to wait, and the session ends";
    /// Bytes of cells pushed in a second, on average; four seconds' worth may come at once. Above what a small disk
    /// takes, so that an honest device never meets it: it waits for acknowledgements. Each cell of a purge counts 1,024.
    bytes_per_second: u64 = 64 << 20, Device, "`RateLimited` with the time to wait, and the session ends";
    /// The same for the devices of an account together.
    bytes_per_second_per_account: u64 = 128 << 20, Account, "`RateLimited` with the time to wait, and the session ends";
    /// The same for all together. The line of a small server is about as fast.
    bytes_per_second_total: u64 = 256 << 20, Relay, "`RateLimited` with the time to wait, and the session ends";
    /// A list holds 64 devices with one session each; the rest is for people who are joining.
    sessions_per_account_max: u32 = 80, Account, "`TooManyConnections`";
    /// Accounts. `bytes_per_account` and `cells_per_account` say what each may hold.
    accounts_max: u64 = 100_000, Relay, "`RegistrationRefused`";
    /// New accounts in an hour, all at once or spread.
    accounts_per_address_per_hour: u32 = 60, Address, "`RateLimited` with the time to wait";
    /// Bytes that it holds, its cells and 160 for each that it ever pushed. A year of a busy shell is about 100 MB before
    /// snapshots. `caro-relay account quota` gives one account another room.
    bytes_per_account: u64 = 1 << 30, Account, "`QuotaExceeded` for what does not fit; what fits is taken", zero_is_none;
    /// Cells that it may ever push: their places in the chain stay when they are purged. Years of several busy shells.
    cells_per_account: u64 = 5_000_000, Account, "`QuotaExceeded` for what does not fit; what fits is taken", zero_is_none;
    /// Mailboxes that are open at once, for joining by a code. Each holds two connections and no bytes; more would make
    /// their four-digit numbers easy to hit.
    mailboxes_max: u32 = 256, Relay, "`TooManyMailboxes`: no further code for joining can wait here";
    /// Mailboxes that its devices have open at once.
    mailboxes_per_address_max: u32 = 8, Address, "`TooManyMailboxes`";
    /// Milliseconds that a mailbox is open. Longer gives whoever overheard a code more time; shorter is not enough to walk
    /// to the other machine and install caro there.
    mailbox_ms: u64 = 600_000, Connection, "`MailboxExpired`, to both sides: the code is gone";
    /// Bytes of letters that a mailbox carries in all, both ways: a joining takes 8 KiB, with room for the keys of many
    /// epochs and for two wrong codes before.
    mailbox_bytes: u64 = 128 << 10, Connection, "`TooLarge`, and the session that sent the letter ends";
    /// Bytes that stay free on the disk.
    disk_free_min: u64 = 64 << 20, Relay, "`StorageUnavailable` for new cells and accounts; reading and purging go on";
}

/// Bytes that each entry of a log counts beside its cell, purged or not: its row and its place in two indexes. Without
/// it, pushing and purging in turns would fill the disk for nothing.
pub const ENTRY_BYTES: u64 = 160;

/// Bytes that each cell of a purge counts, in the rates and where it waits for the disk: about what a small cell does, because
/// it is looked up and overwritten. For nothing, a thousand of them in a message would keep the one that writes busy for
/// whoever sends them.
pub const PURGE_CELL_BYTES: usize = 1_024;

/// Messages that a device list counts. Checking its signature takes as long as answering about so many small ones, and the
/// list that is stored already may be sent again for ever. An account changes its list a few times in a year.
pub const LIST_MESSAGES: u32 = 50;

/// Bytes of one page at first, and the least that it shrinks to: the largest cell fits. A page of this size takes 9 s on
/// a 56 kbit/s line, half of what a device waits for an answer.
pub const PAGE_BYTES_MIN: usize = 65_536;

/// Pages that may be on their way to one device unconfirmed, however small. Bytes are bounded by what a page may hold:
/// a page is sent while less than one is unconfirmed, so that one is always arriving while another is stored, and a
/// reader that never reads makes the relay hold 2 MiB at most.
pub const PAGES_UNCONFIRMED_MAX: usize = 64;

/// Milliseconds within which a page must be confirmed for the next one to be larger.
pub const PAGE_FAST_MS: u64 = 1_000;

/// Milliseconds after which the next page is smaller.
pub const PAGE_SLOW_MS: u64 = 4_000;

/// Cursors that a session remembers as its own pushes. Beyond this the oldest come back to it as cells, which is
/// harmless; only a session that pushes much and confirms nothing gets there.
pub const OWN_MAX: usize = 8_192;

/// Bytes of an HTTP request that opens a connection.
pub const REQUEST_BYTES_MAX: usize = caro_schema::limits::PREAUTH_BYTES_MAX;

/// Changes in one transaction. More would make the first wait for the last; fewer would cost a disk flush more often.
pub const GROUP_CHANGES_MAX: usize = 512;

/// Bytes of cells in one transaction, for the same reasons.
pub const GROUP_BYTES_MAX: usize = 8 << 20;

/// Devices that were taken off a list and are remembered as such, the latest ones, so that they can be told. An account
/// that changes its list more often forgets the oldest, which are then unknown.
pub const REMOVED_MAX: usize = 256;

/// Bytes of the write-ahead log after which it is shortened to nothing when it has been carried over.
pub const WAL_BYTES_MAX: u64 = 64 << 20;

/// Bytes of the configuration file and of the file of invitations.
pub const CONFIG_BYTES_MAX: u64 = 1 << 20;

/// Bytes of an invitation.
pub const TOKEN_BYTES_MAX: usize = 256;

/// Bytes of what is asked over the control socket or of the health address. The longest question has a note in it.
pub const QUESTION_BYTES_MAX: usize = 4_096;

/// Connections to the health address, and to the control socket, at once. A monitoring system needs one.
pub const QUESTIONERS_MAX: usize = 16;

/// The page `docs/relay-limits.md`.
pub fn page() -> String {
    let mut page = String::from(PAGE_TOP);
    for (scope, title) in [
        (Scope::Address, "For each address (IPv6: each /64)"),
        (Scope::Connection, "For each connection"),
        (Scope::Device, "For each device"),
        (Scope::Account, "For each account"),
        (Scope::Relay, "For the whole relay"),
    ] {
        page.push_str(&format!("\n## {title}\n\n| limit | default | beyond it | why so |\n|---|---|---|---|\n"));
        for row in TABLE.iter().filter(|row| row.scope == scope) {
            let none = if row.zero_is_none { " 0: no limit." } else { "" };
            let (name, default, beyond, why) = (row.name, row.default, row.beyond, row.why.trim());
            page.push_str(&format!("| `{name}` | {default} | {beyond} | {why}{none} |\n"));
        }
    }
    page.push_str(PAGE_FIXED);
    for (what, size, beyond) in FIXED {
        page.push_str(&format!("| {what} | {size} | {beyond} |\n"));
    }
    page
}

const PAGE_TOP: &str = "# Limits of a relay

Printed from `relay/src/limits.rs` by `caro-relay config limits`; a test fails when this page is stale. Each is set in the table
`[limits]` of the configuration, or as `CARO_RELAY_LIMITS_` and the name in capitals; `caro-relay reload` takes new ones without a
restart. Each has a test over a real socket. Where the word after the default is code, it is what the device is told; a stranger
who has not said who it is is told nothing.
";

const PAGE_FIXED: &str = "
## The same at every relay

Both ends keep these; they are part of the protocol.

| what | at most | beyond it |
|---|---|---|
";

/// What both ends keep.
const FIXED: &[(&str, usize, &str)] = &[
    (
        "bytes before a connection has said who it is, per stage",
        caro_schema::limits::PREAUTH_BYTES_MAX,
        "it is dropped",
    ),
    (
        "bytes of a record (one frame)",
        caro_schema::limits::NOISE_RECORD_BYTES_MAX,
        "refused by its length; it is dropped",
    ),
    ("bytes of a sealed cell", caro_schema::limits::CELL_BYTES_MAX, "`TooLarge`"),
    ("cells in one push, page or purge", caro_schema::limits::PAGE_CELLS_MAX, "`TooLarge`"),
    ("bytes of cells in one push or page", caro_schema::limits::PAGE_CELL_BYTES_MAX, "`TooLarge`"),
    ("bytes of a message", caro_schema::limits::RELAY_MESSAGE_BYTES_MAX, "`TooLarge`"),
    ("devices on a list", caro_schema::limits::DEVICES_MAX, "`BadProof`, `NotAdmitted`"),
    ("bytes of a letter in a mailbox", caro_schema::limits::MAIL_BYTES_MAX, "`TooLarge`"),
    ("newcomers that may try a code", caro_schema::limits::PAIR_TRIES as usize, "`NoTriesLeft`"),
    ("bytes of an invitation", TOKEN_BYTES_MAX, "`RegistrationRefused`"),
    ("pages that are not confirmed", PAGES_UNCONFIRMED_MAX, "no further one is sent"),
];
