//! What a statement of SQL does, by its first words. Knows no dialect.

use super::{
    judge::{Found, worse},
    rules,
};

/// Whether a program takes SQL.
pub(super) fn is_client(name: &str) -> bool {
    matches!(
        name,
        "psql"
            | "mysql"
            | "mariadb"
            | "sqlite3"
            | "sqlite"
            | "sqlcmd"
            | "duckdb"
            | "cqlsh"
            | "clickhouse-client"
            | "snowsql"
            | "bq"
            | "cockroach"
            | "pgcli"
            | "mycli"
            | "litecli"
            | "usql"
    )
}

/// Judges statements, apart by semicolons.
pub(super) fn statements(text: &str) -> Found {
    text.split(';').map(statement).fold(None, worse)
}

fn statement(text: &str) -> Found {
    let upper = text.to_uppercase();
    let words: Vec<&str> = upper
        .split(|letter: char| letter.is_whitespace() || "(),\"'`".contains(letter))
        .filter(|word| !word.is_empty())
        .collect();
    // Options of the client stand before it.
    let at = words.iter().position(|word| VERBS.contains(word))?;
    let rest = &words[at + 1..];
    let is_whole = || !rest.contains(&"WHERE") && !rest.contains(&"LIMIT");
    Some(match words[at] {
        "DROP" if rest.first() == Some(&"DATABASE") => &rules::DROP_DATABASE,
        "DROP" if rest.iter().take(2).any(|word| DROPPED.contains(word)) => &rules::DROP_TABLE,
        "TRUNCATE" => &rules::DROP_TABLE,
        "DELETE" if rest.first() == Some(&"FROM") && is_whole() => &rules::SQL_ALL,
        "UPDATE" if rest.contains(&"SET") && is_whole() => &rules::SQL_ALL,
        "DELETE" | "UPDATE" | "INSERT" | "ALTER" | "GRANT" | "REVOKE" | "REPLACE" | "MERGE" => &rules::SQL_CHANGE,
        _ => return None,
    })
}

const VERBS: [&str; 13] = [
    "DROP", "TRUNCATE", "DELETE", "UPDATE", "INSERT", "ALTER", "GRANT", "REVOKE", "REPLACE", "MERGE", "SELECT", "WITH",
    "EXPLAIN",
];

const DROPPED: [&str; 12] = [
    "TABLE",
    "SCHEMA",
    "VIEW",
    "INDEX",
    "USER",
    "ROLE",
    "COLUMN",
    "MATERIALIZED",
    "TABLESPACE",
    "KEYSPACE",
    "SEQUENCE",
    "TRIGGER",
];
