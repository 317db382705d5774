//! A door for the fuzz targets (`chaos/decoders`): what this program reads from files of others, read as it reads them.
//! Nothing else goes through it.

use std::{io::Cursor, path::Path};

use clap::ValueEnum;

use crate::{
    config::Config,
    import::{Found, Reader},
    shell::Shell,
};

/// The names of what can be imported.
pub fn sources() -> Vec<&'static str> {
    Shell::value_variants().iter().map(|shell| shell.name()).collect()
}

/// The commands of a history file.
///
/// # Panics
/// When nothing has this name.
pub fn import(source: &str, file: &[u8]) -> Vec<Vec<u8>> {
    let shell = Shell::value_variants().iter().find(|shell| shell.name() == source).expect("a name of `sources`");
    let found = Reader::new(*shell, Cursor::new(file.to_vec()));
    found
        .filter_map(|found| match found.expect("memory can be read") {
            Found::Entry(entry) => Some(entry.command),
            Found::Odd => None,
        })
        .collect()
}

/// What of a configuration file cannot be used.
pub fn config(path: &Path) -> Vec<String> {
    Config::read(path).1
}
