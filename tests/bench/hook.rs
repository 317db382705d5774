//! What a hook adds to a command: lines typed ahead into a real shell on a terminal, with and without it, in turns.

use std::time::Instant;

use caro_tests::{Device, Home, Terminal, have};

use crate::{atuin, figures::Figures};

/// Commands of one batch. They are typed ahead: more would not fit the terminal's buffer.
const BATCH: usize = 300;
const ROUNDS: usize = 8;

pub(crate) fn measure(figures: &mut Figures) {
    for shell in ["bash", "zsh", "fish"].into_iter().filter(|shell| have(shell)) {
        let caro_hook = match shell {
            "fish" => "caro init fish --no-up --no-ctrl-r | source".to_owned(),
            shell => format!("eval \"$(caro init {shell} --no-up --no-ctrl-r)\""),
        };
        let device = Device::new();
        let mut bare = start(shell, &Home::new(), "");
        let mut with_caro = start(shell, &device.home, &caro_hook);
        let leader_home = Home::new();
        let mut with_leader = atuin::is_here().then(|| start(shell, &leader_home, &atuin::hook(shell)));
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            let base = batch(&mut bare, round);
            ours.push(batch(&mut with_caro, round) - base);
            if let Some(leader) = &mut with_leader {
                theirs.push(batch(leader, round) - base);
            }
        }
        let ours = figures.samples(&format!("{shell}: caro adds to a command"), "us", ours);
        if !theirs.is_empty() {
            let theirs = figures.samples(&format!("{shell}: atuin adds to a command"), "us", theirs);
            figures.ratio("  the leader adds times", theirs, ours);
        }
    }
}

fn start(shell: &str, home: &Home, hook: &str) -> Terminal {
    let (file, prompt) = match shell {
        "bash" => (".bashrc", "PS1='ready> '"),
        "zsh" => (".zshrc", "PS1='ready> '; unsetopt zle_bracketed_paste 2>/dev/null"),
        _ => (".config/fish/config.fish", "function fish_prompt; echo -n 'ready> '; end; set -g fish_greeting"),
    };
    home.write(file, format!("{prompt}\n{hook}\n"));
    let mut terminal = Terminal::start(shell, &["-i"], &home.env(), &home.path());
    terminal.wait_for("ready>");
    terminal.wait_for_editor();
    batch(&mut terminal, 99);
    terminal
}

/// Microseconds that one command of a batch takes.
fn batch(terminal: &mut Terminal, round: usize) -> f64 {
    let begun = Instant::now();
    terminal.keys("true\r".repeat(BATCH));
    // Typed in two parts, so that only its output shows it whole.
    terminal.line(&format!("echo en''d{round}"));
    terminal.wait_for(&format!("\nend{round}"));
    let micros = begun.elapsed().as_secs_f64() * 1e6 / BATCH as f64;
    terminal.line("clear");
    terminal.wait_until("a clear screen", |screen| !screen.contains("end"));
    micros
}
