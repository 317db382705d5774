//! Two homes and a relay, all of them real programs: what is recorded in one is found in the other, whatever is cut,
//! killed or switched off in between; and nobody in the middle learns what it was.

mod crash;
mod deciding;
mod devices;
mod identity;
mod inspect;
mod joining;
mod mailbox;
mod network;
mod offline;
mod pairing;
mod said;
mod secrets;
mod sharing;
mod through_proxies;
mod two_devices;
mod two_minutes;
