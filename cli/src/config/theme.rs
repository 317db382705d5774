//! How the screen looks: a style for each thing that is told apart. Built-in themes, and the person's own files in the
//! folder `themes` beside the configuration.
//!
//! Colour only repeats what a sign, a place or a word says: `plain` has none and lacks nothing. A file that cannot be
//! used leaves the built-in theme in place and is told by `caro doctor`.

use std::{fs, path::Path};

use ratatui::style::{Color, Modifier, Style};
use toml::{Table, Value};

/// A style for everything that is told apart on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Theme {
    /// Plain words.
    pub(crate) text: Style,
    /// What is less important: columns, rules, the status.
    pub(crate) dim: Style,
    /// Laid over the chosen row.
    pub(crate) chosen: Style,
    /// Laid over what matched.
    pub(crate) matched: Style,
    /// The sign of a marked row, and the words about marks.
    pub(crate) marked: Style,
    /// What went well.
    pub(crate) succeeded: Style,
    /// What failed, and warnings.
    pub(crate) failed: Style,
    /// What stands before the line.
    pub(crate) prompt: Style,
    /// A filter in the line, such as `host:desk`.
    pub(crate) filter: Style,
    /// Stands for something that may not be shown as it is.
    pub(crate) token: Style,
    /// The first word of a command.
    pub(crate) command: Style,
    /// A word of the shell itself, such as `if`.
    pub(crate) keyword: Style,
    /// `-x` and `--long`.
    pub(crate) option: Style,
    /// Something in quotes.
    pub(crate) string: Style,
    /// `$NAME`.
    pub(crate) variable: Style,
    /// `|`, `&&`, `>`.
    pub(crate) operator: Style,
    /// From `#` to the end.
    pub(crate) comment: Style,
}

/// Names of the built-in themes, as the configuration has them.
pub(crate) const BUILT_IN: [&str; 4] = ["dark", "light", "16", "plain"];

/// Bytes of a theme's file.
const FILE_BYTES_MAX: u64 = 64 * 1024;

impl Theme {
    /// A built-in one.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "dark" => Some(Self::with_colours(&[110, 108, 179, 139, 73, 174, 246, 214])),
            "light" => Some(Self::with_colours(&[25, 28, 94, 90, 30, 124, 242, 130])),
            "16" => Some(Self::sixteen()),
            "plain" => Some(Self::plain()),
            _ => None,
        }
    }

    /// The one that suits a terminal that says of itself what `var` tells.
    pub(crate) fn suiting(var: impl Fn(&str) -> Option<String>) -> Self {
        let var = |name: &str| var(name).unwrap_or_default();
        let term = var("TERM");
        if !var("NO_COLOR").is_empty() || term == "dumb" || term.ends_with("-m") || term.starts_with("vt1") {
            return Self::plain();
        }
        if !term.contains("256color") && !term.contains("direct") && var("COLORTERM").is_empty() {
            return Self::sixteen();
        }
        // `foreground;background` by number: 7 and 15 are the light ones.
        let background = var("COLORFGBG").rsplit(';').next().map(str::to_owned).unwrap_or_default();
        let name = if ["7", "15"].contains(&background.as_str()) { "light" } else { "dark" };
        Self::named(name).unwrap_or_else(Self::plain)
    }

    /// No colour: only what every terminal has.
    pub(crate) fn plain() -> Self {
        let style = Style::new();
        let dim = style.add_modifier(Modifier::DIM);
        let bold = style.add_modifier(Modifier::BOLD);
        Self {
            text: style,
            dim,
            chosen: bold,
            matched: style.add_modifier(Modifier::BOLD.union(Modifier::UNDERLINED)),
            marked: bold,
            succeeded: dim,
            failed: bold,
            prompt: bold,
            filter: style.add_modifier(Modifier::UNDERLINED),
            token: style.add_modifier(Modifier::REVERSED),
            command: style,
            keyword: style,
            option: style,
            string: style,
            variable: style,
            operator: style,
            comment: dim,
        }
    }

    /// The sixteen colours that the person has chosen for their terminal.
    fn sixteen() -> Self {
        let colour = |colour: Color| Style::new().fg(colour);
        Self {
            matched: colour(Color::Yellow).add_modifier(Modifier::BOLD.union(Modifier::UNDERLINED)),
            marked: colour(Color::Magenta),
            succeeded: colour(Color::Green),
            failed: colour(Color::Red),
            prompt: colour(Color::Blue).add_modifier(Modifier::BOLD),
            filter: colour(Color::Cyan),
            command: colour(Color::Blue),
            keyword: colour(Color::Magenta),
            option: colour(Color::Cyan),
            string: colour(Color::Green),
            variable: colour(Color::Yellow),
            operator: colour(Color::Red),
            ..Self::plain()
        }
    }

    /// Command, string, variable, keyword, option, operator and failure, comment, match: numbers of the 256 colours.
    fn with_colours(numbers: &[u8; 8]) -> Self {
        let [command, string, variable, keyword, option, operator, comment, matched] =
            numbers.map(|number| Style::new().fg(Color::Indexed(number)));
        Self {
            dim: comment,
            matched: matched.add_modifier(Modifier::BOLD.union(Modifier::UNDERLINED)),
            marked: keyword.add_modifier(Modifier::BOLD),
            succeeded: string,
            failed: operator.add_modifier(Modifier::BOLD),
            prompt: command.add_modifier(Modifier::BOLD),
            filter: option,
            command,
            keyword,
            option,
            string,
            variable,
            operator,
            comment,
            ..Self::plain()
        }
    }

    /// From a file: `base = "dark"` and a table `[styles]` with styles by name.
    pub(crate) fn read(path: &Path) -> Result<(Self, Vec<String>), String> {
        let size = fs::metadata(path).map_err(|_| "there is no such theme, and no file for it".to_owned())?.len();
        if size > FILE_BYTES_MAX {
            return Err("its file is too large".to_owned());
        }
        let text = fs::read_to_string(path).map_err(|_| "its file cannot be read".to_owned())?;
        Self::parse(&text)
    }

    fn parse(text: &str) -> Result<(Self, Vec<String>), String> {
        let file: Table = text.parse().map_err(|_| "its file is no TOML".to_owned())?;
        let mut problems = Vec::new();
        let base = file.get("base").and_then(Value::as_str).unwrap_or("dark");
        let mut theme = Self::named(base).unwrap_or_else(|| {
            problems.push(format!("base: it may be {}", BUILT_IN.join(", ")));
            Self::plain()
        });
        for key in file.keys().filter(|key| !["base", "styles"].contains(&key.as_str())) {
            problems.push(format!("{key}: a theme has only base and styles"));
        }
        for (name, value) in file.get("styles").and_then(Value::as_table).into_iter().flatten() {
            match (theme.part(name), value.as_str().and_then(style)) {
                (Some(part), Some(style)) => *part = style,
                (None, _) => problems.push(format!("styles.{name}: there is no such style")),
                (_, None) => problems.push(format!("styles.{name}: like \"bold #ff8800 on black\"")),
            }
        }
        Ok((theme, problems))
    }

    fn part(&mut self, name: &str) -> Option<&mut Style> {
        Some(match name {
            "text" => &mut self.text,
            "dim" => &mut self.dim,
            "chosen" => &mut self.chosen,
            "matched" => &mut self.matched,
            "marked" => &mut self.marked,
            "succeeded" => &mut self.succeeded,
            "failed" => &mut self.failed,
            "prompt" => &mut self.prompt,
            "filter" => &mut self.filter,
            "token" => &mut self.token,
            "command" => &mut self.command,
            "keyword" => &mut self.keyword,
            "option" => &mut self.option,
            "string" => &mut self.string,
            "variable" => &mut self.variable,
            "operator" => &mut self.operator,
            "comment" => &mut self.comment,
            _ => return None,
        })
    }
}

/// Reads a style: words such as `bold`, a colour by name, number or `#rrggbb`, and one after `on` for the background.
fn style(text: &str) -> Option<Style> {
    let mut style = Style::new();
    let mut is_background = false;
    for word in text.split_whitespace() {
        let modifier = match word {
            "bold" => Some(Modifier::BOLD),
            "dim" => Some(Modifier::DIM),
            "italic" => Some(Modifier::ITALIC),
            "underlined" => Some(Modifier::UNDERLINED),
            "reversed" => Some(Modifier::REVERSED),
            "crossed" => Some(Modifier::CROSSED_OUT),
            _ => None,
        };
        match (word, modifier) {
            ("plain", _) => {}
            ("on", _) if !is_background => is_background = true,
            (_, Some(modifier)) => style = style.add_modifier(modifier),
            (word, None) => {
                let colour: Color = word.parse().ok()?;
                style = if is_background { style.bg(colour) } else { style.fg(colour) };
                is_background = false;
            }
        }
    }
    (!is_background).then_some(style)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_gets_what_suits_it() {
        let check = |vars: &[(&str, &str)], name: &str| {
            let var = |name: &str| vars.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
            assert_eq!(Some(Theme::suiting(var)), Theme::named(name), "{vars:?}");
        };
        check(&[("TERM", "xterm-256color")], "dark");
        check(&[("TERM", "xterm-256color"), ("COLORFGBG", "0;15")], "light");
        check(&[("TERM", "xterm-256color"), ("COLORFGBG", "15;default;0")], "dark");
        check(&[("TERM", "xterm"), ("COLORTERM", "truecolor")], "dark");
        check(&[("TERM", "linux")], "16");
        check(&[("TERM", "dumb")], "plain");
        check(&[("TERM", "vt100")], "plain");
        check(&[("TERM", "xterm-256color"), ("NO_COLOR", "1")], "plain");
        check(&[("TERM", "xterm-256color"), ("NO_COLOR", "")], "dark");
    }

    #[test]
    fn plain_has_no_colour_at_all() {
        assert!(!format!("{:?}", Theme::plain()).contains("Some("), "{:?}", Theme::plain());
    }

    #[test]
    fn a_file_changes_what_it_names() {
        let text = "base = \"plain\"\n[styles]\nmatched = \"bold #ff8800 on 17\"\ncommand = \"light-blue\"\n";
        let (theme, problems) = Theme::parse(text).expect("a theme");
        assert!(problems.is_empty(), "{problems:?}");
        let bold = Style::new().add_modifier(Modifier::BOLD);
        assert_eq!(theme.matched, bold.fg(Color::Rgb(255, 136, 0)).bg(Color::Indexed(17)));
        assert_eq!(theme.command, Style::new().fg(Color::LightBlue));
        assert_eq!(theme.string, Theme::plain().string);
    }

    #[test]
    fn what_a_file_gets_wrong_is_told() {
        let text = "base = \"moon\"\nname = 1\n[styles]\nsky = \"blue\"\ntext = \"bleu\"\ndim = \"on\"\n";
        let (theme, problems) = Theme::parse(text).expect("a theme");
        assert_eq!(theme, Theme::plain());
        assert_eq!(
            problems,
            [
                "base: it may be dark, light, 16, plain",
                "name: a theme has only base and styles",
                "styles.dim: like \"bold #ff8800 on black\"",
                "styles.sky: there is no such style",
                "styles.text: like \"bold #ff8800 on black\"",
            ]
        );
        assert!(Theme::parse("[").is_err());
        assert!(Theme::read(Path::new("/nowhere")).is_err());
    }

    #[test]
    fn every_style_can_be_named() {
        let mut theme = Theme::plain();
        // One name per field: the fields are counted by their names in the debug form.
        let fields = format!("{theme:?}");
        for name in ["text", "dim", "chosen", "matched", "marked", "succeeded", "failed", "prompt", "filter", "token"] {
            assert!(fields.contains(&format!("{name}: ")) && theme.part(name).is_some(), "{name}");
        }
        for name in ["command", "keyword", "option", "string", "variable", "operator", "comment"] {
            assert!(fields.contains(&format!("{name}: ")) && theme.part(name).is_some(), "{name}");
        }
        assert_eq!(fields.matches(": Style").count(), 17);
    }
}
