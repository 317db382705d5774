//! What shells and `caro` read at their start without asking anybody: the account's settings, aliases and variables, each
//! written whole when it changes, for their owner alone.
//!
//! Everything in them is text that a person, or another device, wrote. A shell is told it quoted, so that it means itself
//! and is never obeyed while it is read; a name that is no plain word ([`Sort::check`]) is left out. Who reads them makes
//! sure that they belong to the user. The invariant: the files say what the store says, or are written again until they do.

use std::{fs, path::PathBuf};

use caro_core::shared::Shared;
use caro_schema::{
    items::{SETTING, Sort},
    quote,
    settings::{self, Belongs, Kind},
};
use toml::{Table, Value};

use crate::{config::seen, paths, state::State};

impl State {
    /// Writes the files that do not say what is shared. What cannot be written is tried again at the next round.
    pub(crate) fn write_shared_files(&mut self) {
        self.shared_files_due = false;
        let folder = self.places.shared();
        let files = self.shared_files();
        let is_empty = files.iter().all(|(_, bytes)| bytes.is_empty());
        if is_empty && !folder.exists() {
            return;
        }
        let is_stale = |(path, bytes): &(PathBuf, Vec<u8>)| fs::read(path).ok().as_ref() != Some(bytes);
        let stale: Vec<(PathBuf, Vec<u8>)> = files.into_iter().filter(is_stale).collect();
        if stale.is_empty() {
            return;
        }
        if let Err(error) = paths::private_folder(&folder) {
            tracing::warn!(error = error.kind(), "the folder for shells cannot be used");
            self.shared_files_due = true;
            return;
        }
        for (path, bytes) in stale {
            if let Err(error) = paths::write_private(&path, &bytes) {
                tracing::warn!(kind = ?error.kind(), "a file for shells could not be written");
                self.shared_files_due = true;
            }
        }
        // Settings among them are in force at once.
        self.renew_config(false);
    }

    fn shared_files(&self) -> [(PathBuf, Vec<u8>); 4] {
        let shared = self.device.shared();
        [
            (self.places.shared_settings(), settings_file(shared)),
            (self.places.shared_posix(), posix(shared)),
            (self.places.shared_fish(), fish(shared)),
            (self.places.shared_json(), json(shared)),
        ]
    }
}

/// Names and texts of a sort, as far as shells may be told them.
fn texts(shared: &Shared, sort: Sort) -> impl Iterator<Item = (&str, &str)> {
    let fit = shared.list(sort.category()).filter(move |(name, value)| sort.check(name, value).is_ok());
    fit.filter_map(|(name, value)| Some((name, std::str::from_utf8(value).ok()?)))
}

const HEAD: &str = "# Written by caro-daemon whenever it changes: change it with caro alias and caro env, not here.\n";

fn posix(shared: &Shared) -> Vec<u8> {
    let mut file = Vec::new();
    for (name, text) in texts(shared, Sort::Variable) {
        file.extend(format!("\\builtin export {name}=").into_bytes());
        file.extend(quote::posix(text.as_bytes()));
        file.push(b'\n');
    }
    for (name, text) in texts(shared, Sort::Alias) {
        file.extend(format!("\\builtin alias -- '{name}'=").into_bytes());
        file.extend(quote::posix(text.as_bytes()));
        file.push(b'\n');
    }
    with_head(file)
}

/// An alias is a function there, and a function's body is code while it is read. So the text is a variable, and is code only
/// when the alias is called. One that calls itself means the program or builtin of its name, as in other shells.
fn fish(shared: &Shared) -> Vec<u8> {
    let mut file = Vec::new();
    for (name, text) in texts(shared, Sort::Variable) {
        file.extend(format!("builtin set -gx {name} ").into_bytes());
        file.extend(quote::fish(text.as_bytes()));
        file.push(b'\n');
    }
    for (number, (name, text)) in texts(shared, Sort::Alias).enumerate() {
        let variable = format!("__caro_alias_{number}");
        file.extend(format!("builtin set -g {variable} ").into_bytes());
        file.extend(quote::fish(text.as_bytes()));
        let calls_itself = text.split_ascii_whitespace().next() == Some(name);
        let own = if calls_itself {
            format!(
                "\nif builtin contains -- '{name}' (builtin -n)\n    builtin set -p {variable} builtin\nelse\n    builtin set -p {variable} \
                 command\nend"
            )
        } else {
            String::new()
        };
        let body = format!("{own}\nfunction '{name}'\n    builtin eval \"${variable} \\$argv\"\nend\n");
        file.extend(body.into_bytes());
    }
    with_head(file)
}

fn json(shared: &Shared) -> Vec<u8> {
    let object = |sort: Sort| -> serde_json::Map<String, serde_json::Value> {
        texts(shared, sort).map(|(name, text)| (name.to_owned(), text.into())).collect()
    };
    let (aliases, variables) = (object(Sort::Alias), object(Sort::Variable));
    if aliases.is_empty() && variables.is_empty() {
        return Vec::new();
    }
    let mut file = serde_json::json!({ "aliases": aliases, "variables": variables }).to_string().into_bytes();
    file.push(b'\n');
    file
}

/// The account's settings that this version knows and can use, and none that is for a machine alone.
fn settings_file(shared: &Shared) -> Vec<u8> {
    let mut table = Table::new();
    for (name, text) in shared.list(SETTING) {
        let Some(value) = usable(name, text) else { continue };
        put(&mut table, name, value);
    }
    if table.is_empty() {
        return Vec::new();
    }
    let text = toml::to_string(&table).unwrap_or_default();
    format!(
        "# Written by caro-daemon whenever it changes: the settings that hold on all your machines. Change them with\n# caro \
         config set; what config.toml says holds on this machine instead.\n{text}"
    )
    .into_bytes()
}

/// A setting's value, if it is one for a person and has a value that it may have.
fn usable(name: &str, text: &[u8]) -> Option<Value> {
    let setting = settings::find(name).filter(|setting| setting.belongs == Belongs::Person)?;
    let text = std::str::from_utf8(text).ok()?;
    let value = format!("v = {text}").parse::<Table>().ok()?.remove("v")?;
    let fits = match setting.kind {
        Kind::Table => setting.name != name && value.is_str(),
        kind => setting.name == name && kind.accepts(&seen(&value)),
    };
    fits.then_some(value)
}

fn put(table: &mut Table, name: &str, value: Value) {
    match name.split_once('.') {
        None => drop(table.insert(name.to_owned(), value)),
        Some((first, rest)) => {
            if let Value::Table(inner) = table.entry(first).or_insert_with(|| Value::Table(Table::new())) {
                put(inner, rest, value);
            }
        }
    }
}

fn with_head(lines: Vec<u8>) -> Vec<u8> {
    if lines.is_empty() { lines } else { [HEAD.as_bytes(), &lines].concat() }
}

#[cfg(test)]
mod tests {
    use caro_schema::{
        body::{shared::Set, snapshot::Origin},
        id::DeviceId,
        stamp::Stamp,
    };

    use super::*;

    fn shared(items: &[(&str, &str, &[u8])]) -> Shared {
        let mut shared = Shared::default();
        for (category, key, value) in items {
            let origin = Origin { author: DeviceId([1; 32]), stamp: Stamp::from_ms(1) };
            let value = Some(value.to_vec().into());
            shared.set(Set { category: (*category).into(), key: (*key).into(), value }, origin);
        }
        shared
    }

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).expect("text")
    }

    #[test]
    fn what_is_no_plain_word_reaches_no_shell() {
        let hostile = shared(&[
            ("alias", "a;reboot", b"x"),
            ("alias", "$(reboot)", b"x"),
            ("alias", "good", b"ls"),
            ("env", "PROMPT_COMMAND", b"reboot"),
            ("env", "A=b c", b"x"),
            ("env", "BYTES", b"\xff"),
            ("alias", "nul", b"a\0b"),
        ]);
        for file in [posix(&hostile), fish(&hostile), json(&hostile)] {
            let file = text(file);
            assert!(file.contains("good") && !file.contains("reboot"), "{file}");
            assert!(!file.contains("BYTES") && !file.contains("nul"), "{file}");
        }
    }

    #[test]
    fn a_value_stands_in_quotes() {
        let items = shared(&[("alias", "ll", b"ls '-l'; $(reboot)"), ("env", "PAGER", b"less -R")]);
        assert_eq!(
            text(posix(&items)),
            format!("{HEAD}\\builtin export PAGER='less -R'\n\\builtin alias -- 'll'='ls '\\''-l'\\''; $(reboot)'\n")
        );
        assert!(text(fish(&items)).contains("builtin set -g __caro_alias_0 'ls \\'-l\\'; $(reboot)'\n"));
    }

    #[test]
    fn nothing_shared_is_an_empty_file() {
        let nothing = shared(&[("kv", "a", b"b"), ("script", "s", b"t")]);
        for file in [posix(&nothing), fish(&nothing), json(&nothing), settings_file(&nothing)] {
            assert!(file.is_empty());
        }
    }

    #[test]
    fn settings_are_those_of_a_person_that_this_version_can_use() {
        let items = shared(&[
            ("", "record.secrets", b"\"mask\""),
            ("", "screen.keys.ctrl-x", b"\"details\""),
            ("", "screen.style", b"\"of a newer version\""),
            ("", "screen.rows", b"not = toml"),
            ("", "key.store", b"\"file\""),
            ("", "log", b"\"trace\""),
            ("", "tomorrow.setting", b"1"),
            ("", "screen.keys", b"{ x = \"y\" }"),
        ]);
        let table = text(settings_file(&items)).parse::<Table>().expect("TOML");
        let expected = "[record]\nsecrets = \"mask\"\n[screen.keys]\nctrl-x = \"details\"\n".parse::<Table>();
        assert_eq!(Ok(table), expected);
    }
}
