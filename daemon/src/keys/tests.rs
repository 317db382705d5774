//! Where the key is, and that it is never replaced, whatever the secure store and the file system do.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    os::unix::fs::PermissionsExt,
};

use super::*;

/// A secure store whose mood the test decides.
#[derive(Default)]
struct Fake {
    entries: RefCell<HashMap<Id, Stored>>,
    fails: Cell<Option<Unavailable>>,
    forgets: Cell<bool>,
}

impl Fake {
    fn failing(reason: Unavailable) -> Self {
        Self { fails: Cell::new(Some(reason)), ..Self::default() }
    }

    fn answer(&self) -> Result<(), Unavailable> {
        self.fails.get().map_or(Ok(()), Err)
    }
}

impl Keychain for Fake {
    fn read(&self, id: &Id, _: Patience) -> Result<Option<Stored>, Unavailable> {
        self.answer()?;
        Ok(self.entries.borrow().get(id).cloned())
    }

    fn write(&self, id: &Id, stored: &Stored, _: Patience) -> Result<(), Unavailable> {
        self.answer()?;
        if !self.forgets.get() {
            self.entries.borrow_mut().insert(id.clone(), stored.clone());
        }
        Ok(())
    }

    fn remove(&self, id: &Id, _: Patience) -> Result<(), Unavailable> {
        self.answer()?;
        self.entries.borrow_mut().remove(id);
        Ok(())
    }
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn said(data: &Path) -> String {
    fs::read_to_string(data.join(FILE_NAME)).expect("the key file is there")
}

/// All that is in the folder, to see that nothing was touched.
fn contents(data: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(data).expect("listed");
    let mut all: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .map(|path| (path.clone(), fs::read(path).expect("read")))
        .collect();
    all.sort();
    all
}

fn put_database(data: &Path) {
    fs::write(data.join(store::FILE_NAME), b"a database").expect("written");
}

#[test]
fn de005_a_new_key_goes_into_the_secure_store_and_comes_back() {
    let (data, keychain) = (folder(), Fake::default());
    let (key, place) = obtain_with(data.path(), KeyStore::Auto, None, &keychain).unwrap();
    assert_eq!(place, Place::Keychain);
    assert!(said(data.path()).starts_with("caro key 1\nkeychain "));
    put_database(data.path());
    let (again, place) = obtain_with(data.path(), KeyStore::Auto, None, &keychain).unwrap();
    assert_eq!((key == again, place), (true, Place::Keychain));
    let stored = keychain.entries.borrow().values().next().expect("an entry").clone();
    assert!(!said(data.path()).contains(file::encode_stored(&stored).as_str()), "the key is not in the file");
}

#[test]
fn de005_without_a_secure_store_the_key_is_in_a_closed_file_and_that_is_said() {
    for reason in [Unavailable::None, Unavailable::Locked, Unavailable::Silent] {
        let (data, keychain) = (folder(), Fake::failing(reason));
        let (key, place) = obtain_with(data.path(), KeyStore::Auto, None, &keychain).unwrap();
        let path = data.path().join(FILE_NAME);
        assert_eq!(place, Place::File { path: path.clone(), because: Some(reason) });
        let (found, advice) = place.in_words();
        assert!(found.contains(&reason.to_string()) && advice.contains("caro key move"), "{found}, {advice}");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        put_database(data.path());
        let (again, _) = obtain_with(data.path(), KeyStore::Auto, None, &keychain).unwrap();
        assert!(key == again);
    }
}

#[test]
fn de005_a_file_that_was_asked_for_is_no_finding() {
    let data = folder();
    let (_, place) = obtain_with(data.path(), KeyStore::File, None, &Fake::default()).unwrap();
    assert_eq!(place.in_words().1, "");
}

#[test]
fn de005_a_secure_store_that_was_asked_for_and_does_not_work_is_an_error() {
    for (keychain, reason) in [
        (Fake::failing(Unavailable::Silent), Unavailable::Silent),
        (Fake { forgets: Cell::new(true), ..Fake::default() }, Unavailable::Forgets),
    ] {
        let data = folder();
        let error = obtain_with(data.path(), KeyStore::Keychain, None, &keychain).expect_err("no key");
        assert!(matches!(error, KeyError::NoKeychain(found) if found == reason), "{error}");
        assert_eq!(contents(data.path()), []);
    }
}

#[test]
fn trap_29_a_secure_store_that_forgets_is_not_trusted_with_the_only_copy() {
    let (data, keychain) = (folder(), Fake { forgets: Cell::new(true), ..Fake::default() });
    let (_, place) = obtain_with(data.path(), KeyStore::Auto, None, &keychain).unwrap();
    assert!(matches!(place, Place::File { because: Some(Unavailable::Forgets), .. }), "{place:?}");
}

#[test]
fn trap_29_a_locked_absent_or_changed_secure_store_never_leads_to_a_new_key() {
    let (data, keychain) = (folder(), Fake::default());
    obtain_with(data.path(), KeyStore::Auto, None, &keychain).unwrap();
    put_database(data.path());
    let before = contents(data.path());
    for wanted in [KeyStore::Auto, KeyStore::Keychain, KeyStore::File] {
        for reason in [Unavailable::None, Unavailable::Locked, Unavailable::Silent] {
            keychain.fails.set(Some(reason));
            let error = obtain_with(data.path(), wanted, None, &keychain).expect_err("no key");
            assert!(matches!(error, KeyError::Unavailable(found) if found == reason), "{error}");
            assert!(!error.advice().is_empty());
        }
        keychain.fails.set(None);
        // Another one in its place, as after a change of desktop.
        let error = obtain_with(data.path(), wanted, None, &Fake::default()).expect_err("no key");
        assert!(matches!(error, KeyError::Absent), "{error}");
        assert_eq!(contents(data.path()), before, "{wanted:?}");
    }
    obtain_with(data.path(), KeyStore::Auto, None, &keychain).expect("and it comes back with its store");
}

#[test]
fn trap_29_a_database_whose_key_file_is_gone_is_an_error_and_nothing_is_written() {
    let data = folder();
    put_database(data.path());
    let before = contents(data.path());
    for wanted in [KeyStore::Auto, KeyStore::Keychain, KeyStore::File] {
        let error = obtain_with(data.path(), wanted, None, &Fake::default()).expect_err("no key");
        assert!(matches!(error, KeyError::Lost(_)), "{error}");
        assert!(error.advice().contains("backup"));
        assert_eq!(contents(data.path()), before);
    }
}

#[test]
fn an_empty_database_left_by_a_crash_does_not_ask_for_a_key_that_never_was() {
    let data = folder();
    fs::write(data.path().join(store::FILE_NAME), b"").unwrap();
    obtain_with(data.path(), KeyStore::File, None, &Fake::default()).expect("a key");
}

#[test]
fn trap_28_a_key_file_that_others_may_read_is_refused() {
    let data = folder();
    obtain_with(data.path(), KeyStore::File, None, &Fake::default()).unwrap();
    let path = data.path().join(FILE_NAME);
    for mode in [0o640, 0o604, 0o660, 0o644, 0o777] {
        fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        let error = obtain_with(data.path(), KeyStore::File, None, &Fake::default()).expect_err("refused");
        assert!(matches!(error, KeyError::Loose(_)), "{mode:o}: {error}");
    }
    fs::set_permissions(&path, PermissionsExt::from_mode(0o400)).unwrap();
    obtain_with(data.path(), KeyStore::File, None, &Fake::default()).expect("closed again");
}

#[test]
fn trap_18_a_link_in_the_place_of_the_key_file_is_not_followed() {
    let (data, elsewhere) = (folder(), folder());
    obtain_with(elsewhere.path(), KeyStore::File, None, &Fake::default()).unwrap();
    std::os::unix::fs::symlink(elsewhere.path().join(FILE_NAME), data.path().join(FILE_NAME)).unwrap();
    let error = obtain_with(data.path(), KeyStore::File, None, &Fake::default()).expect_err("refused");
    assert!(matches!(error, KeyError::Io(..)), "{error}");
}

#[test]
fn trap_25_a_damaged_or_newer_key_file_is_refused_and_kept() {
    let data = folder();
    obtain_with(data.path(), KeyStore::File, None, &Fake::default()).unwrap();
    let good = said(data.path());
    let path = data.path().join(FILE_NAME);
    let short = &good[..good.len() - 6];
    for (bad, expected) in [
        ("", FormError::Version),
        ("caro key 2\nfile AAAA\n", FormError::Version),
        ("caro key 1\n", FormError::Damaged),
        ("caro key 1\nfile \n", FormError::Damaged),
        ("caro key 1\nfile AAAA\n", FormError::Damaged),
        ("caro key 1\nkeychain ../x\n", FormError::Damaged),
        ("caro key 1\nlocked AAAA\n", FormError::Damaged),
        ("caro key 1\nelsewhere 1\n", FormError::Damaged),
        (&format!("{good}more\n"), FormError::Damaged),
        (short, FormError::Damaged),
    ] {
        fs::write(&path, bad).unwrap();
        let error = obtain_with(data.path(), KeyStore::File, None, &Fake::default()).expect_err("refused");
        assert!(matches!(error, KeyError::Form(_, found) if found == expected), "{bad:?}: {error}");
        assert_eq!(said(data.path()), bad);
    }
}

#[test]
fn a_key_moves_to_where_it_is_asked_to_be_and_stays_the_same() {
    let (data, keychain) = (folder(), Fake::default());
    let (first, _) = obtain_with(data.path(), KeyStore::File, None, &keychain).unwrap();
    put_database(data.path());
    let (stays, place) = obtain_with(data.path(), KeyStore::Auto, None, &keychain).unwrap();
    assert!(matches!(place, Place::File { because: Some(Unavailable::NotAsked), .. }), "{place:?}");
    let (moved, place) = obtain_with(data.path(), KeyStore::Keychain, None, &keychain).unwrap();
    assert_eq!((place, keychain.entries.borrow().len()), (Place::Keychain, 1));
    assert!(!said(data.path()).contains("file"));
    let (back, place) = obtain_with(data.path(), KeyStore::File, None, &keychain).unwrap();
    assert_eq!(keychain.entries.borrow().len(), 0, "the old place is empty");
    assert!(matches!(place, Place::File { because: None, .. }), "{place:?}");
    assert!([stays, moved, back].iter().all(|key| *key == first));
}

#[test]
fn a_key_in_its_file_stays_usable_when_the_secure_store_does_not_take_it() {
    let data = folder();
    let (key, _) = obtain_with(data.path(), KeyStore::File, None, &Fake::default()).unwrap();
    let (again, place) =
        obtain_with(data.path(), KeyStore::Keychain, None, &Fake::failing(Unavailable::Locked)).unwrap();
    assert!(matches!(place, Place::File { because: Some(Unavailable::Locked), .. }), "{place:?}");
    assert!(key == again);
}

#[test]
fn xc001_neither_an_error_nor_a_place_says_anything_of_the_key() {
    let data = folder();
    let (key, place) = obtain_with(data.path(), KeyStore::File, None, &Fake::default()).unwrap();
    let text = said(data.path());
    let encoded = text.lines().nth(1).and_then(|line| line.strip_prefix("file ")).expect("the key");
    fs::write(data.path().join(FILE_NAME), format!("caro key 1\nfile {encoded}x\n")).unwrap();
    let error = obtain_with(data.path(), KeyStore::File, None, &Fake::default()).expect_err("refused");
    for printed in [format!("{key:?}"), format!("{place:?}"), format!("{error:?}"), error.to_string()] {
        assert!(!printed.contains(&encoded[..8]), "{printed}");
    }
}

fn words(text: &str) -> Passphrase {
    Passphrase::new(text).expect("not empty")
}

#[test]
fn de005_a_passphrase_locks_the_key_and_nothing_in_the_folder_opens_it() {
    let (data, keychain) = (folder(), Fake::default());
    let (key, _) = obtain_with(data.path(), KeyStore::File, None, &keychain).unwrap();
    put_database(data.path());
    let secret = said(data.path()).lines().nth(1).and_then(|line| line.strip_prefix("file ")).unwrap().to_owned();
    set_passphrase(data.path(), None, Some(&words("correct horse"))).unwrap();
    assert_eq!(is_locked(data.path()).ok(), Some(true));
    for (path, bytes) in contents(data.path()) {
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(&secret) && !text.contains("horse"), "{}", path.display());
    }
    for wanted in [KeyStore::Auto, KeyStore::File, KeyStore::Keychain] {
        let before = contents(data.path());
        let error = obtain_with(data.path(), wanted, None, &keychain).expect_err("locked");
        assert!(matches!(error, KeyError::Locked) && error.advice().contains("caro unlock"), "{error}");
        let error = obtain_with(data.path(), wanted, Some(&words("wrong horse")), &keychain).expect_err("locked");
        assert!(matches!(error, KeyError::Unlock(UnlockError::Passphrase)), "{error}");
        let (again, place) = obtain_with(data.path(), wanted, Some(&words("correct horse")), &keychain).unwrap();
        assert_eq!((again == key, place.in_words().1.as_str()), (true, ""));
        assert!(place.in_words().0.contains("passphrase locks"));
        assert_eq!(contents(data.path()), before, "{wanted:?}");
    }
}

#[test]
fn de005_a_passphrase_is_changed_and_taken_away_by_who_knows_it_only() {
    let (data, keychain) = (folder(), Fake::default());
    set_passphrase(data.path(), None, Some(&words("one"))).expect("also before there is a key");
    let (key, _) = obtain_with(data.path(), KeyStore::Auto, Some(&words("one")), &keychain).unwrap();
    put_database(data.path());
    let before = contents(data.path());
    for (current, new) in [(None, Some("two")), (Some("two"), Some("two")), (None, None), (Some("two"), None)] {
        let (current, new) = (current.map(words), new.map(words));
        let error = set_passphrase(data.path(), current.as_ref(), new.as_ref()).expect_err("refused");
        assert!(matches!(error, KeyError::Locked | KeyError::Unlock(UnlockError::Passphrase)), "{error}");
        assert_eq!(contents(data.path()), before);
    }
    set_passphrase(data.path(), Some(&words("one")), Some(&words("two"))).unwrap();
    let (changed, _) = obtain_with(data.path(), KeyStore::Auto, Some(&words("two")), &keychain).unwrap();
    set_passphrase(data.path(), Some(&words("two")), None).unwrap();
    let (open, _) = obtain_with(data.path(), KeyStore::Auto, None, &keychain).unwrap();
    assert!(changed == key && open == key);
}

#[test]
fn de005_a_passphrase_is_refused_where_the_key_is_lost() {
    let data = folder();
    put_database(data.path());
    let error = set_passphrase(data.path(), None, Some(&words("one"))).expect_err("refused");
    assert!(matches!(error, KeyError::Lost(_)), "{error}");
}

#[test]
fn de005_a_passphrase_locks_the_key_in_the_secure_store_as_well() {
    let (data, keychain) = (folder(), Fake::default());
    let (key, _) = obtain_with(data.path(), KeyStore::Auto, None, &keychain).unwrap();
    put_database(data.path());
    let set = |current: Option<&str>, new: Option<&str>| {
        let (current, new) = (current.map(words), new.map(words));
        locked::set_passphrase_with(data.path(), current.as_ref(), new.as_ref(), &keychain)
    };
    set(None, Some("one")).unwrap();
    assert_eq!(locked::is_locked_with(data.path(), &keychain).ok(), Some(true));
    assert!(keychain.entries.borrow().values().all(|stored| matches!(stored, Stored::Locked(_))));
    for wanted in [KeyStore::Auto, KeyStore::Keychain, KeyStore::File] {
        let error = obtain_with(data.path(), wanted, None, &keychain).expect_err("locked");
        assert!(matches!(error, KeyError::Locked) && error.advice().contains("caro unlock"), "{error}");
        let error = obtain_with(data.path(), wanted, Some(&words("two")), &keychain).expect_err("locked");
        assert!(matches!(error, KeyError::Unlock(UnlockError::Passphrase)), "{error}");
        let (again, place) = obtain_with(data.path(), wanted, Some(&words("one")), &keychain).unwrap();
        assert_eq!((again == key, place), (true, Place::LockedKeychain));
    }
    assert!(matches!(set(Some("two"), Some("three")), Err(KeyError::Unlock(UnlockError::Passphrase))));
    set(Some("one"), Some("two")).unwrap();
    assert!(obtain_with(data.path(), KeyStore::Auto, Some(&words("two")), &keychain).is_ok());
    set(Some("two"), None).unwrap();
    let (open, place) = obtain_with(data.path(), KeyStore::Auto, None, &keychain).unwrap();
    assert_eq!((open == key, place, keychain.entries.borrow().len()), (true, Place::Keychain, 1));
}

#[test]
fn trap_29_a_store_that_fails_while_the_passphrase_is_set_loses_nothing() {
    for (reason, forgets) in [(Some(Unavailable::Locked), false), (None, true)] {
        let (data, keychain) = (folder(), Fake::default());
        let (key, _) = obtain_with(data.path(), KeyStore::Auto, None, &keychain).unwrap();
        let before = contents(data.path());
        keychain.fails.set(reason);
        keychain.forgets.set(forgets);
        locked::set_passphrase_with(data.path(), None, Some(&words("one")), &keychain).expect_err("refused");
        assert_eq!(contents(data.path()), before);
        keychain.fails.set(None);
        let (again, _) = obtain_with(data.path(), KeyStore::Auto, None, &keychain).unwrap();
        assert!(again == key);
    }
}

/// The real thing, where one runs: `dbus-run-session` with an unlocked keyring.
#[test]
fn de005_the_platforms_own_secure_store_keeps_a_key() {
    let id = Id::fresh().unwrap();
    let key = Stored::Open(fresh().unwrap());
    match System.write(&id, &key, Patience::ForTheSystem) {
        Ok(()) => {
            assert!(System.read(&id, Patience::ForTheSystem) == Ok(Some(key)));
            assert_eq!(System.remove(&id, Patience::ForTheSystem), Ok(()));
            assert!(System.read(&id, Patience::ForTheSystem) == Ok(None));
        }
        Err(reason) => skip("de005_the_platforms_own_secure_store_keeps_a_key", reason),
    }
}

fn skip(name: &str, reason: Unavailable) {
    use std::io::Write;
    let Some(path) = std::env::var_os("CARO_TEST_SKIPS") else { return };
    let mut file = fs::File::options().append(true).create(true).open(path).expect("the list of skipped tests opens");
    writeln!(file, "{name}: needs a secure store ({reason})").expect("a line is added");
}
