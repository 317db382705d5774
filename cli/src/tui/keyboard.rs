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

use super::input::{PASTE_END, end_lacks};

/// What the thread found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// A byte, or several of a paste.
    Bytes(Vec<u8>),
    /// No byte within the time that one was waited for.
    Pause,
    /// The terminal is gone.
    Nothing,
}

/// What may be read next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// One byte.
    Byte,
    /// One byte, if it comes within this time.
    Within(Duration),
    /// Bytes of a paste whose end lacks so many.
    Paste(usize),
}

/// The reading thread, as seen from the screen.
pub(super) struct Keyboard {
    go_on: Sender<Next>,
    /// It was told to read, and has not yet said what.
    reads: bool,
}

/// Bytes of a paste that are handed over together. A byte by itself costs two changes of threads, and a paste of many
/// would hold up the screen for seconds.
const PASTE_BYTES: usize = 16 * 1024;

/// How often a byte that may come is looked for.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

impl Keyboard {
    /// Starts reading. What is read goes to `hear`, which says whether anybody listens.
    pub(super) fn start(mut tty: File, hear: impl Fn(Heard) -> bool + Send + 'static) -> Self {
        let (go_on, may_go_on) = mpsc::channel();
        thread::spawn(move || {
            let mut wanted = Next::Byte;
            loop {
                let heard = next(&mut tty, wanted);
                let is_gone = heard == Heard::Nothing;
                if !hear(heard) || is_gone {
                    return;
                }
                match may_go_on.recv() {
                    Ok(next) => wanted = next,
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

    /// What came is dealt with: this may be read next. Where there is a time for it, reading is begun only when a byte is
    /// there: a screen that closes on a pause, as after the escape key, must not have a byte more.
    pub(super) fn go_on(&mut self, next: Next) {
        // Told twice, it would read a byte too many.
        if std::mem::replace(&mut self.reads, true) {
            return;
        }
        // The thread ends when the terminal is gone, which it has said.
        let _ = self.go_on.send(next);
    }
}

fn next(tty: &mut File, wanted: Next) -> Heard {
    match wanted {
        Next::Byte => read(tty, 1).map_or(Heard::Nothing, Heard::Bytes),
        Next::Paste(lacks) => paste(tty, lacks),
        Next::Within(within) => {
            let deadline = Instant::now() + within;
            while is_empty(tty) {
                if Instant::now() >= deadline {
                    return Heard::Pause;
                }
                thread::sleep(LOOK_AGAIN);
            }
            read(tty, 1).map_or(Heard::Nothing, Heard::Bytes)
        }
    }
}

/// Bytes of a paste, up to its end, or as many as are there: never one behind the end.
fn paste(tty: &mut File, mut lacks: usize) -> Heard {
    // The end may have begun in front of these bytes.
    let begun = PASTE_END.len().saturating_sub(lacks);
    let mut bytes = PASTE_END[..begun].to_vec();
    loop {
        let Some(more) = read(tty, lacks) else { return Heard::Nothing };
        bytes.extend(more);
        lacks = end_lacks(&bytes);
        if lacks == 0 || bytes.len() >= PASTE_BYTES || is_empty(tty) {
            return Heard::Bytes(bytes.split_off(begun));
        }
    }
}

fn is_empty(tty: &File) -> bool {
    rustix::io::ioctl_fionread(tty).is_ok_and(|waiting| waiting == 0)
}

/// At least one byte and at most so many; none when the terminal is gone.
fn read(tty: &mut File, most: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; most];
    loop {
        match tty.read(&mut bytes) {
            Ok(count @ 1..) => {
                bytes.truncate(count);
                return Some(bytes);
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => return None,
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
        assert_eq!(hear(), Heard::Bytes(b"a".to_vec()));
        keyboard.arrived();
        keyboard.go_on(Next::Byte);
        keyboard.go_on(Next::Byte);
        assert_eq!(hear(), Heard::Bytes(b"b".to_vec()));
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
        assert_eq!(next(&mut tty, Next::Within(Duration::from_millis(5))), Heard::Pause);
        let mut keys = pair.master.take_writer().expect("a writer");
        keys.write_all(b"x\n").expect("typed");
        assert_eq!(next(&mut tty, Next::Within(Duration::from_secs(60))), Heard::Bytes(b"x".to_vec()));
    }

    #[test]
    fn a_paste_is_read_together_and_never_past_its_end() {
        let paste = b"ls \x1b[20 \x1b[201\x1b[201~rest";
        let end = paste.len() - b"rest".len();
        for first in 0..end {
            let path = tempfile::NamedTempFile::new().expect("a file");
            std::fs::write(&path, &paste[first..]).expect("written");
            let mut file = File::open(&path).expect("opened");
            let mut taken = paste[..first].to_vec();
            while end_lacks(&taken) > 0 {
                let Heard::Bytes(bytes) = next(&mut file, Next::Paste(end_lacks(&taken))) else { panic!("no end") };
                taken.extend(bytes);
            }
            assert_eq!(taken, &paste[..end], "from {first} on");
        }
    }
}
