//! The files for service managers and containers: as a whole they are only tried where such a thing runs; here they are
//! checked by their own programs where those are, and for what they promise.

use std::{collections::BTreeSet, path::Path, process::Command};

use crate::support::{Program, skip};

const UNIT: &str = include_str!("../../service/caro-relay.service");
const SOCKET: &str = include_str!("../../service/caro-relay.socket");
const DOCKERFILE: &str = include_str!("../../service/Dockerfile");
const COMPOSE: &str = include_str!("../../service/compose.yaml");

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/service"))
}

fn has(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

fn ran(command: &mut Command) -> (bool, String) {
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn the_unit_and_its_socket_are_what_systemd_takes_and_open_to_little() {
    if !has("systemd-analyze") {
        return skip("the_unit_and_its_socket_are_what_systemd_takes_and_open_to_little", "systemd-analyze");
    }
    // The program is elsewhere here, and a word that systemd does not know would be passed over in silence.
    let copies = tempfile::tempdir().unwrap();
    let unit = UNIT.replace("/usr/local/bin/caro-relay", env!("CARGO_BIN_EXE_caro-relay"));
    let (service, socket) = (copies.path().join("caro-relay.service"), copies.path().join("caro-relay.socket"));
    std::fs::write(&service, unit).unwrap();
    std::fs::write(&socket, SOCKET).unwrap();
    let (worked, said) = ran(Command::new("systemd-analyze").arg("verify").arg("--man=no").args([&service, &socket]));
    let about_ours: Vec<&str> = said.lines().filter(|line| line.contains("caro-relay")).collect();
    assert!(worked && about_ours.is_empty(), "{said}");
    let (worked, said) =
        ran(Command::new("systemd-analyze").args(["security", "--offline=yes", "--threshold=20"]).arg(&service));
    assert!(worked, "{said}");
}

#[test]
fn the_configuration_that_comes_along_is_one() {
    let file = folder().join("relay.toml");
    let (worked, said) = ran(&mut Program::command(&["config", "check", "--config", file.to_str().unwrap()]));
    assert!(worked && said.contains("would start"), "{said}");
}

#[test]
fn the_image_holds_the_program_alone_and_runs_as_nobody() {
    let lines: Vec<&str> = DOCKERFILE.lines().collect();
    let last = lines.iter().rposition(|line| line.starts_with("FROM ")).unwrap();
    assert_eq!(lines[last], "FROM scratch");
    let image = &lines[last..];
    let user = image.iter().find_map(|line| line.strip_prefix("USER ")).unwrap();
    assert!(user.split(':').all(|id| id.parse::<u32>().is_ok_and(|id| id != 0)), "{user}");
    assert!(!image.iter().any(|line| line.starts_with("RUN ") || line.starts_with("ADD ")));
    assert!(image.contains(&"ENTRYPOINT [\"/caro-relay\"]") && image.contains(&"VOLUME /data"));
    // Built from what the lock file says, for the version that the workspace asks for at least.
    assert!(DOCKERFILE.contains("cargo build --locked --release --package caro-relay"));
}

#[test]
fn the_compose_file_takes_every_right_away() {
    for line in [
        "read_only: true",
        "cap_drop:",
        "- ALL",
        "- no-new-privileges:true",
        "user: \"65532:65532\"",
        "- data:/data",
        "CARO_RELAY_REGISTRATION: token",
    ] {
        assert!(COMPOSE.lines().any(|there| there.trim() == line), "{line}");
    }
    // Every variable in it is a setting.
    let mut command = Program::command(&["config", "show"]);
    let mut variables = BTreeSet::new();
    for line in COMPOSE.lines().filter_map(|line| line.trim().split_once(": ")) {
        if line.0.starts_with("CARO_RELAY_") {
            let value = if line.1.starts_with('$') { "relay.example.org" } else { line.1 };
            command.env(line.0, value);
            variables.insert(line.0);
        }
    }
    let (worked, said) = ran(&mut command);
    assert!(worked && variables.len() == 3, "{variables:?} {said}");
}

#[test]
fn the_compose_file_is_what_docker_takes() {
    if !has("docker") || !ran(Command::new("docker").args(["compose", "version"])).0 {
        return skip("the_compose_file_is_what_docker_takes", "docker with its compose plugin");
    }
    let mut check = Command::new("docker");
    check.args(["compose", "-f"]).arg(folder().join("compose.yaml")).args(["config", "--quiet"]);
    let (worked, said) = ran(check.env("CARO_RELAY_PUBLIC_HOST", "relay.example.org"));
    assert!(worked, "{said}");
}

/// Builds the image and asks it for its version. Takes minutes and a network, so only where that was asked for.
#[test]
fn the_image_is_built_and_runs() {
    let name = "the_image_is_built_and_runs";
    if !has("docker") || !ran(Command::new("docker").arg("info")).0 {
        return skip(name, "a container engine (docker, and its daemon running)");
    }
    if std::env::var_os("CARO_TEST_IMAGE").is_none() {
        return skip(name, "CARO_TEST_IMAGE=1, because building the image takes minutes and a network");
    }
    let root = folder().parent().and_then(Path::parent).unwrap();
    let mut build = Command::new("docker");
    build.args(["build", "-q", "-f"]).arg(folder().join("Dockerfile")).args(["-t", "caro-relay-test"]).arg(root);
    let (worked, said) = ran(&mut build);
    assert!(worked, "{said}");
    let run = ["run", "--rm", "--read-only", "--cap-drop=ALL", "--network=none", "caro-relay-test", "--version"];
    let (worked, said) = ran(Command::new("docker").args(run));
    assert!(worked && said.starts_with("caro-relay "), "{said}");
}
