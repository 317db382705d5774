//! A table for spreadsheets and scripts (RFC 4180). What a cell shows is harmless: nothing that a terminal obeys, and nothing
//! that a spreadsheet takes for a formula. Where that, or what was there, cannot be told by the cells, the last one holds the
//! whole record as JSON, which is what an import believes.

use std::borrow::Cow;

use caro_schema::body::history::Record;

use crate::output::{
    json::{self, RecordJson},
    time,
    visible::{self, Kind},
};

/// The names of the columns.
pub(super) const HEADER: &[u8] =
    b"id,start,start_us,duration_us,exit,host,user,shell,session,directory,command,exact\r\n";

pub(super) fn write(record: &Record, bytes: &mut Vec<u8>) {
    let Record { id, command, directory, host, user, shell, session, start_us, duration_us, exit, assistant } = record;
    let texts = [host.as_bytes(), user.as_bytes(), shell.as_bytes(), session.as_bytes(), directory, command];
    let is_said = assistant.is_none() && texts.iter().all(|text| is_harmless(text));
    let numbers = [
        id.hex(),
        time::rfc3339(*start_us),
        start_us.to_string(),
        duration_us.map(|us| us.to_string()).unwrap_or_default(),
        exit.map(|exit| exit.to_string()).unwrap_or_default(),
    ];
    for number in numbers {
        bytes.extend_from_slice(number.as_bytes());
        bytes.push(b',');
    }
    for text in texts {
        cell(&shown(text), bytes);
        bytes.push(b',');
    }
    if !is_said {
        cell(json::line(&RecordJson(record)).trim_ascii_end(), bytes);
    }
    bytes.extend_from_slice(b"\r\n");
}

/// Whether a cell can hold a text as it is: what a screen would show of it is all of it.
fn is_harmless(text: &[u8]) -> bool {
    let is_replaced = |piece: &visible::Piece<'_>| matches!(piece.kind, Kind::Token(_));
    !is_formula(text) && !visible::pieces(text).iter().any(is_replaced)
}

/// Spreadsheets run what begins so.
fn is_formula(text: &[u8]) -> bool {
    text.first().is_some_and(|first| b"=+-@\t\r".contains(first))
}

fn shown(text: &[u8]) -> Cow<'_, [u8]> {
    if is_harmless(text) {
        return text.into();
    }
    let before = if is_formula(text) { "'" } else { "" };
    format!("{before}{}", visible::line(text)).into_bytes().into()
}

fn cell(text: &[u8], bytes: &mut Vec<u8>) {
    if !text.iter().any(|byte| b",\"\r\n ".contains(byte)) {
        bytes.extend_from_slice(text);
        return;
    }
    bytes.push(b'"');
    for byte in text {
        bytes.extend_from_slice(if *byte == b'"' { b"\"\"" } else { std::slice::from_ref(byte) });
    }
    bytes.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::record;

    fn row(command: &str) -> String {
        let mut bytes = Vec::new();
        write(&record(command), &mut bytes);
        String::from_utf8(bytes).expect("text")
    }

    #[test]
    fn a_plain_command_is_a_plain_row() {
        let begins =
            "07070707070707070707070707070707,2023-11-14T22:13:20Z,1700000000000000,,,laptop,ada,\"zsh 5.9\",s1,/tmp,";
        assert_eq!(row("ls"), format!("{begins}ls,\r\n"));
        assert_eq!(row("a \"b\",\nc"), format!("{begins}\"a \"\"b\"\",\nc\",\r\n"));
    }

    #[test]
    fn a_picture_in_its_coloured_form_is_a_plain_cell() {
        assert!(row("git commit -m ❤\u{fe0f}").ends_with(",\"git commit -m ❤\u{fe0f}\",\r\n"));
        assert!(row("x\u{fe0f}").ends_with("}\"\r\n"), "in front of nothing it only hides");
        assert!(row(&format!("a{}", "\u{301}".repeat(40))).ends_with("}\"\r\n"), "scrawls over other lines");
    }

    #[test]
    fn trap_43_a_cell_is_no_formula_and_no_instruction() {
        let formula = ("=cmd|' /C calc'!A0", "\"'=cmd|' /C calc'!A0\"");
        for (command, cell) in [formula, ("-rf\u{1b}[2J", "'-rf^[[2J"), ("a\u{202e}", "a<U+202E>")] {
            let row = row(command);
            assert!(
                !row.chars()
                    .any(|letter| visible::is_hidden(letter) || (letter.is_control() && !"\r\n".contains(letter)))
            );
            assert!(row.ends_with("}\"\r\n"), "{row}");
            assert!(row.contains(&format!(",{cell},")), "{row}");
        }
    }
}
