//! A few seeds of every scenario that runs real programs, and each without its protections. The long run is
//! `cargo run -p chaos-tests -- --all -n 50`; `CARO_TEST_SEEDS` sets how many are run here.

use chaos_tests::{
    catalogue::ALL,
    sabotage::Sabotage,
    scenario::{Body, Scenario, Verdict},
};

/// Seeds of a short run.
fn seeds() -> u64 {
    std::env::var("CARO_TEST_SEEDS").ok().and_then(|count| count.parse().ok()).unwrap_or(1)
}

/// Seeds until a missing protection must have shown.
const TWIN_SEEDS: u64 = 4;

/// Whether a body runs real programs whose links are as they are; the others are in `links.rs`.
fn is_ours(body: &Body) -> bool {
    !body.tier.is_virtual() && !body.tier.is_link()
}

fn check(id: &str) {
    let scenario: &Scenario = ALL.iter().find(|scenario| scenario.id == id).expect("it is in the catalogue");
    for body in scenario.bodies.iter().filter(|body| is_ours(body)) {
        for seed in 1..=seeds() {
            match scenario.check_briefly(body, seed, None) {
                Ok(()) => {}
                Err(Verdict::Failed(said)) => panic!("{said}"),
                Err(Verdict::Skipped(needs)) => return caro_tests::skip(&format!("{id} {}", body.tier), &needs),
            }
        }
        for sabotage in body.broken_by {
            assert!(is_noticed(scenario, body, *sabotage), "{id} {} passes without {}", body.tier, sabotage.name());
        }
    }
}

fn is_noticed(scenario: &Scenario, body: &Body, sabotage: Sabotage) -> bool {
    let verdict = |seed| scenario.check_briefly(body, seed, Some(sabotage)).err();
    (1..=TWIN_SEEDS).filter_map(verdict).any(|verdict| verdict.is_of_outcome())
}

macro_rules! scenarios {
    ($($test:ident => $id:literal,)*) => {
        $(
            #[test]
            fn $test() {
                check($id);
            }
        )*

        #[test]
        fn every_scenario_that_needs_programs_is_a_test() {
            let of_ours = |scenario: &&&Scenario| scenario.bodies.iter().any(is_ours);
            let all: std::collections::BTreeSet<&str> = ALL.iter().filter(of_ours).map(|scenario| scenario.id).collect();
            assert_eq!(std::collections::BTreeSet::from([$($id,)*]), all);
        }
    };
}

scenarios! {
    t_conn_01_relay_dies_in_a_push => "T-CONN-01",
    t_conn_02_device_dies_in_a_push => "T-CONN-02",
    t_conn_04_rapid_reconnect => "T-CONN-04",
    t_conn_05_half_open => "T-CONN-05",
    e_hs_06_nobody_finishes => "E-HS-06",
    s_sm_03_rapid_cycling => "S-SM-03",
    s_sm_04_recovery => "S-SM-04",
    s_conc_01_both_push => "S-CONC-01",
    s_conc_02_push_during_pull => "S-CONC-02",
    s_conc_03_rapid_pushes => "S-CONC-03",
    s_conc_04_fan_out => "S-CONC-04",
    s_conv_02_stale_cursor => "S-CONV-02",
    s_blob_01_corrupted => "S-BLOB-01",
    s_blob_02_mismatch => "S-BLOB-02",
    s_blob_03_partial => "S-BLOB-03",
    s_blob_04_sealed_twice => "S-BLOB-04",
    c_stor_01_write_fails => "C-STOR-01",
    c_stor_02_read_rots => "C-STOR-02",
    c_stor_03_quota => "C-STOR-03",
    c_stor_04_unavailable => "C-STOR-04",
    c_coll_01_partial => "C-COLL-01",
    c_coll_02_corrupt => "C-COLL-02",
    a_proto_01_malformed => "A-PROTO-01",
    a_proto_02_replayed => "A-PROTO-02",
    a_proto_03_out_of_order => "A-PROTO-03",
    a_proto_04_oversized => "A-PROTO-04",
    a_proto_05_unknown => "A-PROTO-05",
    a_res_02_memory => "A-RES-02",
    x_plat_02_sleep => "X-PLAT-02",
    x_plat_03_relay_restarts => "X-PLAT-03",
    x_plat_04_locked => "X-PLAT-04",
    mr_1_primary_dies => "MR-1",
    mr_2_secondary_dies => "MR-2",
    mr_3_all_die => "MR-3",
    mr_4_flapping => "MR-4",
    mn_1_node_dies => "MN-1",
    mn_2_server_dies => "MN-2",
    mn_3_server_away => "MN-3",
    mn_4_words_lost => "MN-4",
    mn_5_standby_takes_over => "MN-5",
    mn_6_server_disk_full => "MN-6",
}
