//! A daemon in an account at a relay that will turn hostile, and another member of the account whose cells the test makes
//! itself. What a person had before, has meanwhile and must have in the end is written down here.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use caro_core::vault::Phrase;
use caro_schema::id::OpId;
use caro_tests::{Device, Home, eventually, eventually_within};
use chaos_tests::{
    fuzzing::account::{Rogue, plain, record_change},
    hostile::{Behaviour, Hostile, Outcome, Repair},
};
use serde_json::Value;

/// How long a device may take to say what it met. Its own patience with a silent relay is twenty seconds.
const PATIENCE: Duration = Duration::from_secs(90);

/// A daemon, its relay, and another member.
pub(crate) struct Scene {
    pub(crate) relay: Hostile,
    pub(crate) desk: Device,
    /// The words, for whoever joins.
    pub(crate) phrase: String,
    peer: Rogue,
    last: (u64, OpId),
    /// Commands of this machine: they must be there at every moment.
    own: BTreeSet<String>,
    /// Commands of the other member: they must be there in the end.
    theirs: BTreeSet<String>,
}

impl Scene {
    /// Everything in step, and the relay honest so far.
    pub(crate) fn new() -> Self {
        let relay = Hostile::start().expect("a port");
        let desk = Device::new();
        let phrase = init(&desk.home, &relay);
        let peer = Rogue::new(&Phrase::parse(&phrase).expect("a phrase"), 9);
        let (own, theirs) = (BTreeSet::new(), BTreeSet::new());
        let mut scene = Self { relay, desk, phrase, peer, last: (0, OpId([0; 32])), own, theirs };
        scene.type_line("echo one");
        scene.type_line("echo two");
        scene.told("0 to send, 0 to fetch");
        let admission = scene.peer.admission();
        let cell = scene.peer.entry_cell(&admission);
        scene.relay.push(vec![cell]);
        scene.peer_types(3);
        scene.everything_is_there();
        scene
    }

    /// A command here. It is recorded whatever any relay does.
    pub(crate) fn type_line(&mut self, line: &str) {
        self.desk.type_lines(&format!("s{}", self.own.len()), &[line]);
        self.own.insert(line.to_owned());
        self.nothing_is_lost();
    }

    /// Commands of the other member, in one push.
    pub(crate) fn peer_types(&mut self, count: u64) {
        let cells = (0..count).map(|_| self.next_op()).collect();
        self.relay.push(cells);
    }

    /// Somebody else typed this, and it may be here.
    pub(crate) fn others_type(&mut self, line: &str) {
        self.theirs.insert(line.to_owned());
    }

    fn next_op(&mut self) -> Vec<u8> {
        let seq = self.last.0 + 1;
        let (op, id) = self.peer.op(seq, self.last.1, plain(&[record_change(seq)]));
        self.last = (seq, id);
        self.theirs.insert(format!("make target-{seq}"));
        self.peer.op_cell(&op)
    }

    /// What the person reads.
    pub(crate) fn status(&self) -> String {
        self.desk.home.caro_ok(&["sync", "status"])
    }

    /// Waits until the person reads this.
    pub(crate) fn told(&self, words: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let status = self.status();
            if status.contains(words) {
                return status;
            }
            assert!(Instant::now() < deadline, "sync status does not say {words:?}, but:\n{status}");
        }
    }

    /// Waits until the person reads this. What is missing shows by what comes after it, and in how many pages the device was shown
    /// all of it before is for the machine to say: so the other device types again whenever this one has been heard.
    fn told_by_what_follows(&mut self, words: &str) -> String {
        let (deadline, mut heard, mut more) = (Instant::now() + PATIENCE, self.relay.heard(), 0);
        loop {
            let status = self.status();
            if status.contains(words) {
                return status;
            }
            assert!(Instant::now() < deadline, "sync status does not say {words:?}, but:\n{status}");
            if self.relay.heard() > heard || more == 0 {
                heard = self.relay.heard();
                more += 1;
                self.peer_types(1);
            }
        }
    }

    /// Every own command is here, and nothing that nobody typed.
    pub(crate) fn nothing_is_lost(&self) {
        eventually(&format!("the own commands are {:?}", self.own), || {
            self.own.is_subset(&self.listed()).then_some(())
        });
        let strangers: Vec<String> = self
            .commands()
            .into_iter()
            .filter(|text| !self.own.contains(text) && !self.theirs.contains(text))
            .collect();
        assert!(strangers.is_empty(), "nobody typed {strangers:?}");
    }

    /// What a list shows while more is coming: it is read in pieces, and what comes in between moves the rest.
    fn listed(&self) -> BTreeSet<String> {
        self.desk.home.commands().into_iter().collect()
    }

    fn commands(&self) -> BTreeSet<String> {
        let listed = self.desk.home.commands();
        let distinct: BTreeSet<String> = listed.iter().cloned().collect();
        assert_eq!(distinct.len(), listed.len(), "a command is there twice");
        distinct
    }

    /// Everything that anybody typed is here, and everything of here is at the relay.
    pub(crate) fn everything_is_there(&self) {
        let all: BTreeSet<String> = self.own.union(&self.theirs).cloned().collect();
        eventually_within(PATIENCE, "every command of every member is here", || (self.listed() == all).then_some(()));
        assert_eq!(self.commands(), all);
        eventually_within(PATIENCE, "connected, and in step", || {
            let status = self.status();
            (status.contains(": connected\n") && status.contains("0 to send, 0 to fetch")).then_some(())
        });
    }

    /// The relay turns hostile, both members go on typing, and the person reads what is expected.
    pub(crate) fn turn(&mut self, behaviour: &'static Behaviour) -> String {
        let heard = self.relay.heard();
        self.relay.behave(behaviour);
        self.peer_types(2);
        self.type_line("echo meanwhile");
        if matches!(behaviour.outcome, Outcome::Notes { .. } | Outcome::Harmless) {
            // After a greeting and a question the third thing that it says follows upon what it was sent first.
            eventually("the device has come back and was answered", || (self.relay.heard() > heard + 2).then_some(()));
            // Behind that, so that a gap shows.
            self.peer_types(1);
        }
        let status = match behaviour.outcome {
            Outcome::Stops { told } => {
                let status = self.told(&format!("stopped: {told}"));
                assert!(status.contains("caro sync "), "no advice in {status}");
                status
            }
            Outcome::Waits { told } => self.told(&if told.starts_with("not connected") {
                told.to_owned()
            } else {
                format!("not connected ({told})")
            }),
            Outcome::Notes { told } => self.told_by_what_follows(told),
            // Not even late.
            Outcome::Harmless => {
                self.everything_is_there();
                self.status()
            }
            Outcome::Refuses { .. } => panic!("{} concerns those who join", behaviour.name),
        };
        self.nothing_is_lost();
        self.keeps_working();
        status
    }

    /// Recording and searching are not the relay's business.
    pub(crate) fn keeps_working(&mut self) {
        self.type_line("echo still recorded");
        let found = self.desk.home.caro_ok(&["search", "--mode", "substring", "still recorded"]);
        assert!(found.contains("echo still recorded"), "{found}");
    }

    /// The relay is honest again and the person does what they were told.
    pub(crate) fn repair(&mut self, behaviour: &Behaviour) {
        self.relay.reform();
        if behaviour.repair == Repair::Renew {
            self.relay.renew();
        }
        match behaviour.repair {
            // Whoever does not want to wait for the next try.
            Repair::Nothing => drop(self.desk.home.caro(&["sync", "now", "--wait", "30"])),
            Repair::On | Repair::Renew => drop(self.desk.home.caro_ok(&["sync", "on"])),
        }
        self.peer_types(1);
        self.type_line("echo afterwards");
        self.everything_is_there();
    }
}

/// Makes an account. Gives the phrase.
pub(crate) fn init(home: &Home, relay: &Hostile) -> String {
    let arguments = ["sync", "init", "--relay", &relay.address(), "--name", "desk", "--yes", "--json"];
    let printed = home.caro_ok(&arguments);
    let json: Value = printed.lines().find_map(|line| serde_json::from_str(line).ok()).expect("JSON");
    match &json["phrase"] {
        Value::Array(words) => words.iter().map(|word| word.as_str().expect("a word")).collect::<Vec<_>>().join(" "),
        phrase => phrase.as_str().expect("a phrase").to_owned(),
    }
}

/// A behaviour by name.
pub(crate) fn named(name: &str) -> &'static Behaviour {
    chaos_tests::hostile::behaviour(name).expect("a behaviour")
}
