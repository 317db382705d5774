//! Every limit on bytes that cross a boundary, each with the reason for its size.

/// Bytes of the smallest cell. Header, signature, salt and sealing take about 350, so nearly every single command fits
/// in one such cell; a smaller one would split commands by length before the relay's eyes.
pub const CELL_BYTES_MIN: usize = 1024;

/// Bytes of the largest cell. Larger would let one op delay every other on a slow link; smaller would make an import
/// cost more cells, each with its signature and its row at the relay.
pub const CELL_BYTES_MAX: usize = 65_536;

/// Parents of one op. More would let a peer make each op cost an arbitrary walk; the author knows fewer heads than
/// this unless as many devices wrote without seeing each other.
pub const PARENTS_MAX: usize = 16;

/// The greatest number of an op: a million a day for three thousand years. Sums over all authors of an account stay far
/// below what a number holds, whatever a member that lies says it has written.
pub const SEQ_MAX: u64 = 1 << 40;

/// Bytes of one command that is synced. A longer one stays on its device and is marked; a script belongs in a file.
pub const COMMAND_SYNC_BYTES_MAX: usize = 32 * 1024;

/// Bytes of a payload after decompression. Bounds what one hostile cell can make a device allocate.
pub const PAYLOAD_BYTES_MAX: usize = 1024 * 1024;

/// How many times its compressed size a payload may have. Real histories compress by 5 to 15; only a bomb by more than this.
pub const PAYLOAD_RATIO_MAX: usize = 64;

/// Changes in one op. A 64 KiB cell of very short commands holds about 9,000 after compression.
pub const CHANGES_MAX: usize = 16_384;

/// Ops of one author that wait for an earlier one. A relay delivers in order, so more than this is an attack or a
/// loss that only a new pull can repair.
pub const ORPHANS_PER_AUTHOR_MAX: usize = 10_000;

/// Milliseconds since 1970 that no stamp may reach: the year 2200. A device with a mad clock must not win for ever.
pub const STAMP_MS_MAX: u64 = 7_258_118_400_000;

/// Bytes of one decoded message between a device and a relay. A page of cells, with room for its envelope.
pub const RELAY_MESSAGE_BYTES_MAX: usize = 1_310_720;

/// Bytes of cells that a relay puts into one page. Fewer costs round trips on a restore; more holds memory for each reader.
pub const PAGE_CELL_BYTES_MAX: usize = 1_048_576;

/// Cells in one push or page, so that small ones cannot make a page take forever to check.
pub const PAGE_CELLS_MAX: usize = 1024;

/// Bytes that a relay accepts from a connection before it has authenticated.
pub const PREAUTH_BYTES_MAX: usize = 4096;

/// Bytes of a device's name, and of its platform. A name that a person gives has 64 letters at most.
pub const NAME_BYTES_MAX: usize = 256;

/// Devices in one account's list.
pub const DEVICES_MAX: usize = 64;

/// Bytes of one message on the local socket: a window of results with long commands, or a batch of an import.
pub const IPC_MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Bytes of one session record, the transport limit of the Noise framework (revision 34, section 3).
pub const NOISE_RECORD_BYTES_MAX: usize = 65_535;

/// Records of a session before a new handshake. Far below where XChaCha20-Poly1305 needs it; it bounds what one key protects.
pub const SESSION_RECORDS_MAX: u64 = 1 << 20;

/// Seconds that a session lives before a new handshake.
pub const SESSION_SECONDS_MAX: u64 = 3600;

/// Records by which a session may run out of order before an older one is refused.
pub const REPLAY_WINDOW: u64 = 2048;

/// The highest number of a mailbox. Four digits are easily said; more mailboxes than a tenth of them never are open.
pub const MAILBOX_NUMBER_MAX: u16 = 9_999;

/// Bytes of one letter through a mailbox. The largest holds the keys of every epoch, one more for each revocation:
/// 400 of them fit.
pub const MAIL_BYTES_MAX: usize = 16 * 1024;

/// How many newcomers may try one code. Each has one guess in four million; a person who mistypes needs a second one.
pub const PAIR_TRIES: u8 = 3;

/// Milliseconds for which a code is worth something at most, whatever a relay would allow.
pub const PAIR_OPEN_MS: u64 = 600_000;

/// Bytes of what an assistant was asked, and of what it said of a command; the rest is cut off. With a command of usual
/// length both fit into a small cell's larger sisters, so that they sync with it.
pub const ASSISTANT_TEXT_BYTES_MAX: usize = 4096;

/// Bytes of an assistant's name, of a model's and of a tag. They are shown in one line.
pub const ASSISTANT_NAME_BYTES_MAX: usize = 100;

/// Tags of one command. More would be a text, and belong into the explanation.
pub const ASSISTANT_TAGS_MAX: usize = 16;
