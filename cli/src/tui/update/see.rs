//! What there is to see beside the list: help, details, the preview, marks, and the session around a run.

use caro_schema::ipc::history::{Order, Window};

use super::{ask_anew, bring_into_sight, edit, take};
use crate::{
    error::Failure,
    tui::{
        effect::{Effect, Search, Subject},
        model::{Context, DetailsPane, Model, Pane, Waits, is_same},
        view,
    },
};

/// Marks the chosen command, or run in a session, or takes its mark away, and goes on to the next.
pub(super) fn mark(model: &mut Model) -> Vec<Effect> {
    let Some(hit) = model.list.chosen().filter(|_| model.is_current()).cloned() else { return Vec::new() };
    let before = model.marks.len();
    let by_run = model.context.is_some();
    model.marks.retain(|mark| !is_same(by_run, mark, &hit));
    if model.marks.len() == before {
        if model.marks.len() >= MARKS_MAX {
            model.notice = format!("no more than {MARKS_MAX} at once");
            return Vec::new();
        }
        model.marks.push(hit);
    }
    super::go(model, model.list.stepped(1))
}

/// Commands that are taken together. More is a script.
const MARKS_MAX: usize = 1000;

/// Opens the details of the chosen command.
pub(super) fn details(model: &mut Model, now_ms: u64) -> Vec<Effect> {
    if take::is_held(model, Waits::Details, now_ms) {
        return Vec::new();
    }
    let Some(hit) = model.list.chosen().cloned() else { return Vec::new() };
    let subject = Subject { id: hit.record.id, command: hit.record.command.to_vec() };
    model.pane = Some(Pane::Details(Box::new(DetailsPane { hit, details: None, top: 0 })));
    vec![Effect::Details(subject)]
}

/// Opens the help.
pub(super) fn help(model: &mut Model) -> Vec<Effect> {
    model.pane = Some(Pane::Help(0));
    Vec::new()
}

/// Scrolls what stands over the list. It goes as far as its last line.
pub(super) fn scroll_pane(model: &mut Model, down: i64) {
    let rows = usize::from(model.layout().pane().height);
    let last = view::pane_lines(model).len().saturating_sub(rows);
    let scrolled = |top: usize| top.saturating_add_signed(isize::try_from(down).unwrap_or(0)).min(last);
    match &mut model.pane {
        Some(Pane::Help(top)) => *top = scrolled(*top),
        Some(Pane::Details(pane)) => pane.top = scrolled(pane.top),
        None => {}
    }
}

/// Shows or hides the preview.
pub(super) fn toggle_preview(model: &mut Model) -> Vec<Effect> {
    model.preview = !model.preview;
    model.preview_top = 0;
    bring_into_sight(model);
    super::ask_if_needed(model)
}

/// Scrolls the preview.
pub(super) fn scroll_preview(model: &mut Model, down: isize) -> Vec<Effect> {
    if down <= 0 || view::has_more_preview(model) {
        model.preview_top = model.preview_top.saturating_add_signed(down);
    }
    Vec::new()
}

/// Closes the innermost thing that is open.
pub(super) fn close(model: &mut Model) -> Vec<Effect> {
    if model.pane.take().is_some() {
        return Vec::new();
    }
    if model.editing.is_some() {
        edit::end(model);
        return Vec::new();
    }
    match model.context.take() {
        Some(context) => back(model, *context),
        None => Vec::new(),
    }
}

/// Looks at the session of the chosen run, around it.
pub(super) fn context(model: &mut Model) -> Vec<Effect> {
    let Some(anchor) = model.list.chosen().filter(|_| model.is_current()).cloned() else { return Vec::new() };
    if anchor.record.session.is_empty() {
        model.notice = "its session is not known: this is what ran around it anywhere".to_owned();
    }
    let line = std::mem::take(&mut model.line);
    let narrow = std::mem::take(&mut model.narrow);
    let since_us = anchor.record.start_us.saturating_add(1);
    let chosen = model.list.chosen;
    model.pane = None;
    model.context = Some(Box::new(Context { anchor, locating: None, seeking: true, line, narrow, chosen }));
    model.read_line();
    // How many ran after it is its place in the session, the newest first.
    let mut query = model.query();
    query.filter.since_us = Some(since_us);
    query.order = Order::Newest;
    model.asked += 1;
    model.question = model.asked;
    if let Some(context) = &mut model.context {
        context.locating = Some(model.asked);
    }
    vec![Effect::Locate(Search { ticket: model.asked, query, window: Window { offset: 0, limit: 1 } })]
}

/// The place of the run is known: asks for what is around it.
pub(super) fn on_located(model: &mut Model, ticket: u64, newer: Result<u64, Failure>) -> Vec<Effect> {
    let rows = model.list_rows();
    let Some(context) = model.context.as_mut().filter(|context| context.locating == Some(ticket)) else {
        return Vec::new();
    };
    context.locating = None;
    match newer {
        Ok(newer) => {
            model.list.centre(newer, rows);
            let search = model.search();
            model.question = search.ticket;
            vec![Effect::Search(search)]
        }
        Err(failure) => {
            model.answered = model.answered.max(ticket);
            model.trouble = Some(failure);
            model.list.clear();
            Vec::new()
        }
    }
}

/// Chooses the run itself once its row is here: others may have started in the same moment.
pub(super) fn seek(model: &mut Model) {
    let Some(context) = model.context.as_mut().filter(|context| context.seeking && context.locating.is_none()) else {
        return;
    };
    context.seeking = false;
    let anchor = context.anchor.record.id;
    let found = model.list.rows().find(|(_, hit)| hit.record.id == anchor).map(|(index, _)| index);
    if let Some(index) = found {
        model.list.choose_ahead(index);
    }
}

/// Back to where the session was opened from.
fn back(model: &mut Model, context: Context) -> Vec<Effect> {
    let Context { anchor: _, locating: _, seeking: _, line, narrow, chosen } = context;
    (model.line, model.narrow) = (line, narrow);
    let mut effects = ask_anew(model);
    model.list.centre(chosen, model.list_rows());
    if let Some(Effect::Search(search)) = effects.first_mut() {
        search.window = model.list.window(model.list_rows());
    }
    effects
}
