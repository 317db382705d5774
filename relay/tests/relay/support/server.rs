//! A relay in this process ([`Running`]) or as the built program ([`Program`]), in a folder that goes away with it.

use std::{
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
};

use caro_relay::{config::Config, limits::Limits, serve::Server};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::{sync::watch, task::JoinHandle};

use super::{Target, until};

/// A relay in this process.
pub(crate) struct Running {
    pub(crate) target: Target,
    pub(crate) folder: PathBuf,
    pub(crate) config: Config,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
    _temporary: Option<TempDir>,
}

impl Running {
    /// With the limits as they are.
    pub(crate) async fn start() -> Self {
        Self::with_limits(|_| {}).await
    }

    pub(crate) async fn with_limits(change: impl FnOnce(&mut Limits)) -> Self {
        Self::with(|config| change(&mut config.limits)).await
    }

    /// Without TLS unless a test asks for it: most are not about it.
    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().join("relay");
        let mut config =
            Config { listen: "127.0.0.1:0".parse().unwrap(), data: folder.clone(), plain: true, ..Config::default() };
        change(&mut config);
        Self::on(config, Some(temporary)).await
    }

    async fn on(config: Config, temporary: Option<TempDir>) -> Self {
        let server = Server::start(&config).await.expect("a relay");
        let target = Target::parse(server.address());
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(server.run(stopped));
        Self { target, folder: config.data.clone(), config, stop, task, _temporary: temporary }
    }

    /// Ends it in order.
    pub(crate) async fn stop(self) -> Stopped {
        self.stop.send_replace(true);
        self.task.await.expect("an end in order");
        Stopped { config: self.config, temporary: self._temporary }
    }
}

/// A relay that has ended, and what it left.
pub(crate) struct Stopped {
    pub(crate) config: Config,
    temporary: Option<TempDir>,
}

impl Stopped {
    /// Starts it again on what it left.
    pub(crate) async fn start(self) -> Running {
        Running::on(self.config, self.temporary).await
    }
}

/// The built program.
pub(crate) struct Program {
    pub(crate) target: Target,
    pub(crate) line: String,
    child: Child,
}

impl Program {
    pub(crate) fn command(arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_caro-relay"));
        command.args(arguments).env_clear().stdin(Stdio::null());
        command
    }

    /// Serves a folder.
    pub(crate) fn serve(data: &Path, more: &[&str]) -> Self {
        let data = data.to_str().unwrap();
        let mut arguments = vec!["serve", "--listen", "127.0.0.1:0", "--data", data];
        arguments.extend(more);
        Self::spawn(Self::command(&arguments))
    }

    /// Serves a folder that a killed relay may still be leaving.
    pub(crate) async fn serve_when_free(data: &Path, more: &[&str]) -> Self {
        let lock = std::fs::File::open(data.join("relay.lock")).unwrap();
        until("the lock is free", || lock.try_lock().is_ok()).await;
        lock.unlock().unwrap();
        Self::serve(data, more)
    }

    /// Waits for the line that it prints.
    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let Some(address) = line.trim_end().strip_prefix("caro sync init --relay ") else {
            let mut log = String::new();
            child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
            panic!("printed {line:?} and said {log}");
        };
        Self { target: Target::parse(address), line: line.clone(), child }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for its end. Gives the rest of what it printed, and what it logged.
    pub(crate) fn wait(mut self) -> (ExitStatus, String, String) {
        let (mut printed, mut logged) = (String::new(), String::new());
        self.child.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut logged).unwrap();
        (self.child.wait().unwrap(), printed, logged)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // A test that failed in the middle leaves it running; one that waited has its status already.
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            self.child.kill().unwrap();
            self.child.wait().unwrap();
        }
    }
}
