//! The leader, when it is here: a home with it, and a server.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use caro_tests::{Home, have};

/// Whether it can be measured.
pub(crate) fn is_here() -> bool {
    have("atuin")
}

/// Its line in a start file.
pub(crate) fn hook(shell: &str) -> String {
    match shell {
        "fish" => "atuin init fish | source".to_owned(),
        shell => format!("eval \"$(atuin init {shell})\""),
    }
}

/// A server of its own in a folder.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: String,
    _folder: tempfile::TempDir,
}

impl Server {
    /// Starts one, if the program is here.
    pub(crate) fn start() -> Option<Self> {
        if !have("atuin-server") {
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port").port();
        let database = format!("sqlite://{}", folder.path().join("server.db").display());
        let child = Command::new("atuin-server")
            .arg("start")
            .env("HOME", folder.path())
            .env("XDG_CONFIG_HOME", folder.path())
            .env("ATUIN_HOST", "127.0.0.1")
            .env("ATUIN_PORT", port.to_string())
            .env("ATUIN_DB_URI", database)
            .env("ATUIN_OPEN_REGISTRATION", "true")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let address = format!("http://127.0.0.1:{port}");
        caro_tests::eventually("the leader's server listens", || {
            std::net::TcpStream::connect(("127.0.0.1", port)).ok().map(drop)
        });
        Some(Self { child, address, _folder: folder })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.child.kill().is_ok() {
            drop(self.child.wait());
        }
    }
}

/// A home that syncs with this server.
pub(crate) fn home(server: &Server) -> Home {
    let home = Home::new();
    let config = format!("sync_address = \"{}\"\nauto_sync = false\nupdate_check = false\n", server.address);
    home.write(".config/atuin/config.toml", config);
    home
}

/// `atuin` with these arguments. Its output, when it succeeds.
pub(crate) fn run(home: &Home, arguments: &[&str]) -> Option<String> {
    let mut command = home.command("atuin");
    command.env("ATUIN_SESSION", "0190f0b0c0d07000a000000000000001");
    let output = command.args(arguments).output().expect("it starts");
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Writes bash's history there and gives its path.
pub(crate) fn history_file(home: &Home, text: &str) -> PathBuf {
    home.write(".bash_history", text)
}
