//! The screen on which history is searched: model, message, update, effect, view. `model` is plain data, `update` is
//! pure and says what is to be done, `view` only draws, the keys are a table, and [`run`] is all the rest: the terminal,
//! a thread that reads keys, and one that talks to the daemon. Typing never waits for an answer.

mod action;
mod condition;
mod copy;
mod daemon_link;
mod danger;
mod effect;
mod input;
mod key;
mod keyboard;
mod keymap;
mod layout;
mod line;
mod list;
mod message;
mod model;
mod narrow;
mod run;
mod syntax;
mod terminal;
mod update;
mod view;
mod wires;

use std::io::Read;

use clap::Args;

pub(crate) use self::{
    effect::Chosen,
    keymap::{Binding, Keymap},
    run::choose,
};
use crate::{
    commands::ModeName,
    config::{Height, parse_height},
};

/// How the screen opens.
#[derive(Args, Clone, Default)]
#[command(next_help_heading = "The screen")]
pub(crate) struct Options {
    /// Draw in so many rows below the prompt, or in a part of the terminal such as 40%, and not on the full screen
    #[arg(long, value_name = "HEIGHT", num_args = 0..=1, require_equals = true, default_missing_value = "15",
          value_parser = height)]
    inline: Option<Height>,
    /// Draw on the full screen, whatever the configuration says
    #[arg(long, conflicts_with = "inline")]
    full: bool,
    /// Begin with this text
    #[arg(long, value_name = "TEXT")]
    query: Option<String>,
    /// How to read what is typed, at first
    #[arg(long, value_enum)]
    mode: Option<ModeName>,
}

fn height(text: &str) -> Result<Height, String> {
    let least = crate::config::ROWS_MIN;
    parse_height(text).ok_or_else(|| format!("a number of rows from {least}, or a part such as 40%"))
}

/// What the screen is opened for.
pub(crate) struct Purpose {
    /// What stands in the line to begin with.
    pub(crate) text: String,
    /// Opened by the up key: it begins with the newest command, and down on that one goes back to the prompt.
    pub(crate) by_up_key: bool,
    /// The run of the shell, when the caller knows it.
    pub(crate) session: Option<String>,
    /// A command is put on a prompt, and not printed.
    pub(crate) for_prompt: bool,
}

/// Bytes of a line on the prompt that are worth searching for.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// The line that a key binding hands over on standard input. None from a terminal.
pub(crate) fn line_from_stdin() -> String {
    use std::io::IsTerminal;
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        return String::new();
    }
    let mut line = Vec::new();
    // Without the line the screen opens all the same.
    let _ = stdin.lock().take(LINE_BYTES_MAX).read_to_end(&mut line);
    String::from_utf8_lossy(line.trim_ascii()).into_owned()
}

/// What bytes of a terminal are read as: how many keys and the like, and what was pasted. A door for the fuzz targets.
pub(crate) fn typed(bytes: &[u8]) -> (usize, Vec<String>) {
    let mut decoder = input::Decoder::default();
    let mut pastes = Vec::new();
    let mut others = 0;
    let mut take = |read: Option<input::Input>| match read {
        Some(input::Input::Paste(text)) => pastes.push(text),
        Some(_) => others += 1,
        None => {}
    };
    bytes.iter().for_each(|byte| take(decoder.push(*byte)));
    take(decoder.give_up());
    (others, pastes)
}

#[cfg(test)]
mod documented {
    use super::{action, condition, keymap};

    /// What is not in the document is known to nobody.
    #[test]
    fn every_action_condition_and_key_is_in_the_document() {
        let document = include_str!("../../../docs/screen.md");
        let has = |name: &str| assert!(document.contains(&format!("`{name}`")), "docs/screen.md lacks {name}");
        action::ALL.iter().for_each(|(_, name, ..)| has(name));
        condition::FACTS.iter().for_each(|(name, ..)| has(name));
        keymap::DEFAULTS.iter().for_each(|(keys, ..)| has(keys));
        for (_, _, _, words) in action::ALL {
            assert!(document.replace("\\|", "|").contains(words), "docs/screen.md lacks {words:?}");
        }
    }
}
