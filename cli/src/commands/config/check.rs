//! What is wrong in a configuration file, as far as the table of settings can tell: without a daemon, and for the keys of
//! both programs.

use caro_schema::settings::{self, Kind};
use toml_edit::{DocumentMut, Item, TableLike};

use super::value::seen;

/// Something that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// What is wrong.
    pub(crate) what: String,
    /// What to write instead; empty when there is nothing to suggest.
    pub(crate) instead: String,
}

/// Everything that is wrong in a file.
pub(crate) fn problems(text: &str) -> Vec<Problem> {
    match text.parse::<DocumentMut>() {
        Ok(document) => {
            let mut found = Vec::new();
            look(document.as_table(), "", &mut found);
            found
        }
        Err(error) => vec![Problem { what: unreadable(text, &error), instead: String::new() }],
    }
}

/// Where and why a file is no TOML.
pub(super) fn unreadable(text: &str, error: &toml_edit::TomlError) -> String {
    let line = error.span().map_or(0, |span| text[..span.start.min(text.len())].lines().count().max(1));
    format!("line {line}: {}", error.message())
}

/// Whether the daemon can read a pattern: it searches bytes, which need not be text.
pub(super) fn is_pattern(text: &str) -> bool {
    regex_syntax::ParserBuilder::new().utf8(false).build().parse(text).is_ok()
}

fn look(table: &dyn TableLike, prefix: &str, found: &mut Vec<Problem>) {
    for (key, item) in table.iter() {
        let name = if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") };
        match (settings::find(&name), item.as_table_like()) {
            (Some(setting), inner) if setting.kind == Kind::Table => {
                if setting.name == name && inner.is_none() {
                    found.push(not_that(&name, setting.kind));
                }
            }
            (Some(setting), _) => {
                let value = item.as_value();
                if !value.is_some_and(|value| setting.kind.accepts(&seen(value))) {
                    found.push(not_that(&name, setting.kind));
                } else if setting.kind == Kind::Patterns {
                    found.extend(bad_texts(&name, item, setting.kind, "a pattern", is_pattern));
                } else if setting.kind == Kind::Directories {
                    found.extend(bad_texts(&name, item, setting.kind, "a whole path", settings::is_directory));
                }
            }
            (None, Some(inner)) if settings::is_section(&name) => look(inner, &name, found),
            (None, _) => {
                let instead = settings::nearest(&name).map_or("", |setting| setting.name).to_owned();
                found.push(Problem { what: format!("no setting is called {name}"), instead });
            }
        }
    }
}

fn not_that(name: &str, kind: Kind) -> Problem {
    Problem { what: format!("{name} is not what it may be"), instead: kind.in_words() }
}

/// The texts of a list that cannot be used.
fn bad_texts<'a>(
    name: &'a str,
    item: &'a Item,
    kind: Kind,
    what: &'a str,
    is_one: fn(&str) -> bool,
) -> impl Iterator<Item = Problem> + 'a {
    let texts = item.as_array().into_iter().flatten().filter_map(|value| value.as_str());
    texts
        .filter(move |text| !is_one(text))
        .map(move |text| Problem { what: format!("{name}: {text:?} is not {what}"), instead: kind.in_words() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_looked_through_for_both_programs() {
        let text = "log = 3\n[record]\nsecret = \"drop\"\nignore_commands = ['(', 'a']\n[screen]\nstyle = \"huge\"\n\
                    [screen.keys]\nctrl-x = \"details\"\n[search]\nmode = \"fuzzy\"\n";
        let whats: Vec<String> = problems(text).into_iter().map(|problem| problem.what).collect();
        assert_eq!(
            whats,
            [
                "log is not what it may be",
                "no setting is called record.secret",
                "record.ignore_commands: \"(\" is not a pattern",
                "screen.style is not what it may be",
            ]
        );
        assert_eq!(problems("[record]\nsecret = 1")[0].instead, "record.secrets");
        assert!(problems("log = \n[")[0].what.starts_with("line 1: "), "{:?}", problems("log = \n["));
        assert_eq!(problems(""), []);
    }
}
