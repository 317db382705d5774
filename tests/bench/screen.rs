//! How fast the screen is on a real terminal: from its start to the first frame with results, and from each letter to
//! results that are drawn. The same for the leader and for fzf where they are here, over the same history.
//!
//! A program has drawn when nothing more comes from it: the time of the last byte before a pause counts. That is the same
//! for programs that draw once and for those that draw the letter first.

use std::{
    ffi::OsString,
    io::{Read, Write},
    path::Path,
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use caro_tests::{Device, Home, have, programs::program};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use crate::{atuin, corpus::bash_history, figures::Figures};

/// Commands of the large history, and of the one that is given to the others as well: the leader takes minutes to read
/// the large one.
const LARGE: u64 = 1_000_000;
const SMALL: u64 = 100_000;

/// How often each program is opened.
const OPENED: usize = 15;

/// What is typed, letter by letter.
const TYPED: [&str; 4] = ["git commit parser", "cargo test", "service-99.log", "qzxj"];

/// Without a byte for so long, a program has drawn.
const PAUSE: Duration = Duration::from_millis(80);

/// A program that has drawn nothing by then never will.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn measure(figures: &mut Figures) {
    for count in [SMALL, LARGE] {
        let device = Device::new();
        let history = device.home.write("history", bash_history(count));
        device.home.caro_ok(&["import", "bash", history.to_str().expect("text")]);
        let caro = program("caro");
        let caro = caro.to_str().expect("text");
        let script = format!("'{caro}' screen --result-fd 3 3>/dev/null </dev/null");
        measure_one(figures, &format!("caro, {count} commands"), &device.home, &["/bin/sh", "-c", &script]);
    }
    if have("fzf") {
        let home = Home::new();
        let lines = bash_history(SMALL);
        let commands: String =
            lines.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect();
        let file = home.write("commands", commands);
        let script = format!("fzf --tac --scheme=history <'{}' >/dev/null", file.display());
        measure_one(figures, &format!("fzf, {SMALL} commands"), &home, &["/bin/sh", "-c", &script]);
    }
    if atuin::is_here() {
        let home = Home::new();
        atuin::history_file(&home, &bash_history(SMALL));
        assert!(atuin::run(&home, &["import", "bash"]).is_some(), "the leader imports");
        let script = "ATUIN_SESSION=0190f0b0c0d07000a000000000000001 atuin search -i 2>/dev/tty >/dev/null";
        measure_one(figures, &format!("atuin, {SMALL} commands"), &home, &["/bin/sh", "-c", script]);
    }
}

fn measure_one(figures: &mut Figures, name: &str, home: &Home, words: &[&str]) {
    let (mut opened, mut drawn) = (Vec::new(), Vec::new());
    for turn in 0..OPENED {
        let begun = Instant::now();
        let mut screen = OnTerminal::start(words, &home.env(), &home.path());
        let first = screen.drawn(begun);
        if turn > 0 {
            // The first one warms caches, as a person's first press does.
            opened.push(first);
        }
        for letter in TYPED[turn % TYPED.len()].bytes() {
            let begun = Instant::now();
            screen.press(&[letter]);
            drawn.push(screen.drawn(begun));
        }
        screen.close();
    }
    figures.samples(&format!("{name}: opened and drawn"), "ms", opened);
    figures.samples(&format!("{name}: letter to results drawn"), "ms", drawn);
}

/// A program on a terminal, whose bytes are timed.
struct OnTerminal {
    _master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    bytes: Receiver<(Instant, Vec<u8>)>,
}

impl OnTerminal {
    fn start(words: &[&str], env: &[(OsString, OsString)], folder: &Path) -> Self {
        let size = PtySize { rows: 40, cols: 120, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("a terminal");
        let mut command = CommandBuilder::new(words[0]);
        command.args(&words[1..]);
        command.env_clear();
        env.iter().for_each(|(name, value)| command.env(name, value));
        command.cwd(folder);
        let child = pair.slave.spawn_command(command).expect("the program starts");
        drop(pair.slave);
        let mut output = pair.master.try_clone_reader().expect("a way out");
        let (timed, bytes) = mpsc::channel();
        thread::spawn(move || {
            let mut part = [0; 65536];
            while let Ok(count @ 1..) = output.read(&mut part) {
                if timed.send((Instant::now(), part[..count].to_vec())).is_err() {
                    return;
                }
            }
        });
        let keys = pair.master.take_writer().expect("a way in");
        Self { _master: pair.master, keys, child, bytes }
    }

    fn press(&mut self, keys: &[u8]) {
        self.keys.write_all(keys).and_then(|()| self.keys.flush()).expect("the program reads");
    }

    /// Milliseconds until the last byte before a pause.
    fn drawn(&mut self, begun: Instant) -> f64 {
        let mut last = None;
        loop {
            let patience = if last.is_some() { PAUSE } else { PATIENCE };
            match self.bytes.recv_timeout(patience) {
                Ok((at, bytes)) => {
                    // Some ask where the cursor is before they draw, as terminals answer.
                    if bytes.windows(4).any(|part| part == b"\x1b[6n") {
                        self.press(b"\x1b[1;1R");
                        continue;
                    }
                    last = Some(at);
                }
                Err(RecvTimeoutError::Timeout) => {
                    let last = last.expect("the program draws something");
                    return last.duration_since(begun).as_secs_f64() * 1e3;
                }
                Err(RecvTimeoutError::Disconnected) => panic!("the program ended"),
            }
        }
    }

    fn close(mut self) {
        self.press(b"\x1b");
        caro_tests::eventually("the program ends", || self.child.try_wait().expect("ours").map(drop));
    }
}
