//! A relay as a service: what its operator sees and does, with the built program.

mod backups;
mod changing;
mod health;
mod restarts;

use std::{fs, net::SocketAddr, path::PathBuf, process::Command};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{PATIENCE, Program};

/// How often is looked for something to come: a relay takes so many connections of one address in a minute.
const LOOK: std::time::Duration = std::time::Duration::from_millis(25);

/// A folder, a configuration file in it, and the relay's own folder.
struct Place {
    _temporary: TempDir,
    root: PathBuf,
    data: PathBuf,
    file: PathBuf,
}

impl Place {
    fn new(config: &str) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let root = temporary.path().to_owned();
        let (data, file) = (root.join("relay"), root.join("relay.toml"));
        let place = Self { _temporary: temporary, root, data, file };
        place.set(config);
        place
    }

    /// Writes the configuration.
    fn set(&self, config: &str) {
        let text = format!("listen = \"127.0.0.1:0\"\ndata = {:?}\n{config}", self.data);
        fs::write(&self.file, text).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        Program::command(&[arguments, &["--config", self.file.to_str().unwrap()]].concat())
    }

    fn serve(&self) -> Program {
        Program::spawn(self.command(&["serve"]))
    }

    fn run(&self, arguments: &[&str]) -> (bool, String, String) {
        let output = self.command(arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.success(), text(output.stdout), text(output.stderr))
    }
}

/// A free port of this machine. It may be taken until it is used; nobody here takes ports by number.
fn free() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

async fn get(address: SocketAddr, request: &str) -> (u16, String) {
    let mut tcp = TcpStream::connect(address).await.unwrap();
    tcp.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(PATIENCE, tcp.read_to_string(&mut answer)).await.expect("an answer in time").unwrap();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
    (status, body)
}

async fn page(address: SocketAddr, path: &str) -> (u16, String) {
    get(address, &format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")).await
}

/// A number of the metrics.
fn metric(page: &str, name: &str) -> u64 {
    let line = page.lines().find(|line| line.split_once(' ').is_some_and(|(known, _)| known == name));
    line.unwrap_or_else(|| panic!("no {name} in {page}")).rsplit(' ').next().unwrap().parse().unwrap()
}
