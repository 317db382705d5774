//! Where each thing lives, computed from the environment alone, so that the two programs agree without asking each
//! other. No file is looked at here: whoever creates or opens one of these checks owner and mode.
//!
//! The socket's name comes from the data folder, so that two homes with one runtime folder never share a daemon. A
//! client that finds nobody at [`Places::socket`] reads [`Places::socket_note`], which the daemon writes: it may have
//! been started where another `XDG_RUNTIME_DIR` was set.

use std::{
    ffi::OsString,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

/// Every place that caro uses, all absolute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// The database, the lock and the key file.
    pub data: PathBuf,
    /// Logs and the spool.
    pub state: PathBuf,
    /// The spool folder, one file per running shell.
    pub spool: PathBuf,
    /// The configuration file.
    pub config: PathBuf,
    /// The folder of the socket, mode 0700.
    pub runtime: PathBuf,
    /// The socket.
    pub socket: PathBuf,
}

/// The environment names no home folder, and not enough of the others to do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("neither HOME nor the XDG folders are set")]
pub struct NoHome;

impl Places {
    /// From the environment, as `var` reads it, and the number of the user. Empty and relative values count as unset,
    /// as the XDG base directory specification asks.
    ///
    /// # Errors
    /// [`NoHome`] when nothing says where the user's files are.
    pub fn from_env(var: impl Fn(&str) -> Option<OsString>, uid: u32) -> Result<Self, NoHome> {
        let folder = |name: &str| var(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let home = folder("HOME");
        let under = |name: &str, default: &str| {
            folder(name).or_else(|| home.as_ref().map(|home| home.join(default))).ok_or(NoHome)
        };
        let data = under("XDG_DATA_HOME", ".local/share")?.join("caro");
        let state = under("XDG_STATE_HOME", ".local/state")?.join("caro");
        let config = under("XDG_CONFIG_HOME", ".config")?.join("caro").join("config.toml");
        let spool = folder("CARO_SPOOL").unwrap_or_else(|| state.join("spool"));
        let name = socket_name(&data);
        let usual = folder("XDG_RUNTIME_DIR").map_or_else(|| data.join("run"), |runtime| runtime.join("caro"));
        let temporary = folder("TMPDIR").unwrap_or_else(|| PathBuf::from("/tmp")).join(format!("caro-{uid}"));
        let shortest = PathBuf::from("/tmp").join(format!("caro-{uid}"));
        let runtime = [usual, temporary].into_iter().find(|folder| fits(&folder.join(&name))).unwrap_or(shortest);
        let socket = runtime.join(name);
        Ok(Self { data, state, spool, config, runtime, socket })
    }

    /// The database.
    pub fn database(&self) -> PathBuf {
        self.data.join("caro.db")
    }

    /// The file whose lock makes one daemon the only one.
    pub fn lock(&self) -> PathBuf {
        self.data.join("caro.lock")
    }

    /// Where the running daemon writes the path of the socket it listens on.
    pub fn socket_note(&self) -> PathBuf {
        self.data.join("caro.socket")
    }

    /// Where the daemon leaves a word that the next `caro` says once.
    pub fn hint(&self) -> PathBuf {
        self.state.join("hint")
    }

    /// The folder of what the daemon writes for shells and `caro` to read at their start: settings of the account, aliases
    /// and variables.
    pub fn shared(&self) -> PathBuf {
        self.data.join("shared")
    }

    /// Aliases and variables for bash and zsh.
    pub fn shared_posix(&self) -> PathBuf {
        self.shared().join("items.sh")
    }

    /// The same for fish.
    pub fn shared_fish(&self) -> PathBuf {
        self.shared().join("items.fish")
    }

    /// The same for shells that read JSON: nushell, xonsh and PowerShell.
    pub fn shared_json(&self) -> PathBuf {
        self.shared().join("items.json")
    }

    /// The account's settings, for where the configuration file says nothing.
    pub fn shared_settings(&self) -> PathBuf {
        self.shared().join("settings.toml")
    }

    /// The folder of the daemon's log.
    pub fn logs(&self) -> PathBuf {
        self.state.join("log")
    }

    /// The daemon's log.
    pub fn log(&self) -> PathBuf {
        self.logs().join("caro-daemon.log")
    }
}

/// Whether the system can bind a socket to this path, with room for the few bytes that the daemon's temporary name
/// adds before it is moved into place.
pub fn fits(socket: &Path) -> bool {
    socket.as_os_str().len() + SOCKET_SUFFIX_BYTES <= SOCKET_BYTES_MAX
}

/// Bytes of a socket's path: `sun_path` holds 104 on macOS and the BSDs and 108 on Linux, with a closing NUL. The
/// smaller one everywhere, so that a home moved between systems keeps its meaning.
pub const SOCKET_BYTES_MAX: usize = 103;

/// Bytes that a temporary name beside the socket may add.
pub const SOCKET_SUFFIX_BYTES: usize = 4;

/// FNV-1a, 64 bits: only the same user's own homes must differ, and the folder keeps everybody else out.
fn socket_name(data: &Path) -> String {
    let hash = data
        .as_os_str()
        .as_bytes()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}.sock")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(vars: &[(&str, &str)]) -> Result<Places, NoHome> {
        Places::from_env(|name| vars.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value)), 1000)
    }

    #[test]
    fn a_home_alone_is_enough() {
        let found = places(&[("HOME", "/home/ada")]).unwrap();
        assert_eq!(found.data, Path::new("/home/ada/.local/share/caro"));
        assert_eq!(found.spool, Path::new("/home/ada/.local/state/caro/spool"));
        assert_eq!(found.config, Path::new("/home/ada/.config/caro/config.toml"));
        assert_eq!(found.runtime, Path::new("/home/ada/.local/share/caro/run"));
        assert_eq!(found.log(), Path::new("/home/ada/.local/state/caro/log/caro-daemon.log"));
    }

    #[test]
    fn each_variable_moves_its_own_folder() {
        let found = places(&[
            ("HOME", "/home/ada"),
            ("XDG_DATA_HOME", "/d"),
            ("XDG_STATE_HOME", "/s"),
            ("XDG_CONFIG_HOME", "/c"),
            ("XDG_RUNTIME_DIR", "/run/user/1000"),
            ("CARO_SPOOL", "/spool"),
        ])
        .unwrap();
        assert_eq!(found.database(), Path::new("/d/caro/caro.db"));
        assert_eq!(found.state, Path::new("/s/caro"));
        assert_eq!(found.config, Path::new("/c/caro/config.toml"));
        assert_eq!(found.spool, Path::new("/spool"));
        assert_eq!(found.socket.parent(), Some(Path::new("/run/user/1000/caro")));
    }

    #[test]
    fn relative_and_empty_values_count_as_unset() {
        let found = places(&[("HOME", "/h"), ("XDG_DATA_HOME", "d"), ("CARO_SPOOL", "")]).unwrap();
        assert_eq!(found.data, Path::new("/h/.local/share/caro"));
        assert_eq!(found.spool, Path::new("/h/.local/state/caro/spool"));
        assert_eq!(places(&[("HOME", "relative")]), Err(NoHome));
    }

    #[test]
    fn two_homes_never_share_a_socket() {
        let one = places(&[("HOME", "/home/one"), ("XDG_RUNTIME_DIR", "/run/user/1000")]).unwrap();
        let two = places(&[("HOME", "/home/two"), ("XDG_RUNTIME_DIR", "/run/user/1000")]).unwrap();
        assert_eq!(one.runtime, two.runtime);
        assert_ne!(one.socket, two.socket);
    }

    #[test]
    fn a_socket_path_that_is_too_long_falls_back_to_one_that_fits() {
        let deep = format!("/{}", "deep/".repeat(40));
        for vars in [
            vec![("HOME", deep.as_str())],
            vec![("HOME", "/h"), ("XDG_RUNTIME_DIR", deep.as_str())],
            vec![("HOME", deep.as_str()), ("TMPDIR", deep.as_str())],
        ] {
            let found = places(&vars).unwrap();
            assert!(fits(&found.socket), "{vars:?}");
            assert_eq!(found.runtime, Path::new("/tmp/caro-1000"), "{vars:?}");
        }
    }
}
