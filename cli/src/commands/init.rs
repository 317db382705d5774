//! `caro init`: the hook that a shell's start file evaluates. Runs once per shell, so it is quick, asks nobody, and
//! prints something that works even when there is no daemon and cannot be one.

use std::{
    env, fs, io,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{self, Path, PathBuf},
};

use clap::Args;

use crate::{
    client::{self, places},
    error::{Failure, Outcome},
    output::Out,
    shell::Shell,
};

/// Print the hook for a shell
///
/// Add to the end of your shell's start file, and open a new shell:
///
///   ~/.bashrc                   eval "$(caro init bash)"
///   ~/.zshrc                    eval "$(caro init zsh)"
///   ~/.config/fish/config.fish  caro init fish | source
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Init {
    /// Which shell
    #[arg(value_enum)]
    shell: Shell,
    /// Leave Ctrl-R as it is
    #[arg(long)]
    no_ctrl_r: bool,
    /// Leave the up key as it is
    #[arg(long)]
    no_up: bool,
}

const BASH: &str = include_str!("../../../shell/caro.bash");
const ZSH: &str = include_str!("../../../shell/caro.zsh");
const FISH: &str = include_str!("../../../shell/caro.fish");

impl Init {
    pub(crate) fn run(self) -> Outcome {
        let places = places()?;
        let program = own_path()?;
        // `sudo` may leave HOME as it was: root makes no folders and starts no daemon in another user's home.
        let own = is_own(env::home_dir().as_deref());
        if own {
            // A shell without its folder makes one itself, so this is no reason to print no hook.
            drop(private_folder(&places.spool));
        }
        let mut out = Out::new();
        out.bytes(&self.settings(&program, &places.spool))?;
        out.bytes(self.script().as_bytes())?;
        // Written before the daemon is looked for: the shell need not wait for that.
        out.finish()?;
        if client::is_absent(&places) {
            client::start_in_background();
        }
        Ok(())
    }

    fn script(&self) -> &'static str {
        match self.shell {
            Shell::Bash => BASH,
            Shell::Zsh => ZSH,
            Shell::Fish => FISH,
        }
    }

    /// What the script goes by.
    fn settings(&self, program: &Path, spool: &Path) -> Vec<u8> {
        let flag = |leave: bool| if leave { "0" } else { "1" };
        let mut text = Vec::new();
        for (name, value) in [
            ("__caro_bin", program.as_os_str()),
            ("__caro_dir", spool.as_os_str()),
            ("__caro_sid", "".as_ref()),
            ("__caro_bind_ctrl_r", flag(self.no_ctrl_r).as_ref()),
            ("__caro_bind_up", flag(self.no_up).as_ref()),
        ] {
            match self.shell {
                Shell::Bash | Shell::Zsh => text.extend([name.as_bytes(), b"="].concat()),
                Shell::Fish => text.extend([b"set -g ", name.as_bytes(), b" "].concat()),
            }
            text.extend(self.shell.quote(value));
            text.push(b'\n');
        }
        text
    }
}

/// This program as it was called: through a link, if there is one, because the link outlives an upgrade that puts the
/// program itself elsewhere.
fn own_path() -> Outcome<PathBuf> {
    let own = env::current_exe().map_err(|error| Failure::at("caro".as_ref(), &error))?;
    let called = env::args_os().next().map(PathBuf::from).unwrap_or_default();
    let folders = env::var_os("PATH").unwrap_or_default();
    let candidates: Vec<PathBuf> = if called.components().count() > 1 {
        path::absolute(&called).into_iter().collect()
    } else {
        env::split_paths(&folders).filter(|folder| folder.is_absolute()).map(|folder| folder.join(&called)).collect()
    };
    let identity = |path: &Path| fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()));
    let this = identity(&own);
    Ok(candidates.into_iter().find(|path| this.is_some() && identity(path) == this).unwrap_or(own))
}

/// Whether a home belongs to who runs this. One that cannot be looked at shows itself when it is used.
fn is_own(home: Option<&Path>) -> bool {
    let owner = home.and_then(|home| fs::metadata(home).ok()).map(|meta| meta.uid());
    owner.is_none_or(|owner| owner == rustix::process::geteuid().as_raw())
}

/// Makes a folder that only this user may enter, and closes one that is open.
fn private_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    let meta = fs::metadata(path)?;
    if meta.uid() == rustix::process::geteuid().as_raw() && meta.mode() & 0o077 != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_assignments_of_the_shell() {
        let settings = |shell, no_up| {
            let init = Init { shell, no_ctrl_r: false, no_up };
            String::from_utf8(init.settings(Path::new("/b/it's"), Path::new("/s"))).expect("text")
        };
        assert_eq!(
            settings(Shell::Bash, true),
            "__caro_bin='/b/it'\\''s'\n__caro_dir='/s'\n__caro_sid=''\n__caro_bind_ctrl_r='1'\n__caro_bind_up='0'\n"
        );
        assert_eq!(
            settings(Shell::Fish, false),
            "set -g __caro_bin '/b/it\\'s'\nset -g __caro_dir '/s'\nset -g __caro_sid ''\n\
             set -g __caro_bind_ctrl_r '1'\nset -g __caro_bind_up '1'\n"
        );
    }

    #[test]
    fn a_home_of_another_user_is_told_from_ones_own() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(is_own(Some(folder.path())));
        assert!(is_own(None) && is_own(Some(&folder.path().join("missing"))));
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(folder.path(), Some(65_534), None).expect("given away");
            assert!(!is_own(Some(folder.path())));
        } else {
            assert!(!is_own(Some(Path::new("/"))));
        }
    }

    #[test]
    fn the_folder_is_closed_to_others() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a/spool");
        private_folder(&path).expect("made");
        assert_eq!(fs::metadata(&path).expect("there").mode() & 0o777, 0o700);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("opened");
        private_folder(&path).expect("closed");
        assert_eq!(fs::metadata(&path).expect("there").mode() & 0o777, 0o700);
    }
}
