//! Exit codes of `caro-daemon`. Those above 64 follow `sysexits.h`.

/// It ran and ended as asked, or another daemon runs already.
pub const OK: u8 = 0;

/// Something else.
pub const FAILURE: u8 = 1;

/// The database is damaged, or a newer program wrote it. It was not touched.
pub const DATABASE: u8 = 65;

/// A folder, the lock, the log or the socket cannot be made where it belongs.
pub const PLACE: u8 = 73;

/// The key that opens the database cannot be had. No new one was made.
pub const KEY: u8 = 77;
