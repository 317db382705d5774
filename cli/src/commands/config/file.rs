//! The configuration file: read whole, changed in one place, written whole or not at all. What a person wrote around a
//! value stays: comments, order, blank lines, how a table is written.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use toml_edit::{DocumentMut, Item, Table, TableLike, Value};

use super::check;
use crate::{
    error::{Failure, Outcome},
    exit,
};

/// A file that can be changed.
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

    /// Writes it in its place.
    pub(super) fn write(&self, path: &Path) -> Outcome {
        write_new(path, self.text().as_bytes())
    }
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
