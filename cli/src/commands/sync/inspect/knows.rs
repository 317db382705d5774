//! Everything that a relay knows of an account: one table, from which `caro sync inspect` prints and with which
//! `docs/security.md` is compared. A column that a relay's database gets and that is not here fails a test
//! (`tests/sync/inspect.rs`), so that what is kept is a decision and never an accident.

/// One thing that a relay knows.
pub(super) struct Knows {
    /// What.
    pub(super) what: &'static str,
    /// The columns of its database that hold it, as `table.column`; none where it is kept nowhere and known for a moment.
    pub(super) columns: &'static [&'static str],
    /// The same in PostgreSQL, where that has more.
    pub(super) postgres: &'static [&'static str],
    /// Under which names `caro sync inspect --json` prints it, or why it cannot.
    pub(super) shown: &'static str,
}

/// All of it.
pub(super) const KNOWS: &[Knows] = &[
    Knows {
        what: "which life of its database this is, and its own two keys",
        columns: &["relay.one", "relay.generation"],
        postgres: &["relay.layout", "relay.session", "relay.signer"],
        shown: "`generation`, `relay_key`, `signer`",
    },
    Knows {
        what: "the account: a public key that is made for this relay alone, and its hash",
        columns: &["account.public", "account.handle"],
        postgres: &[],
        shown: "`account`, `handle`",
    },
    Knows {
        what: "in which order accounts came to it, as a number",
        columns: &["account.id", "entry.account", "removed.account", "delivered.account"],
        postgres: &["leaving.account"],
        shown: "not told to devices",
    },
    Knows {
        what: "who may connect: a hash of each device's key at this relay, who let in whom, the account's signature",
        columns: &["account.list", "account.list_signature", "account.list_version", "account.added"],
        postgres: &[],
        shown: "`list`, `list_signature`, `list_version`, `added`, `devices`",
    },
    Knows {
        what: "who was taken off: the same hash, in the order in which they went",
        columns: &["removed.number", "removed.device"],
        postgres: &[],
        shown: "`taken_off`, as far as those devices had said which keys were theirs",
    },
    Knows {
        what: "where the account's log ends",
        columns: &["account.cursor", "account.head"],
        postgres: &[],
        shown: "`cursor`, `head`",
    },
    Knows {
        what: "bytes that the account holds and may hold",
        columns: &["account.used_bytes", "account.quota_bytes"],
        postgres: &[],
        shown: "`used_bytes`, `quota_bytes`",
    },
    Knows {
        what: "each place in the log: its number, the cell's id, the chain's head there; they stay when the cell is purged",
        columns: &["entry.place", "entry.cell_id", "entry.head"],
        postgres: &["entry.cursor"],
        shown: "`entry`: `cursor`, `cell`, `head`",
    },
    Knows {
        what: "each cell or that it is gone: its size, and in the open version, suite, nonce, commitment and which key \
               sealed it: the key log has its own, and a new one shows that an epoch began",
        columns: &["entry.cell"],
        postgres: &[],
        shown: "`entry`: `size`, `bytes`, `version`, `suite`, `key_id`, `nonce`, `commit`",
    },
    Knows {
        what: "in the mailbox mode: how far each device has come, up to where cells were forgotten, on which day a cell came",
        columns: &["delivered.device", "delivered.cursor", "account.dropped", "entry.day"],
        postgres: &[],
        shown: "`forgets`, and `confirmed` of this device; the rest is not told to devices",
    },
    Knows {
        what: "whether a new life of its database has begun since the account was made",
        columns: &["account.restored"],
        postgres: &[],
        shown: "not told to devices; they see that the life is another one",
    },
    Knows {
        what: "that whoever runs it closed the account, or is forgetting it",
        columns: &["account.closed"],
        postgres: &[],
        shown: "an account that is closed is answered as if it were not there",
    },
    Knows {
        what: "invitations: a hash, a note of whoever runs it, an end, how often it was used; not by whom",
        columns: &[
            "invitation.number",
            "invitation.hash",
            "invitation.note",
            "invitation.expires",
            "invitation.uses_left",
            "invitation.used",
        ],
        postgres: &[],
        shown: "nothing of it belongs to an account",
    },
    Knows {
        what: "while a device is connected: its address and port, since when, when it last spoke, how many others are there",
        columns: &[],
        postgres: &[
            "node.id",
            "node.seen",
            "seat.node",
            "seat.session",
            "seat.handle",
            "seat.device",
            "seat.single",
            "seat.listed",
            "seat.taken",
        ],
        shown: "`from`, `others_online`; of relays that share a PostgreSQL, all but the address is there meanwhile",
    },
    Knows {
        what: "as it happens: which device pushes, asks for and has purged which cells, in which messages, and when",
        columns: &[],
        postgres: &[],
        shown: "`acknowledged`, `queued`, `purging`; the relay notes no times and no names of who pushed",
    },
    Knows {
        what: "of a connection before its session: the host that was asked for, `/v1` and `caro.1`",
        columns: &[],
        postgres: &[],
        shown: "`address`",
    },
    Knows {
        what: "while a device is let in by a code: a number from 1 to 9999, and letters that it cannot open",
        columns: &[],
        postgres: &[],
        shown: "kept nowhere, gone with the connection",
    },
];

/// What it cannot see, whoever runs it.
pub(super) const CANNOT: &[&str] = &[
    "what is in a cell: commands, directories, hosts, users, times, exit codes, settings, aliases, names",
    "of which kind a change is: a command, a deletion, a setting and what a device has seen are sealed alike (a purge is seen)",
    "how long a command is, beyond which of seven sizes its cell has",
    "what your devices are called, and what they are",
    "your phrase, and every key that opens something",
    "which account at another relay is yours",
];

/// The tables for `docs/security.md`.
#[cfg(test)]
fn document() -> String {
    let code = |columns: &[&str]| columns.iter().map(|column| format!("`{column}`")).collect::<Vec<_>>().join(", ");
    let mut text = String::from("| a relay knows | in its database | `caro sync inspect --json` |\n|---|---|---|\n");
    for Knows { what, columns, postgres, shown } in KNOWS {
        let kept = match (columns.is_empty(), postgres.is_empty()) {
            (true, true) => "–".to_owned(),
            (false, true) => code(columns),
            (true, false) => format!("in PostgreSQL {}", code(postgres)),
            (false, false) => format!("{}; in PostgreSQL also {}", code(columns), code(postgres)),
        };
        text.push_str(&format!("| {what} | {kept} | {shown} |\n"));
    }
    text.push_str("\nIt cannot see:\n\n");
    for cannot in CANNOT {
        text.push_str(&format!("- {cannot}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_document_has_the_same_list() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/security.md");
        let written = std::fs::read_to_string(path).expect("the document");
        let expected = document();
        assert!(written.contains(&expected), "docs/security.md lacks this, as it is here:\n{expected}");
    }

    #[test]
    fn no_column_is_said_twice() {
        let all: Vec<&str> =
            KNOWS.iter().flat_map(|knows| knows.columns.iter().chain(knows.postgres)).copied().collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    }
}
