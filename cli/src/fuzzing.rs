//! A door for the fuzz targets (`chaos/decoders`): what this program reads from files of others, read as it reads them.
//! Nothing else goes through it.

use std::path::Path;

use crate::{
    config::Config,
    import::{Found, Source, read_bytes},
};

/// The names of what can be imported from text. Databases are read by SQLite.
pub fn sources() -> Vec<&'static str> {
    text_sources().map(Source::name).collect()
}

fn text_sources() -> impl Iterator<Item = Source> {
    Source::ALL.into_iter().filter(|source| !matches!(source, Source::Atuin | Source::Histdb | Source::Mcfly))
}

/// The commands of a history file.
///
/// # Panics
/// When nothing has this name.
pub fn import(source: &str, file: &[u8]) -> Vec<Vec<u8>> {
    let source = text_sources().find(|known| known.name() == source).expect("a name of `sources`");
    let mut commands = Vec::new();
    let mut take = |found| {
        commands.extend(match found {
            Found::Entry(entry) => Some(entry.command),
            Found::Record(record) => Some(record.command.into_vec()),
            Found::Odd(_) => None,
        });
        Ok(())
    };
    read_bytes(source, file, &mut take).expect("memory can be read");
    commands
}

/// What of a configuration file cannot be used.
pub fn config(path: &Path) -> Vec<String> {
    Config::read(path, Path::new("/nowhere")).1
}
