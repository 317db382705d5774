//! Everything that reaches standard output goes through here: text from history is made harmless before a terminal or
//! a pager sees it, and a reader that has gone ends the program quietly.

pub(crate) mod fields;
pub(crate) mod json;
pub(crate) mod time;
pub(crate) mod visible;

use std::{
    io::{self, BufWriter, IsTerminal, StdoutLock, Write},
    os::unix::ffi::OsStrExt,
};

use crate::error::{Failure, Outcome};

/// So many of something, for a sentence: `1 command`, `2 commands`.
pub(crate) fn counted(count: u64, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}

/// What somebody typed, in quotes, for a sentence. Of a long text only the beginning: who typed it knows the rest.
pub(crate) fn quoted(typed: &str) -> String {
    let cut = typed.floor_char_boundary(QUOTED_BYTES_MAX);
    let rest = if cut < typed.len() { "…" } else { "" };
    format!("\"{}{rest}\"", visible::line(&typed.as_bytes()[..cut]))
}

/// Bytes of a typed text that a sentence shows.
const QUOTED_BYTES_MAX: usize = 60;

/// Standard output, buffered.
pub(crate) struct Out {
    stream: BufWriter<StdoutLock<'static>>,
    /// Whether a person sees it at once.
    pub(crate) is_terminal: bool,
    /// Whether colours may be used. They never carry meaning alone.
    pub(crate) colour: bool,
}

impl Out {
    /// Standard output.
    pub(crate) fn new() -> Self {
        let stream = io::stdout().lock();
        let is_terminal = stream.is_terminal();
        Self {
            stream: BufWriter::with_capacity(BUFFER_BYTES, stream),
            is_terminal,
            colour: is_terminal && may_colour(),
        }
    }

    /// One line of our own words. What is not ours is to be made [`visible`] first.
    pub(crate) fn line(&mut self, text: &str) -> Outcome {
        self.bytes(text.as_bytes())?;
        self.bytes(b"\n")
    }

    /// Bytes as they are.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Outcome {
        self.stream.write_all(bytes).map_err(|error| Failure::output(&error))
    }

    /// One line of JSON.
    pub(crate) fn json<T: serde::Serialize>(&mut self, value: &T) -> Outcome {
        self.bytes(&json::line(value))
    }

    /// Everything out. To be called at the end: a drop would swallow what went wrong.
    pub(crate) fn finish(mut self) -> Outcome {
        self.flush()
    }

    /// What is buffered, out now.
    pub(crate) fn flush(&mut self) -> Outcome {
        self.stream.flush().map_err(|error| Failure::output(&error))
    }
}

/// Large enough that a million rows cost few writes, small enough not to show in memory.
const BUFFER_BYTES: usize = 64 * 1024;

/// Whether colours are wanted at all: <https://no-color.org>.
pub(crate) fn may_colour() -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term.as_bytes() == b"dumb");
    !set("NO_COLOR") && !dumb
}

/// One line to standard error: what is going on, as against data. It cannot be told when even that fails.
pub(crate) fn say(text: &str) {
    drop(writeln!(io::stderr(), "{text}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_is_quoted_and_a_long_text_is_cut_with_a_sign() {
        assert_eq!(quoted("a\x1bb"), "\"a^[b\"");
        let long = quoted(&"é".repeat(100));
        assert_eq!(long.chars().count(), 30 + 3);
        assert!(long.ends_with("…\""));
    }
}
