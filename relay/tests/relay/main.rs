//! The relay over real sockets and real files. Each test speaks to it as a device does, with a small client over
//! `caro-link`; what is in one process and what is the built program is said by the helper that starts it.

mod admin;
mod cells;
mod doors;
mod durability;
mod image;
mod isolation;
mod limits;
mod live;
mod log;
mod log_again;
mod log_damage;
mod log_days;
mod log_portions;
mod log_restored;
mod log_server;
mod mailboxes;
mod members;
mod operating;
mod others_ids;
mod postgres;
mod program;
mod proxies;
mod service;
mod support;
