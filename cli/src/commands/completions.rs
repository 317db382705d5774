//! `caro completions`: made from the command line's own description.

use clap::{Args, CommandFactory, ValueEnum};

use super::Caro;
use crate::{error::Outcome, output::Out};

/// Print completions for a shell
///
/// bash: caro completions bash > ~/.local/share/bash-completion/completions/caro
/// zsh:  caro completions zsh > a file named _caro in a folder of your $fpath
/// fish: caro completions fish > ~/.config/fish/completions/caro.fish
/// PowerShell: caro completions powershell >> $PROFILE
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Completions {
    /// For which shell
    #[arg(value_enum)]
    shell: Completed,
}

/// Shells that the hook is for and that can be told of completions.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Completed {
    Bash,
    Zsh,
    Fish,
    #[value(name = "powershell", alias = "pwsh")]
    PowerShell,
}

impl From<Completed> for clap_complete::Shell {
    fn from(shell: Completed) -> Self {
        match shell {
            Completed::Bash => Self::Bash,
            Completed::Zsh => Self::Zsh,
            Completed::Fish => Self::Fish,
            Completed::PowerShell => Self::PowerShell,
        }
    }
}

impl Completions {
    pub(crate) fn run(self) -> Outcome {
        let mut script = Vec::new();
        clap_complete::generate(clap_complete::Shell::from(self.shell), &mut Caro::command(), "caro", &mut script);
        let mut out = Out::new();
        out.bytes(&script)?;
        out.finish()
    }
}
