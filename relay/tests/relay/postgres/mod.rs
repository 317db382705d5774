//! The log in a PostgreSQL server: what is refused, what holds between several relays, and what trouble does to them. The
//! suite that every log passes is in [`super::log`].

mod nodes;
mod opens;
mod together;
mod trouble;
