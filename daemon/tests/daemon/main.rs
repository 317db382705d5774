//! The built `caro-daemon`, from outside: spool files in, its socket out, and everything that can happen to it in
//! between. Each test has a home of its own.

mod access;
mod cost;
mod crash;
mod lifecycle;
mod recording;
mod single;
mod support;
mod trouble;
