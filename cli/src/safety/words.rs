//! Cuts a line into commands and their words, as a POSIX shell would: quotes, escapes, substitutions, redirections and
//! here-documents. Expands nothing and knows no command.
//!
//! Any text reads as something, in time that its length bounds. What is nested deeper than [`DEPTH_MAX`] is left out and
//! said to be: [`Script::is_cut`].

/// Substitutions within substitutions. Nobody writes more by hand.
const DEPTH_MAX: usize = 8;

/// Commands in order.
#[derive(Debug, Default)]
pub(super) struct Script {
    /// What is joined by pipes stands together.
    pub(super) pipelines: Vec<Pipeline>,
    /// The text without quotes and what is in them, and without blanks: for what is recognised by its signs.
    pub(super) signs: String,
    /// Something was nested too deep to be read.
    pub(super) is_cut: bool,
}

/// Commands joined by pipes.
#[derive(Debug, Default)]
pub(super) struct Pipeline {
    /// From the first to the last.
    pub(super) commands: Vec<Command>,
    /// Texts of here-documents and here-strings, which some command of it reads.
    pub(super) documents: Vec<String>,
}

/// A command.
#[derive(Debug, Default)]
pub(super) struct Command {
    /// Its name and what it is given.
    pub(super) words: Vec<Word>,
    /// The files that it writes.
    pub(super) outputs: Vec<Output>,
}

/// A word.
#[derive(Debug, Default)]
pub(super) struct Word {
    /// Without quotes. A substitution is `$()` in it.
    pub(super) text: String,
    /// What is run to make it.
    pub(super) scripts: Vec<Script>,
}

/// A file that is written to.
#[derive(Debug)]
pub(super) struct Output {
    /// Its name.
    pub(super) to: String,
    /// What is there stays.
    pub(super) appends: bool,
}

/// Reads a text.
pub(super) fn read(text: &str) -> Script {
    Reader { letters: text.chars().collect(), at: 0 }.script(None, 0)
}

struct Reader {
    letters: Vec<char>,
    at: usize,
}

/// What becomes of the next word.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Next {
    #[default]
    Argument,
    Output {
        appends: bool,
    },
    Input,
    HereString,
    HereDocument,
}

/// A script while it is read.
#[derive(Default)]
struct Building {
    script: Script,
    pipeline: Pipeline,
    command: Command,
    word: Option<Word>,
    next: Next,
    waiting: Vec<String>,
}

impl Building {
    fn word(&mut self) -> &mut Word {
        self.word.get_or_insert_default()
    }

    fn end_word(&mut self) {
        let Some(word) = self.word.take() else { return };
        match std::mem::take(&mut self.next) {
            Next::Argument => self.command.words.push(word),
            Next::Output { appends } => {
                self.command.outputs.push(Output { to: word.text.clone(), appends });
                self.keep_scripts(word);
            }
            Next::Input => self.keep_scripts(word),
            Next::HereString => {
                self.pipeline.documents.push(word.text.clone());
                self.keep_scripts(word);
            }
            Next::HereDocument => self.waiting.push(word.text),
        }
    }

    /// What is run for a redirection is run all the same.
    fn keep_scripts(&mut self, word: Word) {
        for script in word.scripts {
            self.script.is_cut |= script.is_cut;
            self.script.pipelines.extend(script.pipelines);
        }
    }

    fn end_command(&mut self) {
        self.end_word();
        // A redirection without a file is an error of the shell's, and takes no word of the next command.
        self.next = Next::Argument;
        let command = std::mem::take(&mut self.command);
        if !(command.words.is_empty() && command.outputs.is_empty()) {
            self.pipeline.commands.push(command);
        }
    }

    fn end_pipeline(&mut self) {
        self.end_command();
        let pipeline = std::mem::take(&mut self.pipeline);
        if !(pipeline.commands.is_empty() && pipeline.documents.is_empty()) {
            self.script.pipelines.push(pipeline);
        }
    }
}

impl Reader {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.letters.get(self.at + ahead).copied()
    }

    fn next(&mut self) -> Option<char> {
        let letter = self.peek(0)?;
        self.at += 1;
        Some(letter)
    }

    /// Passes over a letter if it is this one.
    fn takes(&mut self, letter: char) -> bool {
        let is_there = self.peek(0) == Some(letter);
        self.at += usize::from(is_there);
        is_there
    }

    /// Reads up to an end, or to the end of all.
    fn script(&mut self, end: Option<char>, depth: usize) -> Script {
        let mut building = Building::default();
        let mut is_comment = false;
        while let Some(letter) = self.next() {
            if Some(letter) == end {
                break;
            }
            // In a comment a quote opens nothing. Some shells know no comments at a prompt, so the rest counts.
            if is_comment && matches!(letter, '\'' | '"' | '`' | '\\') {
                building.word().text.push(letter);
                continue;
            }
            if !matches!(letter, '\'' | '"' | '\\') && !letter.is_whitespace() {
                building.script.signs.push(letter);
            }
            match letter {
                '\n' => {
                    is_comment = false;
                    building.end_word();
                    self.documents(&mut building);
                    building.end_pipeline();
                }
                letter if letter.is_whitespace() => building.end_word(),
                ';' => building.end_pipeline(),
                '&' if self.peek(0) == Some('>') => {}
                '&' => {
                    self.takes('&');
                    building.end_pipeline();
                }
                '|' if self.takes('|') => building.end_pipeline(),
                '|' => {
                    self.takes('&');
                    building.end_command();
                }
                '(' => self.group(&mut building, depth),
                ')' => building.end_pipeline(),
                '<' | '>' => self.redirection(letter, &mut building, depth),
                '#' if building.word.is_none() => {
                    is_comment = true;
                    building.word().text.push(letter);
                }
                letter => self.part(letter, &mut building, depth),
            }
        }
        building.end_word();
        building.end_pipeline();
        building.script
    }

    /// A subshell, or the parentheses of a function: what is inside belongs to the same pipeline.
    fn group(&mut self, building: &mut Building, depth: usize) {
        building.end_command();
        let inner = self.inner(')', depth);
        building.script.is_cut |= inner.is_cut;
        building.script.signs.push_str(&inner.signs);
        building.script.signs.push(')');
        for pipeline in inner.pipelines {
            building.pipeline.commands.extend(pipeline.commands);
            building.pipeline.documents.extend(pipeline.documents);
        }
    }

    fn inner(&mut self, end: char, depth: usize) -> Script {
        if depth >= DEPTH_MAX {
            self.at = self.letters.len();
            return Script { is_cut: true, ..Script::default() };
        }
        self.script(Some(end), depth + 1)
    }

    /// A letter that belongs to a word.
    fn part(&mut self, letter: char, building: &mut Building, depth: usize) {
        match letter {
            '\'' => self.quoted(building.word()),
            '"' => {
                let word = building.word();
                while let Some(letter) = self.next() {
                    match letter {
                        '"' => return,
                        '\\' if matches!(self.peek(0), Some('"' | '\\' | '$' | '`')) => word.text.extend(self.next()),
                        '$' | '`' => self.substitution(letter, word, depth),
                        letter => word.text.push(letter),
                    }
                }
            }
            '\\' => match self.next() {
                Some('\n') | None => {}
                Some(letter) => building.word().text.push(letter),
            },
            '$' | '`' => self.substitution(letter, building.word(), depth),
            letter => building.word().text.push(letter),
        }
    }

    fn quoted(&mut self, word: &mut Word) {
        while let Some(letter) = self.next() {
            if letter == '\'' {
                return;
            }
            word.text.push(letter);
        }
    }

    fn substitution(&mut self, letter: char, word: &mut Word, depth: usize) {
        let end = match (letter, self.peek(0)) {
            ('`', _) => '`',
            (_, Some('(')) => {
                self.at += 1;
                ')'
            }
            (_, Some('{')) => {
                word.text.push('$');
                while let Some(letter) = self.next() {
                    word.text.push(letter);
                    if letter == '}' {
                        break;
                    }
                }
                return;
            }
            (_, Some('\'')) => {
                self.at += 1;
                return self.escaped(word);
            }
            _ => return word.text.push(letter),
        };
        word.text.push_str("$()");
        word.scripts.push(self.inner(end, depth));
    }

    /// `$'…'`.
    fn escaped(&mut self, word: &mut Word) {
        while let Some(letter) = self.next() {
            match letter {
                '\'' => return,
                '\\' => match self.next() {
                    Some('n') => word.text.push('\n'),
                    Some('t') => word.text.push('\t'),
                    Some('x') => {
                        let digits: String = (0..2).filter_map(|_| self.hex_digit()).collect();
                        word.text.extend(u8::from_str_radix(&digits, 16).ok().map(char::from));
                    }
                    Some(other) => word.text.push(other),
                    None => {}
                },
                letter => word.text.push(letter),
            }
        }
    }

    fn hex_digit(&mut self) -> Option<char> {
        let digit = self.peek(0).filter(char::is_ascii_hexdigit)?;
        self.at += 1;
        Some(digit)
    }

    fn redirection(&mut self, letter: char, building: &mut Building, depth: usize) {
        if self.takes('(') {
            let script = self.inner(')', depth);
            let word = building.word();
            word.text.push_str("$()");
            word.scripts.push(script);
            return;
        }
        // The number of a descriptor is no word.
        if building.word.as_ref().is_some_and(|word| word.text.bytes().all(|byte| byte.is_ascii_digit())) {
            building.word = None;
        }
        building.end_word();
        building.next = match letter {
            '<' if self.takes('<') => {
                if self.takes('<') {
                    Next::HereString
                } else {
                    self.takes('-');
                    Next::HereDocument
                }
            }
            '<' => {
                self.takes('&');
                Next::Input
            }
            _ => {
                let appends = self.takes('>');
                self.takes('|');
                // `>&2` copies a descriptor.
                let copies = self.takes('&') && self.peek(0).is_some_and(|next| next.is_ascii_digit() || next == '-');
                if copies { Next::Input } else { Next::Output { appends } }
            }
        };
    }

    /// The here-documents that this line has announced.
    fn documents(&mut self, building: &mut Building) {
        for end in std::mem::take(&mut building.waiting) {
            let mut text = String::new();
            loop {
                let from = self.at;
                while self.peek(0).is_some_and(|letter| letter != '\n') {
                    self.at += 1;
                }
                let line: String = self.letters[from..self.at].iter().collect();
                let is_last = self.next().is_none();
                if line.trim_start_matches('\t') == end || (is_last && line.is_empty()) {
                    break;
                }
                text.push_str(&line);
                text.push('\n');
                if is_last {
                    break;
                }
            }
            building.pipeline.documents.push(text);
        }
    }
}
