//! How the process begins and ends: away from the terminal that started it, and with a new program in its place when
//! the file was replaced. What closes it to others is in `harden.rs`.

use std::{
    env,
    fs::{self, Metadata},
    io::{self, BufRead, BufReader, PipeReader, Read, Write},
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
    time::Duration,
};

use rustix::{
    fd::{AsFd, BorrowedFd},
    io::FdFlags,
};

use crate::{
    ask::{self, Typed},
    keys, paths,
};

/// What a detached daemon prints when it listens. Anything else on its output is why it does not.
const READY: &str = "ready";

/// Starts this program again, away from the terminal, and waits until it listens or says why not. A passphrase is asked
/// for here, where the terminal is, and given on.
///
/// # Errors
/// When it cannot be started.
pub fn detach(unlock: bool) -> io::Result<ExitCode> {
    let typed = (unlock && may_be_locked()).then(|| ask::passphrase("passphrase")).transpose()?;
    keep_descriptors_from_children()?;
    let mut command = Command::new(env::current_exe()?);
    command.arg("--detached").current_dir("/").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    // glibc would give each thread an arena of its own, each with its own unused pages.
    if env::var_os("MALLOC_ARENA_MAX").is_none() {
        command.env("MALLOC_ARENA_MAX", "2");
    }
    if let Some(typed) = &typed {
        command.arg(UNLOCK).stdin(line_to_read(typed)?);
    }
    let mut child: Child = command.spawn()?;
    // What the child has of the passphrase is the only copy from here on, however long it takes to start.
    drop((command, typed));
    let mut said = String::new();
    if let Some(output) = child.stdout.take() {
        let mut output = BufReader::new(output.take(SAID_BYTES_MAX));
        output.read_line(&mut said)?;
        if said.trim_end() != READY {
            output.read_to_string(&mut said)?;
        }
    }
    match said.trim_end() {
        READY => Ok(ExitCode::SUCCESS),
        // It ended: another one runs, or it could not start.
        _ => {
            let status = child.wait()?;
            if !said.is_empty() {
                report(said.trim_end());
            }
            Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
        }
    }
}

/// Whether a passphrase may be needed. Where that cannot be told it is asked for, and the start says what is wrong.
fn may_be_locked() -> bool {
    paths::places().is_ok_and(|places| !matches!(keys::is_locked(&places.data), Ok(false)))
}

/// Says that a line of the standard input is the passphrase.
const UNLOCK: &str = "--unlock";

/// A pipe that holds the passphrase as one line, to be a child's standard input. It fits into the pipe.
fn line_to_read(typed: &Typed) -> io::Result<PipeReader> {
    let (reader, mut writer) = io::pipe()?;
    writer.write_all(typed.as_bytes())?;
    writer.write_all(b"\n")?;
    Ok(reader)
}

/// Bytes that a starting daemon may have to say.
const SAID_BYTES_MAX: u64 = 4096;

/// Tells whoever started the program, on the one channel there is before the log and the socket.
#[allow(clippy::print_stderr)] // the program's only words to a person
pub fn report(text: &str) {
    eprintln!("caro-daemon: {text}");
}

/// Leaves the session of the terminal, so that its end does not reach this process. For the program started by
/// [`detach`].
///
/// # Errors
/// When the process leads a group already.
pub fn leave_terminal() -> io::Result<()> {
    rustix::process::setsid()?;
    Ok(())
}

/// Lets go of the input that the passphrase came from.
///
/// # Errors
/// When `/dev/null` cannot be opened.
pub fn close_input() -> io::Result<()> {
    rustix::stdio::dup2_stdin(fs::File::open("/dev/null")?.as_fd())?;
    Ok(())
}

/// Tells [`detach`] that the daemon listens, or why it does not, and lets go of its output.
///
/// # Errors
/// When `/dev/null` cannot be opened.
pub fn tell_parent(outcome: Result<(), &str>) -> io::Result<()> {
    // Whoever started it may not wait for the answer.
    drop(writeln!(io::stdout(), "{}", outcome.err().unwrap_or(READY)));
    let null = fs::File::options().write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdout(null.as_fd())?;
    Ok(())
}

/// A daemon lives long. A descriptor that it inherits by accident, such as the pipe of a `$(…)` in the shell that
/// started it, would keep whoever reads the other end waiting for as long.
fn keep_descriptors_from_children() -> io::Result<()> {
    let numbers: Vec<i32> = fs::read_dir("/dev/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|number| *number > 2)
        .collect();
    for number in numbers {
        // SAFETY: the descriptor is only marked, neither read, written nor closed. One that was closed since it was
        // listed gives an error, and nothing else in this process opens one meanwhile: it has one thread.
        #[allow(unsafe_code)]
        let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
        match rustix::io::fcntl_setfd(descriptor, FdFlags::CLOEXEC) {
            Ok(()) | Err(rustix::io::Errno::BADF) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// The program's own file, to notice that another version was put in its place.
pub struct Program {
    path: PathBuf,
    started_as: Identity,
    /// What was seen at the last look: a file is only taken when it has stopped changing.
    seen: Option<Identity>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Identity {
    fn of(meta: &Metadata) -> Self {
        Self { device: meta.dev(), inode: meta.ino(), size: meta.size(), modified: (meta.mtime(), meta.mtime_nsec()) }
    }
}

impl Program {
    /// The program that runs now. To be asked at the very start.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn current() -> io::Result<Self> {
        Self::at(env::current_exe()?)
    }

    fn at(path: PathBuf) -> io::Result<Self> {
        let started_as = Identity::of(&fs::metadata(&path)?);
        Ok(Self { path, started_as, seen: None })
    }

    /// Whether another program stands in this one's place, complete and able to run. Asks twice: the first look only
    /// remembers what is there.
    pub fn was_replaced(&mut self) -> bool {
        let Ok(meta) = fs::metadata(&self.path) else { return false };
        let now = Identity::of(&meta);
        let settled = self.seen.replace(now) == Some(now);
        now != self.started_as && settled && runs(&self.path)
    }

    /// Becomes the new program, in the same process, with the passphrase that this one was given. Gives the reason if
    /// that fails.
    pub fn become_new(&self, typed: Option<&Typed>) -> io::Error {
        let mut command = Command::new(&self.path);
        command.args(env::args_os().skip(1).filter(|argument| argument != "--detached"));
        match typed.map(line_to_read).transpose() {
            Ok(Some(line)) => command.stdin(line).exec(),
            Ok(None) => command.exec(),
            Err(error) => error,
        }
    }
}

/// Whether the file is a program that at least can say its version.
fn runs(path: &Path) -> bool {
    let Ok(mut child) =
        Command::new(path).arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
    else {
        return false;
    };
    // Half a second is a hundred times what it takes.
    for _ in 0..50 {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) => std::thread::sleep(Duration::from_millis(10)),
            Err(_) => break,
        }
    }
    drop(child.kill());
    drop(child.wait());
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(path: &Path, script: &str) {
        use std::os::unix::fs::PermissionsExt;
        let beside = path.with_extension("new");
        fs::write(&beside, script).expect("written");
        fs::set_permissions(&beside, PermissionsExt::from_mode(0o755)).expect("made executable");
        fs::rename(&beside, path).expect("put in place");
    }

    #[test]
    fn a_replaced_program_is_noticed_when_it_has_settled_and_can_run() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("program");
        put(&path, "#!/bin/sh\nexit 0\n");
        let mut program = Program::at(path.clone()).expect("it is there");
        assert_eq!((program.was_replaced(), program.was_replaced()), (false, false));
        fs::remove_file(&path).expect("removed");
        assert!(!program.was_replaced(), "a missing program is no new one");
        put(&path, "#!/bin/sh\nexit 1\n# cannot run\n");
        assert_eq!((program.was_replaced(), program.was_replaced()), (false, false));
        put(&path, "#!/bin/sh\nexit 0\n# the new version\n");
        assert_eq!((program.was_replaced(), program.was_replaced()), (false, true));
    }
}
