//! The table `[screen.keys]`: a key, or keys one after the other, and what they do.
//!
//! ```toml
//! [screen.keys]
//! "ctrl-x ctrl-e" = "edit"
//! "right" = [{ when = "cursor-at-end", do = "put" }, "right"]
//! "ctrl-d" = "none"
//! ```
//!
//! Of several the first that holds counts, and after them the built-in ones. Which actions and conditions there are is
//! in `tui/action.rs` and `tui/condition.rs`.

use toml::{Table, Value};

use crate::tui::Binding;

/// Bindings of one person. More is no configuration.
const BINDINGS_MAX: usize = 500;

/// The bindings of a table, and what of it means nothing.
pub(super) fn read(table: &Table) -> (Vec<Binding>, Vec<String>) {
    let mut bindings = Vec::new();
    let mut problems = Vec::new();
    for (keys, value) in table {
        for binding in bindings_of(keys, value) {
            match binding {
                Ok(binding) if bindings.len() < BINDINGS_MAX => bindings.push(binding),
                Ok(_) => problems.push(format!("screen.keys: more than {BINDINGS_MAX} keys")),
                Err(problem) => problems.push(format!("screen.keys: {problem}")),
            }
        }
    }
    problems.dedup();
    (bindings, problems)
}

fn bindings_of(keys: &str, value: &Value) -> Vec<Result<Binding, String>> {
    match value {
        Value::Array(several) => several.iter().map(|value| one(keys, value)).collect(),
        value => vec![one(keys, value)],
    }
}

/// `"action"`, or `{ when = "condition", do = "action" }`.
fn one(keys: &str, value: &Value) -> Result<Binding, String> {
    let (when, action) = match value {
        Value::String(action) => ("", Some(action.as_str())),
        Value::Table(table) => {
            if let Some(unknown) = table.keys().find(|key| !["when", "do"].contains(&key.as_str())) {
                return Err(format!("{keys}: {unknown:?} is neither when nor do"));
            }
            let text = |name: &str| table.get(name).and_then(Value::as_str);
            (text("when").unwrap_or(""), text("do"))
        }
        _ => ("", None),
    };
    let action = action.ok_or_else(|| format!("{keys}: the name of an action is missing"))?;
    Binding::parse(keys, when, action).map_err(|problem| format!("{keys}: {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (Vec<Binding>, Vec<String>) {
        read(&text.parse().expect("TOML"))
    }

    #[test]
    fn keys_conditions_and_several_at_once() {
        let (bindings, problems) =
            parsed("\"ctrl-x ctrl-e\" = \"edit\"\nright = [{ when = \"cursor-at-end\", do = \"put\" }, \"right\"]\n");
        let expected = [("ctrl-x ctrl-e", "", "edit"), ("right", "cursor-at-end", "put"), ("right", "", "right")];
        let expected = expected.map(|(keys, when, action)| Binding::parse(keys, when, action).expect("a binding"));
        assert_eq!((bindings.as_slice(), problems), (expected.as_slice(), Vec::new()));
    }

    #[test]
    fn what_means_nothing_is_told_and_the_rest_counts() {
        let (bindings, problems) = parsed(
            "a-b = \"up\"\nf5 = \"fly\"\nf6 = 3\nf7 = { do = \"up\", if = \"x\" }\nf8 = { when = \"moon\", do = \"up\" }\n\
             f9 = \"up\"\n",
        );
        assert_eq!(bindings.len(), 1);
        assert_eq!(
            problems,
            [
                "screen.keys: a-b: \"a-b\" is no key",
                "screen.keys: f5: \"fly\" is no action",
                "screen.keys: f6: the name of an action is missing",
                "screen.keys: f7: \"if\" is neither when nor do",
                "screen.keys: f8: \"moon\" is no condition",
            ]
        );
        let (_, problems) = parsed("f5 = \"acept\"\n\"ctrl-entre\" = \"up\"\n");
        assert_eq!(
            problems,
            [
                "screen.keys: ctrl-entre: \"ctrl-entre\" is no key; perhaps \"ctrl-enter\"",
                "screen.keys: f5: \"acept\" is no action; perhaps \"accept\"",
            ]
        );
    }
}
