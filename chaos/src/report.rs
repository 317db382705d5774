//! What a run leaves behind: a line for each body, a JUnit file for machines, and, for each failure, what led to it.

use std::{
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

/// One line of the table.
pub struct Line {
    /// The scenario.
    pub id: &'static str,
    /// Where it ran, with the missing protection when one was.
    pub place: String,
    /// How often.
    pub runs: u64,
    /// What failed, each with the line that repeats it.
    pub failed: Vec<String>,
    /// What it would have needed, when it could not run.
    pub needs: Option<String>,
    /// Seconds in all.
    pub seconds: f64,
    /// Whether it came out as it should.
    pub right: bool,
}

/// The folder that a run's results go to.
pub struct Results {
    folder: PathBuf,
}

impl Results {
    /// In a new folder, named after the moment and the process.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new(root: &Path) -> io::Result<Self> {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let folder = root.join(format!("{}-{}", since.as_secs(), std::process::id()));
        fs::create_dir_all(&folder)?;
        Ok(Self { folder })
    }

    /// Keeps what led to a failure.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep(&self, name: &str, said: &str, timeline: impl IntoIterator<Item = String>) -> io::Result<PathBuf> {
        let file = self.folder.join(format!("{name}.txt"));
        let lines: Vec<String> = timeline.into_iter().collect();
        fs::write(&file, format!("{said}\n\n{}\n", lines.join("\n")))?;
        Ok(file)
    }

    /// Writes the JUnit file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn junit(&self, lines: &[Line]) -> io::Result<()> {
        fs::write(self.folder.join("junit.xml"), junit(lines))
    }
}

fn junit(lines: &[Line]) -> String {
    let wrong = lines.iter().filter(|line| !line.right).count();
    let skipped = lines.iter().filter(|line| line.needs.is_some()).count();
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    push(
        &mut xml,
        format_args!("<testsuite name=\"chaos\" tests=\"{}\" failures=\"{wrong}\" skipped=\"{skipped}\">", lines.len()),
    );
    for line in lines {
        let (id, place, seconds) = (line.id, escaped(&line.place), line.seconds);
        push(&mut xml, format_args!("  <testcase classname=\"{id}\" name=\"{place}\" time=\"{seconds:.3}\">"));
        if let Some(needs) = &line.needs {
            push(&mut xml, format_args!("    <skipped message=\"needs {}\"/>", escaped(needs)));
        } else if !line.right {
            let said = line.failed.first().map_or("passes without its protection", String::as_str);
            push(&mut xml, format_args!("    <failure message=\"{}\"/>", escaped(said)));
        }
        push(&mut xml, format_args!("  </testcase>"));
    }
    push(&mut xml, format_args!("</testsuite>"));
    xml
}

fn push(text: &mut String, line: std::fmt::Arguments<'_>) {
    let written = writeln!(text, "{line}");
    // Writing into a string cannot fail.
    debug_assert!(written.is_ok());
}

fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push_str("&#10;"),
            control if control.is_control() => escaped.push('?'),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_junit_file_says_what_failed_and_what_could_not_run() {
        let line = |needs: Option<&str>, right| Line {
            id: "X-1",
            place: "SIM".to_owned(),
            runs: 3,
            failed: vec!["a < b & \"c\"".to_owned()],
            needs: needs.map(str::to_owned),
            seconds: 0.5,
            right,
        };
        let xml = junit(&[line(None, false), line(Some("strace"), true), line(None, true)]);
        assert!(xml.contains("tests=\"3\" failures=\"1\" skipped=\"1\""), "{xml}");
        assert!(xml.contains("<failure message=\"a &lt; b &amp; &quot;c&quot;\"/>"), "{xml}");
        assert!(xml.contains("needs strace"), "{xml}");
    }
}
