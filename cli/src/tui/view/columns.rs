//! What is shown of a command beside its text: which columns, how wide, and what stands in them.

use caro_schema::ipc::history::Hit;
use jiff::tz::TimeZone;
use ratatui::text::Span;

use super::text::{fitted, fitted_end, fitted_start};
use crate::{
    commands::state,
    config::Column,
    output::{time, visible},
    tui::model::{Model, Setup},
};

/// Narrower than this only the mark and the command are shown.
const COLUMNS_FOR_DETAILS: usize = 50;

/// What the columns leave to the command: of so many eighths of the width, one column after the other is left out from
/// the end.
const COMMAND_EIGHTHS: usize = 5;

/// The columns for which there is room, in their order. The command is always among them; one for hosts only once there is
/// more than one of them.
pub(super) fn fitting(wanted: &[Column], other_hosts: bool, width: u16) -> Vec<Column> {
    let mut columns: Vec<Column> = wanted.to_vec();
    columns.retain(|column| other_hosts || *column != Column::Host);
    if !columns.contains(&Column::Command) {
        columns.push(Column::Command);
    }
    let width = usize::from(width);
    // Multiplied first: otherwise a wider terminal would now and then show fewer columns.
    let most = if width < COLUMNS_FOR_DETAILS { 0 } else { width - width * COMMAND_EIGHTHS / 8 };
    while room(&columns) > most {
        let Some(last) = columns.iter().rposition(|column| *column != Column::Command) else { break };
        columns.remove(last);
    }
    columns
}

/// Columns of the terminal that all but the command take, each with a blank.
fn room(columns: &[Column]) -> usize {
    columns.iter().filter(|column| **column != Column::Command).map(|column| width(*column) + 1).sum()
}

/// What is left for the command.
pub(super) fn command_width(columns: &[Column], width: usize) -> usize {
    width.saturating_sub(room(columns))
}

fn width(column: Column) -> usize {
    match column {
        Column::Exit | Column::Age => 4,
        Column::Duration | Column::Runs => 5,
        Column::Time => 16,
        Column::Host | Column::Author => 10,
        Column::User | Column::Session => 8,
        Column::Shell => 6,
        Column::Directory => 24,
        Column::Command => 0,
    }
}

/// What stands in a column, with the blank after it.
pub(super) fn cell(model: &Model, hit: &Hit, column: Column) -> Span<'static> {
    let theme = &model.setup.theme;
    let record = &hit.record;
    let text = |text: String| Span::styled(text + " ", theme.dim);
    let left = |value: &str| text(fitted_start(&visible::line(value.as_bytes()), width(column)));
    let right = |value: String| text(format!("{value:>0$}", width(column)));
    match column {
        Column::Exit => {
            let style = if record.exit.is_some_and(|exit| exit != 0) { theme.failed } else { theme.succeeded };
            // Nobody needs to read that a command went well.
            let ended = if record.exit == Some(0) { String::new() } else { state(record) };
            Span::styled(format!("{ended:>4} "), style)
        }
        Column::Duration => right(record.duration_us.map(time::duration).unwrap_or_default()),
        Column::Age => right(time::age(record.start_us, model.setup.place.now_us)),
        Column::Time => {
            let full = time::local(record.start_us, &zone(&model.setup));
            text(fitted(&full, width(column)))
        }
        // Nobody needs to read where they are.
        Column::Host if record.host == model.setup.place.host => left(""),
        Column::Host => left(&record.host),
        Column::User => left(&record.user),
        Column::Directory => text(fitted_end(&directory(&model.setup, &record.directory), width(column))),
        Column::Session => left(&record.session),
        Column::Shell => left(record.shell.split(' ').next().unwrap_or_default()),
        Column::Author => left(author(hit)),
        Column::Runs if hit.runs > 1 => right(format!("×{}", hit.runs.min(9999))),
        Column::Runs => left(""),
        Column::Command => Span::raw(""),
    }
}

/// Who made it: nothing for a person.
fn author(hit: &Hit) -> &str {
    match &hit.record.assistant {
        None => "",
        Some(assistant) if !assistant.author.is_empty() => &assistant.author,
        Some(assistant) if !assistant.model.is_empty() => &assistant.model,
        Some(_) => "assistant",
    }
}

/// The person's own time zone.
pub(super) fn zone(setup: &Setup) -> TimeZone {
    setup.now.time_zone().clone()
}

/// A directory, with the home as `~`.
pub(super) fn directory(setup: &Setup, directory: &[u8]) -> String {
    let inside = directory.strip_prefix(setup.home.as_slice()).filter(|_| setup.home.len() > 1);
    match inside {
        Some(rest) if rest.is_empty() || rest.starts_with(b"/") => format!("~{}", visible::line(rest)),
        _ => visible::line(directory),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_columns_are_left_out_first_and_the_command_never() {
        let wanted = [Column::Exit, Column::Duration, Column::Age, Column::Host, Column::Directory];
        let check = |width: u16, count: usize| {
            let columns = fitting(&wanted, true, width);
            assert_eq!(columns[..count], wanted[..count], "{width}");
            assert_eq!(columns[count..], [Column::Command], "{width}");
        };
        check(200, 5);
        check(100, 4);
        check(60, 3);
        check(49, 0);
        check(1, 0);
        let alone = [Column::Exit, Column::Duration, Column::Age, Column::Directory, Column::Command];
        assert_eq!(fitting(&wanted, false, 200), alone, "there are no other hosts");
        let moved = fitting(&[Column::Command, Column::Age], true, 200);
        assert_eq!(moved, [Column::Command, Column::Age]);
    }
}
