//! `netlab`: started by a test in a network namespace of its own; see [`chaos_tests::netlab`].

use std::{net::Ipv4Addr, process::ExitCode};

use clap::Parser;

/// Nodes in network namespaces of their own, with links between them that a test controls
///
/// Starts in a namespace that nobody else needs: unshare -Urn netlab --node a=10.77.0.1 --node b=10.77.0.2
/// It prints the process that stands for each node; nsenter -U --preserve-credentials -n -t PID starts a
/// program there. Each line of its input is an order: {"node": "a", "up": {"delay_ms": 200}, "down": {}}
/// or {"count": "a"}. It ends with its input, and so do the namespaces.
#[derive(Parser)]
#[command(verbatim_doc_comment)]
struct Arguments {
    /// A node and its address in one network of 24 bits (repeated)
    #[arg(long, value_name = "NAME=ADDRESS", value_parser = node, required = true)]
    node: Vec<(String, Ipv4Addr)>,
    /// Decides which packets are lost, late, doubled or altered
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn node(text: &str) -> Result<(String, Ipv4Addr), String> {
    let (name, address) = text.split_once('=').ok_or("it must be NAME=ADDRESS")?;
    Ok((name.to_owned(), address.parse().map_err(|_| "the address is not one of IPv4")?))
}

#[allow(clippy::print_stderr)] // why it could not begin
fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match chaos_tests::netlab::router::run(&arguments.node, arguments.seed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("netlab: {error}");
            ExitCode::FAILURE
        }
    }
}
