//! Disks that are full, closed, or failing.

use std::process::Command;

use super::*;

#[test]
fn trap_35_a_full_disk_changes_nothing_and_says_so() {
    let folder = folder();
    let mut store = open(&folder);
    store.commit(&[row(Space::State, "a", "1")]).unwrap();
    let limit = |store: &Store, pages: i64| {
        let set = |connection: &mut Connection| {
            let sql = format!("PRAGMA max_page_count = {pages}");
            Ok(connection.query_row(&sql, [], |row| row.get::<_, i64>(0))?)
        };
        store.with(set).unwrap()
    };
    let pages = limit(&store, 1);
    limit(&store, pages + 4);
    let large = [row(Space::State, "a", "2"), Write::Queue(1, 1, Some(vec![7; 100_000])), row(Space::State, "b", "3")];
    let error = store.commit(&large).expect_err("no room");
    assert_eq!(error, StoreError::Full);
    assert!(error.to_string().contains("full") && error.advice().contains("room"));
    assert_eq!(value(&store, Space::State, "a").as_deref(), Some("1"), "nothing half written");
    assert_eq!((value(&store, Space::State, "b"), store.queue(1, 0, 10)), (None, Ok(vec![])));
    store.commit(&[row(Space::State, "small", "fits")]).unwrap();
    limit(&store, 1_000_000);
    store.commit(&large).unwrap();
    assert_eq!(value(&store, Space::State, "b").as_deref(), Some("3"));
}

#[test]
fn trap_35_a_store_that_can_only_be_read_says_so_and_is_read() {
    let folder = folder();
    let mut store = open(&folder);
    store.commit(&[row(Space::State, "a", "1")]).unwrap();
    let set = |on: bool| move |connection: &mut Connection| Ok(connection.pragma_update(None, "query_only", on)?);
    store.with(set(true)).unwrap();
    assert_eq!(store.commit(&[row(Space::State, "a", "2")]), Err(StoreError::ReadOnly));
    assert_eq!(value(&store, Space::State, "a").as_deref(), Some("1"));
    store.with(set(false)).unwrap();
    store.commit(&[row(Space::State, "a", "2")]).unwrap();
}

#[test]
fn trap_35_a_file_system_without_room_loses_nothing_at_any_write() {
    let Some(mount) = Mount::new("1m") else {
        return skip("trap_35_a_file_system_without_room_loses_nothing_at_any_write", "root, to mount a tmpfs");
    };
    let filler = mount.folder.path().join("filler");
    // Each time a little less room, from plenty to none.
    for room in (0..=20).rev().map(|step| step * 16 * 1024) {
        let _ = fs::remove_file(database(&mount.folder));
        let _ = fs::remove_file(mount.folder.path().join("caro.db-wal"));
        fs::remove_file(&filler).ok();
        let mut store = match Store::open(&database(&mount.folder), key(1)) {
            Ok(store) => store,
            Err(error) => panic!("{error}"),
        };
        store.commit(&[row(Space::State, "n", "0")]).unwrap();
        fill(&mount, &filler, room);
        let mut done = 0;
        let error = loop {
            let large = "x".repeat(9000);
            match store
                .commit(&[row(Space::State, "n", &(done + 1).to_string()), row(Space::Op, &done.to_string(), &large)])
            {
                Ok(()) => done += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(error, StoreError::Full, "room {room}");
        assert_eq!(value(&store, Space::State, "n"), Some(done.to_string()), "room {room}");
        assert_eq!(store.rows(Space::Op).unwrap().len(), done, "room {room}");
        // Killed while it is full, and started again: what is there can be read.
        drop(store);
        let mut store = open(&mount.folder);
        assert_eq!(store.rows(Space::Op).unwrap().len(), done, "room {room}");
        fs::remove_file(&filler).unwrap();
        store.commit(&[row(Space::State, "n", "room again")]).unwrap();
        assert_eq!(store.verify(), Ok(vec![]), "room {room}");
    }
}

/// What a failed flush left in the log may be missing on the disk although it can be read. Nothing may rest on it.
#[test]
fn trap_34_nothing_is_written_behind_a_log_that_could_not_be_moved_into_the_file() {
    let Some(mount) = Mount::new("1m") else {
        let name = "trap_34_nothing_is_written_behind_a_log_that_could_not_be_moved_into_the_file";
        return skip(name, "root, to mount a tmpfs");
    };
    let mut store = open(&mount.folder);
    for number in 0..8 {
        store.commit(&[row(Space::Op, &number.to_string(), &"x".repeat(20_000))]).unwrap();
    }
    drop(store);
    let log = || fs::metadata(mount.folder.path().join("caro.db-wal")).unwrap().len();
    let left = log();
    let filler = mount.folder.path().join("filler");
    fill(&mount, &filler, 0);
    let mut store = open(&mount.folder);
    assert_eq!(store.rows(Space::Op).unwrap().len(), 8);
    assert_eq!(store.commit(&[row(Space::State, "a", "1")]), Err(StoreError::Full));
    assert_eq!(log(), left);
    fs::remove_file(&filler).unwrap();
    store.commit(&[row(Space::State, "a", "1")]).unwrap();
    assert!(log() < left, "it was written behind {left} bytes: {}", log());
    assert_eq!((store.rows(Space::Op).unwrap().len(), store.verify()), (8, Ok(vec![])));
}

/// Leaves about so many bytes free.
fn fill(mount: &Mount, filler: &Path, room: u64) {
    let free = fs4::available_space(mount.folder.path()).expect("asked");
    fs::write(filler, vec![1; usize::try_from(free.saturating_sub(room)).expect("small")]).expect("filled");
}

/// A small file system of its own.
struct Mount {
    folder: TempDir,
}

impl Mount {
    fn new(size: &str) -> Option<Self> {
        let folder = folder();
        let options = format!("size={size},mode=700");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "none"]).arg(folder.path());
        mount.stderr(std::process::Stdio::null());
        mount.status().is_ok_and(|status| status.success()).then_some(Self { folder })
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Left mounted, the folder could not be removed, which shows.
        let _ = Command::new("umount").arg(self.folder.path()).status();
    }
}

/// Rows that the child commits.
const ROWS: usize = 12;

/// Each wait for the disk fails once, at every place where one is: the error is reported, the connection is given up,
/// and everything is there in the end.
#[test]
fn trap_34_an_error_of_the_disk_ends_the_connection_and_loses_nothing() {
    let mut reported = 0;
    for at in 1.. {
        let folder = folder();
        let Some(Failure { injected, errors }) = fail(&folder, at, Load::Small) else {
            let name = "trap_34_an_error_of_the_disk_ends_the_connection_and_loses_nothing";
            return skip(name, "strace that may trace");
        };
        let store = open(&folder);
        assert_eq!((store.rows(Space::Op).unwrap().len(), store.verify()), (ROWS, Ok(vec![])), "at {at}");
        let Some(injected) = injected else { break };
        // A folder that could not be synced is none of SQLite's concern, as the file was there before.
        if injected.contains("caro.db") {
            assert!(errors > 0, "not reported: {injected}");
            reported += 1;
        }
        assert!(at < 500, "it never ends");
    }
    assert!(reported > ROWS, "the disk failed at {reported} places only");
}

/// A commit flushes the log. When that has grown it is moved into the file, and SQLite keeps silent about the file's flush.
#[test]
fn trap_34_a_flush_of_the_file_that_fails_after_a_commit_is_not_passed_over() {
    let folder = folder();
    // Settled, so that the log is moved for the first time by the commit that makes it grow.
    open(&folder).checkpoint().unwrap();
    let Some(Failure { injected, errors }) = fail(&folder, 1, Load::OneLarge) else {
        let name = "trap_34_a_flush_of_the_file_that_fails_after_a_commit_is_not_passed_over";
        return skip(name, "strace that may trace");
    };
    assert!(injected.is_some_and(|call| !call.contains("-wal")) && errors == 1, "{errors} errors");
    let store = open(&folder);
    assert_eq!((store.rows(Space::Op).unwrap().len(), store.verify()), (ROWS, Ok(vec![])));
}

/// What the child commits.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Load {
    Small,
    /// One that makes the log grow over what SQLite leaves in it. Only flushes of the file itself fail.
    OneLarge,
}

/// What came of a disk that failed once.
struct Failure {
    /// The call that failed, none when there were fewer.
    injected: Option<String>,
    /// How many errors the store reported.
    errors: u32,
}

/// Runs the child below on a disk that fails at its `at`th wait. None where nothing can be traced.
fn fail(folder: &TempDir, at: u32, load: Load) -> Option<Failure> {
    let inject = format!("inject=fsync,fdatasync:error=EIO:when={at}");
    let mut options = vec!["-e".to_owned(), "trace=fsync,fdatasync".to_owned(), "-e".to_owned(), inject];
    if load == Load::OneLarge {
        options.extend(["-P".to_owned(), database(folder).display().to_string()]);
    }
    let Traced { said, calls } = trace(folder, &options, load)?;
    let errors = said.lines().find_map(|line| line.strip_prefix("errors ")?.parse().ok()).expect("it counts them");
    let injected = calls.lines().find(|call| call.contains("INJECTED")).map(str::to_owned);
    Some(Failure { injected, errors })
}

/// What the child below said, and what it asked of the system.
struct Traced {
    said: String,
    calls: String,
}

/// Runs the child below under strace. None where nothing can be traced.
fn trace(folder: &TempDir, options: &[String], load: Load) -> Option<Traced> {
    let notes = tempfile::NamedTempFile::new().expect("a file");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-y", "-qq"]).args(options).arg("-o").arg(notes.path());
    if load == Load::OneLarge {
        strace.env(LARGE, "");
    }
    strace.arg(std::env::current_exe().expect("a program"));
    strace.args(["--exact", "store::tests::disk::child_on_a_failing_disk", "--nocapture"]);
    let output = strace.env(CHILD, folder.path()).output().ok()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if said.is_empty() {
        return None;
    }
    assert!(output.status.success(), "{options:?}: {said} {}", String::from_utf8_lossy(&output.stderr));
    Some(Traced { said, calls: fs::read_to_string(notes.path()).expect("read") })
}

/// The flush of an earlier process may have failed, after which the system takes what it can read for written. A log of
/// which the disk lacks the end would take back what was moved into the file.
#[test]
fn trap_34_a_log_that_was_left_is_written_again_and_flushed_before_the_file_is_touched() {
    let folder = folder();
    open(&folder).commit(&[row(Space::State, "a", &"x".repeat(200_000))]).unwrap();
    let options = ["-e", "trace=pwrite64,fsync,fdatasync"].map(str::to_owned);
    let Some(Traced { calls, .. }) = trace(&folder, &options, Load::Small) else {
        let name = "trap_34_a_log_that_was_left_is_written_again_and_flushed_before_the_file_is_touched";
        return skip(name, "strace that may trace");
    };
    let touched = calls.lines().position(|call| call.contains("pwrite64") && call.contains("caro.db>"));
    let before: Vec<&str> = calls.lines().take(touched.expect("the log is moved")).collect();
    let of_the_log = |call: &str| before.iter().rposition(|line| line.contains(call) && line.contains("caro.db-wal>"));
    let (written, flushed) = (of_the_log("pwrite64("), of_the_log("sync("));
    assert!(written.is_some() && flushed > written, "{before:#?}");
}

/// Where a child finds its folder.
const CHILD: &str = "CARO_TEST_STORE";

/// Tells a child that its first row is to be large.
const LARGE: &str = "CARO_TEST_STORE_LARGE";

/// Not a test by itself: see above.
#[test]
fn child_on_a_failing_disk() {
    use std::io::Write as _;
    let Some(folder) = std::env::var_os(CHILD).map(PathBuf::from) else { return };
    let mut errors = 0;
    let mut store = loop {
        match Store::open(&folder.join(FILE_NAME), key(1)) {
            Ok(store) => break store,
            Err(error) => {
                assert!(matches!(error, StoreError::Disk(_)), "{error}");
                errors += 1;
            }
        }
    };
    let note = |store: &Store, outcome: Result<(), StoreError>| match outcome {
        Ok(()) => true,
        Err(error) => {
            assert!(matches!(error, StoreError::Disk(_)), "{error}");
            assert!(store.connection.borrow().is_none(), "nothing goes through it again");
            false
        }
    };
    let first = "x".repeat(if std::env::var_os(LARGE).is_some() { 5 << 20 } else { 1 });
    for number in 0..ROWS {
        let value = if number == 0 { &first } else { "x" };
        loop {
            let outcome = store.commit(&[row(Space::Op, &number.to_string(), value)]);
            if note(&store, outcome) {
                break;
            }
            errors += 1;
        }
        if number % 4 == 3 {
            let outcome = store.checkpoint();
            errors += u32::from(!note(&store, outcome));
        }
    }
    assert_eq!(store.rows(Space::Op).expect("read").len(), ROWS);
    writeln!(std::io::stdout(), "\nerrors {errors}").expect("said");
}

#[test]
fn trap_34_a_database_that_vanished_is_not_made_anew() {
    let folder = folder();
    let mut store = open(&folder);
    store.commit(&[row(Space::State, "a", "1")]).unwrap();
    store.connection.borrow_mut().take();
    fs::remove_file(database(&folder)).unwrap();
    let outcome = store.commit(&[row(Space::State, "a", "2")]);
    assert!(matches!(outcome, Err(StoreError::Unopened(_))), "{outcome:?}");
    assert!(!database(&folder).exists());
}

#[test]
fn a_connection_that_was_given_up_is_opened_anew_by_reading_too() {
    let folder = folder();
    let mut store = open(&folder);
    store.commit(&[row(Space::State, "a", "1")]).unwrap();
    store.connection.borrow_mut().take();
    assert_eq!(value(&store, Space::State, "a").as_deref(), Some("1"));
    store.connection.borrow_mut().take();
    store.commit(&[row(Space::State, "a", "2")]).unwrap();
    assert_eq!(value(&store, Space::State, "a").as_deref(), Some("2"));
}
