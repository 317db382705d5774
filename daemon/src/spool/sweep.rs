//! Clears away spool files that are not needed any more. Only what has been taken and committed goes: the caller
//! sweeps when nothing waits to be written.
//!
//! A file goes when its shell is gone and every byte is taken; a command that the shell was running then has ended. While
//! the shell lives, a file that has grown large is moved aside, so that the hook's next record begins a new one, and goes
//! once nobody can be writing to it.

use std::{
    collections::{BTreeSet, HashMap},
    ffi::{OsStr, OsString},
    fs, io,
    os::unix::ffi::OsStrExt,
    time::Duration,
};

use caro_core::step::{Space, Write};

use super::{
    Change, End, Piece, Spool, Tracked, aside,
    process::{self, Seen},
    reader::Spooled,
    session::Taken,
};
use crate::clock::Moment;

/// A file above this size, of which everything is taken, is moved aside: what was typed is not to lie about in plain
/// text. Smaller would rename a file with nothing but a header in it, again and again.
const ASIDE_BYTES: u64 = 256;

/// A file above this size is moved aside also when a little of it is unread, so that a shell that never rests cannot
/// make its file grow for ever.
const ASIDE_UNREAD_BYTES: u64 = 256 * 1024;

/// How long a file that was moved aside stays after its last record, for a shell that is just writing to it. A hook opens,
/// writes and closes within a millisecond, and whether its shell has the file open is looked at beside this.
const QUIET: Duration = Duration::from_secs(10);

/// How long the file of a shell on another machine (a home on a network) stays after its last record: whether that
/// shell lives cannot be seen from here.
const FOREIGN_QUIET: Duration = Duration::from_secs(7 * 86_400);

impl Spool {
    /// Clears away what is not needed any more. Gives what that ends, and the rows that go with it, by session.
    pub fn sweep(&mut self, moment: Moment) -> Vec<(OsString, Piece)> {
        let stems: Vec<OsString> = self.sessions.keys().cloned().collect();
        let followed = self.followed(&stems);
        let mut swept = Vec::new();
        for stem in stems {
            match self.sweep_session(&stem, followed.contains(&stem), moment) {
                Ok(piece) => swept.extend(piece.map(|piece| (stem, piece))),
                // Tried again at the next sweep; nothing depends on it.
                Err(error) => tracing::debug!(kind = ?error.kind(), "a spool file could not be cleared away"),
            }
        }
        swept
    }

    /// The sessions whose process is another shell by now: `exec` keeps the number, and the new shell has a file of its
    /// own, which was written later. Of two that were written in the same moment neither is known to be the older.
    fn followed(&self, stems: &[OsString]) -> BTreeSet<OsString> {
        let mut newest: HashMap<(&str, u32), (i64, &OsString)> = HashMap::new();
        let mut followed = BTreeSet::new();
        for stem in stems {
            let header = &self.sessions[stem].session.header;
            // One without a file says nothing about another.
            let Ok(Some(file)) = Spooled::open(&self.folder.join(stem)) else { continue };
            let written = (file.modified_us(), stem);
            match newest.get_mut(&(&*header.host, header.pid)) {
                Some(known) if written.0 == known.0 => {}
                Some(known) => {
                    let older = if written.0 > known.0 { std::mem::replace(known, written) } else { written };
                    followed.insert(older.1.clone());
                }
                None => drop(newest.insert((&header.host, header.pid), written)),
            }
        }
        followed
    }

    fn sweep_session(&mut self, stem: &OsStr, is_followed: bool, moment: Moment) -> io::Result<Option<Piece>> {
        let [old_path, new_path] = self.files(stem);
        let host = self.host.clone();
        let tracked = self.tracked(stem);
        let (old, new) = (Spooled::open(&old_path)?, Spooled::open(&new_path)?);
        let files: Vec<&Spooled> = old.iter().chain(&new).collect();
        tracked.note_process(moment, files.iter().copied());
        let places: Vec<Taken> =
            files.iter().map(|spooled| spooled.place(&tracked.session)).collect::<io::Result<_>>()?;
        let all_taken = files.iter().zip(&places).all(|(spooled, place)| place.offset == spooled.meta.len());
        if is_followed || tracked.shell_is_gone(moment, &host, files.iter().copied()) {
            // Looked at last: a shell that is writing now must not find its file gone under its hands.
            let pid = tracked.session.header.pid;
            if !all_taken || !files.iter().all(|spooled| spooled.is_left_by(pid)) {
                return Ok(None);
            }
            let ended = tracked.end_with_its_shell();
            for path in [old_path, new_path] {
                remove(&path)?;
            }
            self.sessions.remove(stem);
            return Ok(Some(piece(ended, row(stem, None))));
        }
        tracked.alive_us = moment.now_us;
        if let (Some(old), Some(place)) = (&old, places.first()) {
            let pid = tracked.session.header.pid;
            if place.offset == old.meta.len() && is_quiet(old, moment, QUIET) && old.is_left_by(pid) {
                remove(&old_path)?;
                return Ok(tracked
                    .keep_places(&places[1..])
                    .then(|| piece(None, row(stem, Some(tracked.session.encode())))));
            }
        } else if let (Some(new), Some(place)) = (&new, places.first())
            && is_to_go_aside(new.meta.len(), place.offset)
        {
            fs::rename(&new_path, self.folder.join(aside(stem)))?;
            return Ok(None);
        }
        Ok(tracked.keep_places(&places).then(|| piece(None, row(stem, Some(tracked.session.encode())))))
    }
}

impl Tracked {
    /// Whether the shell that wrote these files has ended.
    pub(super) fn shell_is_gone<'a>(
        &self,
        moment: Moment,
        own_host: &str,
        files: impl IntoIterator<Item = &'a Spooled>,
    ) -> bool {
        let header = &self.session.header;
        if !header.host.is_empty() && !own_host.is_empty() && header.host != own_host {
            return files.into_iter().all(|spooled| is_quiet(spooled, moment, FOREIGN_QUIET));
        }
        match process::look(header.pid) {
            Seen::Gone => true,
            // The number belongs to another process by now.
            Seen::Runs(ticks) => ticks > 0 && ticks != self.session.started_ticks,
        }
    }

    /// How the command ended with which the shell went (`exit`, `exec`, a closed terminal): nobody knows its status, and
    /// of its length only that the shell was there so long.
    fn end_with_its_shell(&self) -> Option<Change> {
        let open = self.session.open.as_ref()?;
        let duration_us = Some(u64::try_from(self.alive_us.saturating_sub(open.start_us)).unwrap_or(0));
        Some(Change::End { id: open.id, end: End { duration_us, exit: None, start_us: None } })
    }

    /// Forgets the places of files that are not there any more. Whether there were any.
    fn keep_places(&mut self, places: &[Taken]) -> bool {
        let before = self.session.files.len();
        self.session.files.retain(|taken| places.contains(taken));
        self.session.files.len() != before
    }
}

fn is_to_go_aside(len: u64, taken: u64) -> bool {
    (len >= ASIDE_BYTES && taken == len) || (len >= ASIDE_UNREAD_BYTES && taken >= len / 4 * 3)
}

fn is_quiet(spooled: &Spooled, moment: Moment, least: Duration) -> bool {
    // A clock that was set back must not make a file look fresh for years, nor old.
    let age_us = (moment.now_us - spooled.modified_us()).unsigned_abs();
    u128::from(age_us) >= least.as_micros()
}

fn piece(ended: Option<Change>, row: Write) -> Piece {
    Piece { changes: ended.into_iter().collect(), row, bytes: 0 }
}

fn row(stem: &OsStr, value: Option<Vec<u8>>) -> Write {
    Write::Row(Space::Spool, stem.as_bytes().to_vec(), value)
}

fn remove(path: &std::path::Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
