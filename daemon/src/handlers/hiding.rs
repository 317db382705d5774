//! What a reader other than the person gets to see of an answer: no secret, and nothing that tells of one.
//!
//! Where something was searched for, a row with a secret is left out, whatever matched: that it was found, or was not, would tell
//! whoever guesses whether the guess was right. It leaves no gap behind: the window is of the rows that stay, and so is the total.

use caro_schema::ipc::history::{Hit, Hits, Window};

use crate::filter::{Filter, Secrets, carries_phrase, secrets};

/// Hides the secrets of an answer that has all rows, and gives a window of those that stay.
pub(crate) fn hide(mut hits: Hits, was_searched: bool, window: Window) -> Hits {
    let filter = Filter { secrets: Secrets::Mask, ..Filter::default() };
    hits.rows.retain_mut(|hit| hide_in(hit, was_searched, &filter));
    hits.total = hits.rows.len() as u64;
    let offset = usize::try_from(window.offset).unwrap_or(usize::MAX).min(hits.rows.len());
    hits.rows.drain(..offset);
    hits.rows.truncate(window.limit as usize);
    hits
}

/// Hides the secrets of a row. False when it must not be shown at all.
fn hide_in(hit: &mut Hit, was_searched: bool, filter: &Filter) -> bool {
    let Hit { record, matched, .. } = hit;
    if carries_phrase(&record.command) {
        return false;
    }
    if let Some(masked) = secrets::masked(&record.command) {
        if was_searched {
            return false;
        }
        record.command = masked.into();
        // They were places in the text as it was.
        matched.clear();
    }
    if let Some(masked) = secrets::masked(&record.directory) {
        record.directory = masked.into();
    }
    if let Some(assistant) = &mut record.assistant {
        filter.clean(assistant);
    }
    true
}

#[cfg(test)]
mod tests {
    use caro_schema::{
        body::history::{Assistant, Record},
        id::RecordId,
    };

    use super::*;

    const ALL: Window = Window { offset: 0, limit: 10 };

    fn hits(command: &str, matched: Vec<(u32, u32)>) -> Hits {
        let record = Record {
            id: RecordId([1; 16]),
            command: command.as_bytes().to_vec().into(),
            directory: Vec::new().into(),
            host: String::new(),
            user: String::new(),
            shell: String::new(),
            session: String::new(),
            start_us: 1,
            duration_us: None,
            exit: None,
            assistant: Some(Box::new(Assistant { prompt: command.to_owned(), ..Assistant::default() })),
        };
        Hits { total: 7, of: 9, rows: vec![Hit { record, runs: 1, matched }], complete: true }
    }

    #[test]
    fn ds004_a_secret_is_masked_wherever_it_is_and_searching_finds_no_row_that_has_one() {
        let found = hide(hits("mysql -phunter2 app", Vec::new()), false, ALL);
        let Hit { record, matched, .. } = &found.rows[0];
        assert_eq!((&record.command[..], matched.len()), (&b"mysql -p**** app"[..], 0));
        assert!(!record.assistant.as_ref().expect("kept").prompt.contains("hunter2"));
        // In the secret, beside it, or nowhere, as with what must not be there.
        for matched in [vec![(0, 5), (8, 12)], vec![(0, 5)], Vec::new()] {
            let guessed = hide(hits("mysql -phunter2 app", matched), true, ALL);
            assert_eq!((guessed.rows.len(), guessed.total), (0, 0));
        }
    }

    #[test]
    fn ds004_what_is_hidden_leaves_no_gap() {
        let rows = ["ls", "mysql -phunter2 app", "pwd", "make"].map(|command| hits(command, Vec::new()).rows.remove(0));
        let all = || Hits { total: 4, of: 9, rows: rows.to_vec(), complete: true };
        let shown = |offset, limit| {
            let found = hide(all(), true, Window { offset, limit });
            let texts = found.rows.iter().map(|hit| String::from_utf8_lossy(&hit.record.command).into_owned());
            (texts.collect::<Vec<_>>(), found.total)
        };
        let is = |texts: &[&str]| (texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>(), 3);
        assert_eq!(shown(0, 2), is(&["ls", "pwd"]));
        assert_eq!(shown(2, 2), is(&["make"]));
        assert_eq!(shown(7, 2), is(&[]));
    }

    #[test]
    fn trap_27_a_phrase_is_not_shown_at_all() {
        let found = hide(hits("caro sync restore legal winner thank", Vec::new()), false, ALL);
        assert!(found.rows.is_empty());
    }

    #[test]
    fn what_holds_no_secret_stays_as_it_is() {
        let found = hide(hits("ls -l", vec![(0, 2)]), true, ALL);
        let Hit { record, matched, .. } = &found.rows[0];
        assert_eq!((&record.command[..], &matched[..], found.total), (&b"ls -l"[..], &[(0, 2)][..], 1));
    }
}
