//! `caro`: what people type and see. Everything is in the library beside this file.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    caro::main()
}
