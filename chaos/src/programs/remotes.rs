//! Several relays for one account: each has its own log and its own cursor, and what one loses another has.

use std::time::{Duration, Instant};

use caro_tests::{Device, eventually, eventually_within};

use super::{
    database,
    kills::pending_up,
    relay::{RelayProgram, copy_folder},
    stage::{Stage, expect_history, expect_whole, settle},
    strace::{self, Beside, Point, SENDS},
};
use crate::{
    sabotage::Sabotage,
    scenario::{Body, Run, Scenario, Tier},
    seed::Seed,
};

/// Two relays, and two devices that use both.
pub(super) struct Two {
    pub(super) stage: Stage,
    pub(super) second: RelayProgram,
}

impl Two {
    fn new() -> Self {
        Self::with(Stage::running())
    }

    /// A second relay for the devices of a stage.
    pub(super) fn with(stage: Stage) -> Self {
        let second = RelayProgram::new();
        for device in stage.devices() {
            let arguments = ["sync", "remote", "add", second.address(), "--phrase-stdin"];
            let output = device.home.caro_with_input(&arguments, &stage.phrase);
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        settle(&stage.devices());
        Self { stage, second }
    }

    /// Both have exactly these, by whichever relay runs.
    fn expect(&self, commands: &[String]) {
        for device in self.stage.devices() {
            expect_history(device, commands);
        }
    }

    /// The end: both relays run, nothing waits for either, both are whole, and either alone has everything.
    pub(super) fn expect_all(mut self, commands: &[String]) {
        for relay in [&mut self.stage.relay, &mut self.second] {
            if !relay.is_running() {
                relay.start();
            }
        }
        for device in self.stage.devices() {
            // A remote that had to wait long is tried at once.
            device.home.caro_ok(&["sync", "now", "--wait", "20"]);
            eventually("nothing waits", || (pending_up(device) == 0).then_some(()));
        }
        self.expect(commands);
        for device in self.stage.devices() {
            expect_whole(device);
            device.home.caro_ok(&["daemon", "stop"]);
        }
        for alone in [&self.stage.relay, &self.second] {
            let newcomer = Device::new();
            let arguments = ["sync", "restore", "--relay", alone.address(), "--name", "new", "--phrase-stdin"];
            let output = newcomer.home.caro_with_input(&arguments, &self.stage.phrase);
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            newcomer.sync();
            expect_history(&newcomer, commands);
        }
        for relay in [&mut self.stage.relay, &mut self.second] {
            relay.stop();
            relay.expect_sound();
        }
    }
}

/// MR-1 with real programs.
pub const MR_1: Body = Body { tier: Tier::Proc, broken_by: &[Sabotage::SharedCursorAcrossRelays], run: primary_dies };

fn primary_dies(run: &mut Run) {
    strace::require(run);
    let mut two = Two::new();
    if run.lacks(Sabotage::SharedCursorAcrossRelays) {
        one_log_for_both(&mut two);
    }
    let n = 1 + Seed::new(run.seed).below(3);
    let beside = Beside::point(&Point::killed_at(SENDS, n), two.stage.relay.pid(), None);
    let lines: Vec<String> = (0..5).map(|n| format!("echo laptop {n}")).collect();
    for (n, line) in lines.iter().enumerate() {
        two.stage.laptop.type_lines(&format!("shell-{n}"), &[line]);
    }
    two.stage.relay.expect_killed();
    drop(beside);
    // The other one carries it, while the first is gone.
    two.expect(&lines);
    two.expect_all(&lines);
}

/// What one cursor for both would need: that the second relay's log is the first one's.
fn one_log_for_both(two: &mut Two) {
    two.stage.relay.stop();
    two.second.stop();
    std::fs::remove_dir_all(two.second.data()).expect("removed");
    copy_folder(&two.stage.relay.data(), &two.second.data());
    two.stage.relay.start();
    two.second.start();
}

/// MR-2 with real programs.
pub const MR_2: Body = Body { tier: Tier::Proc, broken_by: &[Sabotage::DropOutboxOnError], run: secondary_dies };

fn secondary_dies(run: &mut Run) {
    let mut two = Two::new();
    two.second.kill();
    let lines: Vec<String> = (0..5).map(|n| format!("echo laptop {n}")).collect();
    for (n, line) in lines.iter().enumerate() {
        two.stage.laptop.type_lines(&format!("shell-{n}"), &[line]);
    }
    // The first relay's word is enough; what the second lacks is said.
    two.expect(&lines);
    eventually("it is said", || {
        let status = two.stage.laptop.home.caro_ok(&["sync", "status", "--json"]);
        (status.to_lowercase().contains("waiting") && pending_up(&two.stage.laptop) > 0).then_some(())
    });
    if run.lacks(Sabotage::DropOutboxOnError) {
        two.stage.laptop.kill();
        database::forget_outbox(&two.stage.laptop.home.data());
        two.stage.laptop.home.caro_ok(&["daemon", "start"]);
    }
    two.expect_all(&lines);
}

/// MR-3.
pub const MR_3: Scenario = Scenario {
    id: "MR-3",
    title: "All relays killed",
    injection: "SIGKILL both",
    outcome: "`AllRelaysFailed`, no hang or panic; ops kept; syncs when one returns",
    bodies: &[Body { tier: Tier::Proc, broken_by: &[Sabotage::SkipRetry], run: both_die }],
};

fn both_die(run: &mut Run) {
    let mut two = Two::new();
    two.stage.relay.kill();
    two.second.kill();
    let lines: Vec<String> = (0..4).map(|n| format!("echo {n}")).collect();
    for (n, line) in lines.iter().enumerate() {
        two.stage.devices()[n % 2].type_lines(&format!("shell-{n}"), &[line]);
    }
    let begun = Instant::now();
    let output = two.stage.laptop.home.caro(&["sync", "now", "--wait", "1"]);
    assert!(!output.status.success() && begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("hint: "), "{said}");
    if run.lacks(Sabotage::SkipRetry) {
        two.stage.laptop.home.caro_ok(&["sync", "off"]);
    }
    // One returns, and nobody has to do anything.
    two.second.start();
    let patience = Duration::from_secs(if run.sabotage.is_some() { 5 } else { 45 });
    eventually_within(patience, "they find it by themselves", || {
        let all = |device: &Device| device.home.commands().len() == lines.len();
        two.stage.devices().into_iter().all(all).then_some(())
    });
    two.expect(&lines);
    two.expect_all(&lines);
}

/// MR-4 with real programs.
pub const MR_4: Body = Body { tier: Tier::Proc, broken_by: &[Sabotage::DropOutboxOnError], run: flapping };

fn flapping(run: &mut Run) {
    let mut two = Two::new();
    let mut lines = Vec::new();
    let mut type_some = |two: &Two| {
        for device in 0..2 {
            let line = format!("echo {device} {}", lines.len());
            two.stage.devices()[device].type_lines(&format!("shell-{}", lines.len()), &[&line]);
            lines.push(line);
        }
    };
    for _ in 0..3 {
        type_some(&two);
        two.second.kill();
        type_some(&two);
        two.second.start();
    }
    for device in two.stage.devices() {
        device.home.caro_ok(&["sync", "now", "--wait", "20"]);
    }
    // It comes back with an empty log, and its owner says that this is a new life.
    two.second.stop();
    database::empty(&two.second.database());
    two.second.renew();
    two.second.start();
    if run.lacks(Sabotage::DropOutboxOnError) {
        // Nobody offers again what it lacks.
        for device in two.stage.devices() {
            let address = two.second.address().split('#').next().unwrap_or_default().to_owned();
            device.home.caro_ok(&["sync", "remote", "remove", &address]);
        }
    }
    type_some(&two);
    two.expect_all(&lines);
}
