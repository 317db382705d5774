//! Programs and folders: which caro answers, whether there is another, who owns the socket's folder.

use std::{
    env, fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::PathBuf,
};

use caro_schema::ipc::status::{Finding, Level};

use super::{finding, good};
use crate::client;

/// Both programs, and others of the same name.
pub(super) fn programs() -> Vec<Finding> {
    const CHECK: &str = "programs";
    let own = env::current_exe().map(|path| path.display().to_string()).unwrap_or_default();
    let found = match client::find_daemon() {
        Ok(daemon) => good(CHECK, format!("{own} and {}", daemon.display())),
        Err(failure) => finding(CHECK, Level::Bad, failure.message, failure.hint),
    };
    let path = env::var_os("PATH").unwrap_or_default();
    let own = env::current_exe().and_then(fs::canonicalize).ok();
    std::iter::once(found).chain(path_findings(&on_path(&path), own)).collect()
}

/// What may be wrong with the programs of this name on the path, the first one being what is run.
fn path_findings(programs: &[PathBuf], own: Option<PathBuf>) -> Option<Finding> {
    const CHECK: &str = "path";
    let shown =
        |programs: &[PathBuf]| programs.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
    match (programs, own) {
        ([], _) => {
            let advice = "add its folder to PATH in the start file of your shell; the hook works without";
            Some(finding(CHECK, Level::Notice, "no folder of PATH has a caro", advice))
        }
        ([first, ..], Some(own)) if *first != own => {
            let found = format!("this is {}, but a shell finds {} first", own.display(), first.display());
            Some(finding(CHECK, Level::Notice, found, "remove the one that you do not want, or change PATH"))
        }
        ([_, _, ..], _) => {
            let found = format!("there is more than one: {}", shown(programs));
            Some(finding(CHECK, Level::Notice, found, "remove all but one: they may be of different versions"))
        }
        _ => None,
    }
}

/// The different programs of this name on the path, in its order.
fn on_path(path: &std::ffi::OsStr) -> Vec<PathBuf> {
    let mut programs = Vec::new();
    for folder in env::split_paths(path).filter(|folder| folder.is_absolute()) {
        let program = folder.join("caro");
        let is_program =
            fs::metadata(&program).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0);
        // Links to one program are one.
        if let Some(real) = fs::canonicalize(&program).ok().filter(|real| is_program && !programs.contains(real)) {
            programs.push(real);
        }
    }
    programs
}

/// A folder in a shared place that somebody else made first.
pub(super) fn runtime_folder() -> Option<Finding> {
    const CHECK: &str = "socket folder";
    let places = client::places().ok()?;
    let meta = fs::symlink_metadata(&places.runtime).ok()?;
    if meta.uid() == rustix::process::geteuid().as_raw() {
        return None;
    }
    let found = format!("{} belongs to another user", places.runtime.display());
    Some(finding(CHECK, Level::Bad, found, "remove it, or set XDG_RUNTIME_DIR to a folder of your own"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_program_on_the_path_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let make = |name: &str| {
            let path = folder.path().join(name);
            fs::create_dir(&path).expect("made");
            let program = path.join("caro");
            fs::write(&program, name).expect("written");
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("a program");
            fs::canonicalize(program).expect("there")
        };
        let (one, two) = (make("one"), make("two"));
        fs::create_dir(folder.path().join("links")).expect("made");
        std::os::unix::fs::symlink(&one, folder.path().join("links/caro")).expect("linked");
        let path =
            env::join_paths(["links", "one", "two", "none"].map(|name| folder.path().join(name))).expect("a path");
        let programs = on_path(&path);
        assert_eq!(programs, [one.clone(), two.clone()]);
        assert_eq!(path_findings(&programs[..1], Some(one.clone())), None);
        let both = path_findings(&programs, Some(one)).expect("two");
        assert!(both.found.starts_with("there is more than one"), "{}", both.found);
        let other = path_findings(&programs, Some(two)).expect("another first");
        assert!(other.found.contains("a shell finds"), "{}", other.found);
        assert!(path_findings(&[], None).is_some());
    }
}
