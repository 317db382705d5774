//! A few seeds of every scenario that runs inside of this process, and each of its sabotage twins. The long run is
//! `cargo run -p chaos-tests -- --all -n 50`.
//!
//! Tests are named by module, group and id, so that a filter by any of them works.

use chaos_tests::{
    catalogue::{ALL, LONG},
    oracle,
    scenario::{Scenario, Verdict},
    world::World,
};

/// Seeds of a short run.
const SEEDS: u64 = 1;

/// Seeds until a missing protection must have shown.
const TWIN_SEEDS: u64 = 8;

fn check(id: &str) {
    let scenario: &Scenario =
        ALL.iter().chain(LONG).find(|scenario| scenario.id == id).expect("it is in the catalogue");
    for body in scenario.bodies.iter().filter(|body| body.tier.is_virtual()) {
        for seed in 1..=SEEDS {
            if let Err(Verdict::Failed(said) | Verdict::Skipped(said)) = scenario.check_briefly(body, seed, None) {
                panic!("{id}: {said}");
            }
        }
        for sabotage in body.broken_by {
            let noticed = (1..=TWIN_SEEDS).any(|seed| match scenario.check_briefly(body, seed, Some(*sabotage)) {
                Err(Verdict::Failed(_)) => true,
                Ok(()) => false,
                Err(Verdict::Skipped(needs)) => panic!("{id} on {} needs {needs}", body.tier),
            });
            assert!(noticed, "{id} on {} passes without {}", body.tier, sabotage.name());
        }
    }
}

macro_rules! scenarios {
    ($($module:ident { $($group:ident { $($test:ident => $id:literal,)* })* })*) => {
        $(mod $module { $(mod $group { $(
            #[test]
            fn $test() {
                crate::check($id);
            }
        )* })* })*

        #[test]
        fn every_scenario_that_needs_no_program_is_a_test() {
            let tested: std::collections::BTreeSet<&str> = [$($($($id,)*)*)*].into();
            let of_ours = |scenario: &&&Scenario| scenario.bodies.iter().any(|body| body.tier.is_virtual());
            let all: std::collections::BTreeSet<&str> = ALL.iter().chain(LONG).filter(of_ours).map(|scenario| scenario.id).collect();
            assert_eq!(tested, all);
        }
    };
}

scenarios! {
    transport {
        lat {
            t_lat_01_fixed => "T-LAT-01",
            t_lat_02_jitter => "T-LAT-02",
            t_lat_04_satellite => "T-LAT-04",
        }
        loss {
            t_loss_03_bursts => "T-LOSS-03",
            t_loss_04_partition => "T-LOSS-04",
        }
        conn {
            t_conn_01_relay_crash => "T-CONN-01",
            t_conn_02_device_crash => "T-CONN-02",
            t_conn_03_unreachable => "T-CONN-03",
        }
    }
    encryption {
        hs {
            e_hs_01_corrupted => "E-HS-01",
            e_hs_02_truncated => "E-HS-02",
            e_hs_03_reordered => "E-HS-03",
            e_hs_04_replayed => "E-HS-04",
            e_hs_05_oversized => "E-HS-05",
            e_hs_06_timeout => "E-HS-06",
        }
        enc {
            e_enc_01_corrupted => "E-ENC-01",
            e_enc_02_truncated => "E-ENC-02",
            e_enc_03_tag => "E-ENC-03",
            e_enc_04_nonce => "E-ENC-04",
            e_enc_05_empty => "E-ENC-05",
        }
        pq {
            e_pq_01_corrupted => "E-PQ-01",
            e_pq_02_truncated => "E-PQ-02",
            e_pq_03_one_half => "E-PQ-03",
            e_pq_04_sizes => "E-PQ-04",
            e_pq_05_malformed => "E-PQ-05",
        }
    }
    sync {
        sm {
            s_sm_01_push => "S-SM-01",
            s_sm_02_pull => "S-SM-02",
            s_sm_03_cycling => "S-SM-03",
            s_sm_04_crashes => "S-SM-04",
        }
        conc {
            s_conc_01_at_once => "S-CONC-01",
            s_conc_02_push_during_pull => "S-CONC-02",
            s_conc_03_rapid => "S-CONC-03",
            s_conc_04_fan_out => "S-CONC-04",
        }
        conv {
            s_conv_01_reconciliation => "S-CONV-01",
            s_conv_02_stale_cursor => "S-CONV-02",
            s_conv_03_divergence => "S-CONV-03",
            s_conv_04_selective_pull => "S-CONV-04",
        }
        blob {
            s_blob_01_large_set => "S-BLOB-01",
            s_blob_03_partial => "S-BLOB-03",
        }
    }
    content {
        coll {
            c_coll_01_partial => "C-COLL-01",
            c_coll_02_corrupt => "C-COLL-02",
        }
    }
    adversarial {
        proto {
            a_proto_01_malformed => "A-PROTO-01",
            a_proto_02_replay => "A-PROTO-02",
            a_proto_03_out_of_order => "A-PROTO-03",
        }
        res {
            a_res_05_storm => "A-RES-05",
        }
    }
    long {
        runs {
            long_1_thirty_days => "LONG-1",
            long_2_burst => "LONG-2",
        }
    }
    cross_platform {
        plat {
            x_plat_01_two_systems => "X-PLAT-01",
            x_plat_02_sleep => "X-PLAT-02",
            x_plat_03_three_systems => "X-PLAT-03",
        }
    }
    multi_relay {
        mr {
            mr_1_primary_dies => "MR-1",
            mr_2_secondary_dies => "MR-2",
            mr_4_flapping => "MR-4",
        }
    }
}

#[test]
fn one_seed_is_one_history() {
    let run = || {
        let mut world = World::joined(3, 77, None);
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

/// One device uses two relays, one only the first, and one joins at the second and only there: what it writes, and that
/// it may write, reaches the others through the device between them, and so does what was deleted.
#[test]
fn mr_a_device_that_joins_at_the_second_relay_holds_up_nobody_at_the_first() {
    for seed in 1..=4 {
        let mut world = World::joined_at(2, 2, seed, None);
        world.leave_relay(1, 1);
        world.record(0, "canary before");
        world.settle();
        let third = world.add_member(1);
        world.settle();
        for (n, at) in [0, 1, third, 0, 1].into_iter().enumerate() {
            world.record(at, &format!("canary {n} of {at}"));
            world.pass(500);
        }
        // What an author does not bring to a relay, others do after half a minute.
        world.pass(90_000);
        world.settle();
        let counts: Vec<usize> = world.machines.iter().map(|machine| machine.history.len()).collect();
        assert_eq!(counts, [6, 6, 6], "seed {seed}");
        let gone = *world.recorded().keys().next().expect("recorded");
        assert!(world.delete(0, gone));
        world.pass(90_000);
        world.settle();
        let counts: Vec<usize> = world.machines.iter().map(|machine| machine.history.len()).collect();
        assert_eq!(counts, [5, 5, 5], "seed {seed}");
        oracle::check(&world);
    }
}
