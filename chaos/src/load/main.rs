//! What a relay bears: idle sessions, pushes, fan-out, restores, handshakes, half-open connections, stored accounts,
//! everybody back, and all of it mixed.
//!
//! `cargo run --release -p chaos-tests --bin load -- push`, with `--help` for each. Starts a relay of its own with limits
//! that let one address in, or talks to the one named, which must be on this machine. Every run is bounded in time and
//! count and stops by itself. Prints a table, then one line of JSON for each figure. It only measures: what is lost or out of
//! order ends it with an error, what is slow does not.

mod accounts;
mod crowd;
mod fan_out;
mod figures;
mod half_open;
mod handshakes;
mod idle;
mod mixed;
mod push;
mod relay;
mod restore;
mod session;
mod storm;

use std::process::ExitCode;

use clap::{Parser, Subcommand, value_parser};
use tokio::signal::unix::{SignalKind, signal};

use crate::{figures::Figures, relay::Loaded, session::Lost};

/// See what a relay bears
#[derive(Parser)]
struct Arguments {
    /// A relay on this machine, as it prints its address, instead of one that is started for this run
    #[arg(long, global = true, value_name = "ADDRESS")]
    relay: Option<String>,
    /// Settings of the started relay, lines for the [limits] table of its configuration
    #[arg(long, global = true, value_name = "LINES", conflicts_with = "relay")]
    limits: Option<String>,
    #[command(subcommand)]
    program: Program,
}

/// The longest that anything runs.
const SECONDS_MAX: u64 = 3_600;

/// The most sessions of one run: each is a port and two descriptors here.
const SESSIONS_MAX: u64 = 20_000;

#[derive(Subcommand)]
enum Program {
    /// Many sessions that mostly say nothing, and one cell to each account
    Idle {
        /// Sessions in all
        #[arg(long, default_value_t = 10_000, value_parser = value_parser!(u64).range(1..=SESSIONS_MAX))]
        sessions: u64,
        /// Sessions of each account
        #[arg(long, default_value_t = 4, value_parser = value_parser!(u64).range(2..=64))]
        devices: u64,
        /// Cells pushed to each account, one every five seconds
        #[arg(long, default_value_t = 3, value_parser = value_parser!(u64).range(1..=SECONDS_MAX / 5))]
        rounds: u64,
    },
    /// Clients that push as fast as they are acknowledged
    Push {
        /// Clients, each with an account of its own
        #[arg(long, default_value_t = 64, value_parser = value_parser!(u64).range(1..=4_096))]
        clients: u64,
        /// Seconds
        #[arg(long, default_value_t = 20, value_parser = value_parser!(u64).range(1..=SECONDS_MAX))]
        seconds: u64,
        /// Bytes of a cell: a power of two from 1024
        #[arg(long, default_value_t = 1_024, value_parser = bytes_of_a_cell)]
        bytes: usize,
        /// Cells that a client has under way
        #[arg(long, default_value_t = 8, value_parser = value_parser!(u64).range(1..=256))]
        under_way: u64,
    },
    /// One device of each account pushes, all others receive
    FanOut {
        /// Accounts
        #[arg(long, default_value_t = 4, value_parser = value_parser!(u64).range(1..=1_000))]
        accounts: u64,
        /// Devices of each
        #[arg(long, default_value_t = 32, value_parser = value_parser!(u64).range(2..=64))]
        devices: u64,
        /// Cells a second of each account
        #[arg(long, default_value_t = 20, value_parser = value_parser!(u64).range(1..=1_000))]
        rate: u64,
        /// Seconds
        #[arg(long, default_value_t = 10, value_parser = value_parser!(u64).range(1..=SECONDS_MAX))]
        seconds: u64,
    },
    /// Devices that pull a whole account at once
    Restore {
        /// Cells of the account
        #[arg(long, default_value_t = 100_000, value_parser = value_parser!(u64).range(1..=5_000_000))]
        cells: u64,
        /// Devices
        #[arg(long, default_value_t = 4, value_parser = value_parser!(u64).range(1..=64))]
        devices: u64,
        /// Bytes of a cell: a power of two from 1024
        #[arg(long, default_value_t = 1_024, value_parser = bytes_of_a_cell)]
        bytes: usize,
    },
    /// Connections from TCP to the welcome, one after the other on each client
    Handshakes {
        /// Clients at once
        #[arg(long, default_value_t = 32, value_parser = value_parser!(u64).range(1..=1_000))]
        clients: u64,
        /// Seconds
        #[arg(long, default_value_t = 10, value_parser = value_parser!(u64).range(1..=SECONDS_MAX))]
        seconds: u64,
    },
    /// What sessions notice of connections that never finish opening
    HalfOpen {
        /// Connections
        #[arg(long, default_value_t = 1_000, value_parser = value_parser!(u64).range(1..=SESSIONS_MAX))]
        connections: u64,
        /// Sessions that ask for a sign of life
        #[arg(long, default_value_t = 50, value_parser = value_parser!(u64).range(1..=1_000))]
        sessions: u64,
        /// Seconds before, and seconds during
        #[arg(long, default_value_t = 8, value_parser = value_parser!(u64).range(1..=SECONDS_MAX / 2))]
        seconds: u64,
    },
    /// What accounts and cells cost on the disk, and in memory once nobody is connected
    Accounts {
        /// Accounts
        #[arg(long, default_value_t = 5_000, value_parser = value_parser!(u64).range(1..=1_000_000))]
        accounts: u64,
        /// Devices on the list of each
        #[arg(long, default_value_t = 3, value_parser = value_parser!(u64).range(1..=64))]
        devices: u64,
        /// Cells in all, pushed to one more account
        #[arg(long, default_value_t = 100_000, value_parser = value_parser!(u64).range(1..=5_000_000))]
        cells: u64,
        /// Bytes of a cell: a power of two from 1024
        #[arg(long, default_value_t = 1_024, value_parser = bytes_of_a_cell)]
        bytes: usize,
    },
    /// A relay that dies, and everybody back at once
    Storm {
        /// Sessions
        #[arg(long, default_value_t = 2_000, value_parser = value_parser!(u64).range(1..=SESSIONS_MAX))]
        sessions: u64,
    },
    /// Idle sessions, pushes, restores and reconnections together, with memory and descriptors over time
    Mixed {
        /// Sessions that mostly say nothing
        #[arg(long, default_value_t = 2_000, value_parser = value_parser!(u64).range(4..=SESSIONS_MAX))]
        sessions: u64,
        /// Seconds
        #[arg(long, default_value_t = SECONDS_MAX, value_parser = value_parser!(u64).range(20..=SECONDS_MAX))]
        seconds: u64,
    },
}

fn bytes_of_a_cell(text: &str) -> Result<usize, String> {
    let bytes = text.parse().map_err(|_| "not a number".to_owned())?;
    if caro_schema::cell::is_bucket(bytes) {
        Ok(bytes)
    } else {
        Err("cells are of 1024, 2048 and so on up to 65536 bytes".to_owned())
    }
}

#[allow(clippy::print_stderr)] // why it could not go on
fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("load: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Lost> {
    // Before there is a relay that would be left behind.
    let mut terminate = signal(SignalKind::terminate()).map_err(|_| Lost::Told("signals cannot be heard".into()))?;
    let mut relay = match &arguments.relay {
        Some(address) => Loaded::at(address)?,
        None => Loaded::start(arguments.limits.as_deref().unwrap_or_default())?,
    };
    let mut figures = Figures::default();
    let closed = figures.closed();
    // However it ends, the relay that was started for it ends with it.
    tokio::select! {
        ended = put_load(arguments.program, &mut relay, &mut figures) => ended?,
        () = closed.notified() => return Err(Lost::Told("nobody reads what is printed".into())),
        _ = terminate.recv() => return Err(Lost::Told("asked to end".into())),
    }
    figures.finish();
    Ok(())
}

async fn put_load(program: Program, relay: &mut Loaded, figures: &mut Figures) -> Result<(), Lost> {
    match program {
        Program::Idle { sessions, devices, rounds } => {
            idle::run(relay, figures, sessions as usize, devices as usize, rounds).await?;
        }
        Program::Push { clients, seconds, bytes, under_way } => {
            push::run(relay, figures, clients as usize, seconds, bytes, under_way as usize).await?;
        }
        Program::FanOut { accounts, devices, rate, seconds } => {
            fan_out::run(relay, figures, accounts as usize, devices as usize, rate, seconds).await?;
        }
        Program::Restore { cells, devices, bytes } => {
            restore::run(relay, figures, cells, devices as usize, bytes).await?;
        }
        Program::Handshakes { clients, seconds } => {
            handshakes::run(relay, figures, clients as usize, seconds).await?;
        }
        Program::HalfOpen { connections, sessions, seconds } => {
            half_open::run(relay, figures, connections as usize, sessions as usize, seconds).await?;
        }
        Program::Accounts { accounts, devices, cells, bytes } => {
            accounts::run(relay, figures, accounts as usize, devices as usize, (cells, bytes)).await?;
        }
        Program::Storm { sessions } => storm::run(relay, figures, sessions as usize).await?,
        Program::Mixed { sessions, seconds } => mixed::run(relay, figures, sessions as usize, seconds).await?,
    }
    Ok(())
}
