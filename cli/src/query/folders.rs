//! Folders as a person names them, and as the hooks record them: absolute, with links as they are. Looks at the disk
//! only for the top of a repository and to learn whether the shell's idea of where it is holds.

use std::path::{Component, Path, PathBuf};

/// A folder that was named: beginning with `~` in the person's home, otherwise seen from where the person is.
pub(crate) fn folder(named: &Path, here: &Path) -> PathBuf {
    let home = || std::env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
    let named = match named.strip_prefix("~") {
        Ok(rest) => home().map_or_else(|| named.to_owned(), |home| home.join(rest)),
        Err(_) => named.to_owned(),
    };
    without_dots(&here.join(named))
}

/// Where the person is, as the shell says it, which knows the links by which one came; where this program is otherwise.
pub(crate) fn here() -> Option<PathBuf> {
    let shell = std::env::var_os("PWD").map(PathBuf::from).filter(|folder| is_here(folder));
    shell.or_else(|| std::env::current_dir().ok())
}

fn is_here(folder: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let identity = |path: &Path| std::fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()));
    folder.is_absolute() && identity(folder).is_some() && identity(folder) == identity(Path::new("."))
}

/// Takes `.` and `..` away as a shell's `cd` does: by name.
fn without_dots(path: &Path) -> PathBuf {
    let mut plain = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::Normal(name) => plain.push(name),
            _ => {}
        }
    }
    plain
}

/// The top folder of the repository that a folder is in: the nearest with a `.git` in it, which is a file where it is a
/// work tree or a submodule.
pub(crate) fn repository(folder: &Path) -> Option<PathBuf> {
    folder.ancestors().find(|folder| folder.join(".git").symlink_metadata().is_ok()).map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_go_by_name() {
        for (path, plain) in [("/a/b/../c/./d", "/a/c/d"), ("/..", "/"), ("/a/", "/a")] {
            assert_eq!(without_dots(Path::new(path)), Path::new(plain), "{path}");
        }
    }

    #[test]
    fn a_folder_is_named_from_here_from_home_or_from_the_root() {
        let here = Path::new("/srv/web");
        for (named, full) in
            [(".", "/srv/web"), ("..", "/srv"), ("a/b", "/srv/web/a/b"), ("/etc/", "/etc"), ("~x", "/srv/web/~x")]
        {
            assert_eq!(folder(Path::new(named), here), Path::new(full), "{named}");
        }
        let home = PathBuf::from(std::env::var_os("HOME").expect("tests have a home"));
        assert_eq!(folder(Path::new("~/src"), here), without_dots(&home.join("src")));
        assert_eq!(folder(Path::new("~"), here), without_dots(&home));
    }

    #[test]
    fn the_nearest_repository_counts() {
        let disk = tempfile::tempdir().expect("a folder");
        let (outer, inner) = (disk.path().join("outer"), disk.path().join("outer/vendor/inner"));
        std::fs::create_dir_all(outer.join(".git")).expect("made");
        std::fs::create_dir_all(inner.join("src")).expect("made");
        std::fs::write(inner.join(".git"), "gitdir: elsewhere").expect("written");
        assert_eq!(repository(&inner.join("src")), Some(inner));
        assert_eq!(repository(&outer.join("vendor")), Some(outer.clone()));
        assert_eq!(repository(&outer.join("gone/since")), Some(outer));
    }
}
