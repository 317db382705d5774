//! A terminal of the test's own: a pseudo-terminal whose output is read by a terminal emulator, and which answers where
//! its cursor is, as terminals do.

use std::{
    io::{Read, Write},
    num::NonZero,
    sync::{Arc, Mutex},
    thread,
    time::Instant,
};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use crate::support::{Home, PATIENCE};

/// A program on a terminal.
pub(crate) struct Terminal {
    master: Box<dyn MasterPty + Send>,
    child: Box<dyn Child + Send + Sync>,
    seen: Arc<Mutex<Seen>>,
    keys: Arc<Mutex<Box<dyn Write + Send>>>,
}

struct Seen {
    emulator: vt100::Parser,
    bytes: Vec<u8>,
    /// Nobody writes any more, and all that was written is there.
    is_over: bool,
}

/// What a program asks to learn where the cursor is.
const WHERE: &[u8] = b"\x1b[6n";

fn size(columns: u16, rows: u16) -> PtySize {
    PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }
}

fn some(number: u16) -> NonZero<u16> {
    NonZero::new(number).expect("a terminal has rows and columns")
}

impl Terminal {
    /// Runs a program with its arguments on a terminal of this size.
    pub(crate) fn run(home: &Home, words: &[&str], (columns, rows): (u16, u16)) -> Self {
        Self::run_with(home, words, (columns, rows), &[])
    }

    /// The same, with more in its environment.
    pub(crate) fn run_with(home: &Home, words: &[&str], (columns, rows): (u16, u16), more: &[(&str, &str)]) -> Self {
        let pair = native_pty_system().openpty(size(columns, rows)).expect("a pseudo-terminal");
        let mut command = CommandBuilder::new(words[0]);
        command.args(&words[1..]);
        command.env_clear();
        home.env().into_iter().for_each(|(name, value)| command.env(name, value));
        more.iter().for_each(|(name, value)| command.env(name, value));
        command.cwd(home.path());
        let child = pair.slave.spawn_command(command).expect("it starts");
        drop(pair.slave);
        let seen =
            Seen { emulator: vt100::Parser::new(some(rows), some(columns), 0), bytes: Vec::new(), is_over: false };
        let seen = Arc::new(Mutex::new(seen));
        let keys = Arc::new(Mutex::new(pair.master.take_writer().expect("a writer")));
        let reader = pair.master.try_clone_reader().expect("a reader");
        watch(reader, seen.clone(), keys.clone());
        Self { master: pair.master, child, seen, keys }
    }

    /// Types.
    pub(crate) fn press(&self, keys: &str) {
        let mut to = self.keys.lock().expect("keys");
        to.write_all(keys.as_bytes()).and_then(|()| to.flush()).expect("typed");
    }

    /// What a person sees now.
    pub(crate) fn screen(&self) -> String {
        self.seen.lock().expect("seen").emulator.screen().contents()
    }

    /// Where the cursor is: row and column.
    pub(crate) fn cursor(&self) -> (u16, u16) {
        self.seen.lock().expect("seen").emulator.screen().cursor_position()
    }

    /// Every byte that the program wrote.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.seen.lock().expect("seen").bytes.clone()
    }

    /// Waits until a person sees something of the kind.
    pub(crate) fn wait(&self, what: &str, is_seen: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let screen = self.screen();
            if is_seen(&screen) {
                return screen;
            }
            if Instant::now() >= deadline {
                let bytes = self.bytes();
                let last =
                    String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(800)..]).escape_debug().to_string();
                panic!("not seen: {what}; but:\n{screen}\nafter: {last}");
            }
            thread::sleep(std::time::Duration::from_millis(5));
        }
    }

    /// Waits until a person sees this text.
    pub(crate) fn wait_for(&self, text: &str) -> String {
        self.wait(text, |screen| screen.contains(text))
    }

    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        self.seen.lock().expect("seen").emulator.screen_mut().set_size(some(rows), some(columns));
        self.master.resize(size(columns, rows)).expect("resized");
    }

    /// The program's process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.process_id().expect("a process")
    }

    /// Waits until the program has ended and what it wrote at last is there, and gives its status as a shell counts it.
    pub(crate) fn end(&mut self) -> u32 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("waited")
                && self.seen.lock().expect("seen").is_over
            {
                return status.exit_code();
            }
            assert!(Instant::now() < deadline, "it does not end:\n{}", self.screen());
            thread::sleep(std::time::Duration::from_millis(5));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It most often has ended already.
        let _ = self.child.kill();
    }
}

fn watch(mut reader: Box<dyn Read + Send>, seen: Arc<Mutex<Seen>>, keys: Arc<Mutex<Box<dyn Write + Send>>>) {
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = reader.read(&mut buffer) {
            let part = &buffer[..count];
            let (row, column) = {
                let mut seen = seen.lock().expect("seen");
                seen.bytes.extend_from_slice(part);
                seen.emulator.process(part);
                seen.emulator.screen().cursor_position()
            };
            for _ in 0..part.windows(WHERE.len()).filter(|window| *window == WHERE).count() {
                let answer = format!("\x1b[{};{}R", row + 1, column + 1);
                // The program may have ended meanwhile.
                let _ = keys.lock().expect("keys").write_all(answer.as_bytes());
            }
        }
        seen.lock().expect("seen").is_over = true;
    });
}
