//! The configuration file: read whole, changed in one place, written whole or not at all. What a person wrote around a
//! value stays: comments, order, blank lines, how a table is written.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use toml_edit::{Document, DocumentMut, Item, Table, TableLike, Value};

use super::check;
use crate::{
    error::{Failure, Outcome},
    exit,
};

/// A file that can be changed.
#[derive(Default)]
pub(super) struct File {
    document: DocumentMut,
}

impl File {
    /// From its place; one that is not there is as good as an empty one.
    pub(super) fn read(path: &Path) -> Outcome<Self> {
        Self::parse(&text(path)?).map_err(|what| {
            let message = format!("{}: {what}", path.display());
            Failure::new(exit::DATA, message).hint("put it right first: caro config edit")
        })
    }

    /// From its text, or where and why that is none.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let document = text.parse::<DocumentMut>().map_err(|error| check::unreadable(text, &error))?;
        Ok(Self { document })
    }

    /// As it would be written.
    pub(super) fn text(&self) -> String {
        self.document.to_string()
    }

    /// The value under a full name, as it stands in the file.
    pub(super) fn value(&self, name: &str) -> Option<String> {
        let (tables, key) = split(name);
        let mut table: &dyn TableLike = self.document.as_table();
        for part in tables {
            table = table.get(part)?.as_table_like()?;
        }
        let mut value = table.get(key)?.clone().into_value().ok()?;
        value.decor_mut().clear();
        Some(value.to_string())
    }

    /// Sets a value under a full name.
    pub(super) fn set(&mut self, name: &str, mut value: Value) -> Outcome {
        let (tables, key) = split(name);
        let mut table: &mut dyn TableLike = self.document.as_table_mut();
        for part in tables {
            let item = table.entry(part).or_insert_with(|| Item::Table(Table::new()));
            table = item.as_table_like_mut().ok_or_else(|| {
                Failure::new(exit::DATA, format!("{part} is no table in the file")).hint("caro config edit")
            })?;
        }
        match table.get_mut(key) {
            // What stands around the old value is the person's.
            Some(Item::Value(old)) => {
                *value.decor_mut() = old.decor().clone();
                *old = value;
            }
            _ => drop(table.insert(key, Item::Value(value))),
        }
        Ok(())
    }

    /// Takes a value out. False when it was not there.
    pub(super) fn unset(&mut self, name: &str) -> bool {
        let (tables, key) = split(name);
        let mut table: &mut dyn TableLike = self.document.as_table_mut();
        for part in tables {
            match table.get_mut(part).and_then(Item::as_table_like_mut) {
                Some(inner) => table = inner,
                None => return false,
            }
        }
        table.remove(key).is_some()
    }

    /// Makes a comment of the line that sets a value, so that nothing of what a person wrote is lost. Within braces there are
    /// no lines, and the value is taken out. False when it was not there.
    pub(super) fn comment_out(&mut self, name: &str) -> bool {
        let commented = lines_of(&self.text(), name).and_then(|text| Self::parse(&text).ok());
        match commented.filter(|file| file.value(name).is_none()) {
            Some(file) => {
                *self = file;
                true
            }
            None => self.unset(name),
        }
    }

    /// What this file says, and what another one says where it says nothing.
    pub(super) fn over(&self, below: &Self) -> Outcome<Self> {
        let mut both = Self { document: self.document.clone() };
        for (name, value) in values(below.document.as_table(), "") {
            if both.value(&name).is_none() {
                both.set(&name, value)?;
            }
        }
        Ok(both)
    }

    /// The full names of what is in a table.
    pub(super) fn keys_of(&self, table: &str) -> Vec<String> {
        let all = values(self.document.as_table(), "").into_iter().map(|(name, _)| name);
        all.filter(|name| name.strip_prefix(table).is_some_and(|rest| rest.starts_with('.'))).collect()
    }

    /// Writes it in its place.
    pub(super) fn write(&self, path: &Path) -> Outcome {
        write_new(path, self.text().as_bytes())
    }
}

/// Every value of a table, with its full name.
fn values(table: &dyn TableLike, prefix: &str) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for (key, item) in table.iter() {
        let name = if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") };
        match item.as_table_like() {
            Some(inner) => found.extend(values(inner, &name)),
            None => found.extend(item.as_value().map(|value| {
                let mut value = value.clone();
                value.decor_mut().clear();
                (name, value)
            })),
        }
    }
    found
}

/// The text with the lines of one value made comments; none where it has no lines of its own.
fn lines_of(text: &str, name: &str) -> Option<String> {
    let document = Document::parse(text).ok()?;
    let (tables, key) = split(name);
    let mut table: &dyn TableLike = document.as_table();
    for part in tables {
        table = table.get(part)?.as_table_like()?;
    }
    let (key, item) = table.get_key_value(key)?;
    let (first, last) = (key.span()?.start, item.span()?.end);
    let start = text[..first].rfind('\n').map_or(0, |at| at + 1);
    let end = text[last..].find('\n').map_or(text.len(), |at| last + at);
    // Tables in front of the key are written with it; anything else makes it a part of a line.
    let in_front = text[start..first].trim();
    if in_front.contains(['{', '=', ',']) || text[last..end].trim_start().starts_with([',', '}']) {
        return None;
    }
    let commented: Vec<String> = text[start..end].split('\n').map(|line| format!("#{line}")).collect();
    Some([&text[..start], &commented.join("\n"), &text[end..]].concat())
}

/// Tables and key of a full name. A key of `screen.keys` may have dots of its own in no known case.
fn split(name: &str) -> (Vec<&str>, &str) {
    let mut parts: Vec<&str> = name.split('.').collect();
    let key = parts.pop().unwrap_or_default();
    (parts, key)
}

/// The text of the file, empty when there is none.
pub(super) fn text(path: &Path) -> Outcome<String> {
    match fs::read(path) {
        Ok(bytes) => String::from_utf8(bytes).map_err(|_| {
            Failure::new(exit::DATA, format!("{} is not text in UTF-8", path.display())).hint("caro config edit")
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(Failure::at(path, &error)),
    }
}

/// Writes the file by renaming a new one into its place, so that no reader sees half of it. A link, as those have who
/// keep such files elsewhere, stays one: what it leads to is replaced.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> Outcome {
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = target.parent().unwrap_or(Path::new("/"));
    let failed = |error: io::Error| Failure::at(&target, &error);
    make_folder(folder).map_err(failed)?;
    let beside = beside(&target);
    let written = write_beside(&beside, bytes).and_then(|()| fs::rename(&beside, &target));
    if written.is_err() {
        // Of no use to anybody, and the reason is told below.
        drop(fs::remove_file(&beside));
    }
    written.map_err(failed)
}

/// The folder of the file, its owner's alone.
pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// A name of this process's own, so that two at once do not write into one file.
fn beside(target: &Path) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    target.with_file_name(format!(".{name}.{}.new", std::process::id()))
}

/// Makes a file that is its owner's alone, and was not there before.
pub(super) fn write_beside(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs::File::options().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    const WRITTEN: &str = "# mine\nlog = \"info\" # as it was\n\n[record] # rules\n# why\nsecrets = \"drop\"   # for now\n\
                           \n[sync]\nwindow_days = 3\n";

    fn of(text: &str) -> File {
        File { document: text.parse().expect("TOML") }
    }

    #[test]
    fn a_change_leaves_everything_around_it() {
        let mut file = of(WRITTEN);
        file.set("record.secrets", "mask".into()).expect("set");
        assert_eq!(file.document.to_string(), WRITTEN.replace("\"drop\"", "\"mask\""));
        file.set("record.ignore_space", false.into()).expect("set");
        assert!(file.document.to_string().contains("# for now\nignore_space = false\n"), "{}", file.document);
        file.set("history.keep_days", 30.into()).expect("set");
        assert!(file.document.to_string().ends_with("\n[history]\nkeep_days = 30\n"), "{}", file.document);
        assert!(file.unset("record.ignore_space") && !file.unset("record.ignore_space"));
        assert_eq!(file.value("record.secrets").as_deref(), Some("\"mask\""));
        assert_eq!(file.value("history.keep_count"), None);
    }

    #[test]
    fn a_line_that_is_hidden_becomes_a_comment_and_nothing_is_lost() {
        for (text, name, expected) in [
            (WRITTEN, "record.secrets", WRITTEN.replace("secrets = ", "#secrets = ")),
            ("a.b = 1\nlog = \"off\"", "log", "a.b = 1\n#log = \"off\"\n".to_owned()),
            ("record.secrets = \"drop\" # x\n", "record.secrets", "#record.secrets = \"drop\" # x\n".to_owned()),
            (
                "[record]\nignore_commands = [\n  'a', # one\n  'b',\n] # two\nsecrets = \"drop\"\n",
                "record.ignore_commands",
                "[record]\n#ignore_commands = [\n#  'a', # one\n#  'b',\n#] # two\nsecrets = \"drop\"\n".to_owned(),
            ),
            ("record = { secrets = \"drop\" }\n", "record.secrets", "record = {}\n".to_owned()),
        ] {
            let mut file = of(text);
            assert!(file.comment_out(name), "{text}");
            assert_eq!(file.text(), expected);
            assert!(!file.comment_out(name), "{text}");
        }
    }

    #[test]
    fn a_file_over_another_one_says_what_both_say() {
        let both =
            of("[record]\nsecrets = \"drop\"\n").over(&of("record.secrets = \"keep\"\n[screen.keys]\nf5 = \"up\"\n"));
        let both = both.expect("both");
        assert_eq!(both.value("record.secrets").as_deref(), Some("\"drop\""));
        assert_eq!(both.value("screen.keys.f5").as_deref(), Some("\"up\""));
        assert_eq!(both.keys_of("screen.keys"), ["screen.keys.f5"]);
    }

    #[test]
    fn every_way_of_writing_a_table_is_understood() {
        for text in
            ["record = { secrets = \"drop\" }\n", "record.secrets = \"drop\"\n", "[record]\nsecrets = \"drop\"\n"]
        {
            let mut file = of(text);
            file.set("record.secrets", "keep".into()).expect("set");
            assert_eq!(file.document.to_string(), text.replace("drop", "keep"));
        }
        let mut file = of("record = 3\n");
        assert_eq!(file.set("record.secrets", "keep".into()).expect_err("no table").code, exit::DATA);
    }

    #[test]
    fn the_file_is_written_whole_for_its_owner_alone_and_a_link_stays_a_link() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("caro/config.toml");
        write_new(&path, b"log = \"off\"\n").expect("written");
        assert_eq!(fs::metadata(&path).expect("there").mode() & 0o777, 0o600);
        let link = folder.path().join("link.toml");
        std::os::unix::fs::symlink(&path, &link).expect("linked");
        write_new(&link, b"log = \"warn\"\n").expect("written");
        assert_eq!(fs::read(&path).expect("there"), b"log = \"warn\"\n");
        assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
        assert_eq!(fs::read_dir(folder.path().join("caro")).expect("listed").count(), 1, "nothing is left beside it");
    }
}
