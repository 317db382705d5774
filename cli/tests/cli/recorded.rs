//! Commands that get into a home as a shell's hook or an older shell's file brings them.

use std::{
    fs,
    io::Write,
    time::{SystemTime, UNIX_EPOCH},
};

use crate::support::{Home, eventually};

impl Home {
    /// Appends what a hook writes for these commands, run one after the other now, in this run of a shell.
    pub(crate) fn record(&self, session: &str, commands: &[&str]) {
        let spool = self.places().spool;
        eventually("the daemon makes its folder", || spool.is_dir().then_some(()));
        let now_us = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_micros();
        let pid = std::process::id();
        let mut text = format!("\0H1\0s{session}\0p{pid}\0kzsh 5.9\0hlaptop\0uada\0\0");
        for (command, at_us) in commands.iter().zip((now_us..).step_by(10)) {
            text += &format!("\0S{at_us}\0d/tmp\0c{command}\0\0\0E{}\0x0\0\0", at_us + 5);
        }
        let path = spool.join(format!("{session}.{pid}"));
        let mut file = fs::File::options().append(true).create(true).open(path).expect("the file opens");
        file.write_all(text.as_bytes()).expect("appended");
    }

    /// Takes commands in, as bash would have kept them: one second apart, from 1,700,000,000.
    pub(crate) fn import(&self, commands: &[&str]) {
        let lines = commands.iter().zip(1_700_000_000..).map(|(command, time)| format!("#{time}\n{command}\n"));
        let file = self.write("older", lines.collect::<String>().as_bytes());
        self.ok(&["import", "bash", &file]);
    }
}
