//! Every scenario, in groups, and the page that is printed from them.

use std::fmt::Write;

use crate::{
    programs::{self, links},
    scenario::{Body, Scenario},
    scenarios::{adversarial, content, cross_platform, encryption as enc, long, multi_relay, sync, transport},
};

/// All scenarios.
pub const ALL: &[&Scenario] = &[
    &transport::T_LAT_01,
    &transport::T_LAT_02,
    &links::slow::T_LAT_03,
    &transport::T_LAT_04,
    &links::far::T_LOSS_01,
    &links::far::T_LOSS_02,
    &transport::T_LOSS_03,
    &transport::T_LOSS_04,
    &transport::T_CONN_01,
    &transport::T_CONN_02,
    &transport::T_CONN_03,
    &programs::connections::T_CONN_04,
    &programs::connections::T_CONN_05,
    &links::slow::T_BW_01,
    &links::slow::T_BW_02,
    &links::slow::T_BW_03,
    &enc::E_HS_01,
    &enc::E_HS_02,
    &enc::E_HS_03,
    &enc::E_HS_04,
    &enc::E_HS_05,
    &enc::E_HS_06,
    &enc::E_ENC_01,
    &enc::E_ENC_02,
    &enc::E_ENC_03,
    &enc::E_ENC_04,
    &enc::E_ENC_05,
    &enc::E_PQ_01,
    &enc::E_PQ_02,
    &enc::E_PQ_03,
    &enc::E_PQ_04,
    &enc::E_PQ_05,
    &sync::S_SM_01,
    &sync::S_SM_02,
    &sync::S_SM_03,
    &sync::S_SM_04,
    &sync::S_CONC_01,
    &sync::S_CONC_02,
    &sync::S_CONC_03,
    &sync::S_CONC_04,
    &sync::S_CONV_01,
    &sync::S_CONV_02,
    &sync::S_CONV_03,
    &sync::S_CONV_04,
    &sync::S_BLOB_01,
    &programs::cells::S_BLOB_02,
    &sync::S_BLOB_03,
    &programs::cells::S_BLOB_04,
    &programs::disks::C_STOR_01,
    &programs::disks::C_STOR_02,
    &programs::quota::C_STOR_03,
    &programs::disks::C_STOR_04,
    &content::C_COLL_01,
    &content::C_COLL_02,
    &adversarial::A_PROTO_01,
    &adversarial::A_PROTO_02,
    &adversarial::A_PROTO_03,
    &programs::protocol::A_PROTO_04,
    &programs::protocol::A_PROTO_05,
    &links::strange::A_RES_01,
    &programs::memory::A_RES_02,
    &links::crowded::A_RES_03,
    &links::crowded::A_RES_04,
    &adversarial::A_RES_05,
    &cross_platform::X_PLAT_01,
    &cross_platform::X_PLAT_02,
    &cross_platform::X_PLAT_03,
    &programs::platform::X_PLAT_04,
    &multi_relay::MR_1,
    &multi_relay::MR_2,
    &programs::remotes::MR_3,
    &multi_relay::MR_4,
    &links::slow::MR_5,
    &programs::nodes::MN_1,
    &programs::nodes::MN_2,
    &programs::nodes::MN_3,
    &programs::nodes::MN_4,
    &programs::nodes::MN_5,
    &programs::nodes::MN_6,
];

/// Those that take long: with small numbers in the tests, with their own by `--long`.
pub const LONG: &[&Scenario] = &[&long::LONG_1, &long::LONG_2];

/// The page `docs/chaos.md`.
pub fn page() -> String {
    let mut page = String::from(HEAD);
    for scenario in ALL.iter().chain(LONG) {
        let tiers: Vec<String> = scenario.bodies.iter().map(tier_and_sabotage).collect();
        let Scenario { id, title, injection, outcome, bodies: _ } = scenario;
        let line = writeln!(page, "| {id} | {title} | {injection} | {outcome} | {} |", tiers.join("; "));
        // Writing into a string cannot fail.
        debug_assert!(line.is_ok());
    }
    page
}

const HEAD: &str = "# Scenarios

Printed from `chaos/src/catalogue.rs` by `cargo run -p chaos-tests -- --page`; a test fails when it is stale.

`cargo run -p chaos-tests -- --all -n 50` runs them, `-j 4` in four processes at once, and `--sabotage` runs each without each of
its protections, where every one must fail. A failure prints the line that repeats it. `--json` prints a line for programs.
All of it with fifty seeds takes 80 minutes on two cores with `-j 6` and optimised programs (`CARO_TEST_PROGRAMS=$PWD/target/release`).

PROXY breaks connections between real programs with `chaos-proxy`, which also runs by itself and speaks the Toxiproxy HTTP API. NET
runs them in network namespaces of their own, with links that `netlab` makes slow, narrow and lossy; it needs `/dev/net/tun`,
namespaces and `ip`, and two of its bodies need root. Both take real seconds: a few rows are tests (`chaos/tests/links.rs`), the others
are run by `--all --tier proxy --tier net`. `chaos/compose` has the same topologies for a container engine. Why these are ours
is in [a decision](decisions/0024-links-that-fail.md).

| id | title | what is broken | what must be true | tier: must fail without |
|---|---|---|---|---|
";

fn tier_and_sabotage(body: &Body) -> String {
    let names: Vec<String> = body.broken_by.iter().map(|sabotage| format!("`{}`", sabotage.name())).collect();
    format!("{}: {}", body.tier, names.join(", "))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_id_is_there_twice_and_every_body_has_a_sabotage() {
        let ids: BTreeSet<&str> = ALL.iter().map(|scenario| scenario.id).collect();
        assert_eq!(ids.len(), ALL.len());
        for scenario in ALL {
            assert!(!scenario.bodies.is_empty(), "{}", scenario.id);
            assert!(scenario.bodies.iter().all(|body| !body.broken_by.is_empty()), "{}", scenario.id);
        }
    }

    /// The rows of the specification.
    const SPECIFIED: &str = "T-LAT-01 T-LAT-02 T-LAT-03 T-LAT-04 T-LOSS-01 T-LOSS-02 T-LOSS-03 T-LOSS-04 T-CONN-01 T-CONN-02 T-CONN-03 \
                             T-CONN-04 T-CONN-05 T-BW-01 T-BW-02 T-BW-03 E-HS-01 E-HS-02 E-HS-03 E-HS-04 E-HS-05 E-HS-06 \
                             E-ENC-01 E-ENC-02 E-ENC-03 E-ENC-04 E-ENC-05 E-PQ-01 E-PQ-02 E-PQ-03 E-PQ-04 E-PQ-05 S-SM-01 \
                             S-SM-02 S-SM-03 S-SM-04 S-CONC-01 S-CONC-02 S-CONC-03 S-CONC-04 S-CONV-01 S-CONV-02 S-CONV-03 \
                             S-CONV-04 S-BLOB-01 S-BLOB-02 S-BLOB-03 S-BLOB-04 C-STOR-01 C-STOR-02 C-STOR-03 C-STOR-04 \
                             C-COLL-01 C-COLL-02 A-PROTO-01 A-PROTO-02 A-PROTO-03 A-PROTO-04 A-PROTO-05 A-RES-01 A-RES-02 \
                             A-RES-03 A-RES-04 A-RES-05 X-PLAT-01 X-PLAT-02 X-PLAT-03 X-PLAT-04 MR-1 MR-2 MR-3 MR-4 MR-5";

    #[test]
    fn every_row_of_the_specification_is_there() {
        let specified: BTreeSet<&str> = SPECIFIED.split_whitespace().collect();
        assert_eq!(specified.len(), 73);
        let ids: BTreeSet<&str> = ALL.iter().map(|scenario| scenario.id).collect();
        let missing: Vec<&&str> = specified.difference(&ids).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    #[test]
    fn the_page_is_not_stale() {
        let kept = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/chaos.md")).expect("there");
        assert!(kept == page(), "docs/chaos.md is stale: cargo run -p chaos-tests -- --page > docs/chaos.md");
    }
}
