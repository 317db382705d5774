//! Takes the terminal over and gives it back: raw mode, full screen or some rows below the prompt, paste and mouse told
//! apart from keys. Reading keys is in `keyboard.rs`.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
};

use crossterm::{
    cursor::MoveTo,
    event::{DisableBracketedPaste, EnableBracketedPaste},
    queue,
    terminal::{Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen},
};
use ratatui::{Terminal, TerminalOptions, Viewport, backend::CrosstermBackend, layout::Rect};
use rustix::termios::{OptionalActions, SpecialCodeIndex, tcgetattr, tcgetwinsize, tcsetattr};

use crate::{
    config::Height,
    error::{Failure, Outcome},
    terminal::Guard,
};

/// The terminal while the screen is on it.
pub(super) struct Screen {
    tty: File,
    terminal: Terminal<CrosstermBackend<BufWriter<File>>>,
    inline: Option<Height>,
    mouse: bool,
    area: Rect,
    guard: Guard,
}

/// Larger than any frame, so that one goes out in one write and never half drawn.
const FRAME_BYTES: usize = 256 * 1024;

fn failed(error: io::Error) -> Failure {
    Failure::at("/dev/tty".as_ref(), &error)
}

/// Raw mode from now on, until the guard goes.
pub(super) fn take_over(tty: &File) -> Outcome<Guard> {
    let guard = Guard::new(tty, b"")?;
    let mut modes = tcgetattr(tty).map_err(|error| failed(error.into()))?;
    modes.make_raw();
    modes.special_codes[SpecialCodeIndex::VMIN] = 1;
    modes.special_codes[SpecialCodeIndex::VTIME] = 0;
    // What was typed before stays to be read.
    tcsetattr(tty, OptionalActions::Now, &modes).map_err(|error| failed(error.into()))?;
    Ok(guard)
}

/// Columns and rows of a terminal. One that does not say has what all once had.
pub(super) fn size(tty: &File) -> (u16, u16) {
    match tcgetwinsize(tty) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col, size.ws_row),
        _ => (80, 24),
    }
}

impl Screen {
    /// Takes a terminal over that is in raw mode already. An inline screen needs to know where the cursor is: column and
    /// row, from 0; without that the screen is full.
    pub(super) fn open(tty: &File, guard: Guard, inline: Option<(Height, (u16, u16))>, mouse: bool) -> Outcome<Self> {
        let tty = tty.try_clone().map_err(failed)?;
        let size = size(&tty);
        let area = match inline {
            Some((wanted, cursor)) => {
                let place = Place::below(cursor, size, wanted);
                guard.undo_with(&undo(mouse, &place.undo()));
                place.make_room(&tty).map_err(failed)?
            }
            None => {
                guard.undo_with(&undo(mouse, &undo_full()));
                queue!(&tty, EnterAlternateScreen, Clear(ClearType::All)).map_err(failed)?;
                full_area(size)
            }
        };
        queue!(&tty, EnableBracketedPaste).map_err(failed)?;
        (&tty).write_all(NO_REORDERING).map_err(failed)?;
        if mouse {
            (&tty).write_all(MOUSE_ON).map_err(failed)?;
        }
        let terminal = drawing_on(&tty, area).map_err(failed)?;
        Ok(Self { tty, terminal, inline: inline.map(|(height, _)| height), mouse, area, guard })
    }

    /// What is drawn in, counted from the terminal's own upper left corner.
    pub(super) fn area(&self) -> Rect {
        self.area
    }

    /// Draws a frame.
    pub(super) fn draw(&mut self, view: impl FnOnce(&mut ratatui::Frame<'_>)) -> Outcome {
        self.terminal.draw(view).map_err(failed)?;
        Ok(())
    }

    /// Follows the terminal to its size, or begins anew on the same.
    pub(super) fn resize(&mut self) -> Outcome {
        let (columns, rows) = size(&self.tty);
        self.area = match self.inline {
            None => full_area((columns, rows)),
            Some(wanted) => {
                let height = height(wanted, rows);
                let top = self.area.y.min(rows.saturating_sub(height));
                let prompt = top.saturating_sub(1);
                let place = Place { column: 0, row: prompt, top, height, scroll: 0, columns };
                self.guard.undo_with(&undo(self.mouse, &place.undo()));
                Rect::new(0, top, columns, height)
            }
        };
        // What a terminal makes of lines that became too long is its own affair: everything from here on is cleared.
        queue!(&self.tty, MoveTo(0, self.area.y), Clear(ClearType::FromCursorDown)).map_err(failed)?;
        self.terminal = drawing_on(&self.tty, self.area).map_err(failed)?;
        Ok(())
    }

    /// Writes bytes that are not drawn, as for the clipboard.
    pub(super) fn send(&mut self, bytes: &[u8]) -> Outcome {
        (&self.tty).write_all(bytes).map_err(failed)
    }

    /// Gives the terminal back as it was.
    pub(super) fn close(self) {
        let Self { tty: _, terminal, inline: _, mouse: _, area: _, guard } = self;
        drop(terminal);
        drop(guard);
    }
}

/// Presses, releases and the wheel, in the form that knows large terminals. Movements are not asked for: they would only
/// cost time.
const MOUSE_ON: &[u8] = b"\x1b[?1000h\x1b[?1006h";
const MOUSE_OFF: &[u8] = b"\x1b[?1006l\x1b[?1000l";

/// Terminals that reorder text from right to left would move columns with it. They are asked to show letters in the order
/// in which they are written, and afterwards to do as they do by themselves.
const NO_REORDERING: &[u8] = b"\x1b[8l";
const REORDERING: &[u8] = b"\x1b[8h";

fn undo(mouse: bool, place: &[u8]) -> Vec<u8> {
    [if mouse { MOUSE_OFF } else { b"" }, REORDERING, place].concat()
}

fn drawing_on(tty: &File, area: Rect) -> io::Result<Terminal<CrosstermBackend<BufWriter<File>>>> {
    let writer = BufWriter::with_capacity(FRAME_BYTES, tty.try_clone()?);
    Terminal::with_options(CrosstermBackend::new(writer), TerminalOptions { viewport: Viewport::Fixed(area) })
}

fn full_area((columns, rows): (u16, u16)) -> Rect {
    Rect::new(0, 0, columns, rows)
}

/// Written at the end; also shows the cursor, which drawing hides for moments.
fn undo_full() -> Vec<u8> {
    let mut undo = Vec::new();
    // Writing to memory cannot fail.
    let _ = queue!(undo, DisableBracketedPaste, crossterm::cursor::Show, LeaveAlternateScreen);
    undo
}

/// Where an inline screen goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    /// Where the cursor was.
    column: u16,
    /// Where it is after making room.
    row: u16,
    /// The first row of the screen.
    top: u16,
    /// Its rows.
    height: u16,
    /// Lines by which the terminal scrolls to make room.
    scroll: u16,
    /// Columns of the terminal.
    columns: u16,
}

impl Place {
    /// Below the cursor, in a terminal of this size.
    fn below((column, row): (u16, u16), (columns, rows): (u16, u16), wanted: Height) -> Self {
        let height = height(wanted, rows);
        let first = if column == 0 { row } else { row.saturating_add(1) };
        let scroll = first.saturating_add(height).saturating_sub(rows);
        Self { column, row: row.saturating_sub(scroll), top: first.saturating_sub(scroll), height, scroll, columns }
    }

    fn make_room(&self, mut tty: &File) -> io::Result<Rect> {
        if self.scroll > 0 {
            // Lines leave into the scroll-back, as with any output.
            queue!(tty, MoveTo(0, u16::MAX - 1))?;
            tty.write_all(&b"\n".repeat(usize::from(self.scroll)))?;
        }
        queue!(tty, MoveTo(0, self.top), Clear(ClearType::FromCursorDown))?;
        Ok(Rect::new(0, self.top, self.columns, self.height))
    }

    /// Takes the screen away and puts the cursor back on the prompt.
    fn undo(&self) -> Vec<u8> {
        let mut undo = Vec::new();
        // Writing to memory cannot fail.
        let _ = queue!(
            undo,
            DisableBracketedPaste,
            MoveTo(0, self.top),
            Clear(ClearType::FromCursorDown),
            crossterm::cursor::Show,
            MoveTo(self.column, self.row)
        );
        undo
    }
}

/// As many rows as wanted, but one stays for the prompt.
fn height(wanted: Height, rows: u16) -> u16 {
    let wanted = match wanted {
        Height::Rows(wanted) => wanted,
        Height::Percent(part) => {
            u16::try_from(u32::from(rows) * u32::from(part) / 100).unwrap_or(rows).max(crate::config::ROWS_MIN)
        }
    };
    wanted.min(rows.saturating_sub(1)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inline_screen_fits_below_the_prompt_and_scrolls_only_as_far_as_it_must() {
        let check = |cursor, size, wanted, (row, top, height, scroll): (u16, u16, u16, u16)| {
            let place = Place::below(cursor, size, wanted);
            assert_eq!((place.row, place.top, place.height, place.scroll), (row, top, height, scroll), "{cursor:?}");
        };
        let ten = Height::Rows(10);
        check((5, 0), (80, 24), ten, (0, 1, 10, 0));
        check((0, 3), (80, 24), ten, (3, 3, 10, 0));
        check((5, 23), (80, 24), ten, (13, 14, 10, 10));
        check((5, 15), (80, 24), ten, (13, 14, 10, 2));
        check((5, 4), (80, 5), ten, (0, 1, 4, 4));
        check((5, 0), (80, 1), ten, (0, 0, 1, 1));
        check((5, 0), (80, 24), Height::Percent(50), (0, 1, 12, 0));
        check((5, 0), (80, 24), Height::Percent(1), (0, 1, 5, 0));
        check((5, 0), (80, 24), Height::Percent(100), (0, 1, 23, 0));
    }
}
