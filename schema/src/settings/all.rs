//! The table of all settings, in the order in which the documented file shows them. A new one is a row here, its
//! reading in the program that goes by it, and nothing else. What the columns mean is in `settings.rs`.

use super::{Belongs, Kind, Reader, Setting};

/// Every setting. Keys of one table stand together.
pub const ALL: &[Setting] = &[
    Setting {
        name: "log",
        kind: Kind::Word(&["off", "error", "warn", "info", "debug", "trace"]),
        default: r#""info""#,
        doc: "How much the daemon writes to its log. No text from history is ever in it.",
        reader: Reader::DaemonAtStart,
        belongs: Belongs::Machine,
    },
    Setting {
        name: "key.store",
        kind: Kind::Word(&["auto", "keychain", "file"]),
        default: r#""auto""#,
        doc: "Where the key of the database is kept: in the system's secure store, in a file that only you can read, or \
              in the first of the two that there is.",
        reader: Reader::DaemonAtStart,
        belongs: Belongs::Machine,
    },
    Setting {
        name: "record.ignore_commands",
        kind: Kind::Patterns,
        default: "[]",
        doc: "Commands that match one of these are not recorded. A pattern matches anywhere in the command unless it \
              is tied to its beginning by ^ or to its end by $.",
        reader: Reader::Daemon,
        belongs: Belongs::Person,
    },
    Setting {
        name: "record.ignore_directories",
        kind: Kind::Directories,
        default: "[]",
        doc: "Commands that start in one of these directories, or below one, are not recorded.",
        reader: Reader::Daemon,
        belongs: Belongs::Machine,
    },
    Setting {
        name: "record.ignore_space",
        kind: Kind::Flag,
        default: "true",
        doc: "A command that begins with a blank is not recorded, in shells that do not see to it themselves as well.",
        reader: Reader::Daemon,
        belongs: Belongs::Person,
    },
    Setting {
        name: "record.secrets",
        kind: Kind::Word(&["drop", "mask", "keep"]),
        default: r#""drop""#,
        doc: "What becomes of a command in which a password, token or key is recognised: it is not recorded, it is \
              recorded with **** in the secret's place, or it is recorded as it is.",
        reader: Reader::Daemon,
        belongs: Belongs::Person,
    },
    Setting {
        name: "history.keep_days",
        kind: Kind::Limit { least: 1, most: 36_500 },
        default: r#""unlimited""#,
        doc: "Commands older than so many days are deleted, here and on every device of the account.",
        reader: Reader::Daemon,
        belongs: Belongs::Person,
    },
    Setting {
        name: "history.keep_count",
        kind: Kind::Limit { least: 100, most: u32::MAX as i64 },
        default: r#""unlimited""#,
        doc: "Of more commands than so many, the oldest are deleted, here and on every device of the account.",
        reader: Reader::Daemon,
        belongs: Belongs::Person,
    },
    Setting {
        name: "sync.window_days",
        kind: Kind::Limit { least: 0, most: u32::MAX as i64 },
        default: "90",
        doc: "How many days of history are synced. Older commands stay on the machine where they were run.",
        reader: Reader::DaemonAtStart,
        belongs: Belongs::Machine,
    },
    Setting {
        name: "sync.window_commands",
        kind: Kind::Limit { least: 0, most: i64::MAX },
        default: "10000",
        doc: "How many commands from before this machine joined the account are synced.",
        reader: Reader::DaemonAtStart,
        belongs: Belongs::Machine,
    },
    Setting {
        name: "screen.style",
        kind: Kind::Word(&["full", "inline"]),
        default: r#""full""#,
        doc: "Whether the screen takes the whole terminal or some lines below the prompt.",
        reader: Reader::Caro,
        belongs: Belongs::Person,
    },
    Setting {
        name: "screen.rows",
        kind: Kind::Number { least: 5, most: u16::MAX as i64 },
        default: "15",
        doc: "How many lines the inline screen takes.",
        reader: Reader::Caro,
        belongs: Belongs::Person,
    },
    Setting {
        name: "screen.enter",
        kind: Kind::Word(&["put", "run"]),
        default: r#""put""#,
        doc: "Whether Enter puts the chosen command on the prompt or runs it.",
        reader: Reader::Caro,
        belongs: Belongs::Person,
    },
    Setting {
        name: "screen.scope",
        kind: Kind::Word(&["all", "host", "directory", "session"]),
        default: r#""all""#,
        doc: "What the screen looks in when it opens.",
        reader: Reader::Caro,
        belongs: Belongs::Person,
    },
    Setting {
        name: "search.mode",
        kind: Kind::Word(&["fuzzy", "substring", "prefix", "regex"]),
        default: r#""fuzzy""#,
        doc: "How the screen reads what is typed when it opens.",
        reader: Reader::Caro,
        belongs: Belongs::Person,
    },
];
