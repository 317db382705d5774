//! What a spool record says of the assistant that made its command, as the rules of recording leave it.
//!
//! Reads fields and knows no session. Keeps the promise that a secret in what was asked or said is masked like one in a
//! command, and that its place in the file is given back to be wiped. The letters are in `caro_schema::spool::made`.

use caro_schema::{
    body::history::Assistant,
    id::RecordId,
    limits::{ASSISTANT_NAME_BYTES_MAX, ASSISTANT_TAGS_MAX, ASSISTANT_TEXT_BYTES_MAX},
    spool::{self, made},
};

use crate::filter::Filter;

/// What was said, and which fields of the record must not stay in the file.
pub(super) struct Said<'a> {
    pub(super) assistant: Box<Assistant>,
    pub(super) wipe: Vec<&'a [u8]>,
}

/// Reads it, none where a person typed the command.
pub(super) fn said<'a>(record: &spool::Record<'a>, filter: &Filter) -> Option<Said<'a>> {
    let author = record.field(made::AUTHOR)?;
    let text = |tag: u8, most: usize| {
        let value = record.field(tag).unwrap_or_default();
        String::from_utf8_lossy(&value[..value.len().min(most)]).into_owned()
    };
    let name = |tag: u8| text(tag, ASSISTANT_NAME_BYTES_MAX);
    let tags = record.fields.iter().skip(1).filter(|field| field.tag == made::TAG).take(ASSISTANT_TAGS_MAX);
    let tags = tags.map(|field| String::from_utf8_lossy(field.value).into_owned()).collect();
    let mut assistant = Box::new(Assistant {
        prompt: text(made::PROMPT, ASSISTANT_TEXT_BYTES_MAX),
        explanation: text(made::EXPLANATION, ASSISTANT_TEXT_BYTES_MAX),
        model: name(made::MODEL),
        safety: name(made::SAFETY),
        tags,
        author: name(made::AUTHOR),
        rule: record.field(made::RULE).map(|_| name(made::RULE)),
    });
    let private = [made::PROMPT, made::EXPLANATION, made::MODEL, made::TAG];
    let wipe = if filter.clean(&mut assistant) {
        let held = record.fields.iter().skip(1).filter(|field| private.contains(&field.tag));
        held.map(|field| field.value).chain([author]).collect()
    } else {
        Vec::new()
    };
    Some(Said { assistant, wipe })
}

/// Which command it is, where whoever wrote the record says so.
pub(super) fn id(record: &spool::Record<'_>) -> Option<RecordId> {
    RecordId::from_hex(std::str::from_utf8(record.field(made::ID)?).ok()?)
}

/// In which session it ran, where that is not the file's.
pub(super) fn session(record: &spool::Record<'_>) -> Option<String> {
    let named = record.field(made::SESSION).filter(|name| !name.is_empty())?;
    Some(String::from_utf8_lossy(&named[..named.len().min(ASSISTANT_NAME_BYTES_MAX)]).into_owned())
}
