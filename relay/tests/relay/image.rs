//! The image, in a container: its last stage, from the Dockerfile as it is, with the program that the tests have built in
//! the place of the one that its first stage builds, which takes minutes and an image from a network.
//!
//! Podman does it without a service of its own, below a temporary folder.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::support::{Account, Client, Device, Program, cell, skip};

/// The name of the image, and of the container and the volume.
const NAME: &str = "caro-relay-test";

/// Podman with images and containers of its own.
struct Engine {
    folder: TempDir,
}

impl Engine {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn podman(&self) -> Command {
        let at = |name: &str| self.folder.path().join(name);
        let mut podman = Command::new("podman");
        // Nothing of it is left where the machine has its own, and nothing is mounted that would have to be taken away.
        podman.arg("--root").arg(at("root")).arg("--runroot").arg(at("run")).arg("--tmpdir").arg(at("tmp"));
        podman.args(["--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", "--events-backend", "file"]);
        // Where the kernel has control groups of both kinds, only this one starts anything.
        if Path::new("/usr/sbin/runc").exists() {
            podman.args(["--runtime", "/usr/sbin/runc"]);
        }
        podman
    }

    fn ran(&self, arguments: &[&str]) -> (bool, String) {
        let output = self.podman().args(arguments).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).trim_end().to_owned())
    }

    fn build(&self, program: &Path) {
        let stage = self.folder.path().join("stage");
        let data = stage.join("image/volume/data");
        fs::create_dir_all(&data).unwrap();
        fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).unwrap();
        fs::copy(program, stage.join("image/caro-relay")).unwrap();
        let mut build = self.podman();
        build.args(["build", "--quiet", "--tag", NAME, "--build-context"]).arg(format!("build={}", stage.display()));
        build.arg("--file").arg(concat!(env!("CARGO_MANIFEST_DIR"), "/service/Dockerfile")).arg(&stage);
        let output = build.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// What the compose file says, and what a program needs that was not linked for an image.
    fn run(&self, libraries: &[PathBuf], arguments: &[&str]) -> Command {
        let mut run = self.podman();
        run.args(["run", "--rm", "--name", NAME, "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"]);
        run.args(["--network=host", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]);
        run.arg(format!("--volume={NAME}:/data"));
        for library in libraries {
            run.arg(format!("--volume={0}:{0}:ro", library.display()));
        }
        run.arg(NAME).args(arguments);
        run
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let (emptied, said) = self.ran(&["rm", "--all", "--force", "--time", "0"]);
        assert!(emptied || std::thread::panicking(), "{said}");
    }
}

/// The libraries of a program, as the loader finds them.
fn libraries(program: &Path) -> Vec<PathBuf> {
    let listed = Command::new("ldd").arg(program).output().unwrap();
    let text = String::from_utf8(listed.stdout).unwrap();
    text.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect()
}

#[tokio::test]
async fn the_last_stage_of_the_image_runs_as_nobody_with_no_rights_and_keeps_its_volume() {
    let name = "the_last_stage_of_the_image_runs_as_nobody_with_no_rights_and_keeps_its_volume";
    if !Command::new("podman").arg("--version").output().is_ok_and(|output| output.status.success()) {
        return skip(name, "podman");
    }
    if !rustix::process::geteuid().is_root() {
        return skip(name, "root, for containers that nobody has set up");
    }
    let program = Path::new(env!("CARGO_BIN_EXE_caro-relay"));
    let (engine, libraries) = (Engine::new(), libraries(program));
    engine.build(program);
    let output = engine.run(&libraries, &["--version"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    // What Podman itself says begins so. That the program is not in the image would be the image's fault.
    let is_engine = said.starts_with("Error: ") && !said.contains("executable file") && !said.contains("no such file");
    if is_engine {
        return skip(name, &format!("a kernel that lets containers be started: {}", said.trim_end()));
    }
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("caro-relay "), "{said}");

    let serve = ["serve", "--plain", "--listen", "127.0.0.1:0"];
    let relay = Program::spawn(engine.run(&libraries, &serve));
    let (account, device) = (Account::new(), Device::new());
    let mut client = Client::create(&relay.target, &account, &[device]).await;
    assert_eq!(client.push(&[cell(1024)]).await, [1]);
    let (worked, pid) = engine.ran(&["inspect", "--format", "{{.State.Pid}}", NAME]);
    assert!(worked, "{pid}");
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    for line in [
        "Uid:\t65532\t65532\t65532\t65532",
        "Gid:\t65532\t65532\t65532\t65532",
        "CapEff:\t0000000000000000",
        "NoNewPrivs:\t1",
    ] {
        assert!(status.lines().any(|there| there == line), "{line} is not in {status}");
    }
    let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap();
    let root = mounts.lines().find(|line| line.split(' ').nth(4) == Some("/")).unwrap();
    assert!(root.split(' ').nth(5).unwrap().split(',').any(|option| option == "ro"), "{root}");
    // The signal that the image names reaches it, and it ends in order.
    relay.signal(Signal::TERM);
    let (ended, _, log) = relay.wait();
    assert!(ended.success(), "{log}");

    let relay = Program::spawn(engine.run(&libraries, &serve));
    let mut client = Client::hello(&relay.target, &account, &device).await;
    assert_eq!(client.pull_all().await.len(), 1);
    relay.signal(Signal::TERM);
    assert!(relay.wait().0.success());
}
