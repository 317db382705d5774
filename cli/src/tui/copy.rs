//! The clipboard: through the terminal, which also works from another machine, and through the program of the desktop
//! where there is one. The text goes to programs on their standard input, never in their arguments.

use std::{
    ffi::OsStr,
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use base64::{Engine, prelude::BASE64_STANDARD};

/// Bytes that are put on the clipboard. Terminals pass over sequences that are longer than about 100,000 bytes, and
/// these grow by a third on their way.
pub(super) const BYTES_MAX: usize = 72 * 1024;

/// How long a desktop's program may take to end before it is left alone.
const PROGRAM_WITHIN: Duration = Duration::from_secs(2);

/// What asks the terminal to put bytes on the clipboard (OSC 52). None when there are too many.
pub(super) fn sequence(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = (bytes.len() <= BYTES_MAX).then(|| BASE64_STANDARD.encode(bytes))?;
    Some([b"\x1b]52;c;", text.as_bytes(), b"\x07"].concat())
}

/// The same through the desktop's program, in the background. A machine without one has the terminal alone.
pub(super) fn to_desktop(bytes: Vec<u8>, var: impl Fn(&str) -> Option<std::ffi::OsString>) {
    let path = var("PATH").unwrap_or_default();
    let has = |name: &str| var(name).is_some_and(|value| !value.is_empty());
    let Some((program, arguments)) = program(has, |name| find(name, &path)) else { return };
    if bytes.len() > BYTES_MAX {
        return;
    }
    thread::spawn(move || {
        // Whatever goes wrong there, the terminal was asked as well.
        let _ = feed(&program, arguments, &bytes);
    });
}

fn feed(program: &PathBuf, arguments: &[&str], bytes: &[u8]) -> std::io::Result<()> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(bytes)?;
    }
    let deadline = Instant::now() + PROGRAM_WITHIN;
    while child.try_wait()?.is_none() {
        if Instant::now() > deadline {
            return child.kill();
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// Which program belongs to the desktop.
fn program(
    has: impl Fn(&str) -> bool,
    find: impl Fn(&str) -> Option<PathBuf>,
) -> Option<(PathBuf, &'static [&'static str])> {
    let programs: [(bool, &str, &'static [&'static str]); 4] = [
        (has("WAYLAND_DISPLAY"), "wl-copy", &[]),
        (has("DISPLAY"), "xclip", &["-selection", "clipboard"]),
        (has("DISPLAY"), "xsel", &["--clipboard", "--input"]),
        (cfg!(target_os = "macos"), "pbcopy", &[]),
    ];
    programs.into_iter().filter(|(suits, ..)| *suits).find_map(|(_, name, arguments)| Some((find(name)?, arguments)))
}

fn find(name: &str, path: &OsStr) -> Option<PathBuf> {
    std::env::split_paths(path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_copied_cannot_end_its_own_sequence() {
        let sequence = sequence(b"a\x07\x1b\\b").expect("short enough");
        assert_eq!(sequence, b"\x1b]52;c;YQcbXGI=\x07");
        assert!(super::sequence(&vec![b'a'; BYTES_MAX + 1]).is_none());
    }

    #[test]
    fn the_program_is_the_one_of_the_desktop() {
        let found = |desktop: &'static str, here: &'static [&'static str]| {
            let find = |name: &str| here.contains(&name).then(|| PathBuf::from(name));
            program(|name| name == desktop, find).map(|(program, _)| program)
        };
        assert_eq!(found("WAYLAND_DISPLAY", &["wl-copy", "xclip"]), Some("wl-copy".into()));
        assert_eq!(found("DISPLAY", &["wl-copy", "xclip"]), Some("xclip".into()));
        assert_eq!(found("DISPLAY", &["xsel"]), Some("xsel".into()));
        assert_eq!(found("", &["wl-copy", "xclip"]), None);
    }

    #[test]
    fn the_text_goes_to_the_programs_standard_input_and_a_program_that_hangs_is_left() {
        let folder = tempfile::tempdir().expect("a folder");
        let out = folder.path().join("out");
        let script = format!("cat >'{}'", out.display());
        feed(&"/bin/sh".into(), &["-c", &script], b"copied").expect("fed");
        assert_eq!(std::fs::read(out).expect("written"), b"copied");
        let begun = Instant::now();
        feed(&"/bin/sh".into(), &["-c", "exec sleep 100"], b"").expect("left");
        assert!(begun.elapsed() < Duration::from_secs(60));
    }
}
