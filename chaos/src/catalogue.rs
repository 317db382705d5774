//! Every scenario, in groups, and the page that is printed from them.

use std::fmt::Write;

use crate::{
    scenario::Scenario,
    scenarios::{encryption as enc, sync, transport},
};

/// All scenarios.
pub const ALL: &[&Scenario] = &[
    &transport::T_LOSS_04,
    &transport::T_CONN_01,
    &transport::T_CONN_02,
    &enc::E_HS_01,
    &enc::E_HS_02,
    &enc::E_HS_03,
    &enc::E_HS_04,
    &enc::E_HS_05,
    &enc::E_HS_06,
    &enc::E_PQ_01,
    &enc::E_PQ_02,
    &enc::E_PQ_03,
    &enc::E_PQ_04,
    &enc::E_PQ_05,
    &sync::S_SM_01,
    &sync::S_SM_02,
    &sync::S_CONC_01,
    &sync::S_CONV_01,
];

/// The page `docs/chaos.md`.
pub fn page() -> String {
    let mut page = String::from(
        "# Scenarios\n\nPrinted from `chaos/src/catalogue.rs` by `cargo run -p chaos-tests -- --page`; a test fails when it is stale.\n\n\
         | id | title | tier | must fail without |\n|---|---|---|---|\n",
    );
    for scenario in ALL {
        let broken_by: Vec<String> =
            scenario.broken_by.iter().map(|sabotage| format!("`{}`", sabotage.name())).collect();
        let line =
            writeln!(page, "| {} | {} | {} | {} |", scenario.id, scenario.title, scenario.tier, broken_by.join(", "));
        // Writing into a string cannot fail.
        debug_assert!(line.is_ok());
    }
    page
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Seeds of a short run.
    const SEEDS: u64 = 3;

    macro_rules! scenarios {
        ($($test:ident => $scenario:expr,)*) => {
            $(
                #[test]
                fn $test() {
                    let scenario: &Scenario = $scenario;
                    for seed in 1..=SEEDS {
                        scenario.check(seed, None).unwrap_or_else(|said| panic!("{}: {said}", scenario.id));
                    }
                    for sabotage in scenario.broken_by {
                        // Some seed must show it; most do.
                        let noticed = (1..=8).any(|seed| scenario.check(seed, Some(*sabotage)).is_err());
                        assert!(noticed, "{} passes without {}", scenario.id, sabotage.name());
                    }
                }
            )*
            #[test]
            fn every_scenario_is_a_test() {
                assert_eq!(ALL.len(), [$(stringify!($test)),*].len());
            }
        };
    }

    scenarios! {
        t_loss_04_partition => &transport::T_LOSS_04,
        t_conn_01_relay_crash => &transport::T_CONN_01,
        t_conn_02_device_crash => &transport::T_CONN_02,
        e_hs_01_corrupted => &enc::E_HS_01,
        e_hs_02_truncated => &enc::E_HS_02,
        e_hs_03_reordered => &enc::E_HS_03,
        e_hs_04_replayed => &enc::E_HS_04,
        e_hs_05_oversized => &enc::E_HS_05,
        e_hs_06_another => &enc::E_HS_06,
        e_pq_01_corrupted => &enc::E_PQ_01,
        e_pq_02_truncated => &enc::E_PQ_02,
        e_pq_03_one_half => &enc::E_PQ_03,
        e_pq_04_sizes => &enc::E_PQ_04,
        e_pq_05_malformed => &enc::E_PQ_05,
        s_sm_01_push => &sync::S_SM_01,
        s_sm_02_pull => &sync::S_SM_02,
        s_conc_01_at_once => &sync::S_CONC_01,
        s_conv_01_reconciliation => &sync::S_CONV_01,
    }

    #[test]
    fn no_id_is_there_twice_and_each_has_a_sabotage() {
        let ids: BTreeSet<&str> = ALL.iter().map(|scenario| scenario.id).collect();
        assert_eq!(ids.len(), ALL.len());
        assert!(ALL.iter().all(|scenario| !scenario.broken_by.is_empty()));
    }

    #[test]
    fn the_page_is_not_stale() {
        let kept = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/chaos.md")).expect("there");
        assert!(kept == page(), "docs/chaos.md is stale: cargo run -p chaos-tests -- --page > docs/chaos.md");
    }

    #[test]
    fn one_seed_is_one_history() {
        let run = || {
            let mut world = crate::world::World::joined(3, 77, None);
            for n in 0..20 {
                let at = world.seed.below(3) as usize;
                world.record(at, &format!("canary {n}"));
                world.pass(30);
            }
            world.settle();
            (world.now_ms, world.held())
        };
        assert!(run() == run());
    }
}
