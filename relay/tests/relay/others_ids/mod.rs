//! Every request with the ids of another account, from every kind of session: the answers are those that ids get which belong to
//! nobody, and so is the work. So nothing of another account can be read, written, deleted, counted or timed.
//!
//! The machine runs in this thread over a real database, so that nothing but the ids differs between two runs. Time is
//! measured as work and not in seconds: which operations are asked of the log and in which order, how many rows a change is
//! about, and how many signatures are made, which cost more than everything else together. What that leaves out is what
//! the database does to find one row or none through one index.

mod other;
mod world;

use std::collections::BTreeSet;

use caro_relay::{
    log::{Account as Kept, Log, LogError, Stretch, memory::MemoryLog, postgres::PostgresLog, sqlite::SqliteLog},
    protocol::Reading,
};
use caro_schema::{
    id::{Generation, Handle},
    relay::{ErrorCode, ToDevice},
};

use self::{
    other::{KINDS, Other, kind},
    world::{ALL, As, NOBODYS_MAILBOX, THEIR_MAILBOX, World, handshake},
};
use crate::support::Served;

/// What one request led to, in words: ids and signatures are written alike whatever they are, everything else as it is.
#[derive(Debug, PartialEq, Eq)]
struct Led {
    answers: Vec<String>,
    closed: bool,
    /// Whether it is read from on at once.
    reading: Reading,
    asked: Vec<String>,
    signatures: usize,
}

/// Asks, and sees that the victim is as before and was told nothing.
fn ask<L: Log>(log: L, how: As, victim: &Other, about: &Other, number: usize) -> Led {
    let mut world = World::new(log, victim);
    let id = world.asker(how);
    let before = world.kept(&victim.account.handle()).expect("the victim");
    world.said.clear();
    world.log.asked.clear();
    world.signatures = 0;
    let request = about.requests(&world.own.signer, &handshake()).swap_remove(number);
    world.say(id, request);
    let reading = world.reading;
    world.now_ms += 10;
    world.relay.handle_time(world.now_ms);
    world.run();
    let (asked, signatures) = (std::mem::take(&mut world.log.asked), world.signatures);
    let after = world.kept(&victim.account.handle()).expect("the victim");
    assert!(same(&before, &after), "{how:?} {number}: something of the other account has changed");
    for (to, message) in &world.said {
        assert!(!world.victims.contains(to) || is_knock(message), "{how:?} {number}: it was told {message:?}");
    }
    assert!(world.victims.iter().all(|id| !world.closed.contains(id)), "{how:?} {number}: it was closed");
    let answers = world.said.iter().filter(|(to, _)| *to == id).map(|(_, message)| format!("{message:?}"));
    Led { answers: answers.collect(), closed: world.closed.contains(&id), reading, asked, signatures }
}

/// What a device hears that has opened a mailbox: that is what a mailbox is for.
fn is_knock(message: &ToDevice) -> bool {
    matches!(message, ToDevice::Claimed { .. } | ToDevice::Left | ToDevice::Contested)
}

fn same((before, log): &(Kept, Stretch), (after, log_after): &(Kept, Stretch)) -> bool {
    let of = |account: &Kept| {
        let Kept { public, list, cursor, head, used_bytes, quota_bytes, dropped } = account;
        (*public, list.clone(), *cursor, *head, *used_bytes, *quota_bytes, *dropped)
    };
    of(before) == of(after)
        && log.entries == log_after.entries
        && log.head == log_after.head
        && log.end == log_after.end
}

/// Runs the whole table over one kind of log.
fn check<L: Log>(mut log: impl FnMut() -> L) {
    let (victim, nobody) = (Other::new(THEIR_MAILBOX), Other::new(NOBODYS_MAILBOX));
    let kinds: Vec<usize> = victim.requests(&victim.account.signer, &handshake()).iter().map(kind).collect();
    assert_eq!(kinds.iter().copied().collect::<BTreeSet<_>>(), (0..KINDS).collect(), "each kind is tried");
    for how in ALL {
        for (number, kind) in kinds.iter().enumerate() {
            let theirs = ask(log(), how, &victim, &victim, number);
            let nobodys = ask(log(), how, &victim, &nobody, number);
            match (kind, how) {
                // A mailbox's number is no account's: it is the relay's, is given to whoever comes, and says that one is open.
                (12, As::Errand) => {
                    assert!(theirs.answers[0].contains(&format!("{:?}", ErrorCode::MailboxTaken)), "{theirs:?}");
                    assert!(nobodys.answers[0].contains("Invited"), "{nobodys:?}");
                }
                (13, As::Stranger) => {
                    assert!(theirs.answers[0].contains("Claimed"), "{theirs:?}");
                    assert!(nobodys.answers[0].contains(&format!("{:?}", ErrorCode::NoMailbox)), "{nobodys:?}");
                }
                _ => assert_eq!(theirs, nobodys, "{how:?}, request {number}"),
            }
        }
    }
}

#[test]
fn trap_39_every_request_with_anothers_ids_is_answered_as_with_nobodys_and_costs_the_same() {
    let mut number = 0;
    let folder = tempfile::tempdir().unwrap();
    check(|| {
        number += 1;
        SqliteLog::open(&folder.path().join(format!("{number}.db")), Generation([1; 16])).unwrap()
    });
}

#[test]
fn trap_39_the_simulators_log_tells_no_more() {
    check(|| MemoryLog::new(Generation([1; 16])));
}

#[test]
fn trap_39_a_database_server_tells_no_more() {
    let Some(served) = Served::start("every request with another's ids, on a database server") else { return };
    drop(served.log());
    check(|| empty(&served));
}

/// A log on the server without an account.
fn empty(served: &Served) -> PostgresLog {
    served.server.sql("TRUNCATE caro_relay.account CASCADE");
    served.log()
}

/// What whoever runs a relay can do with an account.
trait Operated: Log {
    fn set_closed(&mut self, handle: &Handle) -> Result<bool, LogError>;
    fn forget(&mut self, handle: &Handle) -> Result<bool, LogError>;
}

impl Operated for SqliteLog {
    fn set_closed(&mut self, handle: &Handle) -> Result<bool, LogError> {
        self.set_closed(handle, true)
    }

    fn forget(&mut self, handle: &Handle) -> Result<bool, LogError> {
        self.forget(handle)
    }
}

impl Operated for PostgresLog {
    fn set_closed(&mut self, handle: &Handle) -> Result<bool, LogError> {
        self.set_closed(handle, true)
    }

    fn forget(&mut self, handle: &Handle) -> Result<bool, LogError> {
        self.forget(handle)
    }
}

/// What a closed account answers is what none answers, too: whoever runs the relay can close one without telling others.
fn check_closed<L: Operated>(mut log: impl FnMut() -> L) {
    let victim = Other::new(THEIR_MAILBOX);
    let mut led = |closed: bool| {
        let mut world = World::new(log(), &victim);
        let (log, handle) = (&mut world.log.log, victim.account.handle());
        let is_done = if closed { Operated::set_closed(log, &handle) } else { Operated::forget(log, &handle) };
        assert!(is_done.unwrap());
        let id = world.arrive(&victim.device, 2);
        world.said.clear();
        world.log.asked.clear();
        world.signatures = 0;
        world.say(id, victim.account.hello());
        let answers: Vec<String> = world.said.iter().map(|(_, message)| format!("{message:?}")).collect();
        (answers, world.log.asked, world.signatures)
    };
    let closed = led(true);
    assert_eq!(closed, led(false));
    assert!(closed.0[0].contains("NotKnown") && closed.2 == 0, "{closed:?}");
}

#[test]
fn trap_39_a_closed_account_is_like_none() {
    let (mut number, folder) = (0, tempfile::tempdir().unwrap());
    check_closed(|| {
        number += 1;
        SqliteLog::open(&folder.path().join(format!("{number}.db")), Generation([1; 16])).unwrap()
    });
}

#[test]
fn trap_39_on_a_database_server_a_closed_account_is_like_none() {
    let Some(served) = Served::start("a closed account, on a database server") else { return };
    drop(served.log());
    check_closed(|| empty(&served));
}
