//! Appends records to a spool file of this process's own, opened, written and closed for each as a shell's hook does: the
//! daemon may move or remove the file at any time.

use std::{
    fs::File,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use caro_schema::{
    id::RecordId,
    spool::{self, made},
};

use super::{Entry, now_us};
use crate::{commands::private_folder, session};

/// A file of the spool, for as long as this process runs.
pub(crate) struct Writer {
    folder: PathBuf,
    path: PathBuf,
    session: String,
    /// The shell in which this process runs, if there is one.
    outer: Option<String>,
}

impl Writer {
    /// In this folder. Nothing is made before there is something to record.
    ///
    /// # Errors
    /// When the system gives no random bytes for a name.
    pub(crate) fn new(folder: &Path) -> Result<Self, getrandom::Error> {
        let mut random = [0; 8];
        getrandom::fill(&mut random)?;
        let session = format!("assistant-{}", hex::encode(random));
        let path = folder.join(format!("{session}.{}", std::process::id()));
        Ok(Self { folder: folder.to_owned(), path, session, outer: session::around() })
    }

    /// Records a command, and gives its id.
    ///
    /// # Errors
    /// When it cannot be written. Nothing, or a beginning that counts for nothing, was written.
    pub(crate) fn write(&self, entry: &Entry) -> io::Result<RecordId> {
        let (id, records) = self.made(entry)?;
        private_folder(&self.folder)?;
        let no_follow = rustix::fs::OFlags::NOFOLLOW.bits() as i32;
        let mut file =
            File::options().append(true).create(true).mode(0o600).custom_flags(no_follow).open(&self.path)?;
        let mut bytes = if file.metadata()?.len() == 0 { self.header() } else { Vec::new() };
        bytes.extend_from_slice(&records);
        file.write_all(&bytes)?;
        Ok(id)
    }

    /// What is written for a command, and its id.
    ///
    /// # Errors
    /// When the system gives no random bytes for an id.
    pub(crate) fn made(&self, entry: &Entry) -> io::Result<(RecordId, Vec<u8>)> {
        let id = entry.id().map_err(|_| io::Error::other("the system gives no random bytes"))?;
        Ok((id, self.records(entry, &id.hex(), now_us())))
    }

    fn header(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let pid = std::process::id().to_string();
        spool::append(&mut bytes, &[(b'H', b"1"), (b's', self.session.as_bytes()), (b'p', pid.as_bytes())]);
        bytes
    }

    fn records(&self, entry: &Entry, id: &str, now_us: i64) -> Vec<u8> {
        let mut bytes = Vec::new();
        if let Some(command) = &entry.command {
            let start = entry.start_us(now_us).to_string();
            let mut fields: Vec<(u8, &[u8])> = vec![(b'S', start.as_bytes()), (made::ID, id.as_bytes())];
            let said = &entry.assistant;
            let add = |tag: u8, text: &str| (!text.is_empty()).then(|| (tag, text.as_bytes().to_vec()));
            let optional: Vec<(u8, Vec<u8>)> = [
                add(b'd', &entry.directory),
                add(made::SESSION, &entry.session),
                add(made::OUTER, self.outer.as_deref().unwrap_or_default()),
                add(made::SHELL, &entry.shell),
                add(made::PROMPT, &said.prompt),
                add(made::EXPLANATION, &said.explanation),
                add(made::MODEL, &said.model),
                add(made::SAFETY, &said.safety),
            ]
            .into_iter()
            .flatten()
            .collect();
            fields.push((made::AUTHOR, said.author.as_bytes()));
            fields.extend(optional.iter().map(|(tag, text)| (*tag, &text[..])));
            fields.extend(said.rule.as_ref().map(|rule| (made::RULE, rule.as_bytes())));
            fields.extend(said.tags.iter().map(|tag| (made::TAG, tag.as_bytes())));
            fields.push((b'c', command.as_bytes()));
            spool::append(&mut bytes, &fields);
        }
        if !entry.is_running {
            let now = now_us.to_string();
            let exit = entry.exit.map(|exit| exit.to_string());
            let ms = entry.duration_us.map(|us| us.div_ceil(1000).to_string());
            let mut fields: Vec<(u8, &[u8])> = vec![(b'E', now.as_bytes()), (made::ID, id.as_bytes())];
            fields.extend(exit.as_ref().map(|exit| (b'x', exit.as_bytes())));
            fields.extend(ms.as_ref().map(|ms| (b'n', ms.as_bytes())));
            spool::append(&mut bytes, &fields);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use caro_schema::body::history::Assistant;

    use super::*;

    fn entry(command: &str) -> Entry {
        let assistant = Assistant { author: "one".into(), tags: vec!["t".into()], ..Assistant::default() };
        Entry { command: Some(command.into()), exit: Some(3), duration_us: Some(1500), assistant, ..Entry::default() }
    }

    fn only_file(folder: &Path) -> Vec<u8> {
        let entries: Vec<_> = std::fs::read_dir(folder).expect("listed").map(|entry| entry.expect("one")).collect();
        assert_eq!(entries.len(), 1);
        std::fs::read(entries[0].path()).expect("read")
    }

    #[test]
    fn two_commands_are_two_records_after_one_header() {
        let folder = tempfile::tempdir().expect("a folder");
        let spool_folder = folder.path().join("spool");
        let writer = Writer::new(&spool_folder).expect("a name");
        let ids = ["one", "two\0"].map(|command| writer.write(&entry(command)).expect("written"));
        assert_ne!(ids[0], ids[1]);
        let bytes = only_file(&spool_folder);
        let parsed = spool::parse(&bytes);
        let kinds: Vec<u8> = parsed.records.iter().map(spool::Record::kind).collect();
        assert_eq!((kinds, parsed.consumed), (b"HSESE".to_vec(), bytes.len()));
        assert_eq!(parsed.records[1].field(made::ID), Some(ids[0].hex().as_bytes()));
        assert_eq!((parsed.records[2].field(b'x'), parsed.records[2].field(b'n')), (Some(&b"3"[..]), Some(&b"2"[..])));
        assert_eq!(parsed.records[3].field(b'c'), Some("two\u{fffd}".as_bytes()));
    }

    #[test]
    fn what_runs_has_no_end_and_an_end_alone_no_start() {
        let writer = Writer::new(Path::new("/nowhere")).expect("a name");
        let kinds = |entry: &Entry| -> Vec<u8> {
            spool::parse(&writer.records(entry, "id", 5)).records.iter().map(spool::Record::kind).collect()
        };
        assert_eq!(kinds(&Entry { is_running: true, ..entry("x") }), b"S");
        assert_eq!(kinds(&Entry { command: None, ..entry("x") }), b"E");
    }

    #[test]
    fn trap_18_the_file_is_closed_to_others_and_no_link_is_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        let writer = Writer::new(folder.path()).expect("a name");
        let elsewhere = tempfile::NamedTempFile::new().expect("a file");
        symlink(elsewhere.path(), &writer.path).expect("a link");
        assert!(writer.write(&entry("x")).is_err());
        assert_eq!(elsewhere.as_file().metadata().expect("there").len(), 0);
        std::fs::remove_file(&writer.path).expect("removed");
        writer.write(&entry("x")).expect("written");
        assert_eq!(std::fs::metadata(&writer.path).expect("there").permissions().mode() & 0o777, 0o600);
    }
}
