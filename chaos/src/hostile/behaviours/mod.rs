//! All behaviours: what a relay can do to its log (`log`), to pages and cells on their way (`pages`), to what it answers
//! (`answers`), to who it and others are (`identity`), and to the connection itself (`connection`).

mod answers;
mod connection;
mod identity;
mod log;
mod pages;

use super::Behaviour;

/// All of them, in groups.
pub const ALL: &[&Behaviour] = &[
    &log::ROLLBACK,
    &log::REWRITTEN,
    &log::EMPTY,
    &log::FORK,
    &log::WITHHOLD,
    &log::MANY_LIVES,
    &log::CURSOR_AHEAD,
    &pages::SWAP_ACCOUNTS,
    &pages::SWAP_CLASSES,
    &pages::REPLAY,
    &pages::BACKWARDS,
    &pages::BIT_FLIPS,
    &pages::BIT_FLIPS_TRUE_CHAIN,
    &pages::DOWNGRADE,
    &pages::PURGE_STORM,
    &pages::CURSOR_JUMP,
    &pages::CURSOR_FALLS,
    &pages::EMPTY_PAGES,
    &pages::SAME_PAGE,
    &pages::OVERSIZED_COUNT,
    &pages::OVERSIZED_BYTES,
    &answers::LYING_QUOTA,
    &answers::ACK_UNKNOWN,
    &answers::ACK_WITHOUT_STORING,
    &answers::BEFORE_WELCOME,
    &answers::WELCOME_TWICE,
    &answers::REFUSES_HELLO,
    &answers::REFUSES_PULL,
    &answers::REFUSES_PUSH,
    &answers::ENDLESS_PRESENCE,
    &answers::ENDLESS_TALK,
    &answers::SWITCHES_OFF,
    &answers::ACCOUNT_GONE,
    &answers::DEVICE_REMOVED,
    &identity::OTHER_KEY,
    &identity::OTHER_SIGNER,
    &identity::BAD_SIGNATURE,
    &identity::GHOST_DEVICE,
    &identity::OLD_LIST,
    &connection::SILENT,
    &connection::NOISE,
    &connection::ONE_BYTE_A_SECOND,
    &connection::OTHER_VERSION,
    &connection::BENT_HANDSHAKE,
    &connection::CLOSES,
    &connection::MUTE,
    &connection::GARBAGE_RECORDS,
    &connection::GARBAGE_MESSAGES,
    &connection::OVERSIZED_FRAME,
    &connection::SLOWS_DOWN,
];
