//! The documented file: every setting with what it does and may be, commented out, so that it changes nothing until a
//! person takes a `#` away. Printed from the table of settings.

use caro_schema::settings::{ALL, Kind, Reader, Setting};

/// The whole file.
pub(super) fn page() -> String {
    let mut page = String::from(HEAD);
    let mut table = "";
    for setting in ALL {
        let (own, key) = setting.name.rsplit_once('.').unwrap_or(("", setting.name));
        if own != table {
            page += &format!("\n[{own}]\n");
            table = own;
        }
        page.push('\n');
        for line in wrapped(&told(setting), "# ") {
            page += &line;
            page.push('\n');
        }
        page += &match setting.kind {
            Kind::Table => format!("#[{}]\n", setting.name),
            _ => format!("#{key} = {}\n", setting.default),
        };
    }
    page
}

const HEAD: &str = "# caro's settings. Each stands here with its default; take the # in front of one away to change it.
# What is in force: caro config list. Where something is wrong: caro doctor.
";

fn told(setting: &Setting) -> String {
    let Setting { kind, doc, reader, .. } = setting;
    let may_be = if *kind == Kind::Table { String::new() } else { format!(" It may be {}.", kind.in_words()) };
    let later = if *reader == Reader::DaemonAtStart { " In force after: caro daemon restart." } else { "" };
    format!("{doc}{may_be}{later}")
}

/// A text in lines of a width that fits beside others, each with this in front.
pub(super) fn wrapped(text: &str, front: &str) -> Vec<String> {
    const WIDTH: usize = 100;
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!("{front}{word}")),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::{super::check::problems, *};

    #[test]
    fn the_documented_file_changes_nothing_and_every_line_of_it_can_be_used() {
        assert_eq!(problems(&page()), []);
        let is_setting = |line: &str| line.starts_with('#') && !line.starts_with("# ");
        assert_eq!(page().lines().filter(|line| is_setting(line)).count(), ALL.len());
        let used: String = page()
            .lines()
            .map(|line| if is_setting(line) { line[1..].to_owned() } else { line.to_owned() } + "\n")
            .collect();
        assert_eq!(problems(&used), []);
    }

    #[test]
    fn the_page_in_the_documents_is_this_one() {
        let kept = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md"));
        let kept = kept.expect("there");
        assert!(kept.contains(&page()), "docs/configuration.md is stale; put into it what caro config default prints");
    }

    #[test]
    fn documentation_is_wrapped_and_nothing_of_it_is_lost() {
        let text = "word ".repeat(60) + "end";
        let lines = wrapped(&text, "# ");
        assert!(lines.len() > 2 && lines.iter().all(|line| line.starts_with("# ") && line.len() <= 100));
        assert_eq!(lines.iter().map(|line| &line[2..]).collect::<Vec<_>>().join(" "), text);
    }
}
