//! `caro screen`: what the key bindings call. The line comes on standard input, the screen draws on the terminal, and
//! what was chosen goes to a descriptor of its own, so that it is never mixed with what is drawn: a first line `put` or
//! `run`, then the command as it is. Nothing when the person left.

use std::{
    fs::File,
    io::Write,
    os::fd::{BorrowedFd, RawFd},
};

use clap::Args;

use crate::{
    error::{Failure, Outcome},
    exit,
    output::{Out, visible},
    popup,
    tui::{self, Chosen, Options, Purpose},
};

/// Draw the screen for a key binding
#[derive(Args)]
pub(crate) struct Screen {
    /// Where to write what was chosen
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(RawFd).range(1..))]
    result_fd: RawFd,
    /// Opened by the up key
    #[arg(long)]
    up: bool,
    /// The run of the shell
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    #[command(flatten)]
    options: Options,
}

impl Screen {
    pub(crate) fn run(self) -> Outcome {
        // Before anything is drawn: standard output may be that descriptor, and becomes the terminal.
        let result = result_file(self.result_fd)?;
        if popup::open(self.result_fd) {
            return Ok(());
        }
        let purpose = Purpose {
            text: tui::line_from_stdin(),
            by_up_key: self.up,
            session: self.session.filter(|session| !session.is_empty()),
            for_prompt: true,
        };
        match tui::choose(&self.options, purpose)? {
            Some(chosen) => write(result, &chosen).map_err(|error| Failure::output(&error)),
            None => Ok(()),
        }
    }
}

fn result_file(number: RawFd) -> Outcome<File> {
    // SAFETY: the shell that calls this has opened the descriptor for it; it is only duplicated, and a number that
    // nobody opened gives an error.
    #[allow(unsafe_code)]
    let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
    let own = rustix::io::fcntl_dupfd_cloexec(descriptor, 3)
        .map_err(|_| Failure::new(exit::USAGE, format!("descriptor {number} is not open")))?;
    Ok(File::from(own))
}

fn write(mut to: File, chosen: &Chosen) -> std::io::Result<()> {
    to.write_all(if chosen.run { b"run\n" } else { b"put\n" })?;
    to.write_all(&chosen.command)
}

/// The screen without a prompt: prints what was chosen.
pub(crate) fn print_chosen(options: &Options) -> Outcome {
    use std::io::IsTerminal;
    let is_terminal = std::io::stdout().is_terminal();
    // Standard output becomes the terminal while the screen is on it.
    let kept =
        rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3).map_err(|error| Failure::output(&error.into()))?;
    let purpose = Purpose { text: String::new(), by_up_key: false, session: None, for_prompt: false };
    let Some(chosen) = tui::choose(options, purpose)? else { return Err(Failure::cancelled()) };
    rustix::stdio::dup2_stdout(&kept).map_err(|error| Failure::output(&error.into()))?;
    let mut out = Out::new();
    if is_terminal {
        out.line(&visible::text(&chosen.command))?;
    } else {
        out.bytes(&chosen.command)?;
        out.bytes(b"\n")?;
    }
    out.finish()
}
