//! `caro relay`: only words. The relay is a program of its own, `caro-relay`, and this one runs no server.

use std::{env, path::PathBuf};

use clap::Args;

use crate::{error::Outcome, output::Out};

/// Say how to run a relay of your own
///
/// A relay is what your machines meet at. It keeps sealed cells and can read none of them.
#[derive(Args)]
pub(crate) struct Relay {}

const WORDS: &str = "\
A relay is what your machines meet at: one program, caro-relay, on any machine that all of them can reach.
It keeps sealed cells and can read none of them.

  caro-relay serve             makes its folder, key and certificate, listens, and prints its address
  caro-relay serve --plain     the same without TLS, behind a proxy that has it
  caro-relay --help            everything else

Then, with the address that it printed:

  caro sync init --relay ADDRESS       on your first machine
  caro sync restore --relay ADDRESS    on every other one";

impl Relay {
    pub(crate) fn run(self) -> Outcome {
        let Self {} = self;
        let mut out = Out::new();
        out.line(WORDS)?;
        if let Some(path) = find() {
            out.line(&format!("\nIt is installed here: {}", path.display()))?;
        } else {
            out.line("\nIt is not installed here; it comes with caro.")?;
        }
        out.finish()
    }
}

fn find() -> Option<PathBuf> {
    const RELAY: &str = "caro-relay";
    let beside = env::current_exe().ok().and_then(|own| Some(own.parent()?.join(RELAY)));
    let path = env::var_os("PATH");
    beside
        .into_iter()
        .chain(path.iter().flat_map(env::split_paths).map(|folder| folder.join(RELAY)))
        .find(|path| path.is_file())
}
