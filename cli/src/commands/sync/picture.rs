//! A code as a picture (QR) for a terminal: two squares in each character cell, black on white whatever the terminal's
//! own colours are, since a camera wants dark squares on a light ground with a light border.

use qrcode::{Color, EcLevel, QrCode};

/// Light squares around it. The standard asks for four; readers of screens make do with two, and rows are scarce.
const BORDER: usize = 2;

/// The picture, one line of text for two rows of squares; none when it does not fit into a screen of this width, or
/// nothing holds the text.
pub(super) fn draw(text: &str, columns: usize) -> Option<Vec<String>> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let side = code.width() + 2 * BORDER;
    if side > columns {
        return None;
    }
    let squares = code.to_colors();
    let is_dark = |row: usize, column: usize| {
        let inside = |at: usize| at.checked_sub(BORDER).filter(|at| *at < code.width());
        match (inside(row), inside(column)) {
            (Some(row), Some(column)) => squares[row * code.width() + column] == Color::Dark,
            _ => false,
        }
    };
    let cell = |row, column| match (is_dark(row, column), is_dark(row + 1, column)) {
        (true, true) => '█',
        (true, false) => '▀',
        (false, true) => '▄',
        (false, false) => ' ',
    };
    let line = |row| format!("{BLACK_ON_WHITE}{}{PLAIN}", (0..side).map(|at| cell(row, at)).collect::<String>());
    Some((0..side).step_by(2).map(line).collect())
}

const BLACK_ON_WHITE: &str = "\x1b[30;107m";
const PLAIN: &str = "\x1b[0m";

#[cfg(test)]
mod tests {
    use super::*;

    /// The squares as they come out of the text, row by row.
    fn squares(lines: &[String]) -> Vec<Vec<bool>> {
        let mut rows = Vec::new();
        for line in lines {
            let cells = line.trim_start_matches(BLACK_ON_WHITE).trim_end_matches(PLAIN);
            rows.push(cells.chars().map(|cell| "█▀".contains(cell)).collect());
            rows.push(cells.chars().map(|cell| "█▄".contains(cell)).collect());
        }
        rows
    }

    #[test]
    fn every_square_is_where_it_belongs_and_the_border_is_light() {
        let text = "wss://relay.example:7490/#AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA 1234-abandon-zoo";
        let code = QrCode::with_error_correction_level(text, EcLevel::L).expect("it fits");
        let rows = squares(&draw(text, 80).expect("it fits on 80 columns"));
        let side = code.width() + 2 * BORDER;
        for (row, cells) in rows.iter().enumerate() {
            assert_eq!(cells.len(), side);
            for (column, dark) in cells.iter().enumerate() {
                let inside = (BORDER..side - BORDER).contains(&row) && (BORDER..side - BORDER).contains(&column);
                let expected = inside && code[(column - BORDER, row - BORDER)] == Color::Dark;
                assert_eq!(*dark, expected, "row {row}, column {column}");
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_not_drawn() {
        assert!(draw("7-abandon-zoo", 10).is_none());
        assert!(draw(&"x".repeat(5000), 500).is_none());
    }
}
