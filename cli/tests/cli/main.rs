//! The built program against the real daemon, on pipes and on terminals of the tests' own. Where a relay would be
//! needed, [`fake`] stands in for the daemon, inside these tests only.

#![allow(clippy::expect_used)] // tests say what they expect

mod assistants;
mod commands;
mod config;
#[path = "../../../tests/corpus/hostile.rs"]
mod corpus;
mod deleting;
mod errors;
mod export;
mod fake;
mod hostile;
mod import;
mod items;
mod keyring;
mod mcp;
mod recorded;
mod rules;
mod screen;
mod screen_hostile;
mod shells;
mod stats;
mod support;
mod sync;
mod terminal;
