//! Makes history records of spool records: one start and one end per command, paired per session.
//!
//! Reads no file and no clock; what time it is and where the bytes lay comes in with [`Source`]. Keeps the promise
//! that reading the same bytes twice gives the same record ids, so that even a store that was put back to an earlier
//! state cannot double a command. Grammar: `caro_schema::spool`; what each shell writes and why: `docs/shell-hooks.md`.

use caro_schema::{body::history::Record, id::RecordId, limits::STAMP_MS_MAX, spool};

use super::{
    history_line::{self, Entry},
    made,
    session::{Open, SeenEntry, Session, short_hash},
};
use crate::{
    clock::Moment,
    filter::{Filter, Line, Refusal, Verdict, secrets},
};

/// What a spool record does to history.
pub enum Change {
    /// A command began.
    Start(Record),
    /// A command ended.
    End {
        /// Which.
        id: RecordId,
        /// How.
        end: End,
    },
    /// The shell's own filter refused the command after it had been written.
    Retract(RecordId),
    /// A rule of recording refused a command, or had a part of it masked.
    Withheld {
        /// Why.
        why: Refusal,
        /// It was recorded all the same, without what must not be seen.
        masked: bool,
        /// Where in the file it lies that must not be.
        wipe: Vec<std::ops::Range<u64>>,
    },
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// How long it ran, in microseconds, where that is known.
    pub duration_us: Option<u64>,
    /// Exit status.
    pub exit: Option<i32>,
    /// A better start than the first one, in microseconds since 1970.
    pub start_us: Option<i64>,
}

/// Where and when the bytes were read.
pub(super) struct Source<'a> {
    /// Which commands are not recorded.
    pub(super) filter: &'a Filter,
    /// The file's name without what the daemon adds: part of every record's id.
    pub(super) stem: &'a [u8],
    /// Now.
    pub(super) moment: Moment,
    /// When the file was last written, in microseconds since 1970.
    pub(super) modified_us: i64,
    /// The wall clock at the start of the system that the shell ran on.
    pub(super) boot_us: Option<i64>,
    /// Who to name when the header is gone.
    pub(super) host: &'a str,
    /// The same for the user.
    pub(super) user: &'a str,
}

/// A file written less than this long ago is read as it is written, so "now" says more than a clock of seconds does.
const LIVE_US: i64 = 1_500_000;

/// A step back of the clock up to this size is a matter of precision, and order is kept; a greater one is somebody
/// setting the clock, and is shown as it is.
const JITTER_US: i64 = 2_000_000;

const SECOND_US: i64 = 1_000_000;

/// Times that a clock may say: from 1970 to where stamps end. What is outside is no time.
const PLAUSIBLE_US: std::ops::Range<i64> = 1..(STAMP_MS_MAX as i64) * 1000;

/// Takes one spool record that began at `offset` of its file.
pub(super) fn translate(
    record: &spool::Record<'_>,
    offset: u64,
    session: &mut Session,
    source: &Source<'_>,
    changes: &mut Vec<Change>,
) {
    match record.kind() {
        b'H' => take_header(record, session),
        b'S' => take_start(record, offset, session, source, changes),
        b'E' => changes.extend(take_end(record, session, source)),
        b'X' => {
            session.open = None;
            changes.extend(session.last.take().map(Change::Retract));
        }
        // A newer hook's record. What it means is for a newer daemon.
        _ => {}
    }
}

fn take_header(record: &spool::Record<'_>, session: &mut Session) {
    let text = |tag| record.field(tag).map(|value| String::from_utf8_lossy(value).into_owned());
    let header = &mut session.header;
    if let Some(name) = text(b's').filter(|name| !name.is_empty()) {
        header.session = name;
    }
    if let Some(pid) = text(b'p').and_then(|pid| pid.parse().ok()) {
        header.pid = pid;
    }
    // `bash 5.2.15(1)-release`: what is in parentheses counts builds.
    header.shell = text(b'k').map(|shell| shell.split('(').next().unwrap_or_default().to_owned()).unwrap_or_default();
    header.host = text(b'h').unwrap_or_default();
    header.user = text(b'u').unwrap_or_default();
    // The newest entry before this shell recorded anything, where the hook tells.
    session.entry = record.field(b'i').map(|raw| seen(&history_line::timed(raw), 0)).or(session.entry);
}

fn take_start(
    record: &spool::Record<'_>,
    offset: u64,
    session: &mut Session,
    source: &Source<'_>,
    changes: &mut Vec<Change>,
) {
    session.open = None;
    let (start_us, estimated) = start_time(record, session, source);
    let command = match entry(record) {
        Some(entry) => {
            session.hidden = was_hidden(&entry, record.field(b'f').unwrap_or_default(), session, start_us);
            session.entry = Some(seen(&entry, start_us));
            if session.hidden {
                return;
            }
            entry.text
        }
        None => match record.field(b'c') {
            Some(command) => command,
            None => return,
        },
    };
    session.last = None;
    let directory = record.field(b'd').unwrap_or_default();
    if command.trim_ascii().is_empty() {
        return;
    }
    // Where in the file a part of the record is. The offset is that of its head.
    let place = |part: &[u8]| {
        let from = offset + (part.as_ptr() as u64).wrapping_sub(record.head().as_ptr() as u64);
        from..from + part.len() as u64
    };
    let own = made::session(record).unwrap_or_else(|| session.header.session.clone());
    let outer = record.field(spool::made::OUTER).and_then(|outer| std::str::from_utf8(outer).ok());
    // Who pauses a shell does not want what an assistant runs in it either.
    let held = outer.filter(|outer| source.filter.pauses.holds(outer, start_us));
    let line = Line { command, directory, session: held.unwrap_or(&own), start_us };
    let command = match source.filter.judge(&line) {
        Verdict::Record => command.to_vec(),
        Verdict::Masked(text) => {
            let found = secrets::all(command);
            let wipe = found.into_iter().map(|found| place(&command[found.span])).collect();
            changes.push(Change::Withheld { why: Refusal::Secret, masked: true, wipe });
            text
        }
        Verdict::Refuse(why) => {
            let is_said = |field: &&spool::Field<'_>| {
                b"petmw".contains(&field.tag) && record.field(spool::made::AUTHOR).is_some()
            };
            let said = record.fields.iter().skip(1).filter(is_said).map(|field| field.value);
            let parts = [command, directory].into_iter().chain(said).filter(|part| !part.is_empty());
            changes.push(Change::Withheld { why, masked: false, wipe: parts.map(place).collect() });
            return;
        }
    };
    let said = made::said(record, source.filter);
    if let Some(said) = said.as_ref().filter(|said| !said.wipe.is_empty()) {
        let wipe = said.wipe.iter().filter(|part| !part.is_empty()).map(|part| place(part)).collect();
        changes.push(Change::Withheld { why: Refusal::Secret, masked: true, wipe });
    }
    let id = made::id(record).unwrap_or_else(|| record_id(record, offset, source.stem));
    session.open = Some(Open { id, start_us, estimated });
    session.last = Some(id);
    session.last_start_us = start_us;
    let or = |known: &str, otherwise: &str| if known.is_empty() { otherwise.to_owned() } else { known.to_owned() };
    changes.push(Change::Start(Record {
        id,
        command: command.into(),
        directory: directory.to_vec().into(),
        host: or(&session.header.host, source.host),
        user: or(&session.header.user, source.user),
        shell: record
            .field(spool::made::SHELL)
            .map_or_else(|| session.header.shell.clone(), |shell| String::from_utf8_lossy(shell).into_owned()),
        session: own,
        start_us,
        duration_us: None,
        exit: None,
        assistant: said.map(|said| said.assistant),
    }));
}

fn take_end(record: &spool::Record<'_>, session: &mut Session, source: &Source<'_>) -> Option<Change> {
    let named = made::id(record);
    let open = session.open.take_if(|open| named.is_none_or(|id| id == open.id));
    let exit = number(record.field(b'x')).and_then(|exit| i32::try_from(exit).ok());
    let measured = number(record.field(b'n')).and_then(|ms| u64::try_from(ms).ok()).map(|ms| ms.saturating_mul(1000));
    let (open, id) = match (open, named) {
        (Some(open), _) => (open, None),
        // It began in another file, or before another one in this: only what is measured is known.
        (None, Some(id)) => (Open { id, start_us: 0, estimated: false }, Some(id)),
        (None, None) => return None,
    };
    let between = || {
        if id.is_some() {
            return None;
        }
        let end_us = exact_time(record, source)?;
        // A clock of seconds may seem to run back by one; a greater step is a clock that was set, and tells nothing.
        let ran_us = end_us - open.start_us;
        (ran_us > -JITTER_US).then_some(ran_us.max(0).unsigned_abs())
    };
    // fish without a boot clock: the file's time before this record is the second of the start.
    let written = number(record.field(b'm')).filter(|_| open.estimated).and_then(|s| s.checked_mul(SECOND_US));
    let start_us = written.filter(|us| PLAUSIBLE_US.contains(us) && (open.start_us - us).abs() > JITTER_US);
    Some(Change::End { id: open.id, end: End { duration_us: measured.or_else(between), exit, start_us } })
}

/// When a command began, and whether that is only when it was noticed.
fn start_time(record: &spool::Record<'_>, session: &Session, source: &Source<'_>) -> (i64, bool) {
    let (start_us, estimated) = match exact_time(record, source).or_else(|| boot_time(record, source)) {
        Some(start_us) => (start_us, false),
        None if is_live(source) => (source.moment.now_us, true),
        None => (source.modified_us, true),
    };
    let last = session.last_start_us;
    // Clocks of hundredths and of seconds give several commands one time; their order must not be lost.
    let start_us = if (0..JITTER_US).contains(&last.saturating_sub(start_us)) { last + 1 } else { start_us };
    (start_us, estimated)
}

/// The shell's own clock. One of whole seconds is refined by the time at which the record was seen.
fn exact_time(record: &spool::Record<'_>, source: &Source<'_>) -> Option<i64> {
    let time_us = number(Some(record.head())).filter(|time| PLAUSIBLE_US.contains(time))?;
    let late_us = source.moment.now_us - time_us;
    if time_us % SECOND_US == 0 && is_live(source) && (0..LIVE_US).contains(&late_us) {
        return Some(time_us + late_us.min(SECOND_US - 1));
    }
    Some(time_us)
}

/// Seconds since the system started, with hundredths: the first word of `/proc/uptime`.
fn boot_time(record: &spool::Record<'_>, source: &Source<'_>) -> Option<i64> {
    Some(source.boot_us? + boot_seconds_us(record.field(b'b')?)?)
}

/// The first word of `/proc/uptime`, in microseconds.
pub(super) fn boot_seconds_us(value: &[u8]) -> Option<i64> {
    let word = std::str::from_utf8(value).ok()?.split_ascii_whitespace().next()?;
    let seconds: f64 = word.parse().ok().filter(|seconds: &f64| (0.0..1e10).contains(seconds))?;
    Some((seconds * 1e6) as i64)
}

fn is_live(source: &Source<'_>) -> bool {
    (source.moment.now_us - source.modified_us).abs() < LIVE_US
}

fn number(value: Option<&[u8]>) -> Option<i64> {
    std::str::from_utf8(value?).ok()?.trim().parse().ok()
}

/// The entry of bash's history that a record carries.
fn entry<'a>(record: &spool::Record<'a>) -> Option<Entry<'a>> {
    record.field(b'h').map(history_line::plain).or_else(|| record.field(b'i').map(history_line::timed))
}

fn seen(entry: &Entry<'_>, start_us: i64) -> SeenEntry {
    SeenEntry {
        number: entry.number.unwrap_or(0),
        time_s: entry.time_s.unwrap_or(start_us.div_euclid(SECOND_US)),
        text: short_hash(entry.text),
    }
}

/// Whether the line that was run is one that bash's settings keep out of history, so that the newest entry is an
/// older line. Under `e` (erasedups) and `n` (bash before 4.4) the hook cannot tell, because the number may stay where
/// it is; `r` says that the line is a repeat, which is recorded; `s` that it is as the undecided one before it.
fn was_hidden(entry: &Entry<'_>, flags: &[u8], session: &Session, start_us: i64) -> bool {
    let erasing = flags.contains(&b'e');
    if !(erasing || flags.contains(&b'n')) || flags.contains(&b'r') || entry.number.is_none() {
        return false;
    }
    let now = seen(entry, start_us);
    // A new entry was made just now, an old one was loaded or made earlier.
    let is_old = now.time_s + 2 < start_us.div_euclid(SECOND_US);
    match session.entry {
        // The first line of this shell.
        None => is_old,
        Some(_) if flags.contains(&b's') => session.hidden,
        // A prompt that reads the file again gives entries new numbers, new times where the file has none, and other
        // shells' lines. A line of several rows has the time of its first.
        Some(last) if erasing => now.text == last.text || (is_old && !entry.text.contains(&b'\n')),
        Some(last) if now.number != last.number => false,
        Some(last) => now.time_s <= last.time_s && now.text == last.text,
    }
}

/// The id of a command recorded live: from where and when its start was written, never from its text, so that the
/// mark of a deleted command gives nothing to guess the command from.
fn record_id(record: &spool::Record<'_>, offset: u64, stem: &[u8]) -> RecordId {
    let mut hasher = blake3::Hasher::new_derive_key("caro/v1/spool-record");
    for part in [stem, &offset.to_be_bytes(), record.head(), record.field(b'b').unwrap_or_default()] {
        hasher.update(&(part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    let mut id = [0; RecordId::LEN];
    id.copy_from_slice(&hasher.finalize().as_bytes()[..RecordId::LEN]);
    RecordId(id)
}

#[cfg(test)]
mod tests;
