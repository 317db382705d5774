//! From what shells wrote to what the device decides: pairs ends with their starts, and puts the records and the places
//! read up to into one step, so that they are one transaction.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt, OsStringExt},
};

use caro_core::{
    device::{Device, DeviceError, Ending, Env},
    history::History,
    step::{Step, Write},
};
use caro_schema::{body::history::Record, id::RecordId};

use crate::{
    filter::Tally,
    spool::{Change, End, Piece},
};

/// What was read of the spool at one go, of one session or several.
#[derive(Default)]
pub struct Batch {
    changes: Vec<Change>,
    /// The rows that keep the places, by their keys: the last one of a session counts.
    rows: BTreeMap<Vec<u8>, Write>,
    withheld: Tally,
    bytes: u64,
}

/// Bytes of one batch, about. Larger would hold searches up for longer, smaller would cost a transaction each.
const BATCH_BYTES_MAX: u64 = 1024 * 1024;

impl Batch {
    /// Adds what was read of a session.
    pub fn add(&mut self, stem: &OsStr, piece: Piece) {
        self.bytes += piece.bytes;
        for change in piece.changes {
            match change {
                Change::Withheld { why, masked, .. } => self.withheld.count(why, masked),
                change => self.changes.push(change),
            }
        }
        self.rows.insert(stem.as_bytes().to_vec(), piece.row);
    }

    /// Whether it should be decided on before more is read.
    pub fn is_full(&self) -> bool {
        self.bytes >= BATCH_BYTES_MAX
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// What the rules of recording kept out of it.
    pub fn withheld(&self) -> Tally {
        self.withheld
    }

    /// The sessions in it.
    pub fn sessions(&self) -> Vec<OsString> {
        self.rows.keys().map(|stem| OsString::from_vec(stem.clone())).collect()
    }

    /// Decides on it. The rows that keep the places go with the records.
    ///
    /// # Errors
    /// When the device could not decide: nothing was taken, and the sessions must be put back.
    pub fn decide(self, device: &mut Device, history: &mut History, env: &mut Env<'_>) -> Result<Step, DeviceError> {
        let Folded { records, retracted, ends } = fold(self.changes, |id| history.record(id));
        let mut step = Step::default();
        for ending in ends {
            step.extend(device.end_aside(ending, history, env.now_ms));
        }
        if !records.is_empty() {
            step.extend(device.record(records, history, env.now_ms));
        }
        if !retracted.is_empty() {
            match device.delete(&retracted, history, env) {
                Ok(deleted) => step.extend(deleted),
                // What was recorded must not be lost with it; a line too many can be deleted by hand.
                Err(error) => tracing::warn!(%error, "a refused command could not be taken back"),
            }
        }
        step.writes.extend(self.rows.into_values());
        Ok(step)
    }
}

/// What a batch comes to.
#[derive(Default)]
struct Folded {
    /// Records as they are by now: each once, however often it changed.
    records: Vec<Record>,
    /// Records that were there before and are taken back.
    retracted: Vec<RecordId>,
    /// Ends of what is not in the history: it was deleted meanwhile.
    ends: Vec<Ending>,
}

/// Pairs ends with starts: of this batch, or of the history that `known` looks into.
fn fold(changes: Vec<Change>, known: impl Fn(&RecordId) -> Option<Record>) -> Folded {
    let mut records: Vec<Option<Record>> = Vec::new();
    let mut places: HashMap<RecordId, usize> = HashMap::new();
    let (mut retracted, mut ends) = (HashSet::new(), Vec::new());
    for change in changes {
        match change {
            Change::Start(record) => {
                places.insert(record.id, records.len());
                records.push(Some(record));
            }
            Change::End { id, end } => {
                let place = *places.entry(id).or_insert_with(|| {
                    records.push(known(&id));
                    records.len() - 1
                });
                let End { duration_us, exit, start_us } = end;
                let ending = Ending { id, duration_us, exit, start_us };
                match &mut records[place] {
                    Some(record) => ending.finish(record),
                    None => ends.push(ending),
                }
            }
            Change::Retract(id) => {
                if let Some(place) = places.get(&id) {
                    records[*place] = None;
                }
                retracted.extend(known(&id).map(|record| record.id));
            }
            // Counted when it was added; nothing of it is here.
            Change::Withheld { .. } => {}
        }
    }
    Folded { records: records.into_iter().flatten().collect(), retracted: retracted.into_iter().collect(), ends }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(number: u8) -> Record {
        Record {
            id: RecordId([number; 16]),
            command: b"ls".to_vec().into(),
            directory: Vec::new().into(),
            host: String::new(),
            user: String::new(),
            shell: String::new(),
            session: String::new(),
            start_us: 1,
            duration_us: None,
            exit: None,
            assistant: None,
        }
    }

    fn ended(number: u8) -> Change {
        let end = End { duration_us: Some(5), exit: Some(0), start_us: None };
        Change::End { id: RecordId([number; 16]), end }
    }

    fn numbers(folded: &Folded) -> Vec<(u8, bool)> {
        folded.records.iter().map(|record| (record.id.0[0], record.has_ended())).collect()
    }

    #[test]
    fn a_start_and_its_end_are_one_record() {
        let folded = fold(vec![Change::Start(record(1)), ended(1), Change::Start(record(2))], |_| None);
        assert_eq!(numbers(&folded), [(1, true), (2, false)]);
    }

    #[test]
    fn an_end_finds_a_start_that_was_taken_earlier() {
        let folded = fold(vec![ended(1)], |_| Some(record(1)));
        assert_eq!(numbers(&folded), [(1, true)]);
    }

    #[test]
    fn ds001_an_end_does_not_bring_back_what_was_deleted_meanwhile() {
        assert_eq!(numbers(&fold(vec![ended(1)], |_| None)), []);
    }

    #[test]
    fn a_retraction_takes_back_from_the_piece_and_from_history() {
        let retract = || Change::Retract(RecordId([1; 16]));
        let here = fold(vec![Change::Start(record(1)), ended(1), retract()], |_| None);
        assert_eq!((numbers(&here), here.retracted.len()), (vec![], 0));
        let earlier = fold(vec![retract()], |_| Some(record(1)));
        assert_eq!(earlier.retracted, [RecordId([1; 16])]);
        let both = fold(vec![ended(1), retract()], |_| Some(record(1)));
        assert_eq!((numbers(&both), both.retracted.len()), (vec![], 1));
    }
}
