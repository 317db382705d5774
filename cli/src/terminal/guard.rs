//! Leaves the terminal as it was found, however the program ends: at the end of a scope, in a panic, or by a signal.
//!
//! One guard at a time; what it holds is in a static, because a panic and a signal come from nowhere.

use std::{
    fs::File,
    io::Write,
    panic,
    sync::{Mutex, Once, PoisonError},
    thread,
};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM},
    iterator::Signals,
    low_level::emulate_default_handler,
};

use crate::error::{Failure, Outcome};

/// While it lives, the terminal may be in any state; when it goes, the terminal is as before.
pub(crate) struct Guard(());

/// How the terminal was, and what takes back what was done to it.
struct Before {
    tty: File,
    modes: Termios,
    undo: Vec<u8>,
}

static BEFORE: Mutex<Option<Before>> = Mutex::new(None);

impl Guard {
    /// Remembers how the terminal is. `undo` is written to it at the end.
    pub(crate) fn new(tty: &File, undo: &[u8]) -> Outcome<Self> {
        let failed = |error: std::io::Error| Failure::at("/dev/tty".as_ref(), &error);
        let modes = tcgetattr(tty).map_err(|error| failed(error.into()))?;
        let before = Before { tty: tty.try_clone().map_err(failed)?, modes, undo: undo.to_vec() };
        watch();
        *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(before);
        Ok(Self(()))
    }

    /// Changes what is written to the terminal at the end.
    pub(crate) fn undo_with(&self, undo: &[u8]) {
        if let Some(before) = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            before.undo = undo.to_vec();
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        restore();
    }
}

fn restore() {
    let Some(before) = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
    let Before { mut tty, modes, undo } = before;
    // The terminal may be gone, which is then as well.
    let _ = tty.write_all(&undo);
    let _ = tcsetattr(&tty, OptionalActions::Now, &modes);
}

/// Signals that end a program. A stop is none of them: in raw mode Ctrl-Z is a key.
const ENDING: [i32; 4] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM];

/// Sets up, once, that a panic or a signal restores the terminal.
fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let words = panic::take_hook();
        panic::set_hook(Box::new(move |about| {
            restore();
            words(about);
        }));
        // Without the thread the program still restores what it can.
        let Ok(mut signals) = Signals::new(ENDING) else { return };
        thread::spawn(move || {
            for signal in signals.forever() {
                restore();
                // Ends the program as the signal would have.
                drop(emulate_default_handler(signal));
            }
        });
    });
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use portable_pty::{PtySize, native_pty_system};
    use rustix::termios::LocalModes;

    use super::*;

    #[test]
    fn a_panic_leaves_the_terminal_as_it_was() {
        let pair = native_pty_system().openpty(PtySize::default()).expect("a pseudo-terminal");
        let path = pair.master.tty_name().expect("a name");
        let tty = File::options().read(true).write(true).open(path).expect("opened");
        let echoes = || tcgetattr(&tty).expect("modes").local_modes.contains(LocalModes::ECHO);
        assert!(echoes());
        let guard = Guard::new(&tty, b"first").expect("a guard");
        guard.undo_with(b"undone\n");
        let mut modes = tcgetattr(&tty).expect("modes");
        modes.make_raw();
        tcsetattr(&tty, OptionalActions::Now, &modes).expect("set");
        assert!(!echoes());
        let panicked = panic::catch_unwind(|| panic!("on purpose"));
        // The guard is still there: what restored was the panic.
        assert!(panicked.is_err() && echoes());
        drop(guard);
        let mut seen = [0; 7];
        let mut reader = pair.master.try_clone_reader().expect("a reader");
        reader.read_exact(&mut seen).expect("read");
        assert!(seen.starts_with(b"undone"), "{}", seen.escape_ascii());
    }
}
