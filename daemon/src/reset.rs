//! `caro-daemon --reset`: takes everything away that caro keeps on this machine. The key first: without it nothing of what
//! a disk may still have can be read. It holds the daemon's lock meanwhile, so that nobody writes.
//!
//! Only what is caro's own goes: its folders, and in folders that others share its own files. Links are taken away and not
//! followed.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use caro_schema::paths::Places;

use crate::{
    exit,
    keys::{self, KeyError},
    lifecycle::report,
    lock::Lock,
    paths,
    spool::Spool,
    start::StartError,
};

/// Why not everything was taken away.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("a daemon runs; end it first: caro daemon stop")]
    Running,
    #[error("{} cannot be removed: {}", .0.display(), .1)]
    Stays(PathBuf, io::Error),
    #[error(transparent)]
    Start(#[from] StartError),
}

/// Removes it all, and says what could not be removed. With `config` the configuration too.
pub fn run(config: bool) -> ExitCode {
    match run_here(config) {
        Ok(()) => ExitCode::from(exit::OK),
        Err(Refusal::Start(error)) => {
            report(&error.in_words());
            ExitCode::from(error.exit_code())
        }
        Err(refusal) => {
            report(&refusal.to_string());
            ExitCode::from(exit::FAILURE)
        }
    }
}

fn run_here(config: bool) -> Result<(), Refusal> {
    let places = paths::places().map_err(StartError::from)?;
    paths::private_folder(&places.data).map_err(StartError::from)?;
    let lock = take_lock(&places.lock())?;
    match keys::forget(&places.data) {
        // What it opens goes all the same; an entry without a database opens nothing.
        Err(error @ KeyError::Unavailable(_)) => report(&format!("the key's entry stays: {error}")),
        other => other.map_err(StartError::Key)?,
    }
    remove_all(&places, config).map_err(|(path, error)| Refusal::Stays(path, error))?;
    drop(lock);
    Ok(())
}

/// The lock. A daemon that was just told to stop has said so, and holds it for a moment more.
fn take_lock(path: &Path) -> Result<Lock, Refusal> {
    let taken = Lock::take_within(path, ENDS_WITHIN).map_err(|error| StartError::Lock(path.to_owned(), error))?;
    taken.ok_or(Refusal::Running)
}

/// How long a daemon may take to end after it has said that it does: it flushes its database and closes its connections.
const ENDS_WITHIN: Duration = Duration::from_secs(10);

type Stays = (PathBuf, io::Error);

fn remove_all(places: &Places, config: bool) -> Result<(), Stays> {
    // The spool may be somewhere else, among others' files.
    empty(&places.spool)?;
    remove(&places.state)?;
    for socket in [places.socket.clone(), paths::second_socket(places)] {
        // In a folder that everybody may write into, somebody else may have been first with the name. Nothing of ours is in there.
        if socket.parent().is_some_and(is_anothers) {
            continue;
        }
        remove(&socket)?;
        remove_if_empty(socket.parent())?;
    }
    if config && let Some(folder) = places.config.parent() {
        remove(folder)?;
    }
    remove(&places.data)
}

/// Whether a folder is there and belongs to another user.
fn is_anothers(folder: &Path) -> bool {
    fs::symlink_metadata(folder).is_ok_and(|meta| meta.uid() != rustix::process::getuid().as_raw())
}

/// Removes what hooks write into a folder, and the folder if nothing else is in it.
fn empty(folder: &Path) -> Result<(), Stays> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err((folder.to_owned(), error)),
    };
    for entry in entries {
        let path = entry.map_err(|error| (folder.to_owned(), error))?.path();
        let is_hooks = path.file_name().is_some_and(|name| Spool::session_of(name).is_some());
        if is_hooks && fs::symlink_metadata(&path).is_ok_and(|meta| !meta.is_dir()) {
            remove(&path)?;
        }
    }
    remove_if_empty(Some(folder))
}

fn remove_if_empty(folder: Option<&Path>) -> Result<(), Stays> {
    let Some(folder) = folder else { return Ok(()) };
    match fs::remove_dir(folder) {
        Err(error) if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty) => {
            Err((folder.to_owned(), error))
        }
        _ => Ok(()),
    }
}

/// Removes a file, a link or a whole folder; what is not there is as good.
fn remove(path: &Path) -> Result<(), Stays> {
    let removed = match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err((path.to_owned(), error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(home: &Path) -> Places {
        let home = home.to_owned();
        Places::from_env(|name| (name == "HOME").then(|| home.clone().into_os_string()), 1).expect("places")
    }

    fn fill(places: &Places) {
        for folder in [&places.data, &places.spool, &places.logs(), &places.runtime] {
            fs::create_dir_all(folder).expect("made");
        }
        fs::create_dir_all(places.config.parent().expect("a folder")).expect("made");
        let (spooled, log, key) = (places.spool.join("one.1"), places.log(), places.data.join("caro.key"));
        for file in [&places.database(), &spooled, &log, &key, &places.config] {
            fs::write(file, b"x").expect("written");
        }
    }

    #[test]
    fn pc003_everything_goes_and_the_configuration_only_when_asked() {
        let home = tempfile::tempdir().expect("a folder");
        let places = places(home.path());
        fill(&places);
        remove_all(&places, false).expect("removed");
        assert!(places.config.exists() && !places.data.exists() && !places.state.exists());
        remove_all(&places, true).expect("again is as good");
        assert!(!places.config.exists());
    }

    #[test]
    fn in_a_spool_folder_of_ones_own_choice_what_is_others_stays() {
        let home = tempfile::tempdir().expect("a folder");
        let mut places = places(home.path());
        places.spool = home.path().join("mine");
        fill(&places);
        fs::create_dir(places.spool.join("others")).expect("made");
        for name in ["notes.txt", ".bashrc"] {
            fs::write(places.spool.join(name), b"precious").expect("written");
        }
        remove_all(&places, false).expect("removed");
        for name in ["others", "notes.txt", ".bashrc"] {
            assert!(places.spool.join(name).exists(), "{name}");
        }
        assert!(!places.spool.join("one.1").exists());
    }

    #[test]
    fn a_link_is_taken_away_and_what_it_points_to_stays() {
        let home = tempfile::tempdir().expect("a folder");
        let (places, elsewhere) = (places(home.path()), home.path().join("elsewhere"));
        fs::create_dir_all(&elsewhere).expect("made");
        fs::write(elsewhere.join("precious"), b"x").expect("written");
        fs::create_dir_all(places.state.parent().expect("a folder")).expect("made");
        std::os::unix::fs::symlink(&elsewhere, &places.state).expect("a link");
        remove_all(&places, false).expect("removed");
        assert!(elsewhere.join("precious").exists() && !places.state.exists());
    }

    #[test]
    fn a_socket_folder_that_somebody_else_made_first_keeps_nothing_from_going() {
        let home = tempfile::tempdir().expect("a folder");
        let mut places = places(home.path());
        places.socket = home.path().join("tmp/caro-1/socket");
        fill(&places);
        fs::create_dir_all(home.path().join("tmp/caro-1")).expect("made");
        assert!(!is_anothers(home.path()) && !is_anothers(&home.path().join("missing")));
        if rustix::process::geteuid().is_root() {
            let folder = places.socket.parent().expect("a folder");
            fs::write(&places.socket, b"x").expect("written");
            std::os::unix::fs::chown(folder, Some(65_534), None).expect("given away");
            remove_all(&places, false).expect("removed");
            assert!(places.socket.exists() && !places.data.exists() && !places.state.exists());
        } else {
            assert!(is_anothers(Path::new("/")));
        }
    }
}
