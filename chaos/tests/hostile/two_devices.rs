//! What only shows between two devices of one account: logs that differ.

use caro_tests::{Device, eventually};
use chaos_tests::hostile::Outcome;

use crate::{
    joining::restore,
    scene::{Scene, named},
};

/// A second device in the account, in step.
fn second(scene: &mut Scene) -> Device {
    let laptop = Device::new();
    let joined = restore(scene, &laptop);
    assert!(joined.status.success(), "{}", String::from_utf8_lossy(&joined.stderr));
    in_step(&laptop);
    scene.everything_is_there();
    laptop
}

/// Waits until nothing is on its way.
fn in_step(device: &Device) {
    is_told(device, "0 to send, 0 to fetch");
}

fn pushed(scene: &Scene, cells: usize) {
    eventually("it is pushed", || (scene.relay.pushed() >= cells).then_some(()));
}

fn is_told(device: &Device, words: &str) {
    eventually(&format!("sync status says {words:?}"), || {
        device.home.caro_ok(&["sync", "status"]).contains(words).then_some(())
    });
}

fn types(scene: &mut Scene, laptop: &Device, line: &str) {
    scene.others_type(line);
    laptop.type_lines(&format!("l{}", line.len()), &[line]);
    eventually("it is recorded", || laptop.home.commands().contains(&line.to_owned()).then_some(()));
}

/// Once the relay is honest and was renewed, both have everything.
fn both_recover(scene: &mut Scene, laptop: &Device, name: &str) {
    scene.relay.reform();
    scene.relay.renew();
    laptop.home.caro_ok(&["sync", "on"]);
    scene.repair(named(name));
    eventually("both have the same", || {
        let (mut here, mut there) = (scene.desk.home.commands(), laptop.home.commands());
        here.sort();
        there.sort();
        (here == there).then_some(())
    });
}

#[test]
fn a_fork_is_found_out_as_soon_as_both_see_one_log_again() {
    let mut scene = Scene::new();
    let laptop = second(&mut scene);
    let behaviour = named("fork");
    let Outcome::Stops { told } = behaviour.outcome else { panic!("a fork stops") };
    scene.relay.behave(behaviour);
    let before = scene.relay.pushed();
    scene.type_line("echo on the desk alone");
    pushed(&scene, before + 1);
    types(&mut scene, &laptop, "echo on the laptop alone");
    pushed(&scene, before + 2);
    assert!(!laptop.home.commands().contains(&"echo on the desk alone".to_owned()));
    assert!(!scene.desk.home.commands().contains(&"echo on the laptop alone".to_owned()));

    scene.relay.reform();
    // The truth continues the log of whoever pushed first; the other one notices.
    is_told(&laptop, &format!("stopped: {told}"));
    scene.nothing_is_lost();
    both_recover(&mut scene, &laptop, "fork");
}

#[test]
fn withheld_cells_are_found_out_by_what_the_other_device_says_that_it_saw() {
    let mut scene = Scene::new();
    let laptop = second(&mut scene);
    let behaviour = named("withhold");
    let Outcome::Stops { told } = behaviour.outcome else { panic!("it stops") };
    scene.relay.behave(behaviour);
    types(&mut scene, &laptop, "echo hidden");
    in_step(&laptop);
    scene.type_line("echo on the desk");
    in_step(&scene.desk);
    eventually("the laptop sees the desk", || {
        laptop.home.commands().contains(&"echo on the desk".to_owned()).then_some(())
    });
    assert!(!scene.desk.home.commands().contains(&"echo hidden".to_owned()));

    // A device says what it has seen when its daemon ends, among other times. Until it has read the log beyond the place of
    // what is hidden there is nothing to compare, and nobody outside can tell when that is; so it says so several times.
    let told = format!("stopped: {told}");
    let is_found_out = || laptop.home.caro_ok(&["sync", "status"]).contains(&told);
    let mut round = 0;
    eventually("the laptop finds it out", || {
        round += 1;
        scene.type_line(&format!("echo on the desk {round}"));
        in_step(&scene.desk);
        scene.desk.home.caro_ok(&["daemon", "stop"]);
        scene.desk.home.caro_ok(&["daemon", "start"]);
        (0..50).any(|_| is_found_out()).then_some(())
    });
    is_told(&laptop, "proof is in `caro doctor --verify`");
    scene.nothing_is_lost();
    both_recover(&mut scene, &laptop, "withhold");
}
