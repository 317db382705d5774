//! What a hook adds to a command. Lines are typed into real shells on terminals, the next as soon as the output of the one
//! before has arrived: from output to output a shell has written an end, shown a prompt, read a line and written a start.
//! The variants take turns, because this machine is never alone; for the same reason the processor time of the shell itself
//! is told too, which the machine's other work does not touch (nor what a hook starts beside the shell).

use std::{
    io::{Read, Write},
    time::Instant,
};

use caro_tests::{Device, Home, have};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use crate::{atuin, figures::Figures};

/// Commands of one turn.
const TURN: usize = 60;

/// Turns of each variant. The first is not counted.
const TURNS: usize = 13;

pub(crate) fn measure(figures: &mut Figures) {
    for shell in ["bash", "zsh", "fish"].into_iter().filter(|shell| have(shell)) {
        measure_shell(figures, shell);
    }
}

fn measure_shell(figures: &mut Figures, shell: &str) {
    let (device, stopped, others) = (Device::new(), Device::new(), [Home::new(), Home::new()]);
    let hook = match shell {
        "fish" => "caro init fish --no-up --no-ctrl-r | source".to_owned(),
        shell => format!("eval \"$(caro init {shell} --no-up --no-ctrl-r)\""),
    };
    let mut variants = vec![
        Typist::start(shell, &others[0], ""),
        Typist::start(shell, &device.home, &hook),
        Typist::start(shell, &stopped.home, &hook),
    ];
    if atuin::is_here() {
        variants.push(Typist::start(shell, &others[1], &atuin::hook(shell)));
    }
    let asleep = rustix::process::Pid::from_raw(stopped.pid()).expect("a daemon");
    rustix::process::kill_process(asleep, rustix::process::Signal::STOP).expect("ours");
    for turn in 0..TURNS {
        for variant in &mut variants {
            variant.turn(turn > 0);
        }
    }
    rustix::process::kill_process(asleep, rustix::process::Signal::CONT).expect("ours");
    let mut kinds = [
        ("", variants.iter_mut().map(|variant| std::mem::take(&mut variant.elapsed_us)).collect::<Vec<_>>()),
        (", processor time", variants.iter_mut().map(|variant| std::mem::take(&mut variant.cpu_us)).collect()),
    ];
    for (kind, samples) in &mut kinds {
        report(figures, &format!("{shell}{kind}"), std::mem::take(samples));
    }
}

/// The first samples are those without a hook.
fn report(figures: &mut Figures, what: &str, mut samples: Vec<Vec<f64>>) {
    let bare = samples.remove(0);
    if bare.is_empty() {
        return;
    }
    figures.samples(&format!("{what}: without a hook"), "us", bare.clone());
    let names = ["caro adds", "caro adds, its daemon stopped", "atuin adds"];
    let added: Vec<f64> = names
        .iter()
        .zip(samples)
        .map(|(name, samples)| figures.samples(&format!("{what}: {name}"), "us", above(&bare, samples)))
        .collect();
    if let [ours, _, theirs] = added[..] {
        figures.ratio(&format!("{what}: the leader adds times"), theirs, ours);
    }
}

/// Each sample without what a command takes in the middle of all that run without a hook.
fn above(bare: &[f64], samples: Vec<f64>) -> Vec<f64> {
    let mut bare = bare.to_vec();
    bare.sort_by(f64::total_cmp);
    let median = bare[bare.len() / 2];
    samples.into_iter().map(|sample| sample - median).collect()
}

/// Somebody who types into a shell and looks at a clock.
struct Typist {
    _master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    output: Box<dyn Read + Send>,
    child: Box<dyn Child + Send + Sync>,
    typed: usize,
    /// Of each command.
    elapsed_us: Vec<f64>,
    /// Of each turn, for one command.
    cpu_us: Vec<f64>,
}

impl Typist {
    fn start(shell: &str, home: &Home, hook: &str) -> Self {
        let (file, prompt) = match shell {
            "bash" => (".bashrc", "PS1='ready> '"),
            "zsh" => (".zshrc", "PS1='ready> '"),
            _ => (".config/fish/config.fish", "function fish_prompt; echo -n 'ready> '; end; set -g fish_greeting"),
        };
        home.write(file, format!("{prompt}\n{hook}\n"));
        let size = PtySize { rows: 40, cols: 120, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("a terminal");
        let mut command = CommandBuilder::new(shell);
        command.arg("-i");
        command.env_clear();
        for (name, value) in home.env() {
            command.env(name, value);
        }
        command.cwd(home.path());
        let child = pair.slave.spawn_command(command).expect("the shell starts");
        let keys = pair.master.take_writer().expect("a way in");
        let output = pair.master.try_clone_reader().expect("a way out");
        let mut typist =
            Self { _master: pair.master, keys, output, child, typed: 0, elapsed_us: Vec::new(), cpu_us: Vec::new() };
        typist.turn(false);
        typist
    }

    /// Types a number of commands and takes the time between their outputs.
    fn turn(&mut self, counts: bool) {
        let mut seen: Vec<u8> = Vec::new();
        let mut last: Option<Instant> = None;
        let cpu_before = self.cpu_ns();
        for _ in 0..TURN {
            self.typed += 1;
            let number = self.typed;
            // Written in two parts, so that the line as it is typed is not taken for what it prints.
            self.keys.write_all(format!("echo out''put-{number}.\r").as_bytes()).expect("the shell reads");
            self.keys.flush().expect("the shell reads");
            let at = self.wait_for(format!("output-{number}.").as_bytes(), &mut seen);
            if let (Some(last), true) = (last, counts) {
                self.elapsed_us.push((at - last).as_secs_f64() * 1e6);
            }
            last = Some(at);
        }
        if let (Some(before), Some(after), true) = (cpu_before, self.cpu_ns(), counts) {
            self.cpu_us.push((after - before) / 1e3 / TURN as f64);
        }
    }

    /// What the shell itself has used so far, where the system tells it so finely.
    fn cpu_ns(&self) -> Option<f64> {
        let pid = self.child.process_id()?;
        std::fs::read_to_string(format!("/proc/{pid}/schedstat")).ok()?.split_whitespace().next()?.parse().ok()
    }

    /// When a text was on the terminal. Everything up to it is forgotten.
    fn wait_for(&mut self, awaited: &[u8], seen: &mut Vec<u8>) -> Instant {
        let mut bytes = [0; 4096];
        loop {
            if let Some(place) = seen.windows(awaited.len()).position(|window| window == awaited) {
                seen.drain(..place + awaited.len());
                return Instant::now();
            }
            let count = self.output.read(&mut bytes).expect("the shell runs");
            assert!(count > 0, "the shell has ended");
            seen.extend_from_slice(&bytes[..count]);
        }
    }
}

impl Drop for Typist {
    fn drop(&mut self) {
        if self.child.kill().is_ok() {
            drop(self.child.wait());
        }
    }
}
