//! Every target under libFuzzer, in one program: each of its own would link the whole of caro once more. The environment
//! says which one runs (`CARO_FUZZ=cell_open`). The targets are in `chaos/decoders`; `docs/fuzzing.md` says how to run.

#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;

fn run() -> fn(&[u8]) {
    static RUN: OnceLock<fn(&[u8])> = OnceLock::new();
    *RUN.get_or_init(|| {
        let name = std::env::var("CARO_FUZZ").expect("CARO_FUZZ names a target");
        chaos_decoders::target(&name).expect("a target has this name").run
    })
}

fuzz_target!(|data: &[u8]| run()(data));
