//! `caro mcp`: starts the server for assistants. What it does is in [`crate::mcp`].

use std::io::IsTerminal;

use clap::Args;

use crate::{
    client::places,
    error::{Failure, Outcome},
    exit,
    mcp::{Scope, Tools, serve},
};

/// Let an assistant look into history, over the Model Context Protocol
///
/// For an assistant's configuration, not for people: speaks the protocol on standard input and output. It only looks, and
/// it is off until you switch it on: caro config set mcp.enabled true. What may be seen is set by mcp.directories, mcp.hosts,
/// mcp.days, mcp.author and mcp.hide; secrets are masked.
///
/// Example: claude mcp add caro -- caro mcp
#[derive(Args)]
pub(crate) struct Mcp {}

impl Mcp {
    pub(crate) fn run(self) -> Outcome {
        let config = places()?.config;
        let scope = Scope::read(&config).map_err(|why| Failure::new(exit::DATA, why).hint("see: caro config list"))?;
        if !scope.is_on {
            return Err(Failure::new(exit::STATE, "history is not shown to assistants")
                .hint("to let them look: caro config set mcp.enabled true"));
        }
        let input = std::io::stdin().lock();
        if input.is_terminal() {
            return Err(Failure::new(exit::USAGE, "this speaks with an assistant, and not with a terminal")
                .hint("put it into the assistant's configuration; see docs/assistants.md"));
        }
        serve(input, std::io::stdout().lock(), Tools::new(config))
    }
}
