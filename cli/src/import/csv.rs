//! What caro wrote itself, as a table (RFC 4180). The first row names the columns, in any order; only `command` has to be
//! there. A cell `exact` is the whole record as JSON, and is believed before all others.

use std::{
    io::{self, BufRead},
    str::FromStr,
};

use caro_schema::id::RecordId;

use super::{About, COMMAND_BYTES_MAX, Entry, Format, Found, Lines, Odd, Why, own, record_of};

/// Reads a table.
#[derive(Default)]
pub(super) struct Csv {
    columns: Option<Vec<Vec<u8>>>,
}

/// Cells of one row. More would let a line of commas cost a multiple of its memory.
const CELLS_MAX: usize = 64;

impl<R: BufRead> Format<R> for Csv {
    fn next(&mut self, lines: &mut Lines<R>) -> io::Result<Option<Found>> {
        loop {
            let row = match row(lines)? {
                None => return Ok(None),
                Some(Err(odd)) => return Ok(Some(odd.into())),
                Some(Ok(row)) => row,
            };
            let Some(columns) = &self.columns else {
                self.columns = Some(row);
                continue;
            };
            if row.len() == 1 && row[0].is_empty() {
                continue;
            }
            return Ok(Some(
                found(columns, &row)
                    .unwrap_or_else(|why| Odd::new(lines.number(), why, row.first().map_or(&[], Vec::as_slice)).into()),
            ));
        }
    }
}

fn found(columns: &[Vec<u8>], row: &[Vec<u8>]) -> Result<Found, Why> {
    if columns.len() != row.len() {
        return Err(Why::NotCsv);
    }
    let cell = |name: &str| columns.iter().position(|column| column == name.as_bytes()).map(|at| row[at].as_slice());
    let given = |name: &str| cell(name).filter(|cell| !cell.is_empty());
    if let Some(exact) = given("exact") {
        return own::parse(exact);
    }
    let text = |name: &str| String::from_utf8_lossy(given(name).unwrap_or_default()).into_owned();
    let command = cell("command").ok_or(Why::Field)?.to_vec();
    let id = given("id").map(|id| std::str::from_utf8(id).ok().and_then(RecordId::from_hex).ok_or(Why::Field));
    let id = id.transpose()?;
    if command.len() > COMMAND_BYTES_MAX {
        return Err(Why::TooLong);
    }
    if command.is_empty() {
        return Err(Why::Field);
    }
    let about = About {
        directory: given("directory").unwrap_or_default().to_vec(),
        host: text("host"),
        user: text("user"),
        shell: text("shell"),
        session: text("session"),
        ..About::default()
    };
    let entry = Entry {
        command,
        start_us: given("start_us").map(whole).transpose()?,
        duration_us: given("duration_us").map(whole).transpose()?,
        exit: given("exit").map(whole).transpose()?,
        about: Some(Box::new(about)),
    };
    Ok(record_of(id, entry))
}

fn whole<T: FromStr>(cell: &[u8]) -> Result<T, Why> {
    std::str::from_utf8(cell).ok().and_then(|digits| digits.parse().ok()).ok_or(Why::Field)
}

/// The cells of the next row, which may go over several lines.
fn row<R: BufRead>(lines: &mut Lines<R>) -> io::Result<Option<Result<Vec<Vec<u8>>, Odd>>> {
    let mut cells = vec![Vec::new()];
    let mut is_quoted = false;
    let mut bytes = 0;
    loop {
        let Some(line) = lines.next()? else {
            let is_nothing = bytes == 0;
            return Ok((!is_nothing).then(|| Err(Odd::new(lines.number(), Why::NotCsv, &[]))));
        };
        bytes += line.bytes.len() + 1;
        if line.is_too_long || bytes > own::LINE_BYTES_MAX {
            return Ok(Some(Err(line.odd(Why::TooLong))));
        }
        match add(line.bytes, &mut cells, &mut is_quoted) {
            Ok(()) if is_quoted => {}
            Ok(()) => return Ok(Some(Ok(cells))),
            Err(why) => return Ok(Some(Err(line.odd(why)))),
        }
    }
}

/// Adds a line to the cells; inside quotes when the row goes on in the next.
fn add(line: &[u8], cells: &mut Vec<Vec<u8>>, is_quoted: &mut bool) -> Result<(), Why> {
    let mut rest = line;
    let mut has_closed = false;
    loop {
        let Some(cell) = cells.last_mut() else { return Err(Why::NotCsv) };
        if *is_quoted {
            let Some(at) = memchr::memchr(b'"', rest) else {
                cell.extend_from_slice(rest);
                cell.push(b'\n');
                return Ok(());
            };
            cell.extend_from_slice(&rest[..at]);
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix(b"\"") {
                cell.push(b'"');
                rest = after;
            } else {
                (*is_quoted, has_closed) = (false, true);
            }
            continue;
        }
        if rest.is_empty() || rest == b"\r" {
            return Ok(());
        }
        if let Some(after) = rest.strip_prefix(b",") {
            if cells.len() == CELLS_MAX {
                return Err(Why::NotCsv);
            }
            cells.push(Vec::new());
            (rest, has_closed) = (after, false);
        } else if let Some(after) = rest.strip_prefix(b"\"").filter(|_| cell.is_empty() && !has_closed) {
            (rest, *is_quoted) = (after, true);
        } else if has_closed {
            return Err(Why::NotCsv);
        } else {
            let end = memchr::memchr2(b',', b'\r', rest).unwrap_or(rest.len()).max(1);
            cell.extend_from_slice(&rest[..end]);
            rest = &rest[end..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::{Source, testing};

    #[test]
    fn cells_with_quotes_commas_and_lines() {
        let file = b"command,exit,directory\r\nls,0,/\r\n\"a \"\"b\"\", c\r\nd\",-1,\"\"\r\n\nlast,,/x";
        let (entries, odd) = testing::read_all(Source::Caro, file);
        let found: Vec<_> = entries.iter().map(|entry| (entry.command.as_slice(), entry.exit)).collect();
        let expected: [(&[u8], _); 3] = [(b"ls", Some(0)), (b"a \"b\", c\r\nd", Some(-1)), (b"last", None)];
        assert_eq!((found, odd), (expected.to_vec(), 0));
    }

    #[test]
    fn trap_44_a_bad_row_is_named_and_the_next_is_read() {
        let file = b"command,exit\nls\n\"a\"b,1\nx,soon\n,1\ngood,1\n\"open,2";
        let odd: Vec<_> = testing::odd(Source::Caro, file).iter().map(|odd| (odd.at, odd.why)).collect();
        let expected = [(2, Why::NotCsv), (3, Why::NotCsv), (4, Why::Field), (5, Why::Field), (7, Why::NotCsv)];
        assert_eq!(odd, expected);
        assert_eq!(testing::read_all(Source::Caro, file).0.len(), 1);
    }

    #[test]
    fn a_row_of_commas_costs_no_more_than_a_row() {
        let file = [b"command,exit\n".to_vec(), vec![b','; 100_000], b"\nls,0".to_vec()].concat();
        let (entries, odd) = testing::read_all(Source::Caro, &file);
        assert_eq!((entries.len(), odd), (1, 1));
    }
}
