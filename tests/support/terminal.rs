//! A program on a terminal of its own: keys in, a screen out, and answers to what line editors ask a terminal.

use std::{
    ffi::OsString,
    io::{Read, Write},
    num::NonZero,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use crate::wait::eventually;

/// A terminal with a program on it, which ends with it.
pub struct Terminal {
    master: Box<dyn MasterPty + Send>,
    keys: Keys,
    child: Box<dyn Child + Send + Sync>,
    screen: Arc<Mutex<vt100::Parser>>,
    questions: Arc<AtomicUsize>,
}

/// The way in, for whoever types and for the terminal's own answers.
type Keys = Arc<Mutex<Box<dyn Write + Send>>>;

const ROWS: u16 = 40;
const COLUMNS: u16 = 120;

impl Terminal {
    /// Starts a program on a terminal of 40 rows and 120 columns.
    pub fn start(program: &str, arguments: &[&str], env: &[(OsString, OsString)], folder: &Path) -> Self {
        let size = PtySize { rows: ROWS, cols: COLUMNS, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("a terminal");
        let mut command = CommandBuilder::new(program);
        command.args(arguments);
        command.env_clear();
        for (name, value) in env {
            command.env(name, value);
        }
        command.cwd(folder);
        let child = pair.slave.spawn_command(command).expect("the program starts");
        drop(pair.slave);
        let keys: Keys = Arc::new(Mutex::new(pair.master.take_writer().expect("a way in")));
        let mut output = pair.master.try_clone_reader().expect("a way out");
        let screen = Arc::new(Mutex::new(vt100::Parser::new(size_of(ROWS), size_of(COLUMNS), 2000)));
        let questions = Arc::new(AtomicUsize::new(0));
        let mut shown =
            Shown { screen: screen.clone(), keys: keys.clone(), asked: Vec::new(), questions: questions.clone() };
        // Ends with the last program that has this terminal open, which may be later than this test.
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            // The terminal reports an error when its last program is gone: the end, here.
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                shown.process(&bytes[..count]);
            }
        });
        Self { master: pair.master, keys, child, screen, questions }
    }

    /// Types bytes as they are.
    pub fn keys(&mut self, bytes: impl AsRef<[u8]>) {
        let mut keys = self.keys.lock().expect("whole");
        keys.write_all(bytes.as_ref()).expect("the program reads");
        keys.flush().expect("the program reads");
    }

    /// Types a line and presses Enter.
    pub fn line(&mut self, text: &str) {
        self.keys(text);
        self.keys("\r");
    }

    /// How often the program has asked where the cursor is: nushell does so once for each prompt.
    pub fn questions(&self) -> usize {
        self.questions.load(Ordering::Acquire)
    }

    /// What the screen shows.
    pub fn screen(&self) -> String {
        self.screen.lock().expect("whole").screen().contents()
    }

    /// Waits until the screen shows a text.
    pub fn wait_for(&self, text: &str) {
        self.wait_until(text, |screen| screen.contains(text));
    }

    /// Waits until the screen is as a test wants it.
    pub fn wait_until(&self, what: &str, holds: impl Fn(&str) -> bool) {
        let mut last = String::new();
        let waited = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            eventually(what, || {
                last = self.screen();
                holds(&last).then_some(())
            });
        }));
        assert!(waited.is_ok(), "not in time: {what:?}; the screen:\n{last}");
    }

    /// Waits until the program has no children: what it started for a key has ended.
    pub fn wait_until_alone(&self) {
        let pid = self.pid();
        let children = format!("/proc/{pid}/task/{pid}/children");
        eventually("nothing else reads the keys", || {
            std::fs::read_to_string(&children).expect("it runs").trim().is_empty().then_some(())
        });
    }

    /// Waits until the keys go to a program that was started in the foreground, a shell's job for instance, and which is
    /// no copy of the shell any more: such a one may still take a signal for its own.
    pub fn wait_for_job(&self) {
        let name = |pid: i32| std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let own = i32::try_from(self.pid()).expect("a process");
        let own_name = name(own);
        eventually("a job has the terminal", || {
            let leader = self.master.process_group_leader().filter(|leader| *leader != own)?;
            (own_name.is_empty() || name(leader) != own_name).then_some(())
        });
    }

    /// Waits until a line editor reads the keys: before that they are the terminal's own, and Ctrl-C throws them away.
    pub fn wait_for_editor(&self) {
        eventually("a line editor reads the keys", || {
            let number = self.master.as_raw_fd().expect("a terminal of this system");
            // SAFETY: the terminal is open as long as `self`, and the borrow ends in this block.
            #[allow(unsafe_code)]
            let terminal = unsafe { std::os::fd::BorrowedFd::borrow_raw(number) };
            let modes = rustix::termios::tcgetattr(terminal).expect("a terminal");
            (!modes.local_modes.contains(rustix::termios::LocalModes::ICANON)).then_some(())
        });
    }

    /// Changes the size.
    pub fn resize(&self, rows: u16, columns: u16) {
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        self.master.resize(size).expect("resized");
        self.screen.lock().expect("whole").screen_mut().set_size(size_of(rows), size_of(columns));
    }

    /// The program's process id.
    pub fn pid(&self) -> u32 {
        self.child.process_id().expect("it runs")
    }

    /// Waits until the program has ended.
    pub fn wait_for_end(&mut self) {
        eventually("the program ends", || self.child.try_wait().expect("ours").map(drop));
    }

    /// Ends the program as a power cut would.
    pub fn kill(&mut self) {
        self.child.kill().expect("it is ours");
        self.child.wait().expect("it was ours");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // One that has ended by itself cannot be ended again.
        if self.child.kill().is_ok() {
            drop(self.child.wait());
        }
    }
}

/// What takes the program's output in.
struct Shown {
    screen: Arc<Mutex<vt100::Parser>>,
    keys: Keys,
    /// The end of what was taken in, as long as it may be the beginning of the question.
    asked: Vec<u8>,
    questions: Arc<AtomicUsize>,
}

/// "Where is the cursor?": nushell and xonsh wait for the answer before they show a prompt.
const WHERE: &[u8] = b"\x1b[6n";

impl Shown {
    fn process(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.screen.lock().expect("whole").process(std::slice::from_ref(byte));
            self.asked.push(*byte);
            if self.asked == WHERE {
                self.answer();
            }
            if !WHERE.starts_with(&self.asked) || self.asked == WHERE {
                self.asked.clear();
                // The byte that belongs to no question may begin the next one.
                self.asked.extend(Some(*byte).filter(|byte| *byte == WHERE[0]));
            }
        }
    }

    fn answer(&self) {
        let (row, column) = self.screen.lock().expect("whole").screen().cursor_position();
        let answer = format!("\x1b[{};{}R", row + 1, column + 1);
        let mut keys = self.keys.lock().expect("whole");
        // A program that is gone asks nothing any more.
        let _ = keys.write_all(answer.as_bytes()).and_then(|()| keys.flush());
        self.questions.fetch_add(1, Ordering::AcqRel);
    }
}

fn size_of(cells: u16) -> NonZero<u16> {
    NonZero::new(cells).expect("at least one")
}
