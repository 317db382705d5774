//! `caro completions`: made from the command line's own description.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Caro;
use crate::{error::Outcome, output::Out};

/// Print completions for a shell
///
/// bash: caro completions bash > ~/.local/share/bash-completion/completions/caro
/// zsh:  caro completions zsh > a file named _caro in a folder of your $fpath
/// fish: caro completions fish > ~/.config/fish/completions/caro.fish
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Completions {
    /// For which shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self) -> Outcome {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Caro::command(), "caro", &mut script);
        let mut out = Out::new();
        out.bytes(&script)?;
        out.finish()
    }
}
