//! Signals, jobs, shells inside shells, and folders that go away: the prompt never notices, and what can be recorded is.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use caro_tests::{eventually, skip};

use super::bare::{Bare, Setup};
use crate::session::{Kind, for_each_shell};

for_each_shell! {
    rh060_ctrl_c_on_the_line_and_in_the_command(kind) {
        let mut shell = Bare::start(kind);
        shell.terminal.keys("true given up");
        shell.terminal.wait_for("given up");
        shell.terminal.keys("\x03");
        shell.terminal.wait_until("a new prompt", |screen| screen.matches("ready>").count() > 1);
        shell.ready();
        shell.terminal.line("sleep 300");
        shell.wait_for_run("sleep 300", |run| run.end.is_none());
        shell.terminal.wait_for_job();
        shell.terminal.keys("\x03");
        shell.mark();
        assert_eq!(shell.exits(), [("sleep 300".to_owned(), Some(130))]);
    }

    rh061_an_empty_line_records_nothing(kind) {
        let mut shell = Bare::start(kind);
        shell.run(&["", "   ", "true one", "", ""]);
        assert_eq!(shell.commands(), ["true one"]);
    }

    rh062_a_stopped_and_a_background_job_are_recorded_once_each(kind) {
        let mut shell = Bare::start(kind);
        shell.terminal.line("sleep 301");
        shell.wait_for_run("sleep 301", |run| run.end.is_none());
        shell.terminal.wait_for_job();
        shell.terminal.keys("\x1a");
        shell.ended("sleep 301");
        shell.ready();
        shell.run(&["sleep 0.1 &", "kill %1", "wait"]);
        let exits = shell.exits();
        let names: Vec<&str> = exits.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["sleep 301", "sleep 0.1 &", "kill %1", "wait"]);
        if kind != Kind::Fish {
            assert_eq!(exits[0].1, Some(148), "128 and the signal's number");
        }
    }

    rh063_a_terminal_that_changes_its_size_disturbs_nothing(kind) {
        let mut shell = Bare::start(kind);
        shell.terminal.resize(30, 90);
        shell.terminal.line("sleep 0.2");
        shell.wait_for_run("sleep 0.2", |_| true);
        shell.terminal.resize(50, 100);
        shell.run(&["true after"]);
        shell.terminal.resize(25, 80);
        shell.run(&["true at last"]);
        assert_eq!(shell.commands(), ["sleep 0.2", "true after", "true at last"]);
        assert_eq!(shell.exits()[0].1, Some(0));
    }

    rh064_a_shell_that_is_killed_leaves_the_start(kind) {
        let mut shell = Bare::start(kind);
        shell.run(&["true before"]);
        shell.terminal.line("sleep 302");
        shell.wait_for_run("sleep 302", |run| run.end.is_none());
        shell.terminal.kill();
        assert_eq!(shell.exits(), [("true before".to_owned(), Some(0)), ("sleep 302".to_owned(), None)]);
    }

    rh065_exit_and_exec_leave_their_start(kind) {
        for last in ["exit 3", "exec true"] {
            let mut shell = Bare::start(kind);
            shell.run(&["true before"]);
            shell.terminal.line(last);
            shell.terminal.wait_for_end();
            // fish tells of the end of `exit` itself.
            let end = (kind == Kind::Fish && last == "exit 3").then_some(3);
            assert_eq!(shell.exits(), [("true before".to_owned(), Some(0)), (last.to_owned(), end)]);
        }
    }

    rh066_a_shell_inside_and_a_shell_instead_have_sessions_of_their_own(kind) {
        let mut shell = Bare::start(kind);
        let name = if kind == Kind::Zsh { "zsh -d" } else { kind.name() };
        shell.terminal.line(name);
        shell.run(&["true inside"]);
        shell.terminal.line("exit");
        shell.ended(name);
        shell.ready();
        shell.run(&["true outside"]);
        shell.terminal.line(&format!("exec {name}"));
        shell.run(&["true instead"]);
        let sessions = shell.shells();
        let has = |text: &str| sessions.iter().position(|session| {
            session.runs.iter().any(|run| run.command == text.as_bytes())
        });
        let places = [has("true inside"), has("true outside"), has("true instead")];
        assert!(places.iter().all(Option::is_some), "{sessions:?}");
        assert_eq!(sessions.len(), 3);
        assert!(places[0] != places[1] && places[1] != places[2] && places[0] != places[2], "{places:?}");
    }

    rh067_subshells_and_what_runs_beside_are_not_recorded(kind) {
        let lines: &[&str] = match kind {
            Kind::Fish => &["begin; true a; true b; end", "echo (true c)", "fish -c 'true d'"],
            _ => &["(true a; true b)", "echo $(true c; true d)", "{ true e; true f; } | true g", "bash -ic 'true h'"],
        };
        let mut shell = Bare::start(kind);
        shell.run(lines);
        assert_eq!(shell.commands(), lines);
    }

    rh068_a_folder_that_goes_away_is_silent_and_heals(kind) {
        let mut shell = Bare::start(kind);
        shell.run_alone("true before");
        let (spool, aside) = (shell.home.spool(), shell.home.path().join("aside"));
        fs::rename(&spool, &aside).expect("moved");
        shell.terminal.line("echo lost");
        shell.terminal.wait_for("\nlost");
        shell.ready();
        fs::write(&spool, "a file in its place").expect("written");
        shell.terminal.line("echo lost too");
        shell.terminal.wait_for("\nlost too");
        shell.ready();
        fs::remove_file(&spool).expect("removed");
        fs::rename(&aside, &spool).expect("moved");
        shell.run_alone("true after");
        assert_eq!(shell.commands(), ["true before", "true after"]);
        assert_eq!(shell.terminal.screen().trim_end(), QUIET, "nothing is said");
    }

    rh069_a_file_that_goes_away_comes_back(kind) {
        let mut shell = Bare::start(kind);
        shell.run(&["true before"]);
        fs::remove_file(shell.file()).expect("removed");
        shell.run(&["true after"]);
        assert_eq!(shell.commands(), ["true after"]);
        // As the daemon does with a large one.
        let file = shell.file();
        fs::rename(&file, file.with_extension("aside")).expect("moved");
        shell.run(&["true anew"]);
        assert!(shell.file() == file && shell.commands().iter().any(|text| text == "true anew"));
    }

    rh070_a_disk_that_is_full_is_silent_and_recovers(kind) {
        let setup = Setup::new(kind);
        let spool = setup.path().join(".local/state/caro/spool");
        let Some(disk) = SmallDisk::at(&spool) else {
            return skip(&format!("rh070 in {}", kind.name()), "to be allowed to mount a small file system");
        };
        let mut shell = setup.start();
        shell.run(&["true before"]);
        disk.fill();
        shell.terminal.line("echo on a full disk");
        shell.terminal.wait_for("\non a full disk");
        shell.ready();
        shell.terminal.line("echo still full");
        shell.terminal.wait_for("\nstill full");
        shell.ready();
        disk.empty();
        let said = shell.terminal.screen().matches("No space left").count();
        if kind == Kind::Fish {
            // fish says it itself and nothing can silence it, so the hook rests for ten commands.
            assert!(said <= 1, "{}", shell.terminal.screen());
            for _ in 0..10 {
                shell.terminal.line("true meanwhile");
            }
        } else {
            assert_eq!(said, 0, "{}", shell.terminal.screen());
        }
        shell.run(&["true after"]);
        let commands = shell.commands();
        assert_eq!(commands.first().map(String::as_str), Some("true before"));
        assert_eq!(commands.last().map(String::as_str), Some("true after"));
        // Before the home goes, which cannot be removed while something is mounted in it.
        drop(disk);
        drop(shell);
    }

    rh071_in_another_users_home_nothing_is_written(kind) {
        let setup = Setup::new(kind);
        let spool = setup.path().join(".local/state/caro/spool");
        if std::os::unix::fs::chown(&spool, Some(65_534), None).is_err() {
            return skip(&format!("rh071 in {}", kind.name()), "to be root");
        }
        fs::set_permissions(&spool, fs::Permissions::from_mode(0o777)).expect("opened");
        let mut shell = setup.start();
        shell.terminal.line("echo it; echo works");
        shell.terminal.wait_for("it\nworks");
        shell.ready();
        assert_eq!(fs::read_dir(&spool).expect("a folder").count(), 0);
    }
}

/// What the terminal shows when nothing but the commands' own output is on it.
const QUIET: &str = "ready> true before\nready> true mark 1\nready> echo lost\nlost\nready> echo lost too\nlost too\n\
                     ready> true after\nready> true mark 2\nready>";

/// A file system of a few pages, for as long as it lives.
struct SmallDisk<'a>(&'a std::path::Path);

impl<'a> SmallDisk<'a> {
    /// None where this user may not mount.
    fn at(folder: &'a std::path::Path) -> Option<Self> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=32k,mode=0700", "caro-test"]).arg(folder);
        mount.output().ok().filter(|output| output.status.success()).map(|_| Self(folder))
    }

    /// Takes all that is left.
    fn fill(&self) {
        let file = self.0.join(".filler");
        eventually("the disk is full", || fs::write(&file, vec![0; 64 * 1024]).is_err().then_some(()));
        // What the shell's own file has left of its last page.
        let mut pages = fs::read_dir(self.0).expect("a folder").map(|entry| entry.expect("an entry").path());
        let own = pages.find(|path| *path != file).expect("a spool file");
        let left = 4096 - fs::metadata(&own).expect("there").len() % 4096;
        let mut grown = fs::read(&own).expect("read");
        grown.extend(std::iter::repeat_n(0, usize::try_from(left).expect("a page")));
        fs::write(&own, grown).expect("within its page");
    }

    fn empty(&self) {
        fs::remove_file(self.0.join(".filler")).expect("removed");
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let done = Command::new("umount").arg("-l").arg(self.0).status();
        assert!(done.is_ok_and(|status| status.success()) || std::thread::panicking(), "unmounted");
    }
}
