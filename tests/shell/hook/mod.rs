//! The hooks alone, at the level of the spool: exact, quick, and independent of the daemon.

mod answering;
mod bare;
mod cost;
mod disturbed;
mod hidden;
mod keys;
pub(crate) mod neighbours;
mod newer;
mod newer_keys;
mod options;
mod powershell;
mod text;
mod versions;
