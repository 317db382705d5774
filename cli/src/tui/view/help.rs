//! All keys, as they are bound now, with what they do.

use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use crate::tui::{
    action::{ALL, Action, Group},
    condition::Fact,
    key::sequence_name,
    keymap::Binding,
    model::Model,
};

/// Columns of the keys.
const KEYS: usize = 26;

const GROUPS: [(Group, &str); 6] = [
    (Group::Take, "Taking a command"),
    (Group::Move, "Moving"),
    (Group::Narrow, "What is listed"),
    (Group::See, "More to see"),
    (Group::Change, "Several, and deleting"),
    (Group::Line, "The line"),
];

/// What can be typed as filters, as it stands in the help.
const FILTERS: [(&str, &str); 8] = [
    ("dir:. under:~/src repo:.", "where it ran"),
    ("host:NAME user:NAME", "on which host, as whom"),
    ("session:. shell:zsh", "in which session or shell"),
    ("exit:1 failed: ok:", "how it ended"),
    ("after:yesterday", "and before: when it ran"),
    ("author:me tag:x", "who made it: me, assistant, or its name"),
    ("safety:high asked:word", "what an assistant said of it"),
    ("^start end$ 'exact !not |", "in fuzzy mode"),
];

pub(super) fn lines(model: &Model) -> Vec<Line<'static>> {
    let theme = &model.setup.theme;
    let mut lines = Vec::new();
    for (group, title) in GROUPS {
        lines.push(Line::styled(title, theme.prompt));
        for (action, _, _, words) in ALL.iter().filter(|(_, _, of, _)| *of == group) {
            let keys = keys(model, *action);
            if !keys.is_empty() {
                lines.extend(entry(model, &keys, words));
            }
        }
        lines.push(Line::default());
    }
    lines.push(Line::styled("Filters among the words that are typed", theme.prompt));
    lines.extend(FILTERS.iter().flat_map(|(filter, words)| entry(model, &[(*filter).to_owned()], words)));
    lines
}

/// Keys and what they do: beside each other where the keys are few, otherwise the words below.
fn entry(model: &Model, keys: &[String], words: &str) -> Vec<Line<'static>> {
    let theme = &model.setup.theme;
    let columns = usize::from(model.size.0);
    // On a narrow terminal the words stand below the keys, and a little further in.
    let indent = if columns >= 2 * KEYS { KEYS } else { 4 };
    let mut lines: Vec<Line<'static>> =
        rows(keys, columns).into_iter().map(|row| Line::from(Span::styled(row, theme.option))).collect();
    let mut words = in_rows(words, columns.saturating_sub(indent)).into_iter();
    if let [only] = lines.as_mut_slice()
        && only.width() + 2 <= indent
        && let Some(first) = words.next()
    {
        only.push_span(Span::raw(" ".repeat(indent - only.width())));
        only.push_span(Span::styled(first, theme.text));
    }
    let below = |row| Line::from(vec![Span::raw(" ".repeat(indent)), Span::styled(row, theme.text)]);
    lines.extend(words.map(below));
    lines
}

/// Words in rows of so many columns.
fn in_rows(words: &str, columns: usize) -> Vec<String> {
    let mut rows: Vec<String> = Vec::new();
    for word in words.split(' ') {
        match rows.last_mut() {
            Some(row) if row.width() + 1 + word.width() <= columns => row.push_str(&format!(" {word}")),
            _ => rows.push(word.to_owned()),
        }
    }
    rows
}

/// Keys in rows of so many columns, none torn.
fn rows(keys: &[String], columns: usize) -> Vec<String> {
    let mut rows: Vec<String> = Vec::new();
    for key in keys {
        match rows.last_mut() {
            Some(row) if row.width() + 2 + key.width() <= columns => row.push_str(&format!("  {key}")),
            _ => rows.push(format!("  {key}")),
        }
    }
    rows
}

/// The keys of an action, each with its condition when it has one. Those of the mode that is not used are left out, and
/// those that the person has given another meaning.
fn keys(model: &Model, action: Action) -> Vec<String> {
    let all: Vec<&Binding> = model.setup.keymap.all().collect();
    let is_hidden = |at: usize, binding: &Binding| {
        all[..at].iter().any(|earlier| {
            earlier.keys == binding.keys && (earlier.when == binding.when || earlier.when.words().is_empty())
        })
    };
    let unused = if model.setup.vim { &[Fact::Emacs][..] } else { &[Fact::VimInsert, Fact::VimNormal][..] };
    let shown = all.iter().enumerate().filter(|(at, binding)| {
        binding.action == action && !unused.iter().any(|fact| binding.when.needs(*fact)) && !is_hidden(*at, binding)
    });
    let names = shown.map(|(_, binding)| {
        let name = sequence_name(&binding.keys);
        match binding.when.words() {
            when if when.is_empty() => name,
            when => format!("{name} ({when})"),
        }
    });
    names.collect()
}
