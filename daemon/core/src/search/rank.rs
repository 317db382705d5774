//! What a command is worth before it is compared with anything: how lately it ran, how often, whether that was here, and
//! whether it usually follows what ran last here. Together with how well it matches this gives its rank.
//!
//! All are small whole numbers in the measure of a match, where a letter in its place is worth about twenty: so a
//! clearly better match always wins, and among matches of about the same quality what ran lately, often and here comes
//! first, or what comes next by habit. One point is a doubling: of the age, or of the number of runs.

use caro_schema::ipc::history::Place;

use super::{
    neighbours::{Chosen, Followers},
    parallel::in_columns,
};
use crate::history::{History, NO_ROW, Numbers, Revision, Rows};

/// Points for a command that started this very minute; one less for each doubling of the minutes since. After thirty
/// years none is left.
const LATELY_MAX: u32 = 24;

/// Points for a command that ran 1024 times or more; one less for each halving.
const OFTEN_MAX: u32 = 10;

/// Points for a command that ran at least once in this directory, session, host. The directory says most of what
/// somebody is doing; nearly everything ran on this host.
const DIRECTORY: u8 = 6;
const SESSION: u8 = 3;
const HOST: u8 = 2;

/// Points for a command that followed what ran last at least every second time; two less for each halving. A habit says
/// more than a place.
const FOLLOWS_MAX: u8 = 8;

/// Below this, following was chance.
const FOLLOWED_MIN: u32 = 2;

/// The most that [`lately`], [`often`] and [`Near::points`] give together.
pub(super) const POINTS_MAX: u32 = LATELY_MAX + OFTEN_MAX + (DIRECTORY + SESSION + HOST + FOLLOWS_MAX) as u32;

/// Points for when something started.
pub(super) fn lately(now_us: i64, start_us: i64) -> u32 {
    const MINUTE_US: u64 = 60_000_000;
    // What has not begun yet, by this clock, has begun now.
    let minutes = if start_us < now_us { now_us.abs_diff(start_us) / MINUTE_US } else { 0 };
    LATELY_MAX.saturating_sub(u64::BITS - minutes.leading_zeros())
}

/// Points for how often something ran.
pub(super) fn often(runs: u32) -> u32 {
    runs.checked_ilog2().unwrap_or(0).min(OFTEN_MAX)
}

/// Points for a command that followed so often, when anything did so often.
fn follows(count: u32, total: u32) -> u8 {
    if count < FOLLOWED_MIN {
        return 0;
    }
    let halvings = (total / count).checked_ilog2().unwrap_or(0).saturating_sub(1);
    FOLLOWS_MAX.saturating_sub(halvings.min(u32::from(FOLLOWS_MAX)) as u8 * 2)
}

/// Which commands ran here, and which come next by habit.
pub(super) struct Near {
    revision: Revision,
    directory: Vec<u8>,
    host: String,
    session: String,
    points: Vec<u8>,
}

impl Near {
    /// For a place, or what is known if it is that.
    pub(super) fn find(known: Option<Self>, history: &History, place: &Place) -> Self {
        let Place { directory, host, session, now_us: _ } = place;
        let is_here = |known: &Self| {
            known.revision == *history.revision()
                && known.directory == directory[..]
                && known.host == *host
                && known.session == *session
        };
        if let Some(known) = known.filter(is_here) {
            return known;
        }
        Self {
            revision: history.revision().clone(),
            directory: directory.to_vec(),
            host: host.clone(),
            session: session.clone(),
            points: points(history, place),
        }
    }

    /// Points for a command.
    pub(super) fn points(&self, command: u32) -> u32 {
        u32::from(self.points[command as usize])
    }
}

const IN_DIRECTORY: u8 = 1;
const IN_SESSION: u8 = 2;
const ON_HOST: u8 = 4;

const POINTS: [u8; 8] = {
    let mut points = [0; 8];
    let mut flags = 0;
    while flags < 8 {
        let directory = if flags & IN_DIRECTORY as usize == 0 { 0 } else { DIRECTORY };
        let session = if flags & IN_SESSION as usize == 0 { 0 } else { SESSION };
        let host = if flags & ON_HOST as usize == 0 { 0 } else { HOST };
        points[flags] = directory + session + host;
        flags += 1;
    }
    points
};

fn points(history: &History, place: &Place) -> Vec<u8> {
    let (flags, previous) = here(history, place);
    let mut points: Vec<u8> = flags.into_iter().map(|flags| POINTS[flags as usize]).collect();
    if let Some(previous) = (previous != NO_ROW).then(|| history.rows().command(previous)).flatten() {
        let followers = Followers::of(history, previous);
        for (command, count) in followers.counts {
            points[command as usize] += follows(count, followers.total);
        }
    }
    points
}

/// Where each command ran, in flags, and the newest row of the session.
fn here(history: &History, place: &Place) -> (Vec<u8>, u32) {
    let (rows, slots) = (history.rows(), history.commands().slots());
    let contexts = flags_of_contexts(history, place);
    let here = (!place.directory.is_empty()).then(|| history.directories().find(&place.directory)).flatten();
    let parts = in_columns(rows.slots(), |part| {
        // One more: that of rows that are free, which have a number that no command has.
        let mut flags = vec![0u8; slots + 1];
        for Numbers { command, directory, context } in rows.numbers(part) {
            let in_directory = if here == Some(directory) { IN_DIRECTORY } else { 0 };
            flags[(command as usize).min(slots)] |= contexts[context as usize] | in_directory;
        }
        flags.truncate(slots);
        flags
    });
    let both = |mut all: Vec<u8>, part: Vec<u8>| {
        all.iter_mut().zip(part).for_each(|(all, part)| *all |= part);
        all
    };
    let of_session = (0u32..).zip(&contexts).filter(|(_, flags)| **flags & IN_SESSION != 0);
    let of_session = Chosen::of(contexts.len(), of_session.map(|(context, _)| context));
    let newest = of_session.rows(rows, 0..rows.slots()).fold(NO_ROW, |newest, row| newer(rows, newest, row));
    (parts.into_iter().reduce(both).unwrap_or_default(), newest)
}

fn newer(rows: &Rows, one: u32, other: u32) -> u32 {
    match (one, other) {
        (NO_ROW, other) => other,
        (one, NO_ROW) => one,
        (one, other) if rows.compare(other, one).is_gt() => other,
        (one, _) => one,
    }
}

fn flags_of_contexts(history: &History, place: &Place) -> Vec<u8> {
    let contexts = history.contexts();
    // An empty word stands for what is not known, which is nowhere.
    let number = |word: &str| (!word.is_empty()).then(|| contexts.find_word(word)).flatten();
    let (host, session) = (number(&place.host), number(&place.session));
    let flags = |context: u32| match contexts.host_and_session(context) {
        None => 0,
        Some((its_host, its_session)) => {
            let on_host = if host == Some(its_host) { ON_HOST } else { 0 };
            on_host | if session == Some(its_session) { IN_SESSION } else { 0 }
        }
    };
    (0..contexts.slots() as u32).map(flags).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lately_is_worth_more_than_long_ago() {
        const MINUTE: i64 = 60_000_000;
        let ages = [0, 1, 2, 60, 60 * 24, 60 * 24 * 365, 60 * 24 * 365 * 40];
        let points: Vec<u32> = ages.iter().map(|minutes| lately(1 << 52, (1 << 52) - minutes * MINUTE)).collect();
        assert_eq!(points, [24, 23, 22, 18, 13, 4, 0]);
        assert_eq!(lately(0, i64::MAX), LATELY_MAX, "a clock that was ahead");
        assert_eq!(lately(i64::MAX, i64::MIN), 0);
    }

    #[test]
    fn a_habit_is_worth_less_with_each_halving() {
        let points =
            [(1, 1), (2, 2), (2, 4), (2, 8), (3, 12), (2, 16), (4, 64), (2, 256)].map(|(n, of)| follows(n, of));
        assert_eq!(points, [0, 8, 8, 6, 6, 4, 2, 0]);
    }

    #[test]
    fn often_is_worth_a_point_for_each_doubling() {
        assert_eq!([0, 1, 2, 3, 4, 1000, 1024, u32::MAX].map(often), [0, 0, 1, 1, 2, 9, 10, 10]);
    }
}
