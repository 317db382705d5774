//! Puts a hook into an assistant's configuration and takes it out again. The file is somebody else's: what cannot be
//! read as JSON is left alone, everything that is not ours stays where it is, and the file changes in one step.

use std::{
    fs, io,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use clap::Args;
use serde_json::Value;

use super::{
    agents::{self, Agent, MARK, Scope},
    ordered::Json,
};
use crate::{
    commands::init::own_path,
    error::{Failure, Outcome},
    exit,
    output::Out,
    terminal::ask,
};

/// Put the hook into an assistant's configuration
///
/// Says what is added to which file, and asks. Everything else in the file stays; a second time changes nothing.
#[derive(Args)]
pub(super) struct Install {
    /// Which assistant
    #[arg(value_enum)]
    name: Agent,
    /// For the folder that you are in instead of for you
    #[arg(long)]
    project: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// Take the hook out of an assistant's configuration
#[derive(Args)]
pub(super) struct Remove {
    /// Which assistant
    #[arg(value_enum)]
    name: Agent,
    /// From the folder that you are in instead of from yours
    #[arg(long)]
    project: bool,
}

impl Install {
    pub(super) fn run(self) -> Outcome {
        let Self { name: agent, project, yes } = self;
        let file = agent.file(Scope::of(project, agent)).ok_or_else(agents::no_home)?;
        let snippet = agent.snippet(&own_path()?);
        let with_hook = || {
            let before = read(&file)?;
            let mut after = before.clone().unwrap_or_else(|| Json::Object(Vec::new()));
            merge(&mut after, &snippet, agent).ok_or_else(|| odd(&file))?;
            Ok::<_, Failure>((before, after))
        };
        let (before, mut after) = with_hook()?;
        let mut out = Out::new();
        if before.as_ref() == Some(&after) {
            out.line(&format!("{} has the hook already", file.display()))?;
            return out.finish();
        }
        if !yes {
            let question = format!("Add a hook for {} to {}?", agent.about().title, file.display());
            if !ask::yes(&question, "say so beforehand: --yes; or see caro assistant show")? {
                return Err(Failure::cancelled());
            }
            // The assistant may have written something else while the question stood.
            (_, after) = with_hook()?;
        }
        write(&file, &after.pretty()).map_err(|error| Failure::at(&file, &error))?;
        out.line(&format!("{}: the hook was added; {}", file.display(), agent.about().note))?;
        out.finish()
    }
}

impl Remove {
    pub(super) fn run(self) -> Outcome {
        let Self { name: agent, project } = self;
        let file = agent.file(Scope::of(project, agent)).ok_or_else(agents::no_home)?;
        let mut out = Out::new();
        let Some(mut json) = read(&file)?.filter(|json| json.mentions(&mark(agent))) else {
            out.line(&format!("{} has no hook of caro's", file.display()))?;
            return out.finish();
        };
        take_out(&mut json, agent);
        write(&file, &json.pretty()).map_err(|error| Failure::at(&file, &error))?;
        out.line(&format!("{}: the hook was taken out", file.display()))?;
        out.finish()
    }
}

/// Whether a file has the hook.
pub(super) fn is_in(file: &Path, agent: Agent) -> bool {
    matches!(read(file), Ok(Some(json)) if json.mentions(&mark(agent)))
}

fn mark(agent: Agent) -> String {
    format!("{MARK} {}", agent.about().name)
}

/// Bytes of a configuration. A larger file is something else.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Reads a configuration, none when there is none.
fn read(file: &Path) -> Outcome<Option<Json>> {
    match fs::metadata(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::at(file, &error)),
        Ok(meta) if meta.len() > FILE_BYTES_MAX => return Err(odd(file)),
        Ok(_) => {}
    }
    let bytes = fs::read(file).map_err(|error| Failure::at(file, &error))?;
    if bytes.trim_ascii().is_empty() {
        return Ok(None);
    }
    let json: Json = serde_json::from_slice(&bytes).map_err(|_| odd(file))?;
    Ok(Some(json))
}

fn odd(file: &Path) -> Failure {
    Failure::new(exit::DATA, format!("{} cannot be read as it is; it was left alone", file.display()))
        .hint("add the hook by hand: caro assistant show NAME prints it")
}

/// An assistant's configuration with the hook put in, put in once more, and taken out again; none for what is left alone. A
/// door for the fuzz targets.
pub(super) fn put_in_and_out(agent: Agent, file: &[u8]) -> Option<[Vec<u8>; 3]> {
    let mut json: Json = serde_json::from_slice(file).ok()?;
    let snippet = agent.snippet(Path::new("/bin/caro"));
    merge(&mut json, &snippet, agent)?;
    let once = json.pretty();
    merge(&mut json, &snippet, agent)?;
    let twice = json.pretty();
    take_out(&mut json, agent);
    Some([once, twice, json.pretty()])
}

/// Puts a snippet in, in the place of what of ours is there. None when the file is of another form.
fn merge(json: &mut Json, snippet: &Json, agent: Agent) -> Option<()> {
    let Json::Object(parts) = snippet else { return None };
    for (key, part) in parts {
        match part {
            Json::Object(events) => {
                for (event, ours) in events {
                    let Json::List(ours) = ours else { return None };
                    let there =
                        json.entry(key, || Json::Object(Vec::new()))?.entry(event, || Json::List(Vec::new()))?;
                    let Json::List(there) = there else { return None };
                    let at = there.iter().position(|item| item.mentions(&mark(agent)));
                    // A group may hold other hooks beside ours; then ours goes out of it and has one of its own.
                    match at {
                        Some(at) if there[at] == ours[0] => {}
                        Some(_) => {
                            take_out_of(there, agent);
                            there.extend(ours.iter().cloned());
                        }
                        None => there.extend(ours.iter().cloned()),
                    }
                }
            }
            plain => drop(json.entry(key, || plain.clone())?),
        }
    }
    Some(())
}

/// Takes what is ours out, with the lists that it leaves empty.
fn take_out(json: &mut Json, agent: Agent) {
    let Some(Json::Object(events)) = json.entry("hooks", || Json::Plain(Value::Null)) else { return };
    for (_, list) in events.iter_mut() {
        if let Json::List(items) = list {
            take_out_of(items, agent);
        }
    }
    events.retain(|(_, list)| *list != Json::List(Vec::new()));
}

fn take_out_of(items: &mut Vec<Json>, agent: Agent) {
    for item in items.iter_mut() {
        if let Json::Object(fields) = item
            && let Some((_, Json::List(hooks))) = fields.iter_mut().find(|(key, _)| key == "hooks")
        {
            hooks.retain(|hook| !hook.mentions(&mark(agent)));
        }
    }
    let is_empty = |item: &Json| match item {
        Json::Object(fields) => fields.contains(&("hooks".to_owned(), Json::List(Vec::new()))),
        _ => false,
    };
    items.retain(|item| !item.mentions(&mark(agent)) && !is_empty(item));
}

/// Writes a file in one step. One that is a link is written where it points to, as people keep configurations.
fn write(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let file: PathBuf = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mode = fs::metadata(&file).map_or(0o600, |meta| meta.permissions().mode() & 0o777);
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let beside = folder.join(name);
    let put = || {
        let mut new = fs::File::options().write(true).create_new(true).mode(mode).open(&beside)?;
        io::Write::write_all(&mut new, bytes)?;
        new.sync_all()?;
        fs::rename(&beside, &file)
    };
    put().inspect_err(|_| drop(fs::remove_file(&beside)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Json {
        serde_json::from_str(text).expect("JSON")
    }

    fn snippet(agent: Agent) -> Json {
        agent.snippet(Path::new("/bin/caro"))
    }

    #[test]
    fn what_is_there_stays_and_what_was_put_in_comes_out_again() {
        let theirs = r#"{"z":1,"hooks":{"PostToolUse":[{"matcher":"Edit","hooks":[{"type":"command","command":"fmt"}]}],
            "Stop":[{"hooks":[]}]},"a":{"b":[]}}"#;
        for agent in Agent::ALL {
            let (before, mut after) = (json(theirs), json(theirs));
            merge(&mut after, &snippet(agent), agent).expect("merged");
            assert!(after.mentions("fmt") && after.mentions(&mark(agent)), "{agent:?}");
            let once = after.clone();
            merge(&mut after, &snippet(agent), agent).expect("merged");
            assert_eq!(after, once, "{agent:?}: a second time changes nothing");
            take_out(&mut after, agent);
            assert!(!after.mentions(&mark(agent)));
            let Json::Object(fields) = &before else { panic!("an object") };
            assert!(
                fields
                    .iter()
                    .filter(|(key, _)| key != "hooks")
                    .all(|field| { matches!(&after, Json::Object(fields) if fields.contains(field)) })
            );
            assert!(after.mentions("fmt"));
        }
    }

    #[test]
    fn a_hook_that_moved_takes_the_place_of_the_old_one() {
        let agent = Agent::ClaudeCode;
        let mut file = Json::Object(Vec::new());
        merge(&mut file, &agent.snippet(Path::new("/old/caro")), agent).expect("merged");
        merge(&mut file, &snippet(agent), agent).expect("merged");
        assert!(!file.mentions("/old/caro") && file.mentions("/bin/caro"));
    }

    #[test]
    fn a_file_of_another_form_is_refused_and_left_alone() {
        let agent = Agent::ClaudeCode;
        for text in ["[]", r#"{"hooks":[]}"#, r#"{"hooks":{"PostToolUse":{}}}"#] {
            assert!(merge(&mut json(text), &snippet(agent), agent).is_none(), "{text}");
        }
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("settings.json");
        for text in ["{ // a comment\n}", "{\"a\":1,\"a\":2}", "nonsense"] {
            fs::write(&path, text).expect("written");
            assert_eq!(read(&path).expect_err("refused").code, exit::DATA);
            assert_eq!(fs::read_to_string(&path).expect("read"), text);
        }
    }

    #[test]
    fn a_file_behind_a_link_is_written_in_one_step_and_keeps_its_mode() {
        let folder = tempfile::tempdir().expect("a folder");
        let (real, link) = (folder.path().join("real.json"), folder.path().join("link.json"));
        fs::write(&real, "{}").expect("written");
        fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).expect("opened");
        std::os::unix::fs::symlink(&real, &link).expect("a link");
        write(&link, b"{\"a\":1}").expect("written");
        assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
        assert_eq!(fs::read(&real).expect("read"), b"{\"a\":1}");
        assert_eq!(fs::metadata(&real).expect("there").permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(folder.path()).expect("listed").count(), 2);
    }
}
