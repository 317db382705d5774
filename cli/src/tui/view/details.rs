//! All about a command: its runs, where and how often, how it went, and what came before and after in its session.

use caro_schema::{
    body::history::{Assistant, Record},
    ipc::history::{Details, Tally},
};
use ratatui::{
    style::Style,
    text::{Line, Span},
};

use super::{
    columns, preview,
    text::{Paint, letter_start, one_line},
};
use crate::{
    commands::state,
    output::{time, visible},
    safety,
    tui::{
        message::About,
        model::{DetailsPane, Model},
    },
};

/// Lines of the command itself. The preview shows all of it.
const COMMAND_ROWS: usize = 6;

/// Bytes of another command that are shown.
const OTHER_BYTES: usize = 400;

/// Columns of a list's numbers.
const NUMBER: usize = 7;

pub(super) fn lines(model: &Model, pane: &DetailsPane) -> Vec<Line<'static>> {
    let setup = &model.setup;
    let width = usize::from(model.size.0).max(1);
    let mut lines = preview::command(setup, &pane.hit, width, COMMAND_ROWS);
    lines.push(Line::default());
    match &pane.details {
        None => lines.push(Line::styled("…", setup.theme.dim)),
        Some(Err(failure)) => lines.push(Line::styled(visible::line(failure.message.as_bytes()), setup.theme.failed)),
        Some(Ok(all)) => lines.extend(about(model, &pane.hit.record, all)),
    }
    lines
}

fn about(model: &Model, record: &Record, all: &About) -> Vec<Line<'static>> {
    let About { details, runs: newest } = all;
    let mut lines = vec![runs(model, details)];
    lines.extend(times(model, details));
    let title = |title: &str| Line::styled(title.to_owned(), model.setup.theme.prompt);
    lines.extend([Line::default(), title("In its session")]);
    lines.extend(beside(model, "before", details.before.as_ref()));
    lines.extend(beside(model, "this", Some(record)));
    lines.extend(beside(model, "after", details.after.as_ref()));
    if let Some(assistant) = &record.assistant {
        lines.extend([Line::default(), title("Made by an assistant")]);
        lines.extend(made(assistant));
    }
    let directory = |tally: &Tally| columns::directory(&model.setup, &tally.text);
    lines.extend(tallies(model, "Directories", &details.directories, details.directories_total, directory));
    lines.extend(tallies(model, "Hosts", &details.hosts, details.hosts_total, |tally| visible::line(&tally.text)));
    let total = details.followed_by.len() as u64;
    lines.extend(tallies(model, "Usually followed by", &details.followed_by, total, |tally| {
        visible::line(&tally.text[..letter_start(&tally.text, OTHER_BYTES)])
    }));
    lines.extend(list_of_runs(model, newest));
    lines
}

/// What the assistant said, and how dangerous the command is by its word or by caro's rules.
fn made(assistant: &Assistant) -> Vec<Line<'static>> {
    let Assistant { prompt, explanation, model, author, tags, .. } = assistant;
    let (safety, tags) = (safety::in_words(assistant), tags.join(", "));
    let said = [
        ("author", author),
        ("model", model),
        ("asked", prompt),
        ("said", explanation),
        ("safety", &safety),
        ("tags", &tags),
    ];
    said.iter()
        .filter(|(_, words)| !words.is_empty())
        .map(|(name, words)| Line::from(format!("  {name:<7}{}", visible::line(words.as_bytes()))))
        .collect()
}

/// The newest runs, one in a line.
fn list_of_runs(model: &Model, newest: &[Record]) -> Vec<Line<'static>> {
    if newest.is_empty() {
        return Vec::new();
    }
    let theme = &model.setup.theme;
    let zone = columns::zone(&model.setup);
    let mut lines = vec![Line::default(), Line::styled("Runs, the newest first", theme.prompt)];
    lines.extend(newest.iter().map(|record| {
        let failed = record.exit.is_some_and(|exit| exit != 0);
        let took = record.duration_us.map(time::duration).unwrap_or_default();
        let host = visible::line(record.host.as_bytes());
        Line::from(vec![
            Span::styled(format!("  {}  ", time::local(record.start_us, &zone)), theme.dim),
            Span::styled(format!("{:>4} ", state(record)), if failed { theme.failed } else { theme.succeeded }),
            Span::styled(format!("{took:>5}  {host}  "), theme.dim),
            Span::styled(columns::directory(&model.setup, &record.directory), theme.text),
        ])
    }));
    lines
}

/// How often, and how it went.
fn runs(model: &Model, details: &Details) -> Line<'static> {
    let theme = &model.setup.theme;
    let Details { runs, succeeded, failed, .. } = details;
    let known = succeeded + failed;
    let rate = (succeeded * 100).checked_div(known);
    let rate = rate.map_or_else(|| "how they ended is not known".to_owned(), |rate| format!("{rate}% went well"));
    let mut spans = vec![Span::styled(format!("{runs} runs, {rate}"), theme.text)];
    if *failed > 0 {
        spans.push(Span::styled(format!(", {failed} failed"), theme.failed));
    }
    Line::from(spans)
}

fn times(model: &Model, details: &Details) -> Vec<Line<'static>> {
    let zone = columns::zone(&model.setup);
    let now = model.setup.place.now_us;
    let at = |us: i64| format!("{} ({})", time::local(us, &zone), time::age(us, now));
    let mut lines = vec![Line::from(format!("last {}, first {}", at(details.last_us), at(details.first_us)))];
    if let (Some(mean), Some(longest)) = (details.mean_us, details.longest_us) {
        let took = format!("took {} on average, {} at most", time::duration(mean), time::duration(longest));
        lines.push(Line::from(took));
    }
    lines
}

fn beside(model: &Model, name: &str, record: Option<&Record>) -> Option<Line<'static>> {
    let record = record?;
    let theme = &model.setup.theme;
    let mut spans = vec![Span::styled(format!("  {name:<7}"), theme.dim)];
    let shown = &record.command[..letter_start(&record.command, OTHER_BYTES)];
    spans.extend(one_line(shown, 0..shown.len(), &Paint::command(theme, Style::new(), shown, &[])));
    Some(Line::from(spans))
}

fn tallies(
    model: &Model,
    title: &str,
    tallies: &[Tally],
    total: u64,
    shown: impl Fn(&Tally) -> String,
) -> Vec<Line<'static>> {
    if tallies.is_empty() {
        return Vec::new();
    }
    let theme = &model.setup.theme;
    let more = total.saturating_sub(tallies.len() as u64);
    let title = if more > 0 { format!("{title} ({more} more)") } else { title.to_owned() };
    let mut lines = vec![Line::default(), Line::styled(title, theme.prompt)];
    lines.extend(tallies.iter().map(|tally| {
        let number = Span::styled(format!("{:>NUMBER$} ", tally.runs), theme.dim);
        Line::from(vec![number, Span::styled(shown(tally), theme.text)])
    }));
    lines
}
