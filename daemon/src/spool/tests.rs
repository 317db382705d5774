//! Files as hooks leave them, read by a daemon that comes and goes.

use std::{
    fs::{self, File},
    io::Write as _,
    os::unix::fs::MetadataExt,
    process::{Child, Command, Stdio},
    time::{Duration, SystemTime},
};

use super::*;

mod sweeping;

const HOST: &str = "desk";

/// A process that stands for a shell.
struct Shell(Child);

impl Shell {
    fn start() -> Self {
        Self(Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("cat starts"))
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }

    fn end(mut self) {
        drop(self.0.stdin.take());
        self.0.wait().expect("it ends");
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        if self.0.stdin.take().is_some() {
            drop(self.0.wait());
        }
    }
}

/// A spool folder, a daemon over it, and the rows that daemon has committed.
struct Daemon {
    folder: tempfile::TempDir,
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    spool: Spool,
}

impl Daemon {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let spool = Spool::new(folder.path().to_owned(), HOST.to_owned(), "ada".to_owned(), Vec::new());
        Self { folder, rows: BTreeMap::new(), spool }
    }

    /// As after a crash: only the rows are left.
    fn restart(&mut self) {
        let rows = self.rows.clone().into_iter().collect();
        self.spool = Spool::new(self.folder.path().to_owned(), HOST.to_owned(), "ada".to_owned(), rows);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn append(&self, name: &str, text: &str) {
        let mut file = File::options().append(true).create(true).open(self.path(name)).expect("opened");
        file.write_all(text.as_bytes()).expect("written");
    }

    fn commit(&mut self, write: Write) {
        match write {
            Write::Row(Space::Spool, key, Some(value)) => drop(self.rows.insert(key, value)),
            Write::Row(Space::Spool, key, None) => drop(self.rows.remove(&key)),
            _ => panic!("the spool writes only its own rows"),
        }
    }

    /// Takes everything that can be taken. Gives the commands that were begun, and `end` for each end.
    fn take(&mut self) -> Vec<String> {
        self.take_at(Moment::now())
    }

    fn take_at(&mut self, moment: Moment) -> Vec<String> {
        let mut taken = Vec::new();
        for stem in self.spool.scan().expect("scanned") {
            while let Some(piece) = self.spool.read(&stem, &Filter::default(), moment).expect("read") {
                self.commit(piece.row);
                taken.extend(piece.changes.into_iter().map(|change| match change {
                    Change::Start(record) => String::from_utf8_lossy(&record.command).into_owned(),
                    Change::End { .. } => "end".to_owned(),
                    Change::Retract(_) => "retract".to_owned(),
                    Change::Withheld { .. } => "withheld".to_owned(),
                }));
            }
        }
        taken
    }

    /// Clears away what can go. Gives the ends of commands with which a shell went.
    fn sweep(&mut self, moment: Moment) -> Vec<End> {
        let mut ends = Vec::new();
        for (_, piece) in self.spool.sweep(moment) {
            self.commit(piece.row);
            ends.extend(piece.changes.into_iter().map(|change| match change {
                Change::End { end, .. } => end,
                _ => panic!("a sweep only ends"),
            }));
        }
        ends
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.folder.path())
            .expect("listed")
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

fn header(pid: u32, host: &str) -> String {
    format!("\0H1\0ssid\0p{pid}\0kzsh 5.9\0h{host}\0uada\0\0")
}

fn start(number: u32, text: &str) -> String {
    format!("\0S17000000{number:02}000001\0d/\0c{text}\0\0")
}

fn end(number: u32) -> String {
    format!("\0E17000000{number:02}500001\0x0\0p0\0\0")
}

fn later(seconds: i64) -> Moment {
    let now = Moment::now();
    Moment { now_us: now.now_us + seconds * 1_000_000, boot_us: now.boot_us }
}

#[test]
fn r002_a_pending_start_survives_a_restart_of_the_daemon() {
    let mut daemon = Daemon::new();
    let shell = Shell::start();
    let name = format!("sid.{}", shell.pid());
    daemon.append(&name, &(header(shell.pid(), HOST) + &start(1, "sleep 9")));
    assert_eq!(daemon.take(), ["sleep 9"]);
    daemon.restart();
    assert_eq!(daemon.take(), Vec::<String>::new());
    daemon.append(&name, &(end(9) + &start(10, "ls")));
    assert_eq!(daemon.take(), ["end", "ls"]);
}

#[test]
fn r002_what_was_read_but_not_committed_is_read_again_with_the_same_ids() {
    let mut daemon = Daemon::new();
    daemon.append("sid.1", &(header(1, HOST) + &start(1, "a") + &end(2) + &start(3, "b")));
    let ids = |daemon: &mut Daemon| -> Vec<caro_schema::id::RecordId> {
        let moment = Moment::now();
        let piece = daemon.spool.read(OsStr::new("sid.1"), &Filter::default(), moment).expect("read").expect("a piece");
        let id = |change: &Change| match change {
            Change::Start(record) => record.id,
            Change::End { id, .. } | Change::Retract(id) => *id,
            Change::Withheld { .. } => panic!("nothing is withheld"),
        };
        piece.changes.iter().map(id).collect()
    };
    let first = ids(&mut daemon);
    daemon.restart();
    assert_eq!(ids(&mut daemon), first);
    assert_eq!(first.len(), 3);
}

#[test]
fn a_shell_killed_in_mid_write_keeps_what_it_wrote() {
    let mut daemon = Daemon::new();
    let shell = Shell::start();
    let name = format!("sid.{}", shell.pid());
    daemon.append(&name, &(header(shell.pid(), HOST) + "\0S1700000001000001\0d/tmp\0chalf a comm"));
    assert_eq!(daemon.take(), Vec::<String>::new(), "the rest may come");
    assert_eq!(daemon.take_at(later(60)), Vec::<String>::new());
    shell.end();
    assert_eq!(daemon.take(), ["half a comm"]);
    daemon.sweep(later(0));
    assert_eq!(daemon.names(), Vec::<String>::new());
}

#[test]
fn a_torn_tail_of_a_living_shell_is_taken_after_its_deadline() {
    let mut daemon = Daemon::new();
    let shell = Shell::start();
    let name = format!("sid.{}", shell.pid());
    daemon.append(&name, &(header(shell.pid(), HOST) + &start(1, "full disk").replace("\0\0", "")));
    assert_eq!(daemon.take(), Vec::<String>::new());
    assert_eq!(daemon.take_at(later(601)), ["full disk"]);
    daemon.append(&name, &end(2));
    assert_eq!(daemon.take(), ["end"], "and its end is still its own");
}

#[test]
fn a_shell_that_lives_is_counted_also_while_it_has_no_file() {
    let mut daemon = Daemon::new();
    let shell = Shell::start();
    let name = format!("sid.{}", shell.pid());
    daemon.append(&name, &header(shell.pid(), HOST));
    daemon.append(&name, &(start(1, &"x".repeat(300_000)) + &end(1)));
    assert_eq!(daemon.take().len(), 2);
    daemon.sweep(later(0));
    daemon.sweep(later(61));
    assert_eq!(
        (daemon.names().len(), daemon.spool.sessions()),
        (0, 1),
        "the doctor must not say that no shell records"
    );
    shell.end();
    daemon.sweep(later(122));
    assert_eq!(daemon.spool.sessions(), 0);
}

#[test]
fn a_removed_file_that_the_hook_makes_anew_is_read_from_its_beginning() {
    let mut daemon = Daemon::new();
    let shell = Shell::start();
    let name = format!("sid.{}", shell.pid());
    daemon.append(&name, &(header(shell.pid(), HOST) + &start(1, "one") + &end(1)));
    daemon.take();
    let before = fs::metadata(daemon.path(&name)).expect("there").len();
    fs::remove_file(daemon.path(&name)).expect("removed");
    daemon.append(&name, &(start(2, &"y".repeat(usize::try_from(before).expect("small"))) + &end(2)));
    assert_eq!(daemon.take().len(), 2);
    daemon.sweep(later(0));
    daemon.restart();
    assert_eq!(daemon.take(), Vec::<String>::new());
}

#[test]
fn fish_times_after_a_restart_of_the_system_come_from_the_file() {
    let mut daemon = Daemon::new();
    let text = "\0H1\0ssid\0p1\0kfish 4\0hdesk\0uada\0\0\0S\0b100.00 1\0d/\0cfirst\0\0\0E\0n10\0x0\0\0\0S\0b160.00 1\0d/\0clast\0\0\0E\0n5000\0x0\0\0";
    daemon.append("sid.1", text);
    let written = SystemTime::now() - Duration::from_secs(86_400);
    File::options().append(true).open(daemon.path("sid.1")).expect("opened").set_modified(written).expect("aged");
    let meta = fs::metadata(daemon.path("sid.1")).expect("there");
    let written_us = meta.mtime() * 1_000_000 + meta.mtime_nsec() / 1000;
    let moment = Moment { boot_us: Some(Moment::now().now_us - 3_600_000_000), ..Moment::now() };
    let piece = daemon.spool.read(OsStr::new("sid.1"), &Filter::default(), moment).expect("read").expect("a piece");
    let ages: Vec<i64> = piece
        .changes
        .iter()
        .filter_map(|change| match change {
            Change::Start(record) => Some((written_us - record.start_us) / 1_000_000),
            _ => None,
        })
        .collect();
    assert_eq!(ages, [65, 5]);
}

#[test]
fn what_no_hook_makes_is_counted_and_left_alone() {
    let mut daemon = Daemon::new();
    for name in ["README", "no-pid.", "zero.0", ".hidden"] {
        daemon.append(name, &start(1, "not ours"));
    }
    fs::create_dir(daemon.path("folder.7")).expect("made");
    assert_eq!(daemon.take(), Vec::<String>::new());
    daemon.sweep(later(0));
    assert_eq!(daemon.names().len(), 5);
    assert_eq!(daemon.spool.counts().strangers, 4);
}

#[test]
fn a_backlog_is_read_in_pieces_of_bounded_size() {
    let mut daemon = Daemon::new();
    daemon.append("sid.1", &header(1, HOST));
    let many: String = (0..30_000)
        .map(|number| {
            format!(
                "\0S{}\0d/some/folder/deep\0cls -l {number} with some text behind it\0\0",
                1_700_000_000_000_000_i64 + number
            )
        })
        .collect();
    daemon.append("sid.1", &many);
    daemon.scan_sizes();
    assert!(many.len() > 2 * reader::CHUNK_BYTES);
    let mut pieces = Vec::new();
    while let Some(piece) = daemon.spool.read(OsStr::new("sid.1"), &Filter::default(), Moment::now()).expect("read") {
        pieces.push(piece.changes.len());
    }
    assert_eq!(pieces.iter().sum::<usize>(), 30_000);
    assert!(pieces.len() >= 3, "{pieces:?}");
}

impl Daemon {
    fn scan_sizes(&mut self) {
        assert_eq!(self.spool.scan().expect("scanned").len(), 1);
        assert!(self.spool.counts().unread_bytes > 0);
    }
}

/// What a shell's file holds, and when it was last written.
fn kept(daemon: &Daemon, name: &str) -> (String, SystemTime) {
    let bytes = fs::read(daemon.path(name)).expect("the file");
    let meta = fs::metadata(daemon.path(name)).expect("the file");
    (String::from_utf8(bytes).expect("text"), meta.modified().expect("a time"))
}

#[test]
fn ds004_what_is_not_recorded_does_not_stay_in_the_shells_file() {
    let mut daemon = Daemon::new();
    let shell = Shell::start();
    let name = format!("sid.{}", shell.pid());
    let data = header(shell.pid(), HOST) + &start(1, "mysql -phunter2 app") + &end(2) + &start(3, "ls") + &end(4);
    daemon.append(&name, &data);
    let before = kept(&daemon, &name);
    assert_eq!(daemon.take(), ["withheld", "ls", "end"]);
    let after = kept(&daemon, &name);
    assert!(before.0.contains("hunter2") && !after.0.contains("hunter2"), "{}", after.0);
    assert_eq!((before.0.len(), before.1), (after.0.len(), after.1), "the clock of some shells");
    assert!(after.0.contains("cls"), "what is recorded stays until its shell ends");
    daemon.append(&name, &start(5, "pwd"));
    assert_eq!(daemon.take(), ["pwd"], "the place is found again");
    daemon.restart();
    assert_eq!(daemon.take(), [""; 0]);
}

#[test]
fn r002_a_wiped_command_that_was_not_committed_is_not_recorded_when_it_is_read_again() {
    let mut daemon = Daemon::new();
    daemon.append("sid.1", &(header(1, HOST) + &start(1, "mysql -phunter2 app") + &end(2) + &start(3, "ls")));
    let read = |daemon: &mut Daemon| {
        let piece = daemon.spool.read(OsStr::new("sid.1"), &Filter::default(), Moment::now());
        piece.expect("read").expect("a piece").changes.len()
    };
    assert_eq!(read(&mut daemon), 2);
    daemon.restart();
    assert_eq!(daemon.take(), ["ls"]);
}
