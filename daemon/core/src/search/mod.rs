//! Finds what was typed in the history, in milliseconds among a million records.
//!
//! Looks only at distinct commands ([`matches`]), then at how they ran ([`admitted`]), ranks the few that can come
//! first ([`rank`]) and sorts no more than a window of them ([`top`]). Nothing here changes the history. The order is
//! total and the same for the same history, query and window: rank, then time, then id.

mod admitted;
mod alike;
mod ascii;
mod bits;
mod details;
mod expression;
mod fuzzy;
mod listing;
mod losses;
mod made;
mod matches;
mod narrow;
mod needle;
mod neighbours;
mod parallel;
mod part;
mod pattern;
mod promises;
mod rank;
#[cfg(test)]
mod reference;
mod required;
mod results;
mod sit;
#[cfg(test)]
mod tests;
mod top;

use caro_schema::{
    id::RecordId,
    ipc::{
        Fault,
        history::{Filter, Hits, Order, Place, Query, Window},
    },
};

use crate::history::History;
pub use admitted::directories_below;
use admitted::{Admitted, Runs};
pub use details::{details, records_around};
use matches::Matches;
use parallel::together;
use pattern::{Asked, Pattern};
use rank::Near;
use results::Search;

/// The rows that a filter admits, in no order of meaning.
pub(crate) fn rows_that_pass(history: &History, filter: &Filter) -> Vec<u32> {
    let admitted = Admitted::find(None, history, filter);
    (0..history.rows().slots() as u32).filter(|row| Runs::Some(&admitted).admit(*row)).collect()
}

/// Searches, and keeps what helps with the next keystroke. It never holds text of the history.
#[derive(Default)]
pub struct Searcher {
    matches: Matches,
    admitted: Option<Admitted>,
    near: Option<Near>,
}

impl Searcher {
    /// The rows of a window among all that match, and how many match in all.
    ///
    /// # Errors
    /// [`Fault::BadPattern`] when what was typed is too long, or a regular expression that cannot be used.
    pub fn search(&mut self, history: &History, query: &Query, window: Window) -> Result<Hits, Fault> {
        let asked = pattern::asked(query)?;
        let pattern = Pattern::new(query, &asked)?;
        let is_first = self.near.is_none() && self.admitted.is_none();
        let rows = if is_first || !query.unique { history.rows().slots() } else { 0 };
        let items = self.matches.candidates(history.commands(), &asked).max(rows);
        Ok(together(items, || self.look(history, query, window, asked, &pattern)))
    }

    fn look(&mut self, history: &History, query: &Query, window: Window, asked: Asked, pattern: &Pattern) -> Hits {
        let (matches, mut losses) = self.matches.find(history.commands(), asked, pattern);
        let is_ranked = matches!(query.order, Order::Rank) && !pattern.is_everything();
        let is_by_command = query.unique || is_ranked;
        let runs = if query.filter == Filter::default() {
            Runs::All(history.commands())
        } else {
            let admitted = Admitted::find(self.admitted.take(), history, &query.filter);
            let admitted = if is_by_command { admitted.counted(history) } else { admitted };
            Runs::Some(self.admitted.insert(admitted))
        };
        if is_ranked {
            self.near = Some(Near::find(self.near.take(), history, &query.place));
        }
        let near = self.near.as_ref().filter(|_| is_ranked);
        let search = Search { history, query, pattern, runs, near, matches: &matches };
        if !is_by_command {
            return search.listing(window);
        }
        let hits = search.hits(window, &mut losses);
        self.matches.keep_losses(losses);
        hits
    }

    /// Every run that matches, the newest first, whatever order the query asks for and however often a command ran.
    ///
    /// # Errors
    /// As [`Self::search`].
    pub fn every_run(&mut self, history: &History, query: &Query) -> Result<Vec<RecordId>, Fault> {
        let asked = pattern::asked(query)?;
        let pattern = Pattern::new(query, &asked)?;
        let (matches, _) = self.matches.find(history.commands(), asked, &pattern);
        let runs = if query.filter == Filter::default() {
            Runs::All(history.commands())
        } else {
            let admitted = Admitted::find(self.admitted.take(), history, &query.filter);
            Runs::Some(self.admitted.insert(admitted))
        };
        Ok(Search { history, query, pattern: &pattern, runs, near: None, matches: &matches }.every_run())
    }

    /// Works out, between two keystrokes, what the next one will need: who answers a question without a text, which a
    /// screen asks first, does this once the answer is on its way.
    pub fn prepare(&mut self, history: &History, place: &Place) {
        self.near = Some(Near::find(self.near.take(), history, place));
    }
}
