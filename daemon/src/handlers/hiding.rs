//! What a reader other than the person gets to see of an answer: no secret, and nothing that tells of one.
//!
//! A row that was found by a part of its secret is left out: that it was found would tell whoever guesses that the guess
//! was right. For the same reason the total of such an answer says nothing, and is that of its rows.

use caro_schema::ipc::history::{Hit, Hits};

use crate::filter::{Filter, Secrets, carries_phrase, secrets};

/// Hides the secrets of an answer.
pub(crate) fn hide(hits: &mut Hits) {
    let filter = Filter { secrets: Secrets::Mask, ..Filter::default() };
    hits.rows.retain_mut(|hit| hide_in(hit, &filter));
    hits.total = hits.rows.len() as u64;
}

/// Hides the secrets of a row. False when it must not be shown at all.
fn hide_in(hit: &mut Hit, filter: &Filter) -> bool {
    let Hit { record, matched, .. } = hit;
    if carries_phrase(&record.command) {
        return false;
    }
    let found = secrets::all(&record.command);
    let tells = |(from, to): &(u32, u32)| {
        found.iter().any(|secret| (*from as usize) < secret.span.end && (*to as usize) > secret.span.start)
    };
    if matched.iter().any(tells) {
        return false;
    }
    if let Some(masked) = secrets::masked(&record.command) {
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
    fn ds004_a_secret_is_masked_wherever_it_is_and_guessing_it_finds_nothing() {
        let mut found = hits("mysql -phunter2 app", vec![(0, 5)]);
        hide(&mut found);
        let Hit { record, matched, .. } = &found.rows[0];
        assert_eq!((&record.command[..], matched.len()), (&b"mysql -p**** app"[..], 0));
        assert!(!record.assistant.as_ref().expect("kept").prompt.contains("hunter2"));
        let mut guessed = hits("mysql -phunter2 app", vec![(0, 5), (8, 12)]);
        hide(&mut guessed);
        assert_eq!((guessed.rows.len(), guessed.total), (0, 0));
    }

    #[test]
    fn trap_27_a_phrase_is_not_shown_at_all() {
        let mut found = hits("caro sync restore legal winner thank", Vec::new());
        hide(&mut found);
        assert!(found.rows.is_empty());
    }

    #[test]
    fn what_holds_no_secret_stays_as_it_is() {
        let mut found = hits("ls -l", vec![(0, 2)]);
        hide(&mut found);
        let Hit { record, matched, .. } = &found.rows[0];
        assert_eq!((&record.command[..], &matched[..], found.total), (&b"ls -l"[..], &[(0, 2)][..], 1));
    }
}
