//! One run of a command seen twice: by the hook as it happened, and later in the shell's own history file, which knows less
//! and gives it another id; or in the files of two shells, of which one was written out of the other. Says which lines of a file are known so, and which were deleted and must not come back.
//!
//! A line with a time is known by text and time; a file has whole seconds, and each recorded run stands for one line at
//! most, so that three runs in one second stay three. A line without a time is known by its place: of the equal lines of a
//! file the last ones are those that the hook has seen, as many as it recorded.
//!
//! What is deleted leaves marks beside its own id, for the ids that such lines do not share with it. A mark is a hash of the
//! text, by which whoever guesses it could be sure: so marks never leave a device. Each makes its own, of the records that
//! it has when it hears of their deletion.

use std::collections::{HashMap, HashSet};

use caro_schema::{body::history::Record, id::RecordId, ipc::history::Import};

use crate::history::{History, PutOutcome};

/// By how much the file's time may be before the hook's: its second has begun earlier, and a clock may be set a little.
const EARLIER_US: i64 = 2_000_000;

/// By how much it may be after it: a shell writes the line when it accepts it, at about the same moment.
const LATER_US: i64 = 1_000_000;

const SECOND_US: i64 = 1_000_000;

/// The records of an import that are new, and what became of the others.
pub(super) fn sift(import: Import, history: &History) -> (Vec<Record>, PutOutcome) {
    let Import { records, untimed, own } = import;
    let mut outcome = PutOutcome::default();
    let untimed: HashMap<RecordId, u32> = untimed.into_iter().collect();
    let unknown = records.into_iter().filter(|record| {
        let (is_known, is_deleted) = (history.contains(&record.id), history.keeps_out(&record.id));
        outcome.known += u64::from(is_known);
        outcome.deleted += u64::from(is_deleted);
        !is_known && !is_deleted
    });
    let (mut timed, mut lines) = (Vec::new(), Vec::new());
    for record in unknown {
        match untimed.get(&record.id) {
            Some(after) => lines.push((record, *after)),
            None => timed.push(record),
        }
    }
    if !own {
        keep_new_timed(&mut timed, history, &mut outcome);
        keep_new_untimed(&mut lines, history, &mut outcome);
    }
    timed.extend(lines.into_iter().map(|(record, _)| record));
    (timed, outcome)
}

/// Which tool a session's name came from; the hooks give names without one.
fn tool(session: &str) -> &str {
    session.split_once(':').map_or("", |(tool, _)| tool)
}

fn keep_new_timed(records: &mut Vec<Record>, history: &History, outcome: &mut PutOutcome) {
    let times = || records.iter().map(|record| record.start_us);
    let (Some(first), Some(last)) = (times().min(), times().max()) else { return };
    let texts: HashSet<&[u8]> = records.iter().map(|record| &record.command[..]).collect();
    let mut runs: HashMap<Vec<u8>, Vec<Seen>> = HashMap::new();
    for run in history.between(first.saturating_sub(LATER_US), last.saturating_add(EARLIER_US)) {
        if texts.contains(&run.command[..]) {
            let seen = Seen { session: run.session, shell: run.shell, start_us: run.start_us };
            runs.entry(run.command.into_vec()).or_default().push(seen);
        }
    }
    records.retain(|record| {
        let is_known = take(&mut runs, record);
        let is_deleted = !is_known && is_marked(record, history);
        outcome.known += u64::from(is_known);
        outcome.deleted += u64::from(is_deleted);
        !is_known && !is_deleted
    });
}

/// A run of a command that is in the history.
struct Seen {
    session: String,
    shell: String,
    start_us: i64,
}

impl Seen {
    /// Whether it stands for this record. Two runs out of the same tool are two: that tool's own ids tell them apart.
    fn is(&self, record: &Record) -> bool {
        let after_us = self.start_us.saturating_sub(record.start_us);
        if self.session.is_empty() {
            // Two files of shells that name the same second: the one was written out of the other. A tool's record of the
            // same run says more, and stays.
            return after_us == 0 && record.session.is_empty() && kind(&self.shell) != kind(&record.shell);
        }
        let is_near = (-LATER_US..EARLIER_US).contains(&after_us);
        is_near && (record.session.is_empty() || tool(&self.session) != tool(&record.session))
    }
}

/// Whether a run in the history stands for this record. It then stands for no other.
fn take(runs: &mut HashMap<Vec<u8>, Vec<Seen>>, record: &Record) -> bool {
    let Some(runs) = runs.get_mut(&record.command[..]) else { return false };
    let Some(at) = runs.iter().position(|seen| seen.is(record)) else { return false };
    runs.swap_remove(at);
    true
}

/// Whether a run of this command at about this time was deleted.
fn is_marked(record: &Record, history: &History) -> bool {
    if !history.has_deleted() {
        return false;
    }
    let second = |us: i64| us.div_euclid(SECOND_US);
    let near =
        second(record.start_us.saturating_sub(LATER_US))..=second(record.start_us.saturating_add(EARLIER_US - 1));
    let mut marks = near.map(|second| at_second(&record.command, second));
    marks.any(|mark| history.keeps_out(&mark))
}

fn keep_new_untimed(lines: &mut Vec<(Record, u32)>, history: &History, outcome: &mut PutOutcome) {
    // All lines of a file have the same shell.
    let Some(shell) = lines.first().map(|(record, _)| kind(&record.shell).to_owned()) else { return };
    let texts: HashSet<&[u8]> = lines.iter().map(|(record, _)| &record.command[..]).collect();
    let is_hooked = |session: &str, other: &str| {
        !session.is_empty()
            && tool(session).is_empty()
            && (shell.is_empty() || other.is_empty() || kind(other) == shell)
    };
    let runs = history.runs_of(texts.into_iter(), |words| is_hooked(words.session, words.shell));
    let recorded: Vec<u32> =
        lines.iter().map(|(record, _)| runs.get(&record.command[..]).copied().unwrap_or_default()).collect();
    let mut recorded = recorded.into_iter();
    lines.retain(|(record, after)| {
        let recorded = recorded.next().unwrap_or_default();
        let is_known = *after < recorded;
        let is_deleted = !is_known && is_marked_untimed(record, after - recorded, history);
        outcome.known += u64::from(is_known);
        outcome.deleted += u64::from(is_deleted);
        !is_known && !is_deleted
    });
}

/// Whether the line is one of those whose runs were deleted: the `nth` behind those that are recorded still.
fn is_marked_untimed(record: &Record, nth: u32, history: &History) -> bool {
    let is_marked = |nth: u32| history.keeps_out(&nth_line(&record.command, nth));
    history.has_deleted() && (is_marked(nth) || is_marked(EVERY_LINE))
}

/// A shell's name without its version.
fn kind(shell: &str) -> &str {
    shell.split(' ').next().unwrap_or_default()
}

/// Stands for all lines without a time: no run of the command was left.
const EVERY_LINE: u32 = u32::MAX;

/// Of records that are about to be deleted, the marks that keep the same runs out of later imports on this device.
pub(super) fn marks(ids: &[RecordId], history: &History) -> Vec<RecordId> {
    let mut all = Vec::new();
    let mut hooked: HashMap<Vec<u8>, u32> = HashMap::new();
    let mut runs: HashMap<Vec<u8>, u32> = HashMap::new();
    let different: HashSet<&RecordId> = ids.iter().collect();
    for record in different.into_iter().filter_map(|id| history.record(id)) {
        if !record.session.is_empty() {
            all.push(mark_of_second(&record));
        }
        if !record.session.is_empty() && tool(&record.session).is_empty() {
            *hooked.entry(record.command.clone().into_vec()).or_default() += 1;
        }
        *runs.entry(record.command.into_vec()).or_default() += 1;
    }
    for (command, count) in &hooked {
        let free = (0..EVERY_LINE).map(|nth| nth_line(command, nth)).filter(|mark| !history.keeps_out(mark));
        all.extend(free.take(*count as usize));
    }
    let live = history.runs_of(hooked.keys().map(Vec::as_slice), |_| true);
    let gone = hooked.keys().filter(|command| live.get(&command[..]) == runs.get(&command[..]));
    all.extend(gone.map(|command| nth_line(command, EVERY_LINE)));
    all
}

/// Of the marks that a deletion left, those that go when these of its records come back. The others keep out what stays
/// deleted. To be asked before the records are there again.
pub(super) fn marks_to_lift(back: &[Record], marks: &[RecordId], history: &History) -> Vec<RecordId> {
    let left: HashSet<&RecordId> = marks.iter().collect();
    let mut all = Vec::new();
    let mut hooked: HashMap<&[u8], usize> = HashMap::new();
    for record in back {
        all.push(nth_line(&record.command, EVERY_LINE));
        if !record.session.is_empty() {
            all.push(mark_of_second(record));
        }
        if !record.session.is_empty() && tool(&record.session).is_empty() {
            *hooked.entry(&record.command).or_default() += 1;
        }
    }
    all.retain(|mark| left.contains(mark));
    // Lines without a time are told by how many runs were deleted and not by which, so the last numbers go: a gap
    // before another one would let its line in.
    for (command, count) in hooked {
        let taken = (0..EVERY_LINE).map(|nth| nth_line(command, nth)).take_while(|mark| history.keeps_out(mark));
        let taken: Vec<RecordId> = taken.collect();
        all.extend(taken.iter().rev().take(count));
    }
    all
}

/// The mark that a deleted run leaves by its time.
pub(super) fn mark_of_second(record: &Record) -> RecordId {
    at_second(&record.command, record.start_us.div_euclid(SECOND_US))
}

/// The mark of a deleted run of this command in this second.
fn at_second(command: &[u8], second: i64) -> RecordId {
    mark("caro 2026 deleted run by its second v1", &second.to_be_bytes(), command)
}

/// The mark of the nth deleted run of this command.
fn nth_line(command: &[u8], nth: u32) -> RecordId {
    mark("caro 2026 deleted run by its number v1", &nth.to_be_bytes(), command)
}

fn mark(context: &str, which: &[u8], command: &[u8]) -> RecordId {
    let mut id = [0; RecordId::LEN];
    blake3::Hasher::new_derive_key(context).update(which).update(command).finalize_xof().fill(&mut id);
    RecordId(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::model::record;

    /// A run that a hook recorded.
    fn run(number: u32, second: i64, text: &str) -> Record {
        record(number, second, text)
    }

    /// A line of a shell's own file.
    fn line(number: u32, second: i64, text: &str) -> Record {
        Record { session: String::new(), shell: "zsh".into(), ..record(number, second, text) }
    }

    fn history(runs: &[Record]) -> History {
        let mut history = History::new();
        history.set_complete();
        history.put(runs.to_vec());
        history
    }

    fn delete(history: &mut History, ids: &[RecordId]) {
        let marks = marks(ids, history);
        history.delete(ids);
        history.hide(&marks);
    }

    /// Added, known and deleted, when these lines with times are imported.
    fn timed(history: &History, lines: &[Record]) -> (usize, u64, u64) {
        let (new, outcome) = sift(lines.to_vec().into(), history);
        (new.len(), outcome.known, outcome.deleted)
    }

    /// The same for a file of these lines without times; also which of them are new.
    fn untimed(history: &History, file: &[Record]) -> (Vec<RecordId>, u64, u64) {
        let after = |at: usize| file[at + 1..].iter().filter(|other| other.command == file[at].command).count() as u32;
        let untimed = file.iter().enumerate().map(|(at, record)| (record.id, after(at))).collect();
        let (new, outcome) = sift(Import { records: file.to_vec(), untimed, own: false }, history);
        (new.iter().map(|record| record.id).collect(), outcome.known, outcome.deleted)
    }

    #[test]
    fn ds001_a_deleted_run_stays_out_of_an_import_with_times() {
        let mut history = history(&[run(1, 100, "secret"), run(2, 200, "secret"), run(3, 100, "ls")]);
        delete(&mut history, &[record(1, 0, "").id]);
        // The second of the file began earlier, or the clock was set a little.
        for second in 99..=100 {
            assert_eq!(timed(&history, &[line(11, second, "secret")]), (0, 0, 1), "{second}");
        }
        assert_eq!(timed(&history, &[line(12, 200, "secret"), line(13, 100, "ls")]), (0, 2, 0));
        assert_eq!(timed(&history, &[line(14, 110, "secret"), line(15, 90, "secret")]), (2, 0, 0));
    }

    #[test]
    fn ds001_a_deleted_run_stays_out_of_an_import_without_times() {
        let runs: Vec<Record> = (1..=3).map(|number| run(number, i64::from(number) * 100, "ls")).collect();
        let mut history = history(&runs);
        let file: Vec<Record> = (11..=15).map(|number| line(number, 1, "ls")).collect();
        let old = [file[0].id, file[1].id].to_vec();
        assert_eq!(untimed(&history, &file), (old.clone(), 3, 0), "three of five were recorded");
        delete(&mut history, &[runs[1].id]);
        assert_eq!(untimed(&history, &file), (old.clone(), 2, 1));
        delete(&mut history, &[runs[0].id]);
        assert_eq!(untimed(&history, &file), (old, 1, 2));
        delete(&mut history, &[runs[2].id]);
        assert_eq!(untimed(&history, &file), (Vec::new(), 0, 5), "no run is left: the person wants none of it");
    }

    #[test]
    fn ds001_each_device_keeps_out_what_is_deleted_by_marks_of_its_own() {
        let runs = [run(1, 100, "secret")];
        let (mut here, mut there) = (history(&runs), history(&runs));
        for history in [&mut here, &mut there] {
            delete(history, &[runs[0].id]);
            assert_eq!(timed(history, &[line(11, 100, "secret")]), (0, 0, 1));
            assert_eq!(untimed(history, &[line(12, 1, "secret")]), (Vec::new(), 0, 1));
        }
        assert_eq!(here.digest(), there.digest());
    }

    #[test]
    fn trap_21_no_hash_of_a_deleted_text_is_among_what_is_told_to_others() {
        let runs = [run(1, 100, "hunter2")];
        let mut history = history(&runs);
        delete(&mut history, &[runs[0].id]);
        assert_eq!(history.deleted().copied().collect::<Vec<_>>(), [runs[0].id]);
        let guess = (0..4).map(|nth| nth_line(b"hunter2", nth)).chain([at_second(b"hunter2", 100)]);
        assert!(guess.into_iter().all(|mark| !history.is_deleted(&mark)));
    }

    #[test]
    fn a_file_without_times_is_known_as_far_as_its_shell_recorded_it() {
        let other_shell = Record { shell: "bash 5.2".into(), ..run(2, 200, "ls") };
        let tools = Record { session: "atuin:1".into(), ..run(3, 300, "ls") };
        let history = history(&[run(1, 100, "ls"), other_shell, tools, line(4, 5, "ls")]);
        let file = [line(11, 1, "ls"), line(12, 2, "cd"), line(13, 3, "ls"), line(14, 4, "ls")];
        assert_eq!(untimed(&history, &file), (vec![file[0].id, file[1].id, file[2].id], 1, 0));
    }

    #[test]
    fn importing_a_file_without_times_again_gives_nothing_new_whatever_was_recorded_meanwhile() {
        let mut history = history(&[]);
        let mut file: Vec<Record> = (11..=13).map(|number| line(number, 1, "ls")).collect();
        assert_eq!(untimed(&history, &file).0.len(), 3);
        history.put(file.clone());
        assert_eq!(untimed(&history, &file), (Vec::new(), 3, 0));
        history.put([run(1, 100, "ls"), run(2, 200, "ls")]);
        file.extend([line(14, 1, "ls"), line(15, 1, "ls")]);
        assert_eq!(untimed(&history, &file), (Vec::new(), 5, 0), "the two at the end are those that were recorded");
        file.push(line(16, 1, "ls"));
        assert_eq!(untimed(&history, &file).0.len(), 1, "one more was run in a shell without the hook");
    }

    #[test]
    fn two_tools_that_saw_one_run_are_told_from_one_tool_that_saw_two() {
        let seen_by =
            |tool: &str, number: u32, second: i64| Record { session: format!("{tool}:1"), ..run(number, second, "ls") };
        let history = history(&[seen_by("atuin", 1, 100), run(2, 500, "ls")]);
        assert_eq!(timed(&history, &[seen_by("atuin", 3, 100)]), (1, 0, 0));
        assert_eq!(timed(&history, &[seen_by("mcfly", 4, 100), seen_by("mcfly", 5, 500)]), (0, 2, 0));
        assert_eq!(timed(&history, &[line(6, 100, "ls"), line(7, 100, "ls")]), (1, 1, 0));
    }

    #[test]
    fn what_was_exported_for_another_shell_comes_back_as_known() {
        let of = |shell: &str, number: u32, second: i64| Record { shell: shell.into(), ..line(number, second, "ls") };
        let history = history(&[of("bash", 1, 100), of("bash", 2, 100), of("bash", 3, 300)]);
        let file = [of("zsh", 11, 100), of("zsh", 12, 100), of("zsh", 13, 300), of("zsh", 14, 301), of("zsh", 15, 300)];
        assert_eq!(timed(&history, &file), (2, 3, 0), "each stands for one, in its second");
        assert_eq!(timed(&history, &[of("bash", 16, 300)]), (1, 0, 0), "a file's own equal lines are two runs");
        let tools = Record { session: "atuin:1".into(), ..of("", 17, 300) };
        assert_eq!(timed(&history, &[tools]), (1, 0, 0), "what knows more of the run is kept");
    }

    #[test]
    fn caros_own_records_are_told_by_their_ids_alone() {
        let mut history = history(&[run(1, 100, "ls"), run(2, 101, "ls")]);
        delete(&mut history, &[run(2, 0, "").id]);
        let own = Import {
            records: vec![run(1, 100, "ls"), run(2, 101, "ls"), run(3, 100, "ls")],
            own: true,
            ..Import::default()
        };
        let (new, outcome) = sift(own, &history);
        assert_eq!((new.len(), outcome.known, outcome.deleted), (1, 1, 1));
    }
}
