//! Every error code at every state of a session: what the device makes of it, and what the person reads.

use caro_schema::relay::ErrorCode;

use crate::scene::{Scene, named};

/// What the person reads, by code. The state in which it comes changes nothing.
const TOLD: &[(ErrorCode, &str)] = &[
    (ErrorCode::NotKnown, "stopped: the account is gone there"),
    (ErrorCode::Exists, "stopped: it does not keep to the protocol"),
    (ErrorCode::BadProof, "stopped: it does not keep to the protocol"),
    (ErrorCode::Removed, "stopped: this device was revoked; to join again: caro sync restore"),
    (ErrorCode::Malformed, "stopped: it does not keep to the protocol"),
    (ErrorCode::TooLarge, "stopped: it does not keep to the protocol"),
    (
        ErrorCode::QuotaExceeded,
        "not connected (the account's space at the relay is used up; whoever runs it can give it more)",
    ),
    (ErrorCode::RateLimited, "not connected (the relay asks to slow down)"),
    (ErrorCode::TooManyConnections, "not connected (the relay has too many connections)"),
    (ErrorCode::StorageUnavailable, "not connected (the relay cannot store at the moment)"),
    (ErrorCode::CursorAhead, "stopped: it shows an older history than before"),
    (ErrorCode::ShuttingDown, "not connected (the relay is going down)"),
    (ErrorCode::Idle, "not connected ("),
    (ErrorCode::SessionExpired, "not connected ("),
];

/// Codes that answer a request which a device in a session has not made.
const PASSED_OVER: [ErrorCode; 2] = [ErrorCode::ListOutOfStep, ErrorCode::RegistrationRefused];

fn every_code_at(name: &str) {
    let behaviour = named(name);
    let mut scene = Scene::new();
    for (at, (code, told)) in TOLD.iter().enumerate() {
        scene.relay.refuse_with(*code);
        scene.relay.behave(behaviour);
        scene.type_line(&format!("echo refused {at}"));
        scene.told(told);
        scene.nothing_is_lost();
        scene.relay.reform();
        scene.desk.home.caro_ok(&["sync", "on"]);
        scene.everything_is_there();
    }
    for code in PASSED_OVER {
        scene.relay.refuse_with(code);
        let heard = scene.relay.heard();
        scene.relay.behave(behaviour);
        scene.type_line(&format!("echo passed over {code:?}"));
        caro_tests::eventually("the device has come back", || (scene.relay.heard() > heard).then_some(()));
        assert!(!scene.status().contains("stopped:"), "{code:?}");
        scene.relay.reform();
        scene.everything_is_there();
    }
}

#[test]
fn every_error_in_answer_to_a_hello() {
    every_code_at("refuses-hello");
}

#[test]
fn every_error_in_answer_to_a_pull() {
    every_code_at("refuses-pull");
}

#[test]
fn every_error_in_answer_to_a_push() {
    every_code_at("refuses-push");
}
