//! Every limit of the relay, in one table, each with the reason for its size. What is here is enforced; each has a test
//! over a real socket (`tests/limits.rs`) that fails without it. Limits on the bytes themselves are in
//! [`caro_schema::limits`], because both ends keep them.

use serde::{Deserialize, Serialize};

/// The limits that a person who runs a relay may set, in the `[limits]` table of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Open connections. Each idle one costs up to 64 KiB and a file descriptor; more would let strangers use up either.
    pub connections_max: u32,
    /// Connections that have not said who they are yet. More would let a flood of half-open ones starve the rest of CPU
    /// for handshakes; fewer would slow the return of everybody after a restart.
    pub opening_max: u32,
    /// Open connections of one address (IPv6: of one /64). Fewer would shut out households and offices behind one address.
    pub connections_per_address_max: u32,
    /// New connections of one address in a minute, all at once or spread. A device that reconnects as fast as it may
    /// makes about sixty.
    pub connections_per_address_per_minute: u32,
    /// Milliseconds from TCP accept to the first message, TLS and handshake included. A satellite link needs five round
    /// trips of 1.3 s; longer would let a slow opener hold its place for ever.
    pub opening_ms: u64,
    /// Milliseconds of silence after which a session is ended. A device asks every 10 s when it hears nothing.
    pub idle_ms: u64,
    /// Milliseconds from the first to the last byte of one message. The largest push takes 80 s on a 56 kbit/s line.
    pub message_ms: u64,
    /// Milliseconds in which one record (64 KiB at most) must leave for the other side. On a 56 kbit/s line it takes 10 s.
    pub write_ms: u64,
    /// Milliseconds that a session may live. A device makes a new handshake after an hour; this leaves it a minute.
    pub session_ms: u64,
    /// Messages of one device in a second, on average; four seconds' worth may come at once.
    pub messages_per_second: u32,
    /// Messages of all devices together in a second, so that many together cannot do what one may not.
    pub messages_per_second_total: u32,
    /// Sessions of one account. A list holds 64 devices with one session each; the rest is for people who are joining.
    pub sessions_per_account_max: u32,
    /// Accounts on this relay.
    pub accounts_max: u64,
    /// New accounts from one address in an hour, all at once or spread.
    pub accounts_per_address_per_hour: u32,
    /// Bytes that one account may hold, its cells and [`ENTRY_BYTES`] for each that it ever pushed. A year of a busy
    /// shell is about 100 MB before snapshots. Zero for no limit.
    pub bytes_per_account: u64,
    /// Mailboxes that are open at once, for joining by a code. Each holds two connections and no bytes; more would make
    /// their four-digit numbers easy to hit.
    pub mailboxes_max: u32,
    /// Mailboxes that devices of one address have open at once.
    pub mailboxes_per_address_max: u32,
    /// Milliseconds that a mailbox is open. Longer gives whoever overheard a code more time; shorter is not enough to walk
    /// to the other machine and install caro there.
    pub mailbox_ms: u64,
    /// Bytes of letters that a mailbox carries in all, both ways: a joining takes 8 KiB, with room for the keys of many
    /// epochs and for two wrong codes before.
    pub mailbox_bytes: u64,
    /// Bytes that stay free on the disk. Below this the relay takes nothing more in, while purging and reading go on.
    pub disk_free_min: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 10_240,
            opening_max: 512,
            connections_per_address_max: 256,
            connections_per_address_per_minute: 600,
            opening_ms: 10_000,
            idle_ms: 60_000,
            message_ms: 180_000,
            write_ms: 30_000,
            session_ms: 3_660_000,
            messages_per_second: 1_000,
            messages_per_second_total: 50_000,
            sessions_per_account_max: 80,
            accounts_max: 100_000,
            accounts_per_address_per_hour: 60,
            bytes_per_account: 1 << 30,
            mailboxes_max: 256,
            mailboxes_per_address_max: 8,
            mailbox_ms: 600_000,
            mailbox_bytes: 128 << 10,
            disk_free_min: 64 << 20,
        }
    }
}

/// Bytes that each entry of a log counts beside its cell, purged or not: its row and its place in two indexes. Without
/// it, pushing and purging in turns would fill the disk for nothing.
pub const ENTRY_BYTES: u64 = 160;

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

/// Bytes of one session's pushes that wait for the disk before no more is read from it.
pub const PUSH_BYTES_WAITING_MAX: usize = 2 << 20;

/// Requests of one session that wait for the disk before no more is read from it.
pub const REQUESTS_WAITING_MAX: usize = 64;

/// Messages that wait for one connection to send them. Pages are bounded by confirmation; this bounds the small ones.
pub const OUTBOX_MAX: usize = 1_024;

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
