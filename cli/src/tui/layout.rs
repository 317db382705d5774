//! Where things are on the screen: the same for drawing and for the mouse.

use ratatui::layout::Rect;

use crate::config::Direction;

/// The parts of the screen, counted from its own upper left corner. A part for which there is no room has no rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) list: Rect,
    pub(super) preview: Rect,
    pub(super) line: Rect,
    pub(super) status: Rect,
}

impl Layout {
    /// Of a screen of so many columns and rows. On one too small for all parts the line comes first.
    pub(super) fn new((columns, rows): (u16, u16), direction: Direction, preview: bool) -> Self {
        let part = |top: u16, height: u16| Rect::new(0, top, columns, height);
        let preview = if preview { preview_rows(rows) } else { 0 };
        let list = rows.saturating_sub(2 + preview);
        match (rows, direction) {
            (0, _) => Self::default(),
            (1, _) => Self { line: part(0, 1), ..Self::default() },
            (rows, Direction::Up) => Self {
                list: part(0, list),
                preview: part(list, preview),
                line: part(rows - 2, 1),
                status: part(rows - 1, 1),
            },
            (rows, Direction::Down) => Self {
                line: part(0, 1),
                list: part(1, list),
                preview: part(1 + list, preview),
                status: part(rows - 1, 1),
            },
        }
    }

    /// The room that a pane takes: that of the list and the preview.
    pub(super) fn pane(&self) -> Rect {
        Rect { height: self.list.height + self.preview.height, ..self.list }
    }
}

/// Rows of the preview, with its rule: only where there is room for both.
fn preview_rows(rows: u16) -> u16 {
    match rows {
        0..12 => 0,
        rows @ 12..24 => rows / 4,
        rows => (rows / 3).min(12),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_rows_are_used_once() {
        for direction in [Direction::Up, Direction::Down] {
            for rows in 0..100 {
                for preview in [true, false] {
                    let layout = Layout::new((80, rows), direction, preview);
                    let Layout { list, preview, line, status } = layout;
                    let sum: u16 = [list, preview, line, status].iter().map(|part| part.height).sum();
                    assert_eq!(sum, rows, "{layout:?}");
                    assert!([list, preview, line, status].iter().all(|part| part.bottom() <= rows), "{layout:?}");
                    assert_eq!(line.height, rows.min(1), "the line comes first");
                }
            }
        }
    }
}
