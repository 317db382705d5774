//! Takes the terminal over and gives it back: raw mode, full screen or a few rows below the prompt, and standard input
//! and output, which may have been given to something else, for the terminal itself.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
};

use crossterm::{
    cursor::MoveTo,
    event::{DisableBracketedPaste, EnableBracketedPaste},
    queue,
    terminal::{self, Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen},
};
use ratatui::{Terminal, TerminalOptions, Viewport, backend::CrosstermBackend, layout::Rect};

use crate::{
    error::{Failure, Outcome},
    terminal::Guard,
};

/// The terminal while the screen is on it.
pub(super) struct Screen {
    tty: File,
    terminal: Terminal<CrosstermBackend<BufWriter<File>>>,
    inline_rows: Option<u16>,
    area: Rect,
    guard: Guard,
}

/// Larger than any frame, so that one goes out in one write and never half drawn.
const FRAME_BYTES: usize = 256 * 1024;

fn failed(error: io::Error) -> Failure {
    Failure::at("/dev/tty".as_ref(), &error)
}

impl Screen {
    /// Takes the terminal over. `inline_rows` asks for so many rows below the prompt.
    pub(super) fn open(inline_rows: Option<u16>) -> Outcome<Self> {
        let tty = crate::terminal::open()?;
        let guard = Guard::new(&tty, b"")?;
        stand_in(&tty).map_err(failed)?;
        terminal::enable_raw_mode().map_err(failed)?;
        // A terminal that does not tell where its cursor is has the full screen.
        let inline = inline_rows.and_then(|rows| Some((rows, Place::now(rows)?)));
        let (area, inline_rows) = match inline {
            Some((rows, place)) => {
                let area = place.make_room(&tty).map_err(failed)?;
                guard.undo_with(&place.undo());
                (area, Some(rows))
            }
            None => {
                guard.undo_with(&undo_full());
                queue!(&tty, EnterAlternateScreen, Clear(ClearType::All)).map_err(failed)?;
                (full_area(terminal::size().map_err(failed)?), None)
            }
        };
        queue!(&tty, EnableBracketedPaste).map_err(failed)?;
        let terminal = drawing_on(&tty, area).map_err(failed)?;
        Ok(Self { tty, terminal, inline_rows, area, guard })
    }

    /// Columns and rows to draw in.
    pub(super) fn size(&self) -> (u16, u16) {
        (self.area.width, self.area.height)
    }

    /// Draws a frame.
    pub(super) fn draw(&mut self, view: impl FnOnce(&mut ratatui::Frame<'_>)) -> Outcome {
        self.terminal.draw(view).map_err(failed)?;
        Ok(())
    }

    /// Follows the terminal to another size, or begins anew on the same.
    pub(super) fn resize(&mut self, columns: u16, rows: u16) -> Outcome {
        self.area = match self.inline_rows {
            None => full_area((columns, rows)),
            Some(wanted) => {
                let height = height(wanted, rows);
                let top = self.area.y.min(rows.saturating_sub(height));
                let prompt = top.saturating_sub(1);
                self.guard.undo_with(&Place { column: 0, row: prompt, top, height, scroll: 0, columns }.undo());
                Rect::new(0, top, columns, height)
            }
        };
        // What a terminal makes of lines that became too long is its own affair: everything from here on is cleared.
        queue!(&self.tty, MoveTo(0, self.area.y), Clear(ClearType::FromCursorDown)).map_err(failed)?;
        self.terminal = drawing_on(&self.tty, self.area).map_err(failed)?;
        Ok(())
    }

    /// Gives the terminal back as it was.
    pub(super) fn close(self) {
        let Self { tty: _, terminal, inline_rows: _, area: _, guard } = self;
        drop(terminal);
        drop(guard);
    }
}

fn drawing_on(tty: &File, area: Rect) -> io::Result<Terminal<CrosstermBackend<BufWriter<File>>>> {
    let writer = BufWriter::with_capacity(FRAME_BYTES, tty.try_clone()?);
    Terminal::with_options(CrosstermBackend::new(writer), TerminalOptions { viewport: Viewport::Fixed(area) })
}

fn full_area((columns, rows): (u16, u16)) -> Rect {
    Rect::new(0, 0, columns, rows)
}

/// The terminal in place of standard input and output: the one may have brought the line, the other may be a `$(…)`.
/// Everything that asks or answers the terminal then finds it.
fn stand_in(tty: &File) -> io::Result<()> {
    rustix::stdio::dup2_stdin(tty)?;
    rustix::stdio::dup2_stdout(tty)?;
    Ok(())
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
    fn now(rows: u16) -> Option<Self> {
        let cursor = crossterm::cursor::position().ok()?;
        Some(Self::below(cursor, terminal::size().ok()?, rows))
    }

    /// Below the cursor, in a terminal of this size.
    fn below((column, row): (u16, u16), (columns, rows): (u16, u16), wanted: u16) -> Self {
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
fn height(wanted: u16, rows: u16) -> u16 {
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
        check((5, 0), (80, 24), 10, (0, 1, 10, 0));
        check((0, 3), (80, 24), 10, (3, 3, 10, 0));
        check((5, 23), (80, 24), 10, (13, 14, 10, 10));
        check((5, 15), (80, 24), 10, (13, 14, 10, 2));
        check((5, 4), (80, 5), 10, (0, 1, 4, 4));
        check((5, 0), (80, 1), 10, (0, 0, 1, 1));
    }
}
