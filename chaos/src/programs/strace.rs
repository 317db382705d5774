//! What is done to a real program from outside: its system calls are noted, fail, or are the moment at which it dies.
//!
//! All of it is `strace`, so that the program under test is the one that people run. A count of calls is per thread
//! and per kind of call, as `strace` counts. Knows nothing of what a program is for. Next: [`super::recording`].

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use caro_tests::{eventually, have};

use crate::scenario::Run;

/// Calls after which a file or a folder is another one than before, or is safe.
pub const CHANGES: &str =
    "write,pwrite64,ftruncate,fallocate,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat";

/// Calls with which a server sends.
pub const SENDS: &str = "sendto,sendmsg,writev";

/// Calls of kinds that nobody asked for cost nothing.
const CHEAP: &str = "--seccomp-bpf";

/// What becomes of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The program is killed as it makes the call, which is then not carried out.
    Killed,
    /// The call fails with this error and does nothing.
    Fails(&'static str),
    /// The call takes so many microseconds longer.
    Late(u32),
}

/// A call at which something happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// The kinds of call, with commas in between.
    pub calls: String,
    /// Which ones, as `strace` writes it: `3`, `3+` for that and all later ones, `3..5`.
    pub when: String,
    /// What happens.
    pub fate: Fate,
}

impl Point {
    /// The program dies at the n-th call of a kind.
    pub fn killed_at(calls: &str, n: u64) -> Self {
        Self { calls: calls.to_owned(), when: n.to_string(), fate: Fate::Killed }
    }

    /// These calls fail.
    pub fn fails(calls: &str, when: impl Into<String>, error: &'static str) -> Self {
        Self { calls: calls.to_owned(), when: when.into(), fate: Fate::Fails(error) }
    }

    fn words(&self) -> [OsString; 2] {
        let fate = match &self.fate {
            Fate::Killed => "signal=KILL".to_owned(),
            Fate::Fails(error) => format!("error={error}"),
            Fate::Late(us) => format!("delay_enter={us}"),
        };
        ["-e".into(), format!("inject={}:{fate}:when={}", self.calls, self.when).into()]
    }
}

/// What goes before a program's name on its command line, so that it runs under `strace`.
#[derive(Clone, Debug, Default)]
pub struct Under {
    words: Vec<OsString>,
}

impl Under {
    /// Nothing: the program runs as it is.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// Another program, which starts what follows it on its command line.
    pub fn program(words: &[&str]) -> Self {
        Self { words: words.iter().map(Into::into).collect() }
    }

    /// Something happens at a call. The calls of these kinds are noted in the file.
    pub fn point(point: &Point, notes: &Path) -> Self {
        let trace = format!("trace={}", point.calls);
        let under = match point.fate {
            // With its filter strace 6.1 sends no signal, and says nothing of it.
            Fate::Killed => Self::new(notes, &["-e", &trace]),
            Fate::Fails(_) | Fate::Late(_) => Self::new(notes, &[CHEAP, "-e", &trace]),
        };
        under.and(point.words())
    }

    /// Calls are counted: each is a line that begins with the thread and the call's name.
    pub fn count(calls: &str, notes: &Path) -> Self {
        Self::new(notes, &[CHEAP, "-s", "0", "-e", &format!("trace={calls}")])
    }

    /// Everything that is done to files is noted with its bytes, for [`super::recording`].
    pub fn record(notes: &Path) -> Self {
        let calls = format!("trace={CHANGES},openat,mkdir,mkdirat");
        Self::new(notes, &[CHEAP, "-xx", "-y", "-s", "1048576", "-e", &calls])
    }

    fn new(notes: &Path, words: &[&str]) -> Self {
        // -D: the program is our child and the tracer is not.
        let mut all: Vec<OsString> = ["strace", "-D", "-f", "-qq", "-e", "signal=none", "-o"].map(Into::into).into();
        all.push(notes.into());
        all.extend(words.iter().map(Into::into));
        Self { words: all }
    }

    /// Something happens at a call as well.
    pub fn with(self, point: &Point) -> Self {
        self.and(point.words())
    }

    fn and(mut self, words: impl IntoIterator<Item = OsString>) -> Self {
        self.words.extend(words);
        self
    }

    /// The program, and before it what it runs under.
    pub fn command(&self, program: &Path) -> (OsString, Vec<OsString>) {
        let mut words = self.words.iter().cloned().chain([program.as_os_str().to_owned()]);
        let first = words.next().unwrap_or_default();
        (first, words.collect())
    }
}

/// Ends the run as skipped where programs cannot be traced.
pub fn require(run: &Run) {
    static CAN: OnceLock<bool> = OnceLock::new();
    let can = *CAN.get_or_init(|| {
        let mut probe = Command::new("strace");
        probe.args(["-D", "-f", "--seccomp-bpf", "-o", "/dev/null", "-e", "inject=fsync:error=EIO:when=1", "true"]);
        have("strace") && probe.stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    });
    if !can {
        run.skip("strace that may trace");
    }
}

/// How long a tracer may take to let go. It does so within milliseconds, unless it never does.
const LEAVES_WITHIN: Duration = Duration::from_secs(5);

/// A tracer that was put beside a running program.
pub struct Beside {
    tracer: Child,
}

impl Beside {
    /// Something happens at a call of one thread, or of all that there are now.
    pub fn point(point: &Point, process: u32, thread: Option<u32>) -> Self {
        let mut command = Command::new("strace");
        command.args(["-qq", "-o", "/dev/null", "-e", "signal=none", "-e", &format!("trace={}", point.calls)]);
        command.args(point.words()).stderr(Stdio::null());
        match thread {
            Some(thread) => command.args(["-p", &thread.to_string()]),
            None => command.args(["-f", "-p", &process.to_string()]),
        };
        // Before it starts: one that begins when strace has looked is its parent's to bring, and may come without.
        let whom: Vec<PathBuf> = match thread {
            Some(thread) => vec![PathBuf::from(format!("/proc/{process}/task/{thread}/status"))],
            None => threads(process).into_iter().map(|(_, folder)| folder.join("status")).collect(),
        };
        let tracer = command.spawn().expect("strace starts");
        eventually("strace is attached", || whom.iter().all(|status| is_traced(status)).then_some(()));
        Self { tracer }
    }

    /// Lets the program go on alone.
    pub fn end(mut self) {
        self.leave();
    }

    fn leave(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.tracer);
        // It is gone already when its program is.
        if matches!(self.tracer.try_wait(), Ok(None))
            && rustix::process::kill_process(pid, rustix::process::Signal::INT).is_ok()
        {
            let deadline = Instant::now() + LEAVES_WITHIN;
            while matches!(self.tracer.try_wait(), Ok(None)) {
                // strace may wait for ever for a program that was killed while several of its threads were stopped: the
                // threads have ended, and only strace's own end lets go of them.
                if Instant::now() > deadline {
                    self.tracer.kill().expect("it is ours");
                    self.tracer.wait().expect("it was ours");
                    return;
                }
                thread::sleep(Duration::from_millis(4));
            }
        }
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        self.leave();
    }
}

/// A thread that has ended meanwhile needs no tracer, also when nobody has asked how it ended: what is to happen at a call can
/// end the program while strace is still going from thread to thread.
fn is_traced(status: &Path) -> bool {
    let Ok(status) = fs::read_to_string(status) else { return true };
    let field = |name: &str| status.lines().find_map(|line| Some(line.strip_prefix(name)?.trim()));
    let has_ended = field("State:").is_some_and(|state| state.starts_with(['Z', 'X']));
    has_ended || field("TracerPid:").is_some_and(|pid| pid != "0")
}

fn threads(process: u32) -> Vec<(u32, PathBuf)> {
    let Ok(entries) = fs::read_dir(format!("/proc/{process}/task")) else { return Vec::new() };
    let folders = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    folders.filter_map(|folder| Some((folder.file_name()?.to_str()?.parse().ok()?, folder))).collect()
}

/// The thread of a program that has this name.
///
/// # Panics
/// When there is none.
pub fn thread_named(process: u32, name: &str) -> u32 {
    let is_it = |folder: &Path| fs::read_to_string(folder.join("comm")).is_ok_and(|comm| comm.trim_end() == name);
    let found = threads(process).into_iter().find(|(_, folder)| is_it(folder));
    found.unwrap_or_else(|| panic!("no thread is called {name}")).0
}

/// From a file of [`Under::count`]: every point at which the program can be struck. Of several threads the one with the
/// most calls of a kind counts.
pub fn points(notes: &Path) -> Vec<(String, u64)> {
    let text = fs::read_to_string(notes).expect("written");
    let mut counts = std::collections::BTreeMap::<(&str, &str), u64>::new();
    for line in text.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let Some((call, _)) = rest.trim_start().split_once('(') else { continue };
        if CHANGES.split(',').any(|known| known == call) {
            *counts.entry((call, thread)).or_default() += 1;
        }
    }
    let mut most = std::collections::BTreeMap::<&str, u64>::new();
    for ((call, _), count) in counts {
        let known = most.entry(call).or_default();
        *known = count.max(*known);
    }
    most.into_iter().flat_map(|(call, count)| (1..=count).map(move |n| (call.to_owned(), n))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_to_be_killed_at_a_call_is() {
        if !have("strace") {
            return caro_tests::skip("a_program_that_is_to_be_killed_at_a_call_is", "strace");
        }
        let notes = tempfile::NamedTempFile::new().expect("made");
        let under = Under::point(&Point::killed_at("write", 2), notes.path());
        let (first, words) = under.command(Path::new("sh"));
        let mut command = Command::new(first);
        let status = command.args(words).args(["-c", "echo one; echo two; echo three"]).stdout(Stdio::null()).status();
        assert!(super::super::relay::is_killed(status.expect("it starts")));
    }

    #[test]
    fn points_are_counted_by_thread_and_kind() {
        let notes = tempfile::NamedTempFile::new().expect("made");
        let text = "7  pwrite64(3, \"\"..., 24, 0) = 24\n7  fsync(3) = 0\n9  pwrite64(3, \"\"..., 24, 0) = 24\n\
                    7  pwrite64(3, \"\"..., 1, 0 <unfinished ...>\n7  <... pwrite64 resumed>) = 1\n8  openat(3) = 4\n";
        fs::write(notes.path(), text).expect("written");
        let expected = [("fsync".to_owned(), 1), ("pwrite64".to_owned(), 1), ("pwrite64".to_owned(), 2)];
        assert_eq!(points(notes.path()), expected);
    }
}
