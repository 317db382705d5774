//! What programs say of an account, for tests that look at it.

use std::process::Output;

use caro_tests::Device;
use serde_json::Value;

/// What `caro sync status` says.
pub(crate) fn status(device: &Device) -> Value {
    serde_json::from_str(&device.home.caro_ok(&["sync", "status", "--json"])).expect("JSON")
}

/// The names of what it warns of.
pub(crate) fn warnings(device: &Device) -> Vec<String> {
    let status = status(device);
    let warnings = status["warnings"].as_array().expect("a list");
    warnings.iter().map(|warning| warning["warning"].as_str().expect("a code").to_owned()).collect()
}

/// All that a program said.
pub(crate) fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
