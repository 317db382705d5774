//! `caro init`: the hook that a shell's start file evaluates. Runs once per shell, so it is quick, asks nobody, and
//! prints something that works even when there is no daemon and cannot be one.

use std::{
    env,
    ffi::OsStr,
    fs, io,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{self, Path, PathBuf},
};

use clap::Args;

use crate::{
    client::{self, places},
    error::{Failure, Outcome},
    output::Out,
    shell::Hooked,
};

/// Print the hook for a shell
///
/// Add to the end of your shell's start file, and open a new shell:
///
///   ~/.bashrc                   eval "$(caro init bash)"
///   ~/.zshrc                    eval "$(caro init zsh)"
///   ~/.config/fish/config.fish  caro init fish | source
///   nushell's config.nu         caro init nu --save ($nu.data-dir | path join vendor/autoload/caro.nu)
///   PowerShell's $PROFILE       caro init powershell | Out-String | Invoke-Expression
///   ~/.config/xonsh/rc.xsh      execx($(caro init xonsh))
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Init {
    /// Which shell
    #[arg(value_enum)]
    shell: Hooked,
    /// Leave Ctrl-R as it is
    #[arg(long, alias = "no-ctrl-r")]
    disable_ctrl_r: bool,
    /// Leave the up key as it is
    #[arg(long, alias = "no-up")]
    disable_up_arrow: bool,
    /// Put the hook into this file, whole or not at all, instead of printing it
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
}

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
        let items = match self.shell {
            Hooked::Bash | Hooked::Zsh => places.shared_posix(),
            Hooked::Fish => places.shared_fish(),
            Hooked::Nu | Hooked::PowerShell | Hooked::Xonsh => places.shared_json(),
        };
        let hook = self.hook(&program, &places.spool, &items, &places.socket);
        match &self.save {
            Some(path) => save(path, &hook).map_err(|error| Failure::at(path, &error))?,
            None => {
                let mut out = Out::new();
                out.bytes(&hook)?;
                // Written before the daemon is looked for: the shell need not wait for that.
                out.finish()?;
            }
        }
        if own && client::is_absent(&places) {
            client::start_in_background();
        }
        Ok(())
    }

    /// What the script goes by, and the script.
    fn hook(&self, program: &Path, spool: &Path, items: &Path, socket: &Path) -> Vec<u8> {
        let flag = |leave: bool| OsStr::new(if leave { "0" } else { "1" });
        let mut settings = vec![
            ("bin", program.as_os_str()),
            ("dir", spool.as_os_str()),
            ("sid", OsStr::new("")),
            ("bind_ctrl_r", flag(self.disable_ctrl_r)),
            ("bind_up", flag(self.disable_up_arrow)),
            ("items", items.as_os_str()),
        ];
        // The only shell that can speak over a socket by itself.
        if self.shell == Hooked::Zsh {
            settings.push(("sock", socket.as_os_str()));
        }
        let mut hook = self.shell.settings(&settings);
        hook.extend_from_slice(self.shell.script().as_bytes());
        hook
    }
}

/// Writes the file in one step and only when it changes, because another shell may be reading it at this moment.
fn save(path: &Path, hook: &[u8]) -> io::Result<()> {
    if fs::read(path).is_ok_and(|there| there == hook) {
        return Ok(());
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    fs::create_dir_all(folder)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let beside = folder.join(name);
    fs::write(&beside, hook).and_then(|()| fs::rename(&beside, path)).inspect_err(|_| drop(fs::remove_file(&beside)))
}

/// This program as it was called: through a link, if there is one, because the link outlives an upgrade that puts the
/// program itself elsewhere.
pub(crate) fn own_path() -> Outcome<PathBuf> {
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
pub(crate) fn private_folder(path: &Path) -> io::Result<()> {
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

    fn hook(shell: Hooked, disable_up_arrow: bool) -> String {
        let init = Init { shell, disable_ctrl_r: false, disable_up_arrow, save: None };
        let hook = String::from_utf8(init.hook("/b/it's".as_ref(), "/s".as_ref(), "/i".as_ref(), "/r/k".as_ref()))
            .expect("text");
        hook.strip_suffix(shell.script()).expect("the script at the end").to_owned()
    }

    #[test]
    fn settings_are_assignments_of_the_shell() {
        assert_eq!(
            hook(Hooked::Bash, true),
            "__caro_bin='/b/it'\\''s'\n__caro_dir='/s'\n__caro_sid=''\n__caro_bind_ctrl_r='1'\n__caro_bind_up='0'\n\
             __caro_items='/i'\n"
        );
        assert_eq!(
            hook(Hooked::Zsh, true),
            "__caro_bin='/b/it'\\''s'\n__caro_dir='/s'\n__caro_sid=''\n__caro_bind_ctrl_r='1'\n__caro_bind_up='0'\n\
             __caro_items='/i'\n__caro_sock='/r/k'\n"
        );
        assert_eq!(
            hook(Hooked::Fish, false),
            "set -g __caro_bin '/b/it\\'s'\nset -g __caro_dir '/s'\nset -g __caro_sid ''\n\
             set -g __caro_bind_ctrl_r '1'\nset -g __caro_bind_up '1'\nset -g __caro_items '/i'\n"
        );
        assert_eq!(
            hook(Hooked::Nu, false),
            "const __caro_settings = {\n  bin: \"/b/it's\"\n  dir: \"/s\"\n  sid: \"\"\n  bind_ctrl_r: \"1\"\n  \
             bind_up: \"1\"\n  items: \"/i\"\n}\n"
        );
        assert_eq!(
            hook(Hooked::PowerShell, false),
            "$__caro_bin = '/b/it''s'\n$__caro_dir = '/s'\n$__caro_sid = ''\n$__caro_bind_ctrl_r = '1'\n\
             $__caro_bind_up = '1'\n$__caro_items = '/i'\n"
        );
        assert_eq!(
            hook(Hooked::Xonsh, true),
            "__caro_bin = '/b/it\\'s'\n__caro_dir = '/s'\n__caro_sid = ''\n__caro_bind_ctrl_r = '1'\n\
             __caro_bind_up = '0'\n__caro_items = '/i'\n"
        );
    }

    #[test]
    fn a_saved_hook_is_whole_and_written_only_when_it_changes() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("vendor/autoload/caro.nu");
        save(&path, b"one").expect("saved");
        let before = fs::metadata(&path).expect("there").ino();
        save(&path, b"one").expect("saved");
        assert_eq!(fs::metadata(&path).expect("there").ino(), before, "left alone");
        save(&path, b"two").expect("saved");
        assert_ne!(fs::metadata(&path).expect("there").ino(), before, "put in place in one step");
        assert_eq!(fs::read(&path).expect("read"), b"two");
        let around = fs::read_dir(path.parent().expect("a folder")).expect("read");
        assert_eq!(around.count(), 1, "nothing is left beside it");
        assert!(save(folder.path(), b"x").is_err(), "a folder in the way");
        assert_eq!(fs::read_dir(folder.path()).expect("read").count(), 1);
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
