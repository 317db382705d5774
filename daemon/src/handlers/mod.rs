//! What clients may ask, and the answers. Searching looks at the history beside the main loop; everything else runs
//! on it, one request at a time.

pub mod account;
pub mod deleting;
pub mod doctor;
pub mod emptying;
pub mod hiding;
pub mod history;
pub mod inspecting;
pub mod items;
pub mod membership;
pub mod moving;
pub mod pair;
pub mod recording;
pub mod selecting;
pub mod status;
pub mod sync;

use std::sync::{Arc, Mutex, PoisonError};

use caro_core::{
    history::History,
    search::{Searcher, directories_below},
};
use caro_schema::ipc::{
    Fault, Reply, Request,
    history::{Filter, Place, Query, Selection, Window},
};

use crate::{
    ipc::{Answered, Asked, Service},
    repositories::Repositories,
    state::{Replier, Shared, State, answer},
};

/// Answers connections: searches by itself, the rest through the main loop.
pub struct Desk {
    shared: Arc<Shared>,
}

impl Desk {
    /// For the socket.
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }
}

impl Service for Desk {
    fn connected(&self) -> Arc<dyn Asked> {
        Arc::new(Visitor { shared: self.shared.clone(), searcher: Mutex::default(), repositories: Mutex::default() })
    }
}

/// One connection. Its searcher remembers the last query, because the next one most often only adds a letter.
struct Visitor {
    shared: Arc<Shared>,
    searcher: Mutex<Searcher>,
    repositories: Mutex<Repositories>,
}

impl Asked for Visitor {
    fn ask(self: Arc<Self>, mut request: Request) -> Answered {
        if filter_of(&mut request).is_none_or(|filter| filter.repository.is_none()) {
            return self.answer(request);
        }
        Box::pin(async move {
            let visitor = self.clone();
            let narrow = move || {
                visitor.narrow_to_repository(&mut request);
                request
            };
            let request = tokio::task::spawn_blocking(narrow).await.map_err(|_| did_not_end())?;
            self.answer(request).await
        })
    }
}

/// What a request asks of records, where it asks.
fn filter_of(request: &mut Request) -> Option<&mut Filter> {
    let selection = match request {
        Request::Search { query, .. } => return Some(&mut query.filter),
        Request::Stats(query) => return Some(&mut query.filter),
        Request::Delete { selection, .. }
        | Request::Weigh { selection }
        | Request::SyncKeepHere { selection }
        | Request::SyncShare { selection } => selection,
        Request::Discard(discard) => &mut discard.selection,
        _ => return None,
    };
    match selection {
        Selection::Matching(query) | Selection::Refused { query, .. } | Selection::Repeats { query, .. } => {
            Some(&mut query.filter)
        }
        Selection::Ids(_) | Selection::LetGo { .. } => None,
    }
}

impl Visitor {
    fn answer(self: Arc<Self>, request: Request) -> Answered {
        match request {
            Request::Search { query, window } => Box::pin(self.search(query, window)),
            Request::Stats(query) => self.look(move |history, _| Ok(history::stats(history, &query))),
            Request::Details { id } => self.look(move |history, _| history::details(history, &id)),
            Request::Around { id, before, after } => {
                self.look(move |history, _| history::around(history, &id, before, after))
            }
            request => Box::pin(async move { self.shared.ask(request).await }),
        }
    }

    async fn search(self: Arc<Self>, query: Box<Query>, window: Window) -> Result<Reply, Fault> {
        let opens = query.text.is_empty() && query.place != Place::default();
        let place = opens.then(|| query.place.clone());
        let found =
            self.clone().look(move |history, searcher| history::search(history, searcher, &query, window)).await;
        // A screen has opened, and somebody is about to type. The answer does not wait for this.
        if let Some(place) = place {
            tokio::task::spawn_blocking(move || self.prepare(&place));
        }
        found
    }

    /// Leaves out what belongs to inner repositories. Here alone, as it waits for the disk: neither the history nor the main
    /// loop may. What is deleted is what was shown.
    fn narrow_to_repository(&self, request: &mut Request) {
        let Some(filter) = filter_of(request) else { return };
        let mut repositories = self.repositories.lock().unwrap_or_else(PoisonError::into_inner);
        repositories.narrow(filter, |top| directories_below(&self.shared.history(), top));
    }

    fn prepare(&self, place: &Place) {
        let mut searcher = self.searcher.lock().unwrap_or_else(PoisonError::into_inner);
        searcher.prepare(&self.shared.history(), place);
    }

    /// Looks at the history on a thread of its own.
    fn look(
        self: Arc<Self>,
        look: impl FnOnce(&History, &mut Searcher) -> Result<Reply, Fault> + Send + 'static,
    ) -> Answered {
        Box::pin(async move {
            let look = move || {
                let mut searcher = self.searcher.lock().unwrap_or_else(PoisonError::into_inner);
                look(&self.shared.history(), &mut searcher)
            };
            let found = tokio::task::spawn_blocking(look).await;
            found.unwrap_or_else(|_| Err(did_not_end()))
        })
    }
}

fn did_not_end() -> Fault {
    Fault::Internal { what: "a search did not end".to_owned() }
}

/// Answers on the main loop. The answer may come later than this returns.
pub(crate) fn handle(state: &mut State, request: Request, reply: Replier) {
    match request {
        Request::Items(query) => answer(reply, Ok(items::list(state, &query))),
        Request::ItemsChange(change) => answer(reply, items::change(state, change)),
        Request::Counts => answer(reply, Ok(items::counts(state))),
        Request::CountsTake(counts) => answer(reply, items::take_counts(state, counts)),
        Request::Flush => {
            state.scan_spool();
            state.flushes.push(reply);
        }
        Request::Delete { selection, dry_run } => answer(reply, history::delete(state, selection, dry_run)),
        Request::Weigh { selection } => answer(reply, deleting::weigh(state, selection)),
        Request::Discard(discard) => answer(reply, deleting::discard(state, *discard)),
        Request::TakeBack { number } => answer(reply, deleting::take_back(state, number)),
        Request::Aside => answer(reply, Ok(deleting::aside(state))),
        Request::SyncPreview { samples } => answer(reply, selecting::preview(state, samples)),
        Request::SyncKeepHere { selection } => answer(reply, selecting::keep_here(state, selection)),
        Request::SyncShare { selection } => answer(reply, selecting::share(state, selection)),
        Request::SyncEmpty(request) => emptying::empty(state, request, reply),
        Request::SyncWithdraw => answer(reply, selecting::withdraw(state)),
        Request::Import(import) => answer(reply, history::import(state, import)),
        Request::Pause { session, until_us } => answer(reply, recording::pause(state, session, until_us)),
        Request::Resume { session } => answer(reply, recording::resume(state, session)),
        Request::Reload => answer(reply, Ok(recording::reload(state))),
        Request::DaemonStatus => answer(reply, Ok(Reply::Daemon(status::status(state)))),
        Request::Doctor { verify } => answer(reply, Ok(Reply::Doctor(doctor::examine(state, verify)))),
        // None comes this far: connections look by themselves, and the loop ends itself.
        Request::Search { .. }
        | Request::Details { .. }
        | Request::Around { .. }
        | Request::Stats(_)
        | Request::Stop => answer(reply, Err(Fault::Malformed)),
        Request::SyncStatus => answer(reply, Ok(Reply::Sync(state.sync_status()))),
        Request::SyncInit(request) => sync::init(state, request, reply),
        Request::SyncConfirm => sync::confirm(state, reply),
        Request::SyncInvitation(token) => answer(reply, sync::invited(state, token)),
        Request::SyncAbandon => answer(reply, sync::abandon(state)),
        Request::SyncRestore(request) => sync::restore(state, request, reply),
        Request::SyncNow { wait_ms } => sync::now(state, wait_ms, reply),
        Request::SyncOff => answer(reply, sync::off(state)),
        Request::SyncOn => answer(reply, sync::on(state)),
        Request::SyncRemoteAdd(request) => sync::add_remote(state, request, reply),
        Request::SyncRemoteRemove { address } => answer(reply, sync::remove_remote(state, &address)),
        Request::PairInvite => answer(reply, pair::invite(state)),
        Request::PairJoin(request) => answer(reply, pair::join(state, request)),
        Request::PairState => answer(reply, pair::state(state)),
        Request::PairAnswer { same } => answer(reply, pair::same(state, same)),
        Request::PairCancel => answer(reply, pair::cancel(state)),
        Request::SyncDevices => answer(reply, sync::devices(state)),
        Request::SyncSeen => answer(reply, account::seen(state)),
        Request::SyncCheck { relay, joins } => answer(reply, account::check(state, &relay, joins)),
        Request::SyncRename { name } => answer(reply, sync::rename(state, name)),
        Request::SyncRenameDevice { device, name } => answer(reply, membership::rename(state, device, name)),
        Request::SyncRevoke(request) => membership::revoke(state, request, reply),
        Request::SyncMove(request) => moving::begin(state, request, reply),
        Request::SyncRotate(request) => membership::rotate(state, request, reply),
        Request::SyncInspect(request) => inspecting::inspect(state, request, reply),
    }
}
