//! Says once that a command was not recorded, or was masked, because of a secret. The daemon leaves a word in a file;
//! whoever takes the file away says the sentence. It never says which command.

use std::{
    fs,
    io::{self, IsTerminal, Read},
    path::Path,
};

use crate::{client::places, output::say};

/// Says what there is to be said, to a person and to nobody else. Costs a look for a file.
pub(crate) fn say_once() {
    // A script that looks at standard error would take it for a problem of its own.
    if !io::stderr().is_terminal() {
        return;
    }
    let words = places().ok().and_then(|places| take(&places.hint()));
    if let Some(words) = words {
        say(words);
    }
}

/// Bytes of a word.
const WORD_BYTES_MAX: u64 = 16;

/// Takes the word away and gives the sentence. Of several at once only one does.
fn take(path: &Path) -> Option<&'static str> {
    let mut word = String::new();
    fs::File::open(path).ok()?.take(WORD_BYTES_MAX).read_to_string(&mut word).ok()?;
    fs::remove_file(path).ok()?;
    Some(match word.as_str() {
        "secret" => {
            "caro: a command was not recorded, because it holds a secret; \
             to keep such commands masked: caro config set record.secrets mask"
        }
        "masked" => "caro: a secret in a command was masked; how often: caro daemon status",
        "phrase" => {
            "caro: a command was not recorded, because it carries a recovery phrase; \
             the shell's own history may hold it: delete it there"
        }
        // From a newer daemon.
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ds004_what_was_withheld_is_said_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("hint");
        assert_eq!(take(&path), None);
        for (word, part) in [("secret", "not recorded"), ("masked", "masked"), ("phrase", "recovery phrase")] {
            fs::write(&path, word).expect("written");
            assert!(take(&path).expect("a sentence").contains(part));
            assert_eq!(take(&path), None, "once");
        }
        fs::write(&path, "something newer").expect("written");
        assert_eq!(take(&path), None);
        assert!(!path.exists());
    }
}
