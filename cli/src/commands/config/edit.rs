//! `caro config edit`: the file in the person's editor. What is edited is a copy beside it, so that nothing is in force,
//! and nothing deleted by it, before it was looked through.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    File, Sure,
    check::{Problem, problems},
    file, keep, page, tell_daemon,
};
use crate::{
    client::places,
    config::meaningless,
    error::{Failure, Outcome},
    exit,
    output::{say, visible},
    terminal::editor,
};

/// Opens the file, checks what came of it, and puts it in its place.
pub(super) fn edit() -> Outcome {
    let path = places()?.config;
    let before = bytes(&path)?;
    let begun = before.clone().unwrap_or_else(|| page::page().into_bytes());
    let copy = Copy::make(&path, &begun)?;
    open_editor(&copy)?;
    let edited = fs::read(&copy.0).map_err(|error| Failure::at(&copy.0, &error))?;
    if bytes(&path)? != before {
        let message = format!("{} was changed by somebody else meanwhile, and stays as it is", path.display());
        return Err(Failure::new(exit::TRY_LATER, message).hint(copy.kept()));
    }
    let file = readable(&edited).map_err(|problem| {
        Failure::new(exit::DATA, format!("{problem}; {} stays as it was", path.display())).hint(copy.kept())
    })?;
    let (text, agreed) = agreed(before.as_deref(), edited, file);
    file::write_new(&path, &text)?;
    copy.remove();
    let is_sound = say_problems(&text, &path);
    tell_daemon()?;
    agreed?;
    if is_sound { Ok(()) } else { Err(Failure::silent(exit::DATA)) }
}

/// Why a file is no TOML. In the place of one that is, nothing of it would be in force.
fn readable(bytes: &[u8]) -> Result<File, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "what was edited is not UTF-8".to_owned())?;
    File::parse(text)
}

/// The file as it is, none when it is not there.
fn bytes(path: &Path) -> Outcome<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::at(path, &error)),
    }
}

/// What may be written: with the limits on history as before where the person does not want what new ones delete.
fn agreed(before: Option<&[u8]>, edited: Vec<u8>, mut after: File) -> (Vec<u8>, Outcome) {
    // One that was broken limits nothing.
    let before = before.and_then(|bytes| readable(bytes).ok());
    let asked = match &before {
        Some(before) => keep::agree(before, &after, Sure::Asks),
        None => File::parse("").map_or(Ok(()), |empty| keep::agree(&empty, &after, Sure::Asks)),
    };
    match asked {
        Ok(()) => (edited, Ok(())),
        Err(failure) => {
            let put_back = keep::put_back(before.as_ref(), &mut after);
            say("history.keep_days and history.keep_count stay as they were; the rest is written");
            let hint = "caro config set --yes history.keep_days DAYS writes it without asking";
            // Who said no needs no advice.
            let failure = if failure.message.is_empty() { failure } else { failure.hint(hint) };
            (after.text().into_bytes(), put_back.and(Err(failure)))
        }
    }
}

fn open_editor(copy: &Copy) -> Outcome {
    editor::open(&copy.0).map_err(|failure| match failure.code {
        exit::FAILURE => failure.hint(format!("set VISUAL or EDITOR; nothing was changed{}", copy.left())),
        _ => failure,
    })
}

/// Says what cannot be used. True when there is nothing.
fn say_problems(text: &[u8], path: &Path) -> bool {
    let text = String::from_utf8_lossy(text);
    let folder = path.parent().unwrap_or(Path::new("/"));
    let other = meaningless(&text, folder).into_iter().map(|what| Problem { what, instead: String::new() });
    let found: Vec<Problem> = problems(&text).into_iter().chain(other).collect();
    for Problem { what, instead } in &found {
        let perhaps = if instead.is_empty() { String::new() } else { format!("; it may be: {instead}") };
        say(&visible::line(format!("caro: {what}{perhaps}").as_bytes()));
    }
    found.is_empty()
}

/// What the editor works on. Removed when nothing of the person's would be lost with it.
struct Copy(PathBuf, Vec<u8>);

impl Copy {
    fn make(path: &Path, begun: &[u8]) -> Outcome<Self> {
        let copy = path.with_file_name(format!("config.edited-{}.toml", std::process::id()));
        let folder = path.parent().unwrap_or(Path::new("/"));
        let made = file::make_folder(folder).and_then(|()| file::write_beside(&copy, begun));
        made.map_err(|error| Failure::at(&copy, &error))?;
        Ok(Self(copy, begun.to_owned()))
    }

    fn remove(self) {
        // Of no use to anybody any more; a folder that cannot be written to was told before.
        drop(fs::remove_file(&self.0));
    }

    fn kept(&self) -> String {
        format!("what you wrote is in {}", self.0.display())
    }

    /// Where the person's changes are, if any were saved. Without any the copy goes.
    fn left(&self) -> String {
        if fs::read(&self.0).is_ok_and(|now| now != self.1) {
            return format!("; {}", self.kept());
        }
        drop(fs::remove_file(&self.0));
        String::new()
    }
}
