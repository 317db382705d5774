//! Which directories below the top of a repository belong to other repositories: submodules, work trees, and whatever was
//! cloned somewhere within. Looks at this host's disk, and only for directories where commands ran.
//!
//! History says where a command ran and not in which repository, which may come and go. So this is found when somebody
//! asks, once for a connection and again when commands ran in new directories. A directory that is gone belongs to what
//! is still above it; one of another host is taken by its path. The history is not locked while the disk is asked.

use std::{
    collections::{BTreeSet, HashMap},
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use caro_schema::ipc::history::{Except, Filter};

/// What is known of one repository.
#[derive(Default)]
pub(crate) struct Repositories {
    known: Option<Known>,
}

struct Known {
    top: Vec<u8>,
    directories: usize,
    inner: Vec<Except>,
}

/// Folders that are looked into at most. More could keep somebody waiting on a slow disk; in a repository with more, the
/// rest counts as its own.
const LOOKS_MAX: usize = 4096;

impl Repositories {
    /// The filter with the inner repositories left out of the one that it asks for. `below` gives the directories where
    /// commands ran below another.
    pub(crate) fn narrow(&mut self, filter: &mut Filter, below: impl FnOnce(&[u8]) -> Vec<Vec<u8>>) {
        let Some(top) = &filter.repository else { return };
        let directories = below(top);
        let is_known = |known: &Known| known.top == top[..] && known.directories == directories.len();
        if !self.known.as_ref().is_some_and(is_known) {
            let inner = inner(top, &directories);
            self.known = Some(Known { top: top.to_vec(), directories: directories.len(), inner });
        }
        filter.except.extend(self.known.iter().flat_map(|known| known.inner.iter().cloned()));
    }
}

/// The tops of the repositories that begin below another's.
fn inner(top: &[u8], directories: &[Vec<u8>]) -> Vec<Except> {
    let top = Path::new(OsStr::from_bytes(top));
    let (mut looked, mut tops) = (HashMap::new(), BTreeSet::new());
    for directory in directories {
        tops.extend(inner_top(top, Path::new(OsStr::from_bytes(directory)), &mut looked));
    }
    tops.into_iter().map(|top| Except::Subtree(top.into_os_string().into_encoded_bytes().into())).collect()
}

/// The first folder on the way from a top down to a directory that is a top itself.
fn inner_top(top: &Path, directory: &Path, looked: &mut HashMap<PathBuf, bool>) -> Option<PathBuf> {
    let mut way = top.to_owned();
    for part in directory.strip_prefix(top).ok()?.components() {
        way.push(part);
        let is_top = match looked.get(&way) {
            Some(known) => *known,
            None if looked.len() >= LOOKS_MAX => return None,
            None => {
                let is_top = way.join(".git").symlink_metadata().is_ok();
                looked.insert(way.clone(), is_top);
                is_top
            }
        };
        if is_top {
            return Some(way);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn bytes(path: &Path) -> Vec<u8> {
        path.as_os_str().as_bytes().to_vec()
    }

    #[test]
    fn what_belongs_to_an_inner_repository_is_left_out() {
        let disk = tempfile::tempdir().expect("a folder");
        let top = disk.path().join("project");
        for folder in [".git", "src", "vendor/lib/src/.git", "vendor/lib/deep"] {
            fs::create_dir_all(top.join(folder)).expect("made");
        }
        // A submodule's is a file.
        fs::write(top.join("vendor/lib/.git"), "gitdir: elsewhere").expect("written");
        let ran = ["", "src", "gone/long/ago", "vendor", "vendor/lib/deep", "vendor/lib/src"];
        let directories: Vec<Vec<u8>> = ran.iter().map(|folder| bytes(&top.join(folder))).collect();
        let asked = Filter { repository: Some(bytes(&top).into()), ..Filter::default() };
        let mut repositories = Repositories::default();
        let mut filter = asked.clone();
        repositories.narrow(&mut filter, |_| directories.clone());
        assert_eq!(filter.except, [Except::Subtree(bytes(&top.join("vendor/lib")).into())]);
        // Found again only when there are new directories.
        fs::create_dir_all(top.join("src/.git")).expect("made");
        let mut again = asked.clone();
        repositories.narrow(&mut again, |_| directories.clone());
        assert_eq!(again.except, filter.except);
        let mut later = asked;
        repositories.narrow(&mut later, |_| [directories.clone(), vec![bytes(&top.join("new"))]].concat());
        assert_eq!(later.except.len(), 2);
    }

    #[test]
    fn who_asks_for_no_repository_costs_nothing() {
        let mut filter = Filter::default();
        Repositories::default().narrow(&mut filter, |_| unreachable!("nobody asked"));
        assert_eq!(filter, Filter::default());
    }
}
