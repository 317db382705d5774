//! What a newcomer meets: lists that the account did not sign, lists of before, and an account without history.

use caro_tests::Device;
use chaos_tests::hostile::Outcome;

use crate::scene::{Scene, named};

/// Tries to join. Gives what the person reads.
pub(crate) fn restore(scene: &Scene, device: &Device) -> std::process::Output {
    let address = scene.relay.address();
    let arguments = ["sync", "restore", "--relay", &address, "--name", "new", "--phrase-stdin"];
    device.home.caro_with_input(&arguments, &scene.phrase)
}

fn is_refused(scene: &mut Scene, name: &str) {
    let behaviour = named(name);
    let Outcome::Refuses { told } = behaviour.outcome else { panic!("{name} does not concern a newcomer") };
    scene.relay.behave(behaviour);
    let newcomer = Device::new();
    newcomer.type_lines("n", &["echo newcomer"]);
    let refused = restore(scene, &newcomer);
    let words = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && words.contains(told), "{words}");
    newcomer.expect_commands(&["echo newcomer"]);
    assert!(newcomer.home.caro_ok(&["sync", "status"]).contains("not in an account"));
    scene.nothing_is_lost();

    // Once the relay is honest, the same words let the newcomer in.
    scene.relay.reform();
    scene.others_type("echo newcomer");
    let joined = restore(scene, &newcomer);
    assert!(joined.status.success(), "{}", String::from_utf8_lossy(&joined.stderr));
    scene.everything_is_there();
}

#[test]
fn a_list_with_a_ghost_device_lets_nobody_in() {
    is_refused(&mut Scene::new(), "ghost-device");
}

#[test]
fn an_old_list_lets_nobody_in() {
    let mut scene = Scene::new();
    let second = Device::new();
    let joined = restore(&scene, &second);
    assert!(joined.status.success(), "{}", String::from_utf8_lossy(&joined.stderr));
    is_refused(&mut scene, "old-list");
}
