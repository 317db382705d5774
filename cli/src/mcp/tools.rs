//! The two tools: searching, and the newest commands. Both only look, through the scope, in bounded pieces.

use std::path::PathBuf;

use caro_schema::ipc::{
    Reply, Request,
    history::{ExitFilter, Filter, Hit, Mode, Order, Query, Window},
};
use jiff::Zoned;
use serde_json::{Map, Value, json};

use super::scope::Scope;
use crate::{
    client::Client,
    commands::place,
    error::{Failure, Outcome},
    output::time,
    query::{self, folders},
};

/// What tools need between calls.
pub(crate) struct Tools {
    config: PathBuf,
    ask: Ask,
}

/// How history is asked: for so many of what matches.
pub(crate) type Ask = Box<dyn FnMut(Query, u32) -> Outcome<Vec<Hit>>>;

/// Bytes of a command that are shown. What is longer is a script, and says that it was cut.
const COMMAND_BYTES_MAX: usize = 4096;

/// Bytes of all commands in one answer.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// Bytes of what is looked for.
const QUERY_BYTES_MAX: usize = 1024;

impl Tools {
    /// With the configuration in this file, which is read for each call: what is switched off is off at once.
    pub(crate) fn new(config: PathBuf) -> Self {
        let mut client = None;
        Self::asking(config, Box::new(move |query, count| ask_daemon(&mut client, query, count)))
    }

    /// As [`Self::new`], asking something else than the daemon.
    pub(crate) fn asking(config: PathBuf, ask: Ask) -> Self {
        Self { config, ask }
    }

    /// What there is, as the protocol lists it.
    pub(super) fn list() -> Value {
        let text = |about: &str| json!({ "type": "string", "description": about });
        let narrowing = json!({
            "directory": text("Only commands that started in this directory or below it"),
            "host": text("Only commands that ran on this host"),
            "since": text("Only commands from then on: 2026-03-01, yesterday, 2h, 3 days ago"),
            "until": text("Only commands before then"),
            "failed": { "type": "boolean", "description": "Only commands that failed (true) or succeeded (false)" },
            "limit": { "type": "integer", "minimum": 1, "maximum": 200, "description": "How many at most; 20 when not given" },
        });
        let mut searching = narrowing.clone();
        searching["query"] = text("What to look for, such as: docker run after:yesterday exit:!0");
        searching["mode"] = json!({
            "type": "string", "enum": ["fuzzy", "substring", "prefix", "regex"],
            "description": "How to read it; substring when not given",
        });
        let tool = |name: &str, title: &str, about: &str, properties: Value, required: &[&str]| {
            json!({
                "name": name, "title": title, "description": about,
                "inputSchema": {
                    "type": "object", "properties": properties, "required": required, "additionalProperties": false,
                },
                "annotations": {
                    "title": title, "readOnlyHint": true, "destructiveHint": false, "idempotentHint": true,
                    "openWorldHint": false,
                },
            })
        };
        json!([
            tool(
                "search_history",
                "Search shell history",
                "Finds commands that the person, or an assistant, has run in a shell, each distinct one once, the best \
                 match first.",
                searching,
                &["query"],
            ),
            tool(
                "recent_commands",
                "Recent commands",
                "The newest commands that were run in a shell, the newest first.",
                narrowing,
                &[],
            ),
        ])
    }

    /// Calls a tool, none when there is no such one. What went wrong is for the model to read.
    pub(super) fn call(&mut self, name: &str, arguments: &Value) -> Option<Result<Value, String>> {
        let is_search = match name {
            "search_history" => true,
            "recent_commands" => false,
            _ => return None,
        };
        Some(self.look(is_search, arguments))
    }

    fn look(&mut self, is_search: bool, arguments: &Value) -> Result<Value, String> {
        let scope = Scope::read(&self.config)?;
        if !scope.is_on {
            return Err(
                "the person has switched this off; they can switch it on: caro config set mcp.enabled true".to_owned()
            );
        }
        let mut arguments = Arguments(arguments.as_object().cloned().unwrap_or_default());
        let (text, mode, order) =
            if is_search { arguments.searched()? } else { (String::new(), Mode::Fuzzy, Order::Newest) };
        let limit = arguments.limit(scope.results)?;
        let chosen = arguments.filter()?;
        arguments.check_rest()?;
        let place = place();
        let parsed = query::parse(&text, mode, &place, &Zoned::now());
        let slips = parsed.slips(&text);
        if !slips.is_empty() {
            return Err(slips.join("; "));
        }
        let filter = scope.narrow(parsed.over(chosen), time::now_us())?;
        let query = Query { text: parsed.query_text, mode, filter, order, unique: is_search, place, masked: true };
        // One more than is wanted tells whether there are more.
        let rows = (self.ask)(query, limit + 1).map_err(|failure| failure.message)?;
        Ok(shown(&rows, limit, &scope))
    }
}

fn ask_daemon(client: &mut Option<Client>, query: Query, count: u32) -> Outcome<Vec<Hit>> {
    let asked = |client: &mut Client, query: Query| {
        client.ask(Request::Flush)?;
        let window = Window { offset: 0, limit: count };
        match client.ask(Request::Search { query: Box::new(query), window })? {
            Reply::Hits(hits) => Ok(hits.rows),
            _ => Err(Failure::new(crate::exit::PROTOCOL, "the daemon answered something else than was asked")),
        }
    };
    // The daemon may have ended since the last call.
    if let Some(mut known) = client.take()
        && let Ok(rows) = asked(&mut known, query.clone())
    {
        *client = Some(known);
        return Ok(rows);
    }
    let mut fresh = Client::open()?;
    let rows = asked(&mut fresh, query)?;
    *client = Some(fresh);
    Ok(rows)
}

/// The arguments of a call, each taken out once.
struct Arguments(Map<String, Value>);

impl Arguments {
    fn text(&mut self, name: &str) -> Result<Option<String>, String> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.len() <= QUERY_BYTES_MAX => Ok(Some(text)),
            Some(Value::String(_)) => Err(format!("{name} is longer than {QUERY_BYTES_MAX} bytes")),
            Some(_) => Err(format!("{name} is a text")),
        }
    }

    fn searched(&mut self) -> Result<(String, Mode, Order), String> {
        let text = self.text("query")?.ok_or("query is missing")?;
        let mode = match self.text("mode")?.as_deref() {
            None | Some("substring") => Mode::Substring,
            Some("fuzzy") => Mode::Fuzzy,
            Some("prefix") => Mode::Prefix,
            Some("regex") => Mode::Regex,
            Some(_) => return Err("mode is fuzzy, substring, prefix or regex".to_owned()),
        };
        Ok((text, mode, Order::Rank))
    }

    fn limit(&mut self, most: u32) -> Result<u32, String> {
        match self.0.remove("limit") {
            None | Some(Value::Null) => Ok(LIMIT.min(most)),
            Some(value) => match value.as_u64() {
                Some(limit @ 1..) => Ok(u32::try_from(limit).unwrap_or(u32::MAX).min(most)),
                _ => Err("limit is a number from 1".to_owned()),
            },
        }
    }

    fn filter(&mut self) -> Result<Filter, String> {
        let now = Zoned::now();
        let mut moment = |name: &str| -> Result<Option<i64>, String> {
            let Some(text) = self.text(name)? else { return Ok(None) };
            let moment = time::parse(&text, &now);
            moment.map(Some).ok_or_else(|| format!("{name} is no time such as 2026-03-01, yesterday or 3 days ago"))
        };
        let (since_us, until_us) = (moment("since")?, moment("until")?);
        let here = folders::here().unwrap_or_default();
        let directory = self.text("directory")?;
        let subtree =
            directory.map(|named| folders::folder(named.as_ref(), &here).into_os_string().into_encoded_bytes());
        let exit = match self.0.remove("failed") {
            None | Some(Value::Null) => None,
            Some(Value::Bool(true)) => Some(ExitFilter::Not(0)),
            Some(Value::Bool(false)) => Some(ExitFilter::Is(0)),
            Some(_) => return Err("failed is true or false".to_owned()),
        };
        let host = self.text("host")?;
        Ok(Filter { since_us, until_us, subtree: subtree.map(Into::into), exit, host, ..Filter::default() })
    }

    /// A slip must not widen a question in silence.
    fn check_rest(&self) -> Result<(), String> {
        self.0.keys().next().map_or(Ok(()), |name| {
            let name: String = name.chars().take(40).collect();
            Err(format!("{name} is none of the arguments"))
        })
    }
}

/// Commands that are shown when nobody says how many.
const LIMIT: u32 = 20;

/// The rows, without what is left out, within the bounds.
fn shown(rows: &[Hit], limit: u32, scope: &Scope) -> Value {
    let mut bytes = 0;
    let mut commands = Vec::new();
    for hit in rows.iter().take(limit as usize) {
        let command = one(hit, scope);
        bytes += command.to_string().len();
        if bytes > ANSWER_BYTES_MAX && !commands.is_empty() {
            break;
        }
        commands.push(command);
    }
    let more = commands.len() < rows.len();
    json!({ "commands": commands, "more": more })
}

fn one(hit: &Hit, scope: &Scope) -> Value {
    let record = &hit.record;
    let text = String::from_utf8_lossy(&record.command);
    let cut = text.floor_char_boundary(COMMAND_BYTES_MAX);
    let mut row = Map::new();
    row.insert("command".to_owned(), json!(text[..cut]));
    if cut < text.len() {
        row.insert("cut".to_owned(), json!(true));
    }
    let mut add = |name: &str, value: Value| {
        if !scope.hides(name) && !value.is_null() && value != json!("") {
            row.insert(name.to_owned(), value);
        }
    };
    add("directory", json!(String::from_utf8_lossy(&record.directory)));
    add("host", json!(record.host));
    add("user", json!(record.user));
    add("shell", json!(record.shell));
    add("session", json!(record.session));
    add("time", json!(time::rfc3339(record.start_us)));
    add("duration", json!(record.duration_us.map(time::duration)));
    add("exit", json!(record.exit));
    if let Some(by) = &record.assistant {
        let said = |text: &str| json!(text[..text.floor_char_boundary(COMMAND_BYTES_MAX)]);
        add(
            "assistant",
            json!({
                "author": by.author, "model": by.model, "prompt": said(&by.prompt),
                "explanation": said(&by.explanation), "safety": by.safety, "tags": by.tags,
            }),
        );
    }
    if hit.runs > 1 {
        row.insert("runs".to_owned(), json!(hit.runs));
    }
    Value::Object(row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::hit;

    fn scope(hidden: &[&str]) -> Scope {
        Scope::without(hidden, 3)
    }

    #[test]
    fn what_is_left_out_is_not_there() {
        let row = one(&hit("ls"), &scope(&super::super::scope::FIELDS));
        assert_eq!(row, json!({ "command": "ls" }));
        let row = one(&hit("ls"), &scope(&["user"]));
        assert_eq!((&row["host"], row.get("user")), (&json!("laptop"), None));
    }

    #[test]
    fn an_answer_is_bounded_in_commands_and_in_bytes() {
        let rows: Vec<Hit> = (0..10).map(|_| hit("ls")).collect();
        let told = shown(&rows, 3, &scope(&[]));
        assert_eq!((told["commands"].as_array().map(Vec::len), &told["more"]), (Some(3), &json!(true)));
        let long: Vec<Hit> = (0..200).map(|_| hit(&"é".repeat(4000))).collect();
        let told = shown(&long, 200, &scope(&[]));
        assert!(told.to_string().len() < ANSWER_BYTES_MAX + 100 && told["more"] == true);
        assert_eq!(told["commands"][0]["cut"], true);
    }

    #[test]
    fn a_filter_that_is_not_finished_is_no_filter_less() {
        let folder = tempfile::tempdir().expect("a folder");
        let config = folder.path().join("config.toml");
        std::fs::write(&config, "[mcp]\nenabled = true\n").expect("written");
        let mut tools = Tools::asking(config, Box::new(|_, _| Ok(vec![hit("ls")])));
        let mut search = |query: &str| tools.call("search_history", &json!({ "query": query })).expect("a tool");
        for query in ["author:assistan", "ls exit:", "took:<"] {
            let refused = search(query).expect_err("not finished");
            assert!(refused.contains("is only the beginning of a filter"), "{query}: {refused}");
        }
        assert!(search("author:assistant").is_ok());
    }

    #[test]
    fn arguments_are_of_their_kind_or_refused() {
        let mut tools = Tools::new("/nowhere".into());
        assert!(tools.call("other", &json!({})).is_none());
        let filter = |value: Value| Arguments(value.as_object().expect("an object").clone()).filter();
        assert!(filter(json!({ "failed": "yes" })).is_err() && filter(json!({ "since": "soon" })).is_err());
        assert_eq!(filter(json!({ "failed": true })).expect("read").exit, Some(ExitFilter::Not(0)));
        let limit = |value: Value| Arguments(Map::from_iter([("limit".to_owned(), value)])).limit(50);
        assert_eq!((limit(json!(1000)), limit(Value::Null)), (Ok(50), Ok(20)));
        assert!(limit(json!(0)).is_err() && limit(json!("5")).is_err());
        assert!(Arguments(Map::from_iter([("qurey".to_owned(), json!(1))])).check_rest().is_err());
    }
}
