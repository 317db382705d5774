//! Each behaviour of the hostile relay, met by a real daemon. `scene` sets it up and says what must be true whatever the
//! relay does; the other files are the behaviours that need more than one device or more than one try, and `bombs`: what
//! a member of the account can do.

mod bombs;
mod errors;
mod joining;
mod one_device;
mod scene;
mod two_devices;
