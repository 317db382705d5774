//! What a device believes of a relay, and what it does not.

use std::collections::BTreeMap;

use caro_link::{
    identity::Signer,
    proof::{cell_id, chain_head, handle_of, sign_position},
};
use caro_schema::{
    id::{CellId, Generation, Hash, RelayKey, Signature},
    ipc::sync::StopReason,
    limits::PAGE_CELLS_MAX,
    relay::{Accepted, Entry, ErrorCode, Page, Position, ToDevice, ToRelay, list::SignedList},
};
use serde_bytes::ByteBuf;

use super::*;
use crate::step::{RemoteNumber, RowError, Rows, Space};

const ACCOUNT: Hash = Hash([3; 32]);

/// A relay's log of one account, to make honest and other answers from.
struct Log {
    signer: Signer,
    generation: Generation,
    cells: Vec<Vec<u8>>,
}

impl Log {
    fn new(count: u8) -> Self {
        let cells = (0..count).map(|name| vec![name; 4]).collect();
        Self { signer: Signer::from_seed(&[7; 32]), generation: Generation([1; 16]), cells }
    }

    fn position(&self, cursor: u64) -> Position {
        let mut head = Hash([0; 32]);
        for (at, cell) in self.cells.iter().enumerate().take(cursor as usize) {
            head = chain_head(&head, at as u64 + 1, &cell_id(cell));
        }
        sign_position(&self.signer, &handle_of(&ACCOUNT), self.generation, cursor, head)
    }

    fn welcome(&self) -> ToDevice {
        ToDevice::Welcome {
            position: self.position(self.cells.len() as u64),
            signer: Hash(self.signer.public()),
            list: SignedList { list: ByteBuf::new(), signature: Signature([0; 64]), added: Vec::new() },
            quota_bytes: 0,
            used_bytes: 0,
        }
    }

    fn page(&self, after: u64, to: u64) -> Page {
        let entries = self.cells[after as usize..to as usize].iter();
        Page {
            after,
            entries: entries.map(|cell| Entry::Cell(ByteBuf::from(cell.clone()))).collect(),
            position: self.position(to),
            more: (to as usize) < self.cells.len(),
        }
    }
}

/// A queue of cells.
#[derive(Default)]
pub(super) struct Queued(pub(super) BTreeMap<u64, Vec<u8>>);

impl Rows for Queued {
    fn row(&self, _: Space, _: &[u8]) -> Result<Option<Vec<u8>>, RowError> {
        Ok(None)
    }

    fn rows(&self, _: Space) -> Result<Vec<(Vec<u8>, Vec<u8>)>, RowError> {
        Ok(Vec::new())
    }

    fn queue(&self, _: RemoteNumber, after: u64, bytes_max: usize) -> Result<Vec<(u64, Vec<u8>)>, RowError> {
        let mut left = bytes_max;
        let cells = self.0.range(after + 1..).enumerate().take_while(|(at, (_, cell))| {
            let fits = *at == 0 || cell.len() <= left;
            left = left.saturating_sub(cell.len());
            fits
        });
        Ok(cells.map(|(_, (number, cell))| (*number, cell.clone())).collect())
    }
}

fn record() -> RemoteRecord {
    RemoteRecord {
        address: "wss://relay:1/".to_owned(),
        relay_key: RelayKey([5; 32]),
        account: ACCOUNT,
        signer: None,
        generation: None,
        cursor: 0,
        head: Hash([0; 32]),
        acknowledged: 0,
        last_sync_ms: 0,
        stopped: None,
        comparing: false,
        has: BTreeMap::new(),
        has_entries: Default::default(),
        position: None,
        list: None,
        shows_older_list: false,
        new_on_list: Default::default(),
        next_list: None,
    }
}

fn remote() -> Remote {
    Remote::load(1, record(), &Queued::default()).unwrap()
}

/// A remote that has been welcomed by a relay with this log.
fn welcomed(log: &Log) -> Remote {
    let mut remote = remote();
    assert!(remote.connected().is_some());
    assert!(matches!(remote.handle(log.welcome()).send, Some(ToRelay::Pull { after: 0 })));
    remote
}

/// A remote that has pulled all of this log.
fn live(log: &Log) -> Remote {
    let mut remote = welcomed(log);
    let reaction = remote.handle(ToDevice::Page(log.page(0, log.cells.len() as u64)));
    assert!(reaction.caught_up);
    remote
}

/// Takes a message that nothing is wrong with.
fn hear(remote: &mut Remote, message: ToDevice) {
    assert_eq!(remote.handle(message).close, None);
}

fn assert_stopped(remote: &mut Remote, message: ToDevice, reason: StopReason) {
    let before = (remote.record.cursor, remote.record.head);
    let reaction = remote.handle(message);
    assert_eq!(remote.state(), State::Stopped(reason));
    assert!(reaction.cells.is_empty() && reaction.send.is_none());
    assert_eq!(reaction.close, Some(None));
    assert_eq!((remote.record.cursor, remote.record.head), before);
}

#[test]
fn the_cursor_moves_with_the_pages_and_each_is_confirmed() {
    let log = Log::new(5);
    let mut remote = welcomed(&log);
    let reaction = remote.handle(ToDevice::Page(log.page(0, 3)));
    assert_eq!((reaction.cells.len(), reaction.save, reaction.caught_up), (3, true, false));
    assert!(matches!(reaction.send, Some(ToRelay::Delivered { cursor: 3 })));
    assert_eq!((remote.state(), remote.pending_down()), (State::CatchingUp, 2));
    let reaction = remote.handle(ToDevice::Page(log.page(3, 5)));
    assert_eq!((reaction.cells.len(), reaction.caught_up, remote.state()), (2, true, State::Live));
    assert_eq!(remote.record.head, log.position(5).head);
}

#[test]
fn trap_02_an_acknowledgement_never_moves_the_cursor() {
    let log = Log::new(2);
    let mut remote = live(&log);
    let queued = Queued([(remote.enqueue(), vec![9; 4])].into());
    assert!(matches!(remote.next_push(&queued), Ok(Some(ToRelay::Push { .. }))));
    let acknowledged = Accepted { cell: cell_id(&[9; 4]), cursor: 40 };
    let reaction = remote.handle(ToDevice::Ack { cells: vec![acknowledged] });
    assert_eq!(reaction.acknowledged, [1]);
    assert_eq!((remote.record.cursor, remote.pending_up(), remote.pending_down()), (2, 0, 38));
    assert!(!remote.in_step());
}

#[test]
fn trap_04_pages_without_progress_stop_the_relay() {
    let log = Log::new(3);
    let endless = Page { more: true, ..log.page(0, 0) };
    assert_stopped(&mut welcomed(&log), ToDevice::Page(endless), StopReason::Misbehaved);
    let again = log.page(0, 2);
    let mut remote = welcomed(&log);
    hear(&mut remote, ToDevice::Page(again.clone()));
    assert_stopped(&mut remote, ToDevice::Page(again), StopReason::Misbehaved);
    let jump = log.page(1, 2);
    assert_stopped(&mut welcomed(&log), ToDevice::Page(jump), StopReason::Misbehaved);
}

#[test]
fn an_oversized_page_is_refused() {
    let mut log = Log::new(0);
    log.cells = (0..=PAGE_CELLS_MAX as u32).map(|name| name.to_be_bytes().to_vec()).collect();
    let page = log.page(0, PAGE_CELLS_MAX as u64 + 1);
    assert_stopped(&mut welcomed(&log), ToDevice::Page(page), StopReason::Misbehaved);
    let heavy = Page { entries: vec![Entry::Cell(ByteBuf::from(vec![0; 2 << 20]))], ..log.page(0, 1) };
    assert_stopped(&mut welcomed(&log), ToDevice::Page(heavy), StopReason::Misbehaved);
}

#[test]
fn trap_08_an_older_database_is_noticed_and_a_new_life_begins_from_zero() {
    let log = Log::new(4);
    let known = live(&log).record;
    let at = |record: &RemoteRecord| {
        let mut remote = Remote::load(1, record.clone(), &Queued::default()).unwrap();
        assert!(remote.connected().is_some());
        remote
    };
    let mut older = Log::new(2);
    assert_stopped(&mut at(&known), older.welcome(), StopReason::RolledBack);
    older.generation = Generation([2; 16]);
    let mut remote = at(&known);
    let reaction = remote.handle(older.welcome());
    assert!(reaction.reborn && reaction.save);
    assert!(matches!(reaction.send, Some(ToRelay::Pull { after: 0 })));
    assert_eq!((remote.record.cursor, remote.record.head), (0, Hash([0; 32])));
}

#[test]
fn a_relay_that_shows_another_past_is_stopped() {
    let log = Log::new(4);
    let known = live(&log).record;
    let mut other = Log::new(4);
    other.cells[1] = vec![99; 4];
    let mut remote = Remote::load(1, known.clone(), &Queued::default()).unwrap();
    assert!(remote.connected().is_some());
    assert_stopped(&mut remote, other.welcome(), StopReason::RolledBack);
    // Honest in the greeting, another past in the next page.
    other.cells.push(vec![5; 4]);
    let mut longer = Log::new(5);
    longer.cells[4] = vec![5; 4];
    let mut remote = Remote::load(1, known, &Queued::default()).unwrap();
    assert!(remote.connected().is_some());
    hear(&mut remote, longer.welcome());
    let forked = Page { position: other.position(5), ..longer.page(4, 5) };
    assert_stopped(&mut remote, ToDevice::Page(forked), StopReason::RolledBack);
}

#[test]
fn a_position_that_the_relay_did_not_sign_is_not_believed() {
    let log = Log::new(2);
    let impostor = Log { signer: Signer::from_seed(&[8; 32]), ..Log::new(2) };
    let mut remote = welcomed(&log);
    let page = Page { position: impostor.position(2), ..log.page(0, 2) };
    assert_stopped(&mut remote, ToDevice::Page(page), StopReason::Misbehaved);
    let mut remote = Remote::load(1, live(&log).record, &Queued::default()).unwrap();
    assert!(remote.connected().is_some());
    assert_stopped(&mut remote, impostor.welcome(), StopReason::KeyChanged);
}

#[test]
fn what_the_relay_says_decides_what_happens_next() {
    let log = Log::new(1);
    let said = |code| ToDevice::Error { code, retry_ms: Some(700) };
    assert_stopped(&mut live(&log), said(ErrorCode::NotKnown), StopReason::NoAccount);
    assert_stopped(&mut live(&log), said(ErrorCode::Removed), StopReason::Revoked);
    assert_stopped(&mut live(&log), said(ErrorCode::CursorAhead), StopReason::RolledBack);
    for again in
        [ErrorCode::QuotaExceeded, ErrorCode::RateLimited, ErrorCode::StorageUnavailable, ErrorCode::ShuttingDown]
    {
        let mut remote = live(&log);
        assert_eq!(remote.handle(said(again)).close, Some(Some(700)));
        assert_eq!(remote.state(), State::Live, "{again:?} is not for ever");
    }
}

#[test]
fn what_a_relay_refused_does_not_hide_that_it_cannot_be_reached_by_now() {
    let mut remote = live(&Log::new(0));
    let reaction = remote.handle(ToDevice::Error { code: ErrorCode::QuotaExceeded, retry_ms: None });
    assert!(reaction.cells.is_empty());
    remote.disconnected();
    assert_eq!(remote.refusal, Some(ErrorCode::QuotaExceeded), "it explains why the session ended");
    remote.unreachable();
    assert_eq!(remote.refusal, None);
}

#[test]
fn trap_09_after_a_cut_the_same_bytes_are_pushed_again_and_count_once() {
    let log = Log::new(0);
    let mut remote = live(&log);
    let queued: Queued = Queued((0..3).map(|name| (remote.enqueue(), vec![name; 4])).collect());
    let push = remote.next_push(&queued).unwrap();
    assert!(matches!(&push, Some(ToRelay::Push { cells }) if cells.len() == 3));
    assert_eq!(remote.next_push(&queued).unwrap(), None, "nothing is in flight twice");
    remote.disconnected();
    assert_eq!(remote.next_push(&queued).unwrap(), None, "nothing is pushed without a session");
    assert!(remote.connected().is_some());
    hear(&mut remote, log.welcome());
    hear(&mut remote, ToDevice::Page(log.page(0, 0)));
    assert_eq!(remote.next_push(&queued).unwrap(), push);
    let ack = || ToDevice::Ack { cells: vec![Accepted { cell: cell_id(&[1; 4]), cursor: 2 }] };
    assert_eq!(remote.handle(ack()).acknowledged, [2]);
    assert_eq!(remote.handle(ack()).acknowledged, [0; 0]);
    assert_eq!(remote.pending_up(), 2);
}

#[test]
fn an_acknowledgement_of_something_else_removes_nothing() {
    let mut remote = live(&Log::new(0));
    let queued = Queued([(remote.enqueue(), vec![9; 4])].into());
    assert!(remote.next_push(&queued).unwrap().is_some());
    let ack = ToDevice::Ack { cells: vec![Accepted { cell: CellId([0; 32]), cursor: 1 }] };
    assert!(remote.handle(ack).acknowledged.is_empty());
    assert_eq!(remote.pending_up(), 1);
}

#[test]
fn nothing_is_pushed_before_everything_was_pulled() {
    let log = Log::new(2);
    let mut remote = welcomed(&log);
    let queued = Queued([(remote.enqueue(), vec![9; 4])].into());
    assert_eq!(remote.next_push(&queued).unwrap(), None);
    hear(&mut remote, ToDevice::Page(log.page(0, 2)));
    assert!(remote.next_push(&queued).unwrap().is_some());
}

#[test]
fn a_stopped_relay_is_not_spoken_to_until_a_person_decides() {
    let mut remote = live(&Log::new(1));
    remote.stop(StopReason::RolledBack);
    remote.disconnected();
    assert_eq!(remote.connected(), None);
    remote.resume();
    assert!(remote.connected().is_some());
}

/// A remote that has pulled all of this log and sent one cell, which is not in it.
fn pushing(log: &Log) -> (Remote, CellId) {
    let mut remote = live(log);
    let cell = vec![0xee; 4];
    let number = remote.enqueue();
    let queued = Queued(BTreeMap::from([(number, cell.clone())]));
    assert!(matches!(remote.next_push(&queued), Ok(Some(ToRelay::Push { .. }))));
    (remote, cell_id(&cell))
}

fn acknowledge(cell: CellId, cursor: u64) -> ToDevice {
    ToDevice::Ack { cells: vec![Accepted { cell, cursor }] }
}

#[test]
fn trap_10_a_relay_that_acknowledges_and_does_not_store_is_found_out_at_the_next_welcome() {
    let log = Log::new(3);
    let (mut remote, cell) = pushing(&log);
    let reaction = remote.handle(acknowledge(cell, 4));
    assert!(reaction.save && reaction.acknowledged.len() == 1);
    // Also after a restart: the cell is gone from the queue, and the promise is kept in its place.
    let mut remote = Remote::load(1, remote.record.clone(), &Queued::default()).unwrap();
    assert!(remote.connected().is_some());
    let reaction = remote.handle(log.welcome());
    assert!(reaction.close.is_some());
    assert_eq!(remote.state(), State::Stopped(StopReason::RolledBack));
}

#[test]
fn trap_10_a_page_with_another_cell_where_an_acknowledged_one_must_be_stops() {
    let mut log = Log::new(3);
    let (mut remote, cell) = pushing(&log);
    hear(&mut remote, acknowledge(cell, 4));
    log.cells.push(vec![9; 4]);
    assert!(remote.handle(ToDevice::Page(log.page(3, 4))).close.is_some());
    assert_eq!(remote.state(), State::Stopped(StopReason::RolledBack));
}

#[test]
fn an_acknowledged_cell_in_its_place_is_fine_whichever_comes_first() {
    for page_first in [false, true] {
        let mut log = Log::new(3);
        let (mut remote, cell) = pushing(&log);
        log.cells.push(vec![0xee; 4]);
        let (page, ack) = (ToDevice::Page(log.page(3, 4)), acknowledge(cell, 4));
        let messages = if page_first { [page, ack] } else { [ack, page] };
        messages.into_iter().for_each(|message| hear(&mut remote, message));
        assert!(remote.in_step());
    }
}

#[test]
fn trap_02_an_acknowledgement_of_what_was_not_sent_says_nothing_about_the_log() {
    let log = Log::new(3);
    let mut remote = live(&log);
    hear(&mut remote, acknowledge(CellId([9; 32]), u64::MAX));
    assert!(remote.in_step());
}

#[test]
fn trap_06_a_relay_that_signs_a_longer_log_than_it_has_is_stopped() {
    let log = Log::new(3);
    let mut remote = remote();
    assert!(remote.connected().is_some());
    let ToDevice::Welcome { signer, list, .. } = log.welcome() else { panic!("a welcome") };
    let position = sign_position(&log.signer, &handle_of(&ACCOUNT), log.generation, 1 << 40, Hash([8; 32]));
    hear(&mut remote, ToDevice::Welcome { position, signer, list, quota_bytes: 0, used_bytes: 0 });
    assert!(remote.handle(ToDevice::Page(log.page(0, 3))).close.is_some());
    assert_eq!(remote.state(), State::Stopped(StopReason::Misbehaved));
}

#[test]
fn a_relay_that_talks_without_saying_anything_is_stopped() {
    // Nobody is counted before the welcome.
    let mut early = remote();
    assert!(early.connected().is_some());
    assert!(early.handle(ToDevice::Presence { others: 1 }).close.is_some());

    let log = Log::new(3);
    let mut remote = live(&log);
    let talk = |n: u32| match n % 3 {
        0 => ToDevice::Presence { others: n },
        1 => acknowledge(CellId([9; 32]), 5),
        _ => ToDevice::Error { code: ErrorCode::ListOutOfStep, retry_ms: None },
    };
    let said = (0..20_000).find(|n| remote.handle(talk(*n)).close.is_some());
    assert_eq!(said, Some(10_000));
    assert_eq!(remote.state(), State::Stopped(StopReason::Misbehaved));
}
