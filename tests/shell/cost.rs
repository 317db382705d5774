//! No process per command: counted by the system-call trace of a shell at work.

use caro_tests::{have, processes_started, skip};

use crate::session::{Session, for_each_shell};

for_each_shell! {
    pf001_twenty_commands_start_no_process(kind) {
        if !have("strace") {
            return skip("pf001", "strace");
        }
        let mut session = Session::start(kind);
        // Whatever a shell does once, it has done.
        session.run(&["true warm", "false", "true again"]);
        let (pid, folder) = (session.terminal.pid(), session.device.home.path());
        let started = processes_started(pid, &folder, || session.run(&["true; false; : builtins alone"; 20]));
        assert!(started.is_empty(), "{started:#?}");
        assert_eq!(session.commands().iter().filter(|text| text.contains("builtins alone")).count(), 20);
    }
}
