//! Exit codes of `caro`. Scripts go by these, so a number never changes its meaning; those from 64 on follow
//! `sysexits.h`. They are listed in `caro --help`.

/// Done.
pub(crate) const OK: u8 = 0;

/// Something else went wrong, or nothing matched (`search`, `history last`, `history delete`).
pub(crate) const FAILURE: u8 = 1;

/// The command line cannot be understood, or an option's value cannot, or it leaves out what would have to be asked where
/// there is no terminal. clap uses the same number.
pub(crate) const USAGE: u8 = 2;

/// What was given is wrong: a phrase, a pattern, a file's content, a damaged database.
pub(crate) const DATA: u8 = 65;

/// A file to be read is not there or cannot be read.
pub(crate) const NO_INPUT: u8 = 66;

/// The daemon or the relay does not answer.
pub(crate) const UNAVAILABLE: u8 = 69;

/// Something that should not happen did.
pub(crate) const INTERNAL: u8 = 70;

/// A file or folder cannot be made where it belongs.
pub(crate) const CANNOT_CREATE: u8 = 73;

/// Reading or writing failed.
pub(crate) const IO: u8 = 74;

/// Not now; the same command may work later.
pub(crate) const TRY_LATER: u8 = 75;

/// The two programs, or the relay, do not speak the same language.
pub(crate) const PROTOCOL: u8 = 76;

/// Refused: by the relay, or by the place where the key is kept.
pub(crate) const REFUSED: u8 = 77;

/// It does not fit the state this device is in: already in an account, in none, another relay key than before.
pub(crate) const STATE: u8 = 78;

/// Interrupted or cancelled by the person, as a shell counts Ctrl-C.
pub(crate) const CANCELLED: u8 = 130;

/// Whoever reads the output has gone, as a shell counts SIGPIPE.
pub(crate) const PIPE: u8 = 141;

/// The codes with their meanings, for the long help.
pub(crate) const HELP: &str = "\
Exit codes:
    0  done
    1  something else went wrong, or nothing matched
    2  the command line cannot be understood
   65  what was given is wrong (a phrase, a pattern, a damaged database)
   66  a file to be read is not there
   69  the daemon or the relay does not answer
   70  something that should not happen did
   73  a file or folder cannot be made
   74  reading or writing failed
   75  not now; the same command may work later
   76  the programs do not speak the same language
   77  refused by the relay or by the place where the key is kept
   78  it does not fit the state of this device
  130  cancelled
  141  whoever reads the output has gone";
