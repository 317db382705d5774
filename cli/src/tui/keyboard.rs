//! Reads the terminal one byte at a time, and no byte further than it is told to: what is typed after the key that closes
//! the screen stays in the terminal, for the shell.
//!
//! A thread reads, because reading waits. It hands each byte over and waits until it may go on, so that nothing is read
//! while the screen makes up its mind about a key.

use std::{
    fs::File,
    io::Read,
    sync::mpsc::{self, Sender},
    thread,
};

/// What the thread found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// A byte.
    Byte(u8),
    /// The terminal is gone.
    Nothing,
}

/// The reading thread, as seen from the screen.
pub(super) struct Keyboard {
    go_on: Sender<()>,
}

impl Keyboard {
    /// Starts reading. What is read goes to `hear`, which says whether anybody listens.
    pub(super) fn start(mut tty: File, hear: impl Fn(Heard) -> bool + Send + 'static) -> Self {
        let (go_on, may_go_on) = mpsc::channel();
        thread::spawn(move || {
            loop {
                let mut byte = [0];
                let heard = match tty.read(&mut byte) {
                    Ok(1..) => Heard::Byte(byte[0]),
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                    Ok(0) | Err(_) => Heard::Nothing,
                };
                if !hear(heard) || heard == Heard::Nothing || may_go_on.recv().is_err() {
                    return;
                }
            }
        });
        Self { go_on }
    }

    /// The last byte is dealt with: the next may be read.
    pub(super) fn go_on(&self) {
        // The thread ends when the terminal is gone, which it has said.
        let _ = self.go_on.send(());
    }
}
