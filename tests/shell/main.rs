//! The hooks in real interactive shells, each on a terminal of its own, through a real daemon into a real history.
//!
//! What is typed is what is found, whatever the shell's settings; nothing else is found; and the shell does not notice.

mod cost;
mod fidelity;
mod hiding;
mod hook;
mod items;
mod keys;
mod popup;
mod session;
mod strict;
mod suggest;
mod trouble;
