//! A few seeds of every scenario on real programs, and each without its protection. The long run is
//! `cargo run -p chaos-tests -- --all -n 50`; `CARO_TEST_SEEDS` sets how many are run here.

use std::panic::{AssertUnwindSafe, catch_unwind};

use chaos_tests::{
    programs::{connections, disks, kills, power, together},
    sabotage::Sabotage,
    scenario::{Body, Run},
};

/// Seeds of a short run.
fn seeds() -> u64 {
    std::env::var("CARO_TEST_SEEDS").ok().and_then(|count| count.parse().ok()).unwrap_or(2)
}

fn passes(body: &Body, seed: u64, sabotage: Option<Sabotage>) -> bool {
    catch_unwind(AssertUnwindSafe(|| (body.run)(&mut Run { seed, sabotage, brief: true }))).is_ok()
}

fn check(name: &str, body: &Body) {
    for seed in 1..=seeds() {
        assert!(passes(body, seed, None), "{name}, seed {seed}");
    }
    for sabotage in body.broken_by {
        assert!((1..=4).any(|seed| !passes(body, seed, Some(*sabotage))), "{name} passes without {}", sabotage.name());
    }
}

macro_rules! bodies {
    ($($test:ident => $body:expr,)*) => {
        $(
            #[test]
            fn $test() {
                check(stringify!($test), &$body);
            }
        )*
    };
}

bodies! {
    s_sm_04_killed_at_a_write => kills::S_SM_04,
    s_sm_04_power_cut => power::S_SM_04,
    t_conn_01_killed_in_a_push => kills::T_CONN_01,
    t_conn_01_power_cut => power::T_CONN_01,
    t_conn_02_killed_at_the_outbox => kills::T_CONN_02,
    t_conn_04 => connections::T_CONN_04.bodies[0],
    t_conn_05 => connections::T_CONN_05.bodies[0],
    e_hs_06 => connections::E_HS_06,
    s_sm_03 => connections::S_SM_03,
    s_conc_01 => together::S_CONC_01,
    s_conc_02 => together::S_CONC_02,
    s_conc_03 => together::S_CONC_03,
    s_conc_04 => together::S_CONC_04,
    s_conv_02 => together::S_CONV_02,
    c_stor_01_store => disks::C_STOR_01.bodies[0],
    c_stor_01_disk => disks::C_STOR_01.bodies[1],
    c_stor_02_store => disks::C_STOR_02.bodies[0],
    c_stor_02_disk => disks::C_STOR_02.bodies[1],
    c_stor_03_store => disks::C_STOR_03.bodies[0],
    c_stor_03_disk => disks::C_STOR_03.bodies[1],
    c_stor_04 => disks::C_STOR_04.bodies[0],
}
