//! The screen in a window of tmux's own, above the panes, for whoever asks for it: `CARO_TMUX_POPUP` is `1`, or the width and
//! the height of the window as tmux has them (`90%,50%`).
//!
//! tmux starts the program in the window from its server, so it inherits neither the line nor the way back. It opens both
//! through `/proc`, where this process waits: no file is made, and what is chosen goes straight to the shell. Where there
//! is no `/proc`, or tmux cannot (before 3.3), the screen is drawn in place.

use std::{
    env,
    ffi::{OsStr, OsString},
    os::fd::RawFd,
    path::Path,
    process::{Command, Stdio},
};

/// Says whether, and how large.
const VARIABLE: &str = "CARO_TMUX_POPUP";

/// The size where none is said: enough for the columns, and what is around stays in sight.
const SIZE: (&str, &str) = ("80%", "60%");

/// What the screen goes by, where it is set. tmux's server knows another environment, of some other time.
const HANDED_ON: [&str; 14] = [
    "HOME",
    "PATH",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "NO_COLOR",
    "COLORFGBG",
    "TMPDIR",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
    "XDG_STATE_HOME",
    "CARO_SPOOL",
    "TZ",
];

/// Opens the window for this call of `caro screen`, and waits until it is closed. False when the screen is to be drawn
/// in place.
pub(crate) fn open(result: RawFd) -> bool {
    let Some((width, height)) = env::var(VARIABLE).ok().as_deref().and_then(size) else { return false };
    let own = format!("/proc/{}/fd", std::process::id());
    let (true, Ok(program)) = (env::var_os("TMUX").is_some() && Path::new(&own).is_dir(), env::current_exe()) else {
        return false;
    };
    let mut command = Command::new("tmux");
    command.args(["display-popup", "-E", "-w", &width, "-h", &height]);
    if let Ok(folder) = env::current_dir() {
        command.arg("-d").arg(folder);
    }
    for (name, value) in HANDED_ON.iter().filter_map(|name| Some((name, env::var_os(name)?))) {
        command.arg("-e").arg(assignment(name, &value));
    }
    command.arg("-e").arg(assignment(VARIABLE, OsStr::new("0")));
    // The same arguments and the same numbers: only where they lead to has to be opened again.
    let script = format!("exec \"$0\" \"$@\" <{own}/0 {result}>>{own}/{result}");
    command.args(["--", "sh", "-c", &script]).arg(program).args(env::args_os().skip(1));
    let output = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).output();
    // What tmux complains of is that there was no window. How the screen ended is no concern of this.
    output.is_ok_and(|output| output.status.success() || output.stderr.is_empty())
}

fn assignment(name: &str, value: &OsStr) -> OsString {
    let mut text = OsString::from(name);
    text.push("=");
    text.push(value);
    text
}

/// Width and height, none when no window is wanted.
fn size(said: &str) -> Option<(String, String)> {
    let is_length = |text: &str| {
        let digits = text.strip_suffix('%').unwrap_or(text);
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    match said.trim() {
        "" | "0" | "no" | "false" | "off" => None,
        said => match said.split_once(',') {
            Some((width, height)) if is_length(width) && is_length(height) => {
                Some((width.to_owned(), height.to_owned()))
            }
            _ => Some((SIZE.0.to_owned(), SIZE.1.to_owned())),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_wanted_and_as_large_as_is_said() {
        for off in ["", "0", "no", "false", "off", " "] {
            assert_eq!(size(off), None, "{off:?}");
        }
        let named = |width: &str, height: &str| Some((width.to_owned(), height.to_owned()));
        assert_eq!(size("1"), named("80%", "60%"));
        assert_eq!(size("yes"), named("80%", "60%"));
        assert_eq!(size("90%,20"), named("90%", "20"));
        assert_eq!(size("90%;kill-server,1"), named("80%", "60%"));
    }
}
