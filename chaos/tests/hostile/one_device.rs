//! The behaviours that one device meets by itself: one test each.

use std::collections::BTreeSet;

use chaos_tests::hostile::ALL;

use crate::scene::{Scene, named};

fn meet(name: &str) {
    let behaviour = named(name);
    let mut scene = Scene::new();
    scene.turn(behaviour);
    scene.repair(behaviour);
}

macro_rules! met {
    ($($test:ident $name:literal)*) => {
        $(
            #[test]
            fn $test() {
                meet($name);
            }
        )*

        const MET: &[&str] = &[$($name),*];
    };
}

met! {
    trap_08_rollback "rollback"
    trap_08_rewritten "rewritten"
    trap_08_empty_account "empty-account"
    trap_07_many_lives "many-lives"
    trap_06_cursor_ahead "cursor-ahead"
    swap_accounts "swap-accounts"
    swap_classes "swap-classes"
    trap_09_replay "replay"
    backwards "backwards"
    bit_flips "bit-flips"
    bit_flips_true_chain "bit-flips-true-chain"
    trap_52_downgrade "downgrade"
    purge_storm "purge-storm"
    trap_06_cursor_jump "cursor-jump"
    trap_04_cursor_falls "cursor-falls"
    trap_04_empty_pages "empty-pages"
    trap_04_same_page "same-page"
    trap_38_oversized_count "oversized-count"
    trap_38_oversized_bytes "oversized-bytes"
    lying_quota "lying-quota"
    trap_02_ack_unknown "ack-unknown"
    trap_10_ack_without_storing "ack-without-storing"
    cells_before_welcome "cells-before-welcome"
    welcome_twice "welcome-twice"
    endless_presence "endless-presence"
    endless_talk "endless-talk"
    pause_for_ever "pause-for-ever"
    account_gone "account-gone"
    device_removed "device-removed"
    other_key "other-key"
    other_signer "other-signer"
    bad_signature "bad-signature"
    noise "noise"
    trap_52_other_version "other-version"
    bent_handshake "bent-handshake"
    closes "closes"
    garbage_records "garbage-records"
    garbage_messages "garbage-messages"
    trap_38_oversized_frame "oversized-frame"
}

/// Those that a device finds out by waiting: side by side, because nothing happens meanwhile.
const SLOW: [&str; 4] = ["silent", "one-byte-a-second", "mute", "slows-down"];

#[test]
fn trap_37_every_way_to_be_slow_ends_by_the_devices_own_clock() {
    std::thread::scope(|scope| {
        for name in SLOW {
            scope.spawn(move || meet(name));
        }
    });
}

/// Met in the other files of this test.
const ELSEWHERE: &[&str] =
    &["fork", "withhold", "refuses-hello", "refuses-pull", "refuses-push", "ghost-device", "old-list"];

#[test]
fn every_behaviour_is_met() {
    let met: BTreeSet<&str> = MET.iter().chain(&SLOW).chain(ELSEWHERE).copied().collect();
    let all: BTreeSet<&str> = ALL.iter().map(|behaviour| behaviour.name).collect();
    assert_eq!(met, all);
}
