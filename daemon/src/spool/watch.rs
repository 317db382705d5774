//! Notices that a shell has written. The system's own notification where there is one; the main loop looks through the
//! folder now and then all the same, because notifications can be lost, run out, or not exist on a file system.
//!
//! Knows names, never contents. Makes the folder again when somebody removed it: hooks do not, they only append.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use notify::{
    EventKind, RecommendedWatcher, RecursiveMode, Watcher,
    event::{AccessKind, AccessMode, ModifyKind},
};

use crate::paths::{self, FolderError};

/// Sessions that were touched since the last look.
#[derive(Default)]
struct Touched {
    names: BTreeSet<OsString>,
    /// More may have happened than the names tell.
    everything: bool,
    /// The loop has been told and has not looked yet.
    told: bool,
    /// The folder that was watched is gone, whatever stands in its place by now: inodes are used again at once.
    gone: bool,
}

/// Names kept between two looks. More than this is cheaper to find by reading the folder.
const NAMES_MAX: usize = 1024;

/// What is to be looked at.
#[derive(Debug, PartialEq, Eq)]
pub enum Look {
    /// These sessions.
    Sessions(BTreeSet<OsString>),
    /// The whole folder.
    Everything,
}

/// A watched spool folder.
pub struct Watch {
    folder: PathBuf,
    touched: Arc<Mutex<Touched>>,
    tell: Arc<dyn Fn() + Send + Sync>,
    watcher: Option<RecommendedWatcher>,
    /// Device and inode of the folder that is watched: one made anew has to be watched anew.
    watched: Option<(u64, u64)>,
}

impl Watch {
    /// Makes the folder if need be and starts to watch it. `tell` is called once for each time that [`Self::look`] is
    /// due, from another thread; it must not wait.
    ///
    /// # Errors
    /// When the folder cannot be made or is not safe to use.
    pub fn start(folder: PathBuf, tell: impl Fn() + Send + Sync + 'static) -> Result<Self, FolderError> {
        let mut watch = Self { folder, touched: Arc::default(), tell: Arc::new(tell), watcher: None, watched: None };
        watch.renew()?;
        Ok(watch)
    }

    /// Makes the folder and the watch anew where they are gone. True when something was made, so that the folder must
    /// be read.
    ///
    /// # Errors
    /// When the folder cannot be made or is not safe to use.
    pub fn renew(&mut self) -> Result<bool, FolderError> {
        paths::private_folder(&self.folder)?;
        let meta = fs::metadata(&self.folder).map_err(|error| FolderError::Io(self.folder.clone(), error))?;
        let identity = (meta.dev(), meta.ino());
        if self.watcher.is_some() && self.watched == Some(identity) && !lock(&self.touched).gone {
            return Ok(false);
        }
        self.watcher = None;
        lock(&self.touched).gone = false;
        match self.watch() {
            Ok(watcher) => {
                self.watcher = Some(watcher);
                self.watched = Some(identity);
            }
            // The system's limit on watches, most often. The folder is then read often instead.
            Err(error) => tracing::warn!(kind = ?error.kind, "the spool folder cannot be watched"),
        }
        Ok(true)
    }

    /// Whether the system tells of changes. Otherwise the folder has to be read often.
    pub fn is_live(&self) -> bool {
        self.watcher.is_some()
    }

    /// What was touched since the last look, none when nothing was.
    pub fn look(&self) -> Option<Look> {
        let mut touched = lock(&self.touched);
        touched.told = false;
        let names = std::mem::take(&mut touched.names);
        if std::mem::take(&mut touched.everything) {
            return Some(Look::Everything);
        }
        (!names.is_empty()).then_some(Look::Sessions(names))
    }

    fn watch(&self) -> notify::Result<RecommendedWatcher> {
        let (touched, tell, folder) = (self.touched.clone(), self.tell.clone(), self.folder.clone());
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if note(&mut lock(&touched), event, &folder) {
                tell();
            }
        })?;
        watcher.watch(&self.folder, RecursiveMode::NonRecursive)?;
        Ok(watcher)
    }
}

fn lock(touched: &Mutex<Touched>) -> std::sync::MutexGuard<'_, Touched> {
    touched.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Notes an event. True when the loop has to be told.
fn note(touched: &mut Touched, event: notify::Result<notify::Event>, folder: &Path) -> bool {
    let Ok(event) = event else {
        touched.everything = true;
        return !std::mem::replace(&mut touched.told, true);
    };
    let written = match event.kind {
        EventKind::Create(_) | EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Any) | EventKind::Any => true,
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        // The folder itself went or was moved; what happens to a file in it when it goes needs no reading.
        EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)) => {
            touched.gone |= event.paths.iter().any(|path| path == folder);
            touched.everything |= touched.gone;
            touched.gone
        }
        // Opening and reading, our own above all.
        _ => event.need_rescan(),
    };
    touched.everything |= event.need_rescan() || touched.names.len() >= NAMES_MAX;
    if !written {
        return false;
    }
    for path in &event.paths {
        match path.file_name().map(|name| (name, super::Spool::session_of(name))) {
            Some((_, Some(session))) => {
                touched.names.insert(session);
            }
            // Somebody asks a running daemon to look around: see `wake`.
            Some((name, None)) if name == WAKE => touched.everything = true,
            _ => {}
        }
    }
    (touched.everything || !touched.names.is_empty()) && !std::mem::replace(&mut touched.told, true)
}

/// The name of a file whose appearance makes a running daemon look at its spool and its socket.
const WAKE: &str = ".wake";

/// Makes a running daemon look at its spool and its socket. For one that is started and finds another running whose
/// socket may be gone.
///
/// # Errors
/// When the folder cannot be written to.
pub fn wake(folder: &Path) -> io::Result<()> {
    let path = folder.join(WAKE);
    fs::write(&path, b"")?;
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        sync::mpsc,
        time::{Duration, Instant},
    };

    const PATIENCE: Duration = Duration::from_secs(10);

    fn started(folder: &Path) -> (Watch, mpsc::Receiver<()>) {
        let (sender, told) = mpsc::channel();
        let tell = move || {
            // The test may be over.
            let _ = sender.send(());
        };
        let watch = Watch::start(folder.to_owned(), tell).expect("it is watched");
        (watch, told)
    }

    /// Waits until what is touched satisfies the condition.
    fn until(watch: &Watch, told: &mpsc::Receiver<()>, wanted: impl Fn(&Look) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            told.recv_timeout(deadline.saturating_duration_since(Instant::now())).expect("told in time");
            if watch.look().is_some_and(|look| wanted(&look)) {
                return;
            }
        }
    }

    #[test]
    fn a_shell_that_writes_is_noticed_by_its_session() {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = parent.path().join("spool");
        let (watch, told) = started(&folder);
        assert!(watch.is_live());
        fs::write(folder.join("abc.7"), b"x").expect("written");
        until(&watch, &told, |look| *look == Look::Sessions(BTreeSet::from([OsString::from("abc.7")])));
        fs::write(folder.join("no-session"), b"x").expect("written");
        wake(&folder).expect("woken");
        until(&watch, &told, |look| *look == Look::Everything);
    }

    #[test]
    fn a_removed_folder_is_made_again_and_watched_again() {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = parent.path().join("spool");
        let (mut watch, told) = started(&folder);
        assert!(!watch.renew().expect("nothing to do"));
        fs::remove_dir(&folder).expect("removed");
        until(&watch, &told, |look| *look == Look::Everything);
        assert!(watch.renew().expect("made again"));
        fs::write(folder.join("abc.7"), b"x").expect("written");
        until(&watch, &told, |look| *look == Look::Sessions(BTreeSet::from([OsString::from("abc.7")])));
    }

    #[test]
    fn reading_is_not_writing() {
        let mut touched = Touched::default();
        let folder = Path::new("/spool");
        let event = |kind| Ok(notify::Event::new(kind).add_path(folder.join("abc.7")));
        assert!(!note(&mut touched, event(EventKind::Access(AccessKind::Open(AccessMode::Any))), folder));
        assert!(!note(&mut touched, event(EventKind::Access(AccessKind::Close(AccessMode::Read))), folder));
        assert!(note(&mut touched, event(EventKind::Access(AccessKind::Close(AccessMode::Write))), folder));
        assert!(
            !note(&mut touched, event(EventKind::Access(AccessKind::Close(AccessMode::Write))), folder),
            "told once"
        );
    }

    #[test]
    fn a_lost_notification_makes_everything_be_looked_at() {
        let mut touched = Touched::default();
        assert!(note(&mut touched, Err(notify::Error::generic("queue")), Path::new("/spool")));
        assert!(touched.everything);
        for number in 0..=NAMES_MAX {
            let event = notify::Event::new(EventKind::Modify(ModifyKind::Any))
                .add_path(format!("/spool/s.{}", number + 1).into());
            note(&mut touched, Ok(event), Path::new("/spool"));
        }
        assert!(touched.names.len() <= NAMES_MAX + 1);
    }
}
