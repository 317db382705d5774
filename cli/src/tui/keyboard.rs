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
    time::{Duration, Instant},
};

/// What the thread found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// A byte.
    Byte(u8),
    /// No byte within the time that one was waited for.
    Pause,
    /// The terminal is gone.
    Nothing,
}

/// The reading thread, as seen from the screen.
pub(super) struct Keyboard {
    go_on: Sender<Option<Duration>>,
    /// It was told to read, and has not yet said what.
    reads: bool,
}

/// How often a byte that may come is looked for.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

impl Keyboard {
    /// Starts reading. What is read goes to `hear`, which says whether anybody listens.
    pub(super) fn start(mut tty: File, hear: impl Fn(Heard) -> bool + Send + 'static) -> Self {
        let (go_on, may_go_on) = mpsc::channel();
        thread::spawn(move || {
            let mut within = None;
            loop {
                let heard = next(&mut tty, within);
                if !hear(heard) || heard == Heard::Nothing {
                    return;
                }
                match may_go_on.recv() {
                    Ok(next) => within = next,
                    Err(_) => return,
                }
            }
        });
        Self { go_on, reads: true }
    }

    /// What the thread found has arrived: it waits now.
    pub(super) fn arrived(&mut self) {
        self.reads = false;
    }

    /// The last byte is dealt with: the next may be read, if one comes within this time. Reading is begun only when one is
    /// there: a screen that closes on a pause, as after the escape key, must not have a byte more.
    pub(super) fn go_on(&mut self, within: Option<Duration>) {
        // Told twice, it would read a byte too many.
        if std::mem::replace(&mut self.reads, true) {
            return;
        }
        // The thread ends when the terminal is gone, which it has said.
        let _ = self.go_on.send(within);
    }
}

fn next(tty: &mut File, within: Option<Duration>) -> Heard {
    let deadline = within.map(|within| Instant::now() + within);
    while let Some(deadline) = deadline
        && rustix::io::ioctl_fionread(&*tty).is_ok_and(|waiting| waiting == 0)
    {
        if Instant::now() >= deadline {
            return Heard::Pause;
        }
        thread::sleep(LOOK_AGAIN);
    }
    loop {
        let mut byte = [0];
        match tty.read(&mut byte) {
            Ok(1..) => return Heard::Byte(byte[0]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => return Heard::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use portable_pty::{PtySize, native_pty_system};

    use super::*;

    #[test]
    fn no_byte_is_read_that_was_not_asked_for() {
        let pair = native_pty_system().openpty(PtySize::default()).expect("a pseudo-terminal");
        let path = pair.master.tty_name().expect("a name");
        let tty = File::options().read(true).write(true).open(path).expect("opened");
        let mut modes = rustix::termios::tcgetattr(&tty).expect("modes");
        modes.make_raw();
        rustix::termios::tcsetattr(&tty, rustix::termios::OptionalActions::Now, &modes).expect("set");
        let mut keys = pair.master.take_writer().expect("a writer");
        let (heard, hears) = mpsc::channel();
        let mut keyboard = Keyboard::start(tty.try_clone().expect("cloned"), move |it| heard.send(it).is_ok());
        keys.write_all(b"abc").expect("typed");
        let hear = || hears.recv_timeout(Duration::from_secs(60)).expect("heard");
        assert_eq!(hear(), Heard::Byte(b'a'));
        keyboard.arrived();
        keyboard.go_on(None);
        keyboard.go_on(None);
        assert_eq!(hear(), Heard::Byte(b'b'));
        drop(keyboard);
        let mut rest = [0; 1];
        let mut tty = tty;
        tty.read_exact(&mut rest).expect("it is still there");
        assert_eq!(rest, *b"c");
    }

    #[test]
    fn a_pause_is_heard_and_takes_no_byte() {
        let pair = native_pty_system().openpty(PtySize::default()).expect("a pseudo-terminal");
        let path = pair.master.tty_name().expect("a name");
        let mut tty = File::options().read(true).write(true).open(path).expect("opened");
        assert_eq!(next(&mut tty, Some(Duration::from_millis(5))), Heard::Pause);
        let mut keys = pair.master.take_writer().expect("a writer");
        keys.write_all(b"x\n").expect("typed");
        assert_eq!(next(&mut tty, Some(Duration::from_secs(60))), Heard::Byte(b'x'));
    }
}
