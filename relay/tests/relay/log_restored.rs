//! What becomes of an account's list of devices when a new life begins on an old copy, over every implementation of the log.

use caro_relay::log::{Change, Changed, Log, memory::MemoryLog, postgres::PostgresLog, sqlite::SqliteLog};
use caro_schema::{
    id::{Generation, Handle, Hash},
    relay::list::SignedList,
};

use caro_tests::eventually;

use crate::support::{Account, Device, Served};

/// An account with two devices, of which the third list takes one off; what is kept is of before.
struct Story {
    owner: Account,
    keeps: Device,
    lost: Device,
}

impl Story {
    fn new() -> Self {
        Self { owner: Account::new(), keeps: Device::new(), lost: Device::new() }
    }

    /// What the backup has.
    fn begin(&self, log: &mut dyn Log) {
        let list = self.owner.first_list(&[self.keeps, self.lost]);
        let change = Change::Create { account: self.owner.public(), list, accounts_max: 100, invitation: None };
        assert!(matches!(one(log, change), Changed::Created(_)));
    }

    fn handle(&self) -> Handle {
        self.owner.handle()
    }

    fn set(&self, log: &mut dyn Log, list: &SignedList) -> Changed {
        one(log, Change::SetList { handle: self.handle(), list: list.clone() })
    }

    fn admit(&self, log: &mut dyn Log, key: &Device, by: &Device) -> Changed {
        one(log, Change::Admit { handle: self.handle(), by: by.hash(), key: key.hash() })
    }

    /// A list that names one that this log never had.
    fn list(&self, version: u64, devices: &[Device]) -> SignedList {
        self.owner.list(version, Hash([9; 32]), devices)
    }
}

fn one(log: &mut dyn Log, change: Change) -> Changed {
    let mut changed = log.commit(vec![change]).unwrap();
    assert_eq!(changed.len(), 1);
    changed.remove(0)
}

/// Runs a check over every implementation, in the life after the one in which the story began.
fn each(check: impl Fn(&Story, &mut dyn Log)) {
    let later = Generation([7; 16]);
    let story = Story::new();
    let mut log = MemoryLog::new(Generation([1; 16]));
    story.begin(&mut log);
    check(&story, &mut log.renewed(later));

    let folder = tempfile::tempdir().unwrap();
    let mut log = SqliteLog::open(&folder.path().join("relay.db"), Generation([1; 16])).unwrap();
    let story = Story::new();
    story.begin(&mut log);
    log.renew(later).unwrap();
    check(&story, &mut log);

    let Some(served) = Served::start("lists after a new life on PostgreSQL") else { return };
    let story = Story::new();
    story.begin(&mut served.log());
    eventually("nobody uses it", || PostgresLog::renew(&served.source, later).ok());
    check(&story, &mut served.log());
    assert!(served.verify().is_sound());
}

#[test]
fn trap_14_who_was_taken_off_after_the_backup_is_off_again_with_the_first_list_that_is_brought() {
    each(|story, log| {
        let newest = story.list(4, &[story.keeps]);
        assert!(matches!(story.set(log, &newest), Changed::ListSet { version: 4, .. }));
        assert_eq!(log.account(&story.handle()).unwrap().expect("an account").list, newest);
        assert!(log.was_removed(&story.handle(), &story.lost.hash()).unwrap());
        assert!(!log.was_removed(&story.handle(), &story.keeps.hash()).unwrap());
        // Another device brings the same, or an older one.
        assert!(matches!(story.set(log, &newest), Changed::ListSet { version: 4, .. }));
        assert!(matches!(story.set(log, &story.list(3, &[story.keeps, story.lost])), Changed::ListOutOfStep));
    });
}

#[test]
fn trap_14_a_thief_that_comes_first_with_a_list_on_which_it_is_keeps_nobody_from_bringing_the_newest() {
    each(|story, log| {
        let of_the_thief = story.owner.next_list(&story.owner.first_list(&[story.keeps, story.lost]), &[story.lost]);
        assert!(matches!(story.set(log, &of_the_thief), Changed::ListSet { version: 2, .. }));
        assert!(matches!(story.set(log, &story.list(5, &[story.keeps])), Changed::ListSet { version: 5, .. }));
        assert!(log.was_removed(&story.handle(), &story.lost.hash()).unwrap());
        assert!(matches!(story.set(log, &of_the_thief), Changed::ListOutOfStep));
        assert!(matches!(story.set(log, &story.list(5, &[story.lost])), Changed::ListOutOfStep));
    });
}

#[test]
fn trap_14_an_account_of_the_new_life_is_as_strict_as_ever() {
    let later = Generation([7; 16]);
    let folder = tempfile::tempdir().unwrap();
    let mut log = SqliteLog::open(&folder.path().join("relay.db"), Generation([1; 16])).unwrap();
    log.renew(later).unwrap();
    let story = Story::new();
    story.begin(&mut log);
    assert!(matches!(story.set(&mut log, &story.list(4, &[story.keeps])), Changed::ListOutOfStep));
}

#[test]
fn trap_14_whom_a_thief_let_in_meanwhile_goes_with_it() {
    each(|story, log| {
        let guest = Device::new();
        assert!(matches!(story.admit(log, &guest, &story.lost), Changed::Admitted { .. }));
        assert!(matches!(story.set(log, &story.list(4, &[story.keeps])), Changed::ListSet { version: 4, .. }));
        let account = log.account(&story.handle()).unwrap().expect("an account");
        assert_eq!(account.list, story.list(4, &[story.keeps]), "nothing is left behind it");
        assert!(matches!(story.admit(log, &guest, &story.lost), Changed::NotAdmitted));
        // It could as well have been somebody's new machine, which the list's signer did not know: nobody took it off.
        assert!(!log.was_removed(&story.handle(), &guest.hash()).unwrap());
        assert!(matches!(story.admit(log, &guest, &story.keeps), Changed::Admitted { .. }));
    });
}
