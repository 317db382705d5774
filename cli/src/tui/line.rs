//! The line that is typed in: text and a cursor that stands between letters as people see them.

use unicode_segmentation::UnicodeSegmentation;

/// Bytes of a command that is edited. More than anybody types.
const BYTES_MAX: usize = 8192;

/// Bytes of a query; a paste is cut here. Each letter of it is looked for in every command, and drawn at every key.
pub(super) const QUERY_BYTES_MAX: usize = 4096;

/// A line of text with a cursor.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Line {
    text: String,
    cursor: usize,
    /// What was cut last.
    cut: String,
    /// Ends of lines stay what they are: a command that is edited may have several.
    keeps_newlines: bool,
}

// Written by hand: what is typed is private.
impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { text, cursor, cut: _, keeps_newlines: _ } = self;
        f.debug_struct("Line").field("text_bytes", &text.len()).field("cursor", cursor).finish()
    }
}

impl Line {
    /// With the cursor at the end.
    pub(super) fn new(text: &str) -> Self {
        let mut line = Self::default();
        line.insert(text);
        line
    }

    /// A command to be edited, with its lines as they are. None when it is longer than a line may be.
    pub(super) fn of_command(text: &str) -> Option<Self> {
        let mut line = Self { keeps_newlines: true, ..Self::default() };
        line.insert(text);
        (line.text == text).then_some(line)
    }

    /// What stands in it.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// What stands before the cursor.
    pub(super) fn before_cursor(&self) -> &str {
        &self.text[..self.cursor]
    }

    /// Puts text at the cursor. Ends of lines become blanks: a query has one line. False when not all of it found room.
    pub(super) fn insert(&mut self, text: &str) -> bool {
        let most = if self.keeps_newlines { BYTES_MAX } else { QUERY_BYTES_MAX };
        let room = most.saturating_sub(self.text.len());
        let mut kept = String::new();
        let mut fits = true;
        for letter in text.chars() {
            let is_kept = self.keeps_newlines && matches!(letter, '\n' | '\t');
            let letter = if letter.is_whitespace() && !is_kept { ' ' } else { letter };
            if letter.is_control() && !is_kept {
                continue;
            }
            if kept.len() + letter.len_utf8() > room {
                fits = false;
                break;
            }
            kept.push(letter);
        }
        self.text.insert_str(self.cursor, &kept);
        self.cursor += kept.len();
        fits
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
        self.cursor = self.word_after();
    }

    fn word_after(&self) -> usize {
        let rest = &self.text[self.cursor..];
        let word = rest.find(|letter: char| !letter.is_whitespace()).unwrap_or(rest.len());
        let end = rest[word..].find(char::is_whitespace).map_or(rest.len(), |end| word + end);
        self.cursor + end
    }

    pub(super) fn delete_before(&mut self) {
        self.cut(self.before(), self.cursor);
    }

    pub(super) fn delete_after(&mut self) {
        self.cut(self.cursor, self.after());
    }

    pub(super) fn delete_word_before(&mut self) {
        self.cut_out(self.word_before(), self.cursor);
    }

    pub(super) fn delete_word_after(&mut self) {
        self.cut_out(self.cursor, self.word_after());
    }

    pub(super) fn delete_to_start(&mut self) {
        self.cut_out(0, self.cursor);
    }

    pub(super) fn delete_to_end(&mut self) {
        self.cut_out(self.cursor, self.text.len());
    }

    pub(super) fn delete_all(&mut self) {
        self.cut_out(0, self.text.len());
    }

    /// Puts back what was cut last, as far as there is room.
    pub(super) fn yank(&mut self) {
        let cut = self.cut.clone();
        self.insert(&cut);
    }

    pub(super) fn is_at_start(&self) -> bool {
        self.cursor == 0
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.cursor == self.text.len()
    }

    /// Takes away what can be put back.
    fn cut_out(&mut self, from: usize, to: usize) {
        if from < to {
            self.cut = self.text[from..to].to_owned();
            self.cut(from, to);
        }
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
        line.delete_word_before();
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

    #[test]
    fn what_is_cut_can_be_put_back() {
        let mut line = Line::new("one two three");
        line.delete_word_before();
        line.start();
        line.yank();
        assert_eq!(line.text(), "threeone two ");
        line.delete_word_after();
        assert_eq!(line.text(), "three two ");
        line.delete_all();
        line.delete_all();
        line.yank();
        assert_eq!(line.text(), "three two ", "cutting nothing keeps what was cut");
    }

    #[test]
    fn a_command_keeps_its_lines_and_a_query_has_none() {
        let line = Line::of_command("a\n\tb").expect("it fits");
        assert_eq!(line.text(), "a\n\tb");
        assert!(line.is_at_end() && !line.is_at_start());
        assert_eq!(Line::of_command(&"a".repeat(BYTES_MAX + 1)), None);
        assert_eq!(Line::of_command("a\x1b"), None, "what cannot be typed cannot be edited");
        assert_eq!(Line::new("a\nb").text(), "a b");
        let mut line = Line::new("ab");
        line.left();
        assert!(line.insert("é") && !line.insert(&"x".repeat(200_000)));
        assert_eq!((line.text().len(), line.text().ends_with('b')), (QUERY_BYTES_MAX, true), "it is cut and says so");
    }

    proptest! {
        #[test]
        fn no_key_takes_the_cursor_inside_a_letter(text: String, keys in prop::collection::vec(0..13u8, 0..40)) {
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
                    8 => line.delete_word_before(),
                    9 => line.delete_to_start(),
                    10 => line.delete_word_after(),
                    11 => line.yank(),
                    _ => drop(line.insert("é ")),
                }
                prop_assert!(line.text().is_char_boundary(line.cursor));
            }
        }
    }
}
