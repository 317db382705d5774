//! `chaos-proxy`: the proxy of the scenarios as a program, for anything that speaks the Toxiproxy HTTP API.

use std::{
    io::{self, Read},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
};

use chaos_tests::proxy::Server;
use clap::Parser;

/// A TCP proxy that speaks the Toxiproxy HTTP API
#[derive(Parser)]
struct Arguments {
    /// Where the API listens; port 0 takes a free one, and the place is printed
    #[arg(long, default_value = "127.0.0.1:8474")]
    listen: SocketAddr,
    /// Decides jitter, slices, and which connections a toxic takes hold of
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A file of JSON with the proxies to begin with, as POST /populate takes them
    #[arg(long, value_name = "FILE")]
    populate: Option<PathBuf>,
    /// End when standard input does, as something that a test has started
    #[arg(long)]
    with_parent: bool,
}

#[allow(clippy::print_stdout, clippy::print_stderr)] // the place is what a user waits for
fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let served = Server::new(arguments.seed).and_then(|mut server| {
        if let Some(file) = &arguments.populate {
            populate(&server, file)?;
        }
        let listening = server.listen(arguments.listen);
        let place = listening.map_err(|error| io::Error::other(format!("{}: {error}", arguments.listen)))?;
        Ok((server, place))
    });
    let _server = match served {
        Ok((server, place)) => {
            println!("listening on {place}");
            server
        }
        Err(error) => {
            eprintln!("chaos-proxy: {error}");
            return ExitCode::FAILURE;
        }
    };
    if arguments.with_parent {
        drop(io::stdin().read_to_end(&mut Vec::new()));
        return ExitCode::SUCCESS;
    }
    loop {
        std::thread::park();
    }
}

/// Begins with the proxies of a file.
fn populate(server: &Server, file: &Path) -> io::Result<()> {
    let wrong = |what: String| io::Error::other(format!("{}: {what}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    let proxies = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let answer = server.call("POST", "/populate", &proxies);
    if answer.status == 201 {
        return Ok(());
    }
    let error = answer.body.and_then(|body| body["error"].as_str().map(str::to_owned));
    Err(wrong(error.unwrap_or_default()))
}
