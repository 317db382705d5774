//! One run of a command seen twice: by the hook as it happened, and later in the shell's own history file. The file has
//! whole seconds and no session, so ids cannot tell; text and time can. Each recorded run stands for one line of the
//! file at most, so that three runs in one second stay three.

use std::collections::HashMap;

use caro_schema::body::history::Record;

use crate::history::History;

/// By how much the file's time may be before the hook's: its second has begun earlier, and a clock may be set a little.
const EARLIER_US: i64 = 2_000_000;

/// By how much it may be after it: a shell writes the line when it accepts it, at about the same moment.
const LATER_US: i64 = 1_000_000;

/// The records of a file without those that a hook has recorded already.
pub(super) fn without(records: Vec<Record>, history: &History) -> Vec<Record> {
    let foreign = |record: &&Record| record.session.is_empty();
    let times = || records.iter().filter(foreign).map(|record| record.start_us);
    let (Some(first), Some(last)) = (times().min(), times().max()) else { return records };
    let mut runs: HashMap<Vec<u8>, Vec<i64>> = HashMap::new();
    for record in history.recorded_between(first.saturating_sub(LATER_US), last.saturating_add(EARLIER_US)) {
        runs.entry(record.command.into_vec()).or_default().push(record.start_us);
    }
    if runs.is_empty() {
        return records;
    }
    records.into_iter().filter(|record| !record.session.is_empty() || !take(&mut runs, record)).collect()
}

/// Whether a recorded run stands for this record. It then stands for no other.
fn take(runs: &mut HashMap<Vec<u8>, Vec<i64>>, record: &Record) -> bool {
    let Some(starts) = runs.get_mut(&record.command[..]) else { return false };
    let near = |start: &i64| (-LATER_US..EARLIER_US).contains(&(start - record.start_us));
    let Some(at) = starts.iter().position(near) else { return false };
    starts.swap_remove(at);
    true
}
