//! Values of settings: from what a person types on a command line to what stands in the file, and back. Nothing that
//! its setting does not accept gets through.

use caro_schema::settings::{self, Kind, Setting, Value as Seen};
use toml_edit::{Array, Value};

use super::check::is_pattern;
use crate::{
    error::{Failure, Outcome},
    exit,
};

/// Reads what was typed for a setting, or for a name inside a table of its own.
pub(super) fn read(setting: &Setting, name: &str, typed: &[String]) -> Outcome<Value> {
    let wrong = || Failure::new(exit::DATA, format!("{name} may be {}", typed_words(setting.kind)));
    if setting.kind == Kind::Table {
        if setting.name == name {
            return Err(Failure::new(exit::USAGE, format!("{name} is a table"))
                .hint(format!("name what is in it: caro config set {name}.NAME VALUE")));
        }
        // What may be in it is known to who reads it: a value as TOML, or else a text.
        let [one] = typed else { return Err(Failure::new(exit::USAGE, format!("{name} has one value"))) };
        return Ok(one.parse::<Value>().unwrap_or_else(|_| one.as_str().into()));
    }
    let value = match setting.kind {
        Kind::Words(_) | Kind::Texts | Kind::Patterns | Kind::Directories => list(typed),
        _ => {
            let [one] = typed else { return Err(wrong()) };
            single(setting.kind, one.trim())
        }
    };
    if !setting.kind.accepts(&seen(&value)) {
        return Err(wrong());
    }
    if setting.kind == Kind::Patterns
        && let Some(bad) = typed.iter().find(|text| !is_pattern(text))
    {
        let message = format!("{} is no regular expression", crate::output::visible::line(bad.as_bytes()));
        return Err(Failure::new(exit::DATA, message).hint("a \\ before a sign takes it as it stands"));
    }
    if setting.kind == Kind::Directories
        && let Seen::Texts(texts) = seen(&value)
        && let Some(bad) = texts.iter().find(|text| !settings::is_directory(text))
    {
        let message = format!("{} is no whole path", crate::output::visible::line(bad.as_bytes()));
        return Err(Failure::new(exit::DATA, message).hint("a directory begins with / or with ~/"));
    }
    Ok(value)
}

/// What may be typed: a list needs no brackets here, and a text no quotes.
fn typed_words(kind: Kind) -> String {
    match kind {
        Kind::Words(words) => format!("any of {}, each at most once", words.join(" ")),
        Kind::Texts | Kind::Patterns | Kind::Directories => "texts, one after the other".to_owned(),
        Kind::Text => "a text".to_owned(),
        other => other.in_words(),
    }
}

/// Words that people write for yes and no.
const FLAGS: [(&str, bool); 6] =
    [("true", true), ("yes", true), ("on", true), ("false", false), ("no", false), ("off", false)];

fn single(kind: Kind, text: &str) -> Value {
    // Quotes that the shell has left.
    let bare = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
    let flag = FLAGS.iter().find(|(word, _)| word.eq_ignore_ascii_case(bare)).map(|(_, flag)| *flag);
    let number = bare.replace('_', "").parse::<i64>().ok();
    match (kind, flag, number) {
        (Kind::Flag, Some(flag), _) => flag.into(),
        (Kind::Number { .. } | Kind::Limit { .. } | Kind::Height { .. }, _, Some(number)) => number.into(),
        _ => bare.into(),
    }
}

fn list(typed: &[String]) -> Value {
    // A whole list in one argument, as it would stand in the file.
    if let [one] = typed
        && one.trim_start().starts_with('[')
        && let Ok(value @ Value::Array(_)) = one.parse::<Value>()
    {
        return value;
    }
    Value::Array(typed.iter().map(String::as_str).collect::<Array>())
}

/// A value, as the table of settings looks at it.
pub(super) fn seen(value: &Value) -> Seen<'_> {
    match value {
        Value::Boolean(flag) => Seen::Flag(*flag.value()),
        Value::Integer(number) => Seen::Number(*number.value()),
        Value::String(text) => Seen::Text(text.value()),
        Value::InlineTable(_) => Seen::Table,
        Value::Array(list) => {
            let texts: Option<Vec<&str>> = list.iter().map(Value::as_str).collect();
            texts.map_or(Seen::Other, Seen::Texts)
        }
        Value::Float(_) | Value::Datetime(_) => Seen::Other,
    }
}

/// A value of the file for a script: a text without its quotes, a list with one text a line.
pub(super) fn plain(value: &str) -> Vec<String> {
    match value.parse::<Value>() {
        Ok(Value::Array(list)) => list.iter().map(text).collect(),
        Ok(value) => vec![text(&value)],
        Err(_) => vec![value.to_owned()],
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string().trim().to_owned(), str::to_owned)
}

/// The same as JSON.
pub(super) fn json(value: &str) -> serde_json::Value {
    fn of(value: &Value) -> serde_json::Value {
        match value {
            Value::Boolean(flag) => (*flag.value()).into(),
            Value::Integer(number) => (*number.value()).into(),
            Value::Float(number) => (*number.value()).into(),
            Value::String(text) => text.value().as_str().into(),
            Value::Datetime(time) => time.to_string().trim().into(),
            Value::Array(list) => list.iter().map(of).collect(),
            Value::InlineTable(table) => {
                table.iter().map(|(key, value)| (key.to_owned(), of(value))).collect::<serde_json::Map<_, _>>().into()
            }
        }
    }
    value.parse::<Value>().map_or(serde_json::Value::Null, |value| of(&value))
}

#[cfg(test)]
mod tests {
    use caro_schema::settings;

    use super::*;

    fn typed(name: &str, words: &[&str]) -> Outcome<String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let setting = settings::find(name).expect("a setting");
        read(setting, name, &words).map(|value| value.to_string().trim().to_owned())
    }

    #[test]
    fn what_is_typed_becomes_a_value_of_its_kind() {
        for (name, words, expected) in [
            ("record.secrets", &["mask"][..], "\"mask\""),
            ("record.secrets", &["\"mask\""], "\"mask\""),
            ("record.ignore_space", &["no"], "false"),
            ("history.keep_days", &["365"], "365"),
            ("history.keep_days", &["unlimited"], "\"unlimited\""),
            ("history.keep_count", &["100_000"], "100000"),
            ("record.ignore_directories", &["~/a", "/b"], "[\"~/a\", \"/b\"]"),
            ("record.ignore_directories", &["['/a', '/b']"], "['/a', '/b']"),
            ("record.ignore_commands", &[], "[]"),
            ("record.ignore_commands", &["[ab]c"], "[\"[ab]c\"]"),
        ] {
            assert_eq!(typed(name, words).expect("a value"), expected, "{name} {words:?}");
        }
    }

    #[test]
    fn what_is_not_of_its_kind_is_not_written() {
        for (name, words) in [
            ("record.secrets", &["dorp"][..]),
            ("record.secrets", &[]),
            ("record.secrets", &["drop", "mask"]),
            ("record.ignore_space", &["perhaps"]),
            ("history.keep_days", &["0"]),
            ("history.keep_days", &["many"]),
            ("record.ignore_commands", &["("]),
        ] {
            let failure = typed(name, words).expect_err("not one");
            assert_eq!(failure.code, exit::DATA, "{name} {words:?}");
        }
    }

    #[test]
    fn what_may_be_typed_is_said_as_it_is_typed() {
        let failure = typed("screen.columns", &["exit", "moon"]).expect_err("no column");
        assert!(failure.message.starts_with("screen.columns may be any of exit duration "), "{}", failure.message);
    }

    #[test]
    fn values_are_told_to_scripts_and_as_json() {
        assert_eq!(plain("\"mask\""), ["mask"]);
        assert_eq!(plain("['a b', \"c\"]"), ["a b", "c"]);
        assert_eq!(plain("10"), ["10"]);
        assert_eq!(json("['a', \"b\"]"), serde_json::json!(["a", "b"]));
        assert_eq!(json("true"), serde_json::json!(true));
    }
}
