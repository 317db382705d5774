//! What differs from one system to another and must not: how paths and lines are written, how coarse a clock is, and what
//! becomes of time while a computer sleeps.

use crate::{
    clock::Clock,
    net::{Loss, Way},
    oracle,
    sabotage::Sabotage,
    scenario::{Body, Run, Scenario, Tier},
    world::World,
};

/// A system, by what a device of it records.
struct Profile {
    directory: &'static [u8],
    command: &'static [u8],
    host: &'static str,
    shell: &'static str,
    /// Milliseconds between two readings of its clock that differ.
    clock_step_ms: u64,
}

const LINUX: Profile = Profile {
    directory: b"/canary/caf\xe9/not utf-8",
    command: b"grep -r 'canary\\n' \xff\xfe | less",
    host: "canary-linux",
    shell: "zsh 5.9",
    clock_step_ms: 0,
};

const WINDOWS: Profile = Profile {
    directory: br"C:\Users\canary\Eigene Dateien\CON",
    command: b"Get-ChildItem -Path 'C:\\canary' |\r\n  Select-String \"\xc3\xbc\"",
    host: "CANARY-WINDOWS",
    shell: "pwsh 7.4",
    // The system timer of a desktop.
    clock_step_ms: 16,
};

const MACOS: Profile = Profile {
    // The same letter as two code points, as its file system gives it back.
    directory: "/Users/canary/Mu\u{0308}ll".as_bytes(),
    command: "open /canary/Mu\u{0308}ll /CANARY/M\u{00fc}ll".as_bytes(),
    host: "canary-mac.local",
    shell: "fish 4.0",
    clock_step_ms: 1,
};

/// A command as a device of this system records it.
fn record(world: &mut World, at: usize, profile: &Profile, number: usize) {
    world.record_as(at, &format!("canary {at} {number}"), |record| {
        record.command = [profile.command, format!(" # {number}").as_bytes()].concat().into();
        record.directory = profile.directory.to_vec().into();
        profile.host.clone_into(&mut record.host);
        profile.shell.clone_into(&mut record.shell);
    });
}

fn set_clocks(world: &mut World, profiles: &[&Profile]) {
    for (at, profile) in profiles.iter().enumerate() {
        world.machines[at].clock = Clock { step_ms: profile.clock_step_ms, ..Clock::default() };
    }
}

/// What a system does that writes paths and lines its own way when it takes them in.
fn rewrite_natively(run: &Run, world: &mut World) {
    if run.lacks(Sabotage::NativePathBytes) {
        for machine in &mut world.machines {
            machine.rewrite_paths();
        }
    }
}

/// X-PLAT-01.
pub const X_PLAT_01: Scenario = Scenario {
    id: "X-PLAT-01",
    title: "Linux and Windows client",
    injection: "Two profiles, 500 ms + 20 % loss",
    outcome: "Both sync; rekey holds; no path or encoding damage",
    bodies: &[
        Body { tier: Tier::Sim, broken_by: &[Sabotage::NativePathBytes, Sabotage::NoReconnect], run: two_systems },
        crate::programs::links::far::X_PLAT_01,
    ],
};

fn two_systems(run: &mut Run) {
    let mut world = run.world(2);
    let profiles = [&LINUX, &WINDOWS];
    set_clocks(&mut world, &profiles);
    world.seal_sessions();
    world.spent_after = Some(40);
    world.every_link(|link| {
        link.both(|way| *way = Way { delay_ms: 500, loss: Loss::Random(20), ..Way::default() });
    });
    for n in 0..25 {
        for (at, profile) in profiles.iter().enumerate() {
            record(&mut world, at, profile, n);
        }
        let pause_ms = world.seed.below(4_000);
        world.pass(pause_ms);
        if n == 12 {
            world.cut(0);
            world.cut(1);
        }
    }
    world.spent_after = None;
    world.heal_all();
    world.settle();
    rewrite_natively(run, &mut world);
    let sessions: u64 = world.traffic.iter().map(|traffic| traffic.sessions).sum();
    assert!(sessions >= 4, "{sessions} sessions, so keys were made anew");
    oracle::check(&world);
}

/// X-PLAT-02.
pub const X_PLAT_02: Scenario = Scenario {
    id: "X-PLAT-02",
    title: "Sleep and wake",
    injection: "SIGSTOP, clock +8 h, SIGCONT",
    outcome: "Recovers on wake; stale session dropped; sync resumes; no timer storm",
    bodies: &[
        Body {
            tier: Tier::Sim,
            broken_by: &[Sabotage::MonotonicFromWallClock, Sabotage::NoReconnect],
            run: sleep_and_wake,
        },
        crate::programs::platform::X_PLAT_02,
    ],
};

fn sleep_and_wake(run: &mut Run) {
    let mut world = run.world(3);
    for (round, ahead_ms) in [8 * 3_600_000_i64, -8 * 3_600_000, 0, -365 * 86_400_000, 0].into_iter().enumerate() {
        for at in 0..3 {
            world.record(at, &format!("canary before {round} {at}"));
        }
        // In the middle of collecting commands, or of sending them.
        let pause_ms = world.seed.below(40);
        world.pass(pause_ms);
        world.sleep(0);
        let (sessions, tries) = (world.traffic[0].sessions, world.traffic[0].refused);
        for n in 0..8 {
            world.record(1, &format!("canary meanwhile {round} {n}"));
            world.pass(3_600_000);
        }
        // The clock that is read after a sleep may show anything.
        world.set_clock(0, ahead_ms);
        // It wakes in another place: nothing of its old connection gets through.
        world.silence(0);
        world.wake(0);
        world.pass_until("the stale session is dropped", 20_000, |world| !world.is_connected(0));
        world.heal(0);
        world.pass_until("another is opened", 60_000, |world| {
            world.is_connected(0) && world.traffic[0].sessions > sessions
        });
        world.record(0, &format!("canary after {round}"));
        let there = |world: &World| world.machines[1].history.digest() == world.machines[0].history.digest();
        world.pass_until("sync resumes", 60_000, there);
        world.settle();
        let tried = world.traffic[0].sessions - sessions + world.traffic[0].refused - tries;
        assert!(tried <= 4, "{tried} tries after waking up");
    }
    oracle::check(&world);
}

/// X-PLAT-03.
pub const X_PLAT_03: Scenario = Scenario {
    id: "X-PLAT-03",
    title: "Mixed clients, relay restart",
    injection: "Three profiles, relay killed and restarted",
    outcome: "All reconnect and converge",
    bodies: &[
        Body { tier: Tier::Sim, broken_by: &[Sabotage::NativePathBytes, Sabotage::NoReconnect], run: three_systems },
        crate::programs::platform::X_PLAT_03,
    ],
};

fn three_systems(run: &mut Run) {
    let mut world = run.world(3);
    let profiles = [&LINUX, &WINDOWS, &MACOS];
    set_clocks(&mut world, &profiles);
    world.every_link(|link| link.both(|way| way.delay_ms = 25));
    for n in 0..20 {
        for (at, profile) in profiles.iter().enumerate() {
            record(&mut world, at, profile, n);
        }
        let pause_ms = world.seed.below(100);
        world.pass(pause_ms);
        match n {
            5 | 11 => world.crash_relay(0),
            8 => world.stop_relay(0),
            9 => {
                world.pass(30_000);
                world.start_relay(0);
            }
            _ => {}
        }
    }
    world.pass_until("all reconnect", 60_000, |world| (0..3).all(|at| world.is_connected(at)));
    world.settle();
    rewrite_natively(run, &mut world);
    oracle::check(&world);
}
