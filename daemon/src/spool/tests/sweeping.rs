//! When files go and what ends with them: never what somebody may still write to.

use std::{
    io::{BufRead, BufReader},
    process::{ChildStdin, ChildStdout},
};

use super::*;

/// A shell that opens a file to append to it when told, and closes it when told again.
struct Writer {
    shell: Child,
    tell: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Writer {
    fn start() -> Self {
        let script = "read -r path; exec 3>>\"$path\"; echo; read go; exec 3>&-; echo; read go";
        let mut command = Command::new("sh");
        let mut shell =
            command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("sh starts");
        let answers = BufReader::new(shell.stdout.take().expect("its output"));
        let tell = shell.stdin.take().expect("its input");
        Self { shell, tell, answers }
    }

    fn pid(&self) -> u32 {
        self.shell.id()
    }

    fn open(&mut self, path: &Path) {
        self.go(&path.display().to_string());
    }

    fn close(&mut self) {
        self.go("");
    }

    fn go(&mut self, line: &str) {
        writeln!(self.tell, "{line}").expect("told");
        self.answers.read_line(&mut String::new()).expect("done");
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // A test that fails in the middle leaves it waiting to be told.
        drop(self.shell.kill());
        drop(self.shell.wait());
    }
}

#[test]
fn a_file_goes_only_when_its_shell_is_gone_and_all_of_it_is_taken() {
    let mut daemon = Daemon::new();
    let shell = Shell::start();
    let name = format!("sid.{}", shell.pid());
    daemon.append(&name, &(header(shell.pid(), HOST) + &start(1, "one")));
    daemon.take();
    daemon.sweep(later(0));
    assert_eq!(daemon.names(), [name.as_str()], "the shell lives");
    shell.end();
    daemon.append(&name, &end(2));
    daemon.sweep(later(0));
    assert_eq!(daemon.names(), [name.as_str()], "something is unread");
    assert_eq!(daemon.take(), ["end"]);
    daemon.sweep(later(0));
    assert_eq!(daemon.names(), Vec::<String>::new());
    assert!(daemon.rows.is_empty());
}

#[test]
fn a_command_ends_with_its_shell_and_only_then() {
    let mut daemon = Daemon::new();
    let shell = Shell::start();
    let name = format!("sid.{}", shell.pid());
    let start_us = Moment::now().now_us;
    daemon.append(&name, &format!("{}\0S{start_us}\0d/\0cexit 3\0\0", header(shell.pid(), HOST)));
    assert_eq!(daemon.take(), ["exit 3"]);
    assert_eq!(daemon.sweep(later(0)), [], "the shell lives");
    let seen = later(5);
    assert_eq!(daemon.sweep(seen), []);
    shell.end();
    let unknown = |duration_us| End { duration_us: Some(duration_us), exit: None, start_us: None };
    let ran_us = u64::try_from(seen.now_us - start_us).expect("later");
    assert_eq!(daemon.sweep(later(9)), [unknown(ran_us)], "so long it was seen to run");
    assert_eq!(daemon.sweep(later(10)), []);
}

#[test]
fn r002_a_command_ends_once_with_a_shell_that_went_while_no_daemon_ran() {
    let mut daemon = Daemon::new();
    let shell = Shell::start();
    let name = format!("sid.{}", shell.pid());
    daemon.append(&name, &(header(shell.pid(), HOST) + &start(1, "exec true")));
    assert_eq!(daemon.take(), ["exec true"]);
    shell.end();
    // The end and the row go in one transaction; the file goes before. A crash in between says the end again.
    let rows = daemon.rows.clone();
    assert_eq!(daemon.sweep(later(0)).len(), 1);
    daemon.rows = rows;
    daemon.restart();
    let ends = daemon.sweep(later(60));
    assert_eq!(ends, [End { duration_us: Some(0), exit: None, start_us: None }], "nobody saw how long it ran");
    daemon.restart();
    assert_eq!(daemon.sweep(later(61)), []);
}

#[test]
fn a_shell_that_another_has_taken_the_place_of_is_gone() {
    let mut daemon = Daemon::new();
    let shell = Shell::start();
    let (first, second) = (format!("one.{}", shell.pid()), format!("two.{}", shell.pid()));
    daemon.append(&first, &(header(shell.pid(), HOST) + &start(1, "exec zsh")));
    assert_eq!(daemon.take(), ["exec zsh"]);
    let file = File::options().append(true).open(daemon.path(&first)).expect("opened");
    file.set_modified(SystemTime::now() - Duration::from_millis(20)).expect("aged");
    daemon.append(&second, &header(shell.pid(), HOST));
    assert_eq!(daemon.take(), [""; 0]);
    assert_eq!(daemon.sweep(later(0)).len(), 1);
    assert_eq!(daemon.names(), [second.as_str()]);
    // A home on a network: the same number on another machine is another process.
    let third = format!("three.{}", shell.pid());
    daemon.append(&third, &header(shell.pid(), "elsewhere"));
    assert_eq!(daemon.take(), [""; 0]);
    daemon.sweep(later(0));
    assert_eq!(daemon.names(), [third.as_str(), second.as_str()]);
}

#[test]
fn c_stor_02_a_file_that_is_just_being_written_is_never_swept_as_that_of_a_shell_before_it() {
    let mut daemon = Daemon::new();
    let mut shell = Writer::start();
    let (first, second) = (format!("one.{}", shell.pid()), format!("two.{}", shell.pid()));
    daemon.append(&first, &(header(shell.pid(), HOST) + &start(1, "ls")));
    // The second has a header, and its first record is about to follow.
    daemon.append(&second, &header(shell.pid(), HOST));
    shell.open(&daemon.path(&second));
    let modified = |name: &str| fs::metadata(daemon.path(name)).expect("there").modified().expect("told");
    let begun = modified(&second);
    for written in [begun, begun + Duration::from_millis(20)] {
        let file = File::options().append(true).open(daemon.path(&first)).expect("opened");
        file.set_modified(written).expect("set");
        assert_eq!(daemon.take().len(), usize::from(written == begun));
        daemon.sweep(later(0));
        assert_eq!(daemon.names(), [first.as_str(), second.as_str()]);
    }
    shell.close();
    // Of two that were written at the same moment neither is the older.
    let file = File::options().append(true).open(daemon.path(&first)).expect("opened");
    file.set_modified(begun).expect("set");
    daemon.sweep(later(0));
    assert_eq!(daemon.names(), [first.as_str(), second.as_str()]);
    file.set_modified(begun + Duration::from_millis(20)).expect("set");
    daemon.sweep(later(0));
    assert_eq!(daemon.names(), [first.as_str()], "an older one that nobody has open goes");
}

#[test]
fn c_stor_02_a_file_that_has_grown_since_it_was_looked_at_is_not_left() {
    let daemon = Daemon::new();
    let shell = Shell::start();
    let name = format!("sid.{}", shell.pid());
    daemon.append(&name, &header(shell.pid(), HOST));
    let spooled = Spooled::open(&daemon.path(&name)).expect("opened").expect("there");
    assert!(spooled.is_left_by(shell.pid()));
    daemon.append(&name, &start(1, "ls"));
    assert!(!spooled.is_left_by(shell.pid()));
}

#[test]
fn a_process_number_that_is_used_again_is_not_the_shell() {
    let mut daemon = Daemon::new();
    let shell = Shell::start();
    let name = format!("sid.{}", shell.pid());
    daemon.append(&name, &(header(shell.pid(), HOST) + &start(1, "long ago")));
    let file = File::options().append(true).open(daemon.path(&name)).expect("opened");
    file.set_modified(SystemTime::now() - Duration::from_secs(3600)).expect("aged");
    assert_eq!(daemon.take(), ["long ago"]);
    daemon.sweep(later(0));
    assert_eq!(daemon.names(), Vec::<String>::new(), "the process is younger than the file");
}

#[test]
fn the_file_of_a_shell_on_another_machine_stays_for_a_week() {
    let mut daemon = Daemon::new();
    daemon.append("sid.4000000", &(header(4_000_000, "elsewhere") + &start(1, "one")));
    assert_eq!(daemon.take(), ["one"]);
    daemon.sweep(later(86_400));
    assert_eq!(daemon.names().len(), 1);
    daemon.sweep(later(8 * 86_400));
    assert_eq!(daemon.names().len(), 0);
}

#[test]
fn a_large_file_is_moved_aside_and_drained_and_nothing_is_lost() {
    let mut daemon = Daemon::new();
    let shell = Shell::start();
    let name = format!("sid.{}", shell.pid());
    daemon.append(&name, &header(shell.pid(), HOST));
    daemon.append(&name, &(start(1, &"x".repeat(300_000)) + &end(1) + &start(2, "runs")));
    assert_eq!(daemon.take().len(), 3);
    daemon.sweep(later(0));
    assert_eq!(daemon.names(), [format!("{name}.old")]);
    // A shell that had the old file open, then one that opens the new one.
    daemon.append(&format!("{name}.old"), &end(2));
    daemon.append(&name, &start(3, "new file"));
    daemon.restart();
    assert_eq!(daemon.take(), ["end", "new file"]);
    daemon.sweep(later(0));
    assert_eq!(daemon.names().len(), 2, "it may still be written to");
    daemon.sweep(later(61));
    assert_eq!(daemon.names(), [name.as_str()]);
    daemon.append(&name, &end(3));
    daemon.restart();
    assert_eq!(daemon.take(), ["end"]);
    shell.end();
    daemon.sweep(later(0));
    assert_eq!((daemon.names().len(), daemon.rows.len()), (0, 0));
}

#[test]
fn a_file_aside_that_the_shell_holds_open_stays() {
    let mut daemon = Daemon::new();
    let mut shell = Writer::start();
    let name = format!("sid.{}", shell.pid());
    daemon.append(&name, &(header(shell.pid(), HOST) + &start(1, &"x".repeat(300_000))));
    fs::hard_link(daemon.path(&name), daemon.path("held")).expect("a second name for it");
    shell.open(&daemon.path("held"));
    daemon.take();
    daemon.sweep(later(0));
    daemon.sweep(later(61));
    assert_eq!(daemon.names(), ["held".to_owned(), format!("{name}.old")]);
    shell.close();
    daemon.sweep(later(61));
    assert_eq!(daemon.names(), ["held"]);
}
