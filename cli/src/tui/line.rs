//! The line that is typed in: text and a cursor that stands between letters as people see them.

use unicode_segmentation::UnicodeSegmentation;

/// Bytes of a line. More than anybody types; a paste is cut here.
const BYTES_MAX: usize = 8192;

/// A line of text with a cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    text: String,
    cursor: usize,
}

impl Line {
    /// With the cursor at the end.
    pub(super) fn new(text: &str) -> Self {
        let mut line = Self::default();
        line.insert(text);
        line
    }

    /// What stands in it.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// What stands before the cursor.
    pub(super) fn before_cursor(&self) -> &str {
        &self.text[..self.cursor]
    }

    /// Puts text at the cursor. Ends of lines become blanks: a query has one line.
    pub(super) fn insert(&mut self, text: &str) {
        for letter in text.chars() {
            let letter = if letter.is_whitespace() { ' ' } else { letter };
            if letter.is_control() || self.text.len() + letter.len_utf8() > BYTES_MAX {
                continue;
            }
            self.text.insert(self.cursor, letter);
            self.cursor += letter.len_utf8();
        }
    }

    pub(super) fn left(&mut self) {
        self.cursor = self.before();
    }

    pub(super) fn right(&mut self) {
        self.cursor = self.after();
    }

    pub(super) fn start(&mut self) {
        self.cursor = 0;
    }

    pub(super) fn end(&mut self) {
        self.cursor = self.text.len();
    }

    pub(super) fn word_left(&mut self) {
        self.cursor = self.word_before();
    }

    pub(super) fn word_right(&mut self) {
        let rest = &self.text[self.cursor..];
        let word = rest.find(|letter: char| !letter.is_whitespace()).unwrap_or(rest.len());
        let end = rest[word..].find(char::is_whitespace).map_or(rest.len(), |end| word + end);
        self.cursor += end;
    }

    pub(super) fn delete_before(&mut self) {
        self.cut(self.before(), self.cursor);
    }

    pub(super) fn delete_after(&mut self) {
        self.cut(self.cursor, self.after());
    }

    pub(super) fn delete_word(&mut self) {
        self.cut(self.word_before(), self.cursor);
    }

    pub(super) fn delete_to_start(&mut self) {
        self.cut(0, self.cursor);
    }

    pub(super) fn delete_to_end(&mut self) {
        self.text.truncate(self.cursor);
    }

    fn cut(&mut self, from: usize, to: usize) {
        self.text.replace_range(from..to, "");
        self.cursor = from;
    }

    fn before(&self) -> usize {
        self.before_cursor().grapheme_indices(true).next_back().map_or(0, |(at, _)| at)
    }

    fn after(&self) -> usize {
        self.cursor + self.text[self.cursor..].graphemes(true).next().map_or(0, str::len)
    }

    fn word_before(&self) -> usize {
        let before = self.before_cursor().trim_end();
        before.rfind(char::is_whitespace).map_or(0, |at| at + 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_cursor_goes_by_letters_as_people_see_them() {
        let mut line = Line::new("ae\u{301}👨‍👩‍👧");
        line.left();
        assert_eq!(line.before_cursor(), "ae\u{301}");
        line.delete_before();
        assert_eq!(line.text(), "a👨‍👩‍👧");
        line.delete_after();
        assert_eq!(line.text(), "a");
    }

    #[test]
    fn words_and_ends() {
        let mut line = Line::new("git  commit --amend");
        line.word_left();
        assert_eq!(line.before_cursor(), "git  commit ");
        line.delete_word();
        assert_eq!(line.text(), "git  --amend");
        line.start();
        line.word_right();
        assert_eq!(line.before_cursor(), "git");
        line.delete_to_end();
        line.insert("\nlog\x1b\t");
        assert_eq!(line.text(), "git log ");
        line.left();
        line.delete_to_start();
        assert_eq!(line.text(), " ");
    }

    proptest! {
        #[test]
        fn no_key_takes_the_cursor_inside_a_letter(text: String, keys in prop::collection::vec(0..11u8, 0..40)) {
            let mut line = Line::new(&text);
            for key in keys {
                match key {
                    0 => line.left(),
                    1 => line.right(),
                    2 => line.start(),
                    3 => line.end(),
                    4 => line.word_left(),
                    5 => line.word_right(),
                    6 => line.delete_before(),
                    7 => line.delete_after(),
                    8 => line.delete_word(),
                    9 => line.delete_to_start(),
                    _ => line.insert("é "),
                }
                prop_assert!(line.text().is_char_boundary(line.cursor));
            }
        }
    }
}
