//! Tells a file that is no text from a history: a program, a picture or an archive, named by mistake, would become
//! thousands of commands on every device.
//!
//! Knows no format. Bytes above ASCII say nothing, because zsh and old encodings use them in every order; control
//! characters do, because a history has hardly any.

use std::{fs::File, io::Read, path::Path};

use crate::{
    error::{Failure, Outcome},
    exit,
};

/// Bytes that are looked at. Whatever is no text shows it sooner.
const LOOKED_AT_BYTES: u64 = 8 * 1024;

/// Of a hundred bytes, so many control characters are more than typed commands have. Compressed data has eleven.
const CONTROLS_MAX_PERCENT: usize = 4;

/// Fewer than these prove nothing in a short file.
const CONTROLS_MIN: usize = 8;

/// Refuses a file that is no text.
///
/// # Errors
/// When it is none, or cannot be read.
pub(super) fn refuse(path: &Path) -> Outcome {
    let mut begins = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LOOKED_AT_BYTES).read_to_end(&mut begins));
    read.map_err(|error| Failure::at(path, &error))?;
    if !is_binary(&begins) {
        return Ok(());
    }
    let message = format!("{} is not a history: it is not text", path.display());
    Err(Failure::new(exit::DATA, message).hint("nothing was taken in; name the history's own file: caro import --help"))
}

fn is_binary(begins: &[u8]) -> bool {
    // An escape or a bell is typed now and then; nobody types a NUL.
    let is_control = |byte: &&u8| **byte < b' ' && !b"\t\n\r\x1b".contains(*byte);
    let controls = begins.iter().filter(is_control).count();
    controls >= CONTROLS_MIN && controls * 100 > begins.len() * CONTROLS_MAX_PERCENT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text_is_told_from_a_history() {
        let program = std::fs::read(std::env::current_exe().expect("a program")).expect("read");
        assert!(is_binary(&program[..8192]));
        let mut state = 1_u32;
        let noise: Vec<u8> = (0..8192)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        assert!(is_binary(&noise), "compressed data looks like this");
        assert!(is_binary(&[0; 64]) && is_binary(b"l\0s\0 \0-\0l\0a\0\n\0p\0w\0d\0\n\0"));
        // zsh writes every byte from 0x83 on as two; old encodings have any byte above ASCII.
        let metafied: Vec<u8> = [0x83, 0xa3, 0x83, 0xb5, b' ', b'\n'].repeat(500);
        assert!(!is_binary(&metafied) && !is_binary(&[0xe9, 0xff, b'\n'].repeat(500)));
        assert!(!is_binary(b"") && !is_binary(b"printf '\x07\x1b[0m\x01'\nls\n"));
    }
}
