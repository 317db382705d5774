//! Versions of one record, compared and weighed. The law of the merge is here and nowhere else: it is total and asks
//! only for the two versions, so it gives the same on every device, whatever came first.

use caro_schema::{
    body::history::{Assistant, Record},
    codec,
};

/// Whether one version of a record wins over another.
pub(super) fn is_greater(record: &Record, known: &Record) -> bool {
    match (record.has_ended(), known.has_ended()) {
        (ended, known_ended) if ended != known_ended => ended,
        _ => record != known && codec::encode(record) > codec::encode(known),
    }
}

/// Text of a record, for the size of a block.
pub(super) fn text_bytes(record: &Record) -> usize {
    record.command.len() + record.directory.len() + record.assistant.as_deref().map_or(0, assistant_bytes)
}

/// As [`text_bytes`], of what an assistant said.
pub(super) fn assistant_bytes(assistant: &Assistant) -> usize {
    let Assistant { prompt, explanation, model, safety, tags, author, rule } = assistant;
    let names = [prompt, explanation, model, safety, author].into_iter().chain(rule).chain(tags);
    names.map(String::len).sum()
}
