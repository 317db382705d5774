//! The files by which a system starts the daemon at login: a systemd user unit, and a launchd agent. Only text.

use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

/// The unit's name.
pub(super) const UNIT: &str = "caro-daemon.service";

/// The agent's name.
pub(super) const LABEL: &str = "io.github.caro-history.daemon";

/// Environment that decides where the daemon's files are. A unit does not inherit it from a shell.
pub(super) const PLACES: [&str; 4] = ["XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "CARO_SPOOL"];

/// What the file is made from.
pub(super) struct Unit<'a> {
    /// The daemon's program.
    pub(super) program: &'a Path,
    /// Those of [`PLACES`] that are set.
    pub(super) environment: &'a [(&'static str, PathBuf)],
}

impl Unit<'_> {
    /// For `~/.config/systemd/user`.
    pub(super) fn systemd(&self) -> Vec<u8> {
        let mut text = b"[Unit]\n\
            Description=Shell history of caro\n\
            Documentation=man:caro(1)\n\n\
            [Service]\n\
            Type=exec\n\
            ExecStart="
            .to_vec();
        text.extend(systemd_quote(self.program.as_os_str(), true));
        for (name, value) in self.environment {
            text.extend(b"\nEnvironment=");
            text.extend(systemd_quote(OsStr::from_bytes(&assignment(name, value)), false));
        }
        // It ends with 0 when it was stopped or another one runs, and both are to stay as they are. With 77 it cannot have
        // its key, which a person has to unlock: starting it every five seconds would not help.
        text.extend(
            b"\nRestart=on-failure\n\
            RestartPreventExitStatus=77\n\
            RestartSec=5\n\
            UMask=0077\n\
            NoNewPrivileges=yes\n\n\
            [Install]\n\
            WantedBy=default.target\n",
        );
        text
    }

    /// For `~/Library/LaunchAgents`.
    pub(super) fn launchd(&self) -> Vec<u8> {
        let environment: String = self
            .environment
            .iter()
            .map(|(name, value)| {
                format!("    <key>{name}</key>\n    <string>{}</string>\n", xml(&value.to_string_lossy()))
            })
            .collect();
        let program = xml(&self.program.to_string_lossy());
        format!(
            r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key>
  <string>{LABEL}</string>
  <key>ProgramArguments</key>
  <array>
    <string>{program}</string>
  </array>
  <key>EnvironmentVariables</key>
  <dict>
{environment}  </dict>
  <key>RunAtLoad</key>
  <true/>
  <key>KeepAlive</key>
  <dict>
    <key>SuccessfulExit</key>
    <false/>
  </dict>
  <key>ProcessType</key>
  <string>Background</string>
  <key>Umask</key>
  <integer>63</integer>
</dict>
</plist>
"#
        )
        .into_bytes()
    }
}

fn assignment(name: &str, value: &Path) -> Vec<u8> {
    [name.as_bytes(), b"=", value.as_os_str().as_bytes()].concat()
}

/// As systemd.syntax(7) and systemd.service(5) ask: in quotes, `%` doubled, and in a command line `$` doubled too.
fn systemd_quote(word: &OsStr, is_command: bool) -> Vec<u8> {
    let mut quoted = vec![b'"'];
    for byte in word.as_bytes() {
        match byte {
            b'"' | b'\\' => quoted.extend([b'\\', *byte]),
            b'%' => quoted.extend(b"%%"),
            b'$' if is_command => quoted.extend(b"$$"),
            b'\n' => quoted.extend(br"\n"),
            other => quoted.push(*other),
        }
    }
    quoted.push(b'"');
    quoted
}

fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_starts_exactly_this_program() {
        let environment = [("XDG_DATA_HOME", PathBuf::from("/d 1"))];
        let unit = Unit { program: Path::new("/home/a b/100%/$x\"y"), environment: &environment };
        let text = String::from_utf8(unit.systemd()).expect("text");
        assert!(text.contains("\nExecStart=\"/home/a b/100%%/$$x\\\"y\"\n"), "{text}");
        assert!(text.contains("\nEnvironment=\"XDG_DATA_HOME=/d 1\"\n"), "{text}");
        assert!(text.contains("\nRestart=on-failure\n"), "{text}");
        assert!(text.ends_with("\nWantedBy=default.target\n"), "{text}");
    }

    #[test]
    fn an_agent_is_xml_whatever_the_path() {
        let environment = [("CARO_SPOOL", PathBuf::from("/s&s"))];
        let unit = Unit { program: Path::new("/Users/<a>/caro-daemon"), environment: &environment };
        let text = String::from_utf8(unit.launchd()).expect("text");
        assert!(text.contains("<string>/Users/&lt;a&gt;/caro-daemon</string>"), "{text}");
        assert!(text.contains("<key>CARO_SPOOL</key>\n    <string>/s&amp;s</string>"), "{text}");
    }
}
