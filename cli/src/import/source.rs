//! What can be imported: each shell and tool by its name, and where it keeps its history when nobody said otherwise.

use std::{
    collections::HashSet,
    ffi::OsString,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use clap::{ValueEnum, builder::PossibleValue};

/// What wrote a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Source {
    /// bash.
    Bash,
    /// zsh, plain or extended.
    Zsh,
    /// fish.
    Fish,
    /// nushell, as text or as a database.
    Nu,
    /// xonsh, as JSON or as a database.
    Xonsh,
    /// PowerShell.
    Powershell,
    /// zsh-histdb.
    Histdb,
    /// hstr, which looks through the shell's own file.
    Hstr,
    /// Any other program that reads lines with readline.
    Readline,
    /// McFly.
    Mcfly,
    /// resh.
    Resh,
    /// Any program that reads lines with replxx.
    Replxx,
    /// Atuin.
    Atuin,
    /// caro's own export.
    Caro,
}

impl Source {
    /// In the order in which `auto` takes them: those that know most come first, so that the poorer record of a run, in the
    /// shell's own file, is recognised as known.
    pub(crate) const ALL: [Self; 14] = [
        Self::Atuin,
        Self::Histdb,
        Self::Mcfly,
        Self::Resh,
        Self::Nu,
        Self::Xonsh,
        Self::Zsh,
        Self::Fish,
        Self::Bash,
        Self::Powershell,
        Self::Hstr,
        Self::Readline,
        Self::Replxx,
        Self::Caro,
    ];

    /// Its name on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Zsh => "zsh",
            Self::Fish => "fish",
            Self::Nu => "nu",
            Self::Xonsh => "xonsh",
            Self::Powershell => "powershell",
            Self::Histdb => "histdb",
            Self::Hstr => "hstr",
            Self::Readline => "readline",
            Self::Mcfly => "mcfly",
            Self::Resh => "resh",
            Self::Replxx => "replxx",
            Self::Atuin => "atuin",
            Self::Caro => "caro",
        }
    }

    const fn about(self) -> &'static str {
        match self {
            Self::Bash => "bash, with or without times",
            Self::Zsh => "zsh, plain or extended",
            Self::Fish => "fish",
            Self::Nu => "nushell, text or SQLite",
            Self::Xonsh => "xonsh, JSON or SQLite",
            Self::Powershell => "PowerShell's ConsoleHost_history.txt",
            Self::Histdb => "zsh-histdb",
            Self::Hstr => "hstr: the file of your shell; favourites are left out",
            Self::Readline => "any other program's readline history",
            Self::Mcfly => "McFly",
            Self::Resh => "resh",
            Self::Replxx => "any program's replxx history",
            Self::Atuin => "Atuin's database; what was deleted there is left out",
            Self::Caro => "what caro export wrote, or caro history list --json",
        }
    }

    /// The shell that ran the commands, where there is only one that can have.
    pub(crate) const fn shell(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Zsh | Self::Histdb => "zsh",
            Self::Fish => "fish",
            Self::Nu => "nu",
            Self::Xonsh => "xonsh",
            Self::Powershell => "pwsh",
            Self::Hstr | Self::Readline | Self::Mcfly | Self::Resh | Self::Replxx | Self::Atuin | Self::Caro => "",
        }
    }

    /// Stands for it in ids. A number never changes its meaning.
    pub(super) const fn tag(self) -> u8 {
        match self {
            Self::Bash | Self::Hstr => 0,
            Self::Zsh => 1,
            Self::Fish => 2,
            Self::Nu => 3,
            Self::Xonsh => 4,
            Self::Powershell => 5,
            Self::Histdb => 6,
            Self::Readline => 7,
            Self::Mcfly => 8,
            Self::Resh => 9,
            Self::Replxx => 10,
            Self::Atuin => 11,
            Self::Caro => 12,
        }
    }

    /// Whether a file of this source is a database; some sources have both.
    pub(super) const fn is_database(self, has_magic: bool) -> bool {
        match self {
            Self::Histdb | Self::Mcfly | Self::Atuin => true,
            Self::Nu | Self::Xonsh | Self::Caro => has_magic,
            _ => false,
        }
    }

    /// Whether `auto` looks for it. The others would read a file of somebody else's, or have no place of their own.
    const fn is_found_by_itself(self) -> bool {
        !matches!(self, Self::Hstr | Self::Readline | Self::Replxx | Self::Caro)
    }

    /// hstr has no history of its own.
    pub(crate) fn resolved(self, env: &Env<'_>) -> Self {
        let shell = env.path("SHELL").unwrap_or_default();
        match self {
            Self::Hstr if shell.ends_with("zsh") => Self::Zsh,
            Self::Hstr => Self::Bash,
            other => other,
        }
    }
}

/// What a person asks for: one source, or whatever there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Everything that is found.
    Auto,
    /// This.
    One(Source),
}

const WANTED: [Wanted; 15] = {
    let mut all = [Wanted::Auto; 15];
    let mut at = 0;
    while at < Source::ALL.len() {
        all[at + 1] = Wanted::One(Source::ALL[at]);
        at += 1;
    }
    all
};

impl ValueEnum for Wanted {
    fn value_variants<'a>() -> &'a [Self] {
        &WANTED
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Auto => PossibleValue::new("auto").help("everything that is found in the usual places"),
            Self::One(Source::Nu) => PossibleValue::new("nu").alias("nushell").help(Source::Nu.about()),
            Self::One(Source::Powershell) => {
                PossibleValue::new("powershell").alias("pwsh").help(Source::Powershell.about())
            }
            Self::One(Source::Histdb) => PossibleValue::new("histdb").alias("zsh-histdb").help(Source::Histdb.about()),
            Self::One(source) => PossibleValue::new(source.name()).help(source.about()),
        })
    }
}

/// Looks up a variable of the environment.
pub(crate) struct Env<'a>(pub(crate) &'a dyn Fn(&str) -> Option<OsString>);

impl Env<'_> {
    fn path(&self, name: &str) -> Option<PathBuf> {
        self.0(name).map(PathBuf::from).filter(|path| path.is_absolute())
    }

    /// Where a source may keep its history, the likeliest place first. A name with `*` before its ending stands for every file of
    /// that folder with this ending.
    pub(crate) fn places(&self, source: Source) -> Vec<PathBuf> {
        let Some(home) = self.path("HOME") else { return Vec::new() };
        let data = self.path("XDG_DATA_HOME").unwrap_or_else(|| home.join(".local/share"));
        let config = self.path("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config"));
        let mac = home.join("Library/Application Support");
        let stated = self.path("HISTFILE").filter(|path| may_be_of(source, path));
        let named = |name: &str, others: Vec<PathBuf>| self.path(name).into_iter().chain(others).collect();
        match source {
            Source::Bash => stated.into_iter().chain([home.join(".bash_history")]).collect(),
            Source::Zsh => {
                let own = self.path("ZDOTDIR").map(|folder| folder.join(".zsh_history"));
                let usual = [".zhistory", ".zsh_history", ".histfile"].map(|name| home.join(name));
                stated.into_iter().chain(own).chain(usual).collect()
            }
            Source::Fish => {
                let named = self.0("fish_history").and_then(|name| name.into_string().ok());
                let name = named.filter(|name| !name.is_empty()).unwrap_or_else(|| "fish".into());
                vec![data.join("fish").join(format!("{name}_history"))]
            }
            Source::Nu => [config, mac]
                .iter()
                .flat_map(|folder| ["history.sqlite3", "history.txt"].map(|name| folder.join("nushell").join(name)))
                .collect(),
            Source::Xonsh => {
                let folder = self.path("XONSH_DATA_DIR").unwrap_or_else(|| data.join("xonsh"));
                let usual = ["history_json/*.json", "xonsh-history.sqlite"].map(|name| folder.join(name));
                named("XONSH_HISTORY_FILE", usual.into())
            }
            Source::Powershell => vec![data.join("powershell/PSReadLine/ConsoleHost_history.txt")],
            Source::Histdb => named("HISTDB_FILE", vec![home.join(".histdb/zsh-history.db")]),
            Source::Mcfly => {
                vec![home.join(".mcfly/history.db"), data.join("mcfly/history.db"), mac.join("McFly/history.db")]
            }
            Source::Resh => vec![data.join("resh/history.reshjson"), home.join(".resh_history.json")],
            Source::Replxx => stated.into_iter().chain([home.join("replxx_history.txt")]).collect(),
            Source::Atuin => {
                named("ATUIN_DB_PATH", vec![data.join("atuin/history.db"), home.join(".atuin/data/history.db")])
            }
            Source::Hstr => self.places(source.resolved(self)),
            Source::Readline | Source::Caro => Vec::new(),
        }
    }

    /// The files of a source that are there: the first place that has any; of xonsh all, which keeps a file a session.
    pub(crate) fn files(&self, source: Source) -> Vec<PathBuf> {
        let mut found = self.places(source).into_iter().map(|place| matching(&place)).filter(|files| !files.is_empty());
        match source {
            Source::Xonsh => found.flatten().collect(),
            _ => found.next().unwrap_or_default(),
        }
    }

    /// Everything that is there, each file once.
    pub(crate) fn found(&self) -> Vec<(Source, PathBuf)> {
        let mut seen = HashSet::new();
        let sources = Source::ALL.into_iter().filter(|source| source.is_found_by_itself());
        let files = sources.flat_map(|source| self.files(source).into_iter().map(move |file| (source, file)));
        let mut is_new = |path: &Path| {
            std::fs::metadata(path).is_ok_and(|meta| meta.len() > 0 && seen.insert((meta.dev(), meta.ino())))
        };
        files.filter(|(_, file)| is_new(file)).collect()
    }
}

/// The files that a place stands for, in the order of their names.
fn matching(place: &Path) -> Vec<PathBuf> {
    let ending = place.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_prefix('*'));
    let (Some(ending), Some(folder)) = (ending, place.parent()) else {
        return if place.is_file() { vec![place.to_owned()] } else { Vec::new() };
    };
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let files = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut files: Vec<PathBuf> =
        files.filter(|path| path.to_string_lossy().ends_with(ending) && path.is_file()).collect();
    files.sort();
    files
}

/// `HISTFILE` is meant for the shell that set it, and some people export it.
fn may_be_of(source: Source, path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let others = ["bash", "zsh", "fish", "resh", "replxx"].into_iter().filter(|other| *other != source.name());
    others.into_iter().all(|other| !name.contains(other))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn another_shells_file_is_not_taken_for_ones_own() {
        assert!(may_be_of(Source::Bash, Path::new("/h/.bash_history")));
        assert!(may_be_of(Source::Bash, Path::new("/h/history")));
        assert!(!may_be_of(Source::Bash, Path::new("/h/.zsh_history")));
        assert!(!may_be_of(Source::Zsh, Path::new("/h/.bash_history")));
    }

    #[test]
    fn every_source_has_a_name_and_a_tag_of_its_own() {
        let names: BTreeSet<&str> = Source::ALL.into_iter().map(Source::name).collect();
        assert_eq!(names.len(), Source::ALL.len());
        let tags: BTreeSet<u8> =
            Source::ALL.into_iter().filter(|source| *source != Source::Hstr).map(Source::tag).collect();
        assert_eq!(tags.len(), Source::ALL.len() - 1);
        assert_eq!(Wanted::value_variants().len(), Source::ALL.len() + 1);
    }

    #[test]
    fn everything_that_is_there_is_found_once_and_the_richest_first() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = folder.path().to_owned();
        for name in [
            ".bash_history",
            ".zsh_history",
            ".local/share/atuin/history.db",
            ".local/share/xonsh/history_json/xonsh-2.json",
            ".local/share/xonsh/history_json/xonsh-1.json",
            ".local/share/xonsh/history_json/note.txt",
            ".config/nushell/history.txt",
        ] {
            let path = home.join(name);
            std::fs::create_dir_all(path.parent().expect("inside")).expect("made");
            std::fs::write(path, "x").expect("written");
        }
        std::fs::write(home.join(".mcfly"), "").expect("written");
        let var = |name: &str| match name {
            "HOME" => Some(home.clone().into_os_string()),
            // Exported, and of no shell by its name: it is bash's and zsh's own file at the same time.
            "HISTFILE" => Some(home.join(".bash_history").into_os_string()),
            _ => None,
        };
        let found: Vec<(&str, String)> = Env(&var)
            .found()
            .into_iter()
            .map(|(source, path)| (source.name(), path.file_name().unwrap_or_default().to_string_lossy().into_owned()))
            .collect();
        let expected = [
            ("atuin", "history.db"),
            ("nu", "history.txt"),
            ("xonsh", "xonsh-1.json"),
            ("xonsh", "xonsh-2.json"),
            ("zsh", ".zsh_history"),
            ("bash", ".bash_history"),
        ];
        assert_eq!(found, expected.map(|(source, name)| (source, name.to_owned())));
    }
}
