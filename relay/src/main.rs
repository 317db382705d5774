//! `caro-relay`: reads its arguments, starts what was asked for, and says what went wrong and what to do about it.

#![deny(unsafe_code)]

mod advice;

use std::{
    io::{self, Write},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
};

use anyhow::Context;
use caro_relay::{
    config::{Config, LogFormat, LogLevel, Overrides},
    folder::{Folder, database},
    keys::Keys,
    log::sqlite::{SqliteLog, verify},
    serve::{Server, fresh_generation},
    shutdown,
};
use clap::{Args, Parser, Subcommand};

/// Keep sealed history for the devices of caro and pass it on, without being able to read it
#[derive(Parser)]
#[command(name = "caro-relay", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve devices until asked to end
    ///
    /// Without any configuration this makes its folder, key and certificate, listens on port 7490 and prints the one line
    /// to run on the first device. Everything can be set in a file, in the environment (CARO_RELAY_LISTEN, …) and here.
    Serve(Serve),
    /// Print the relay's key, which stands in its address after #
    Key(Place),
    /// Check the database: SQLite's own check, device lists, cells and their chains
    Verify(Place),
    /// Start a new life of a database that was restored from a backup
    ///
    /// Devices that saw more than the backup has stop, because a relay that forgets may be a relay that lies. After this
    /// they offer again what it lacks. The relay must not be running.
    Renew(Place),
}

#[derive(Args)]
struct Serve {
    #[command(flatten)]
    place: Place,
    /// The address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Speak WebSocket without TLS, behind a proxy that adds it
    #[arg(long)]
    plain: bool,
    /// The host that devices are told to connect to
    #[arg(long, value_name = "HOST")]
    public_host: Option<String>,
}

#[derive(Args)]
struct Place {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The folder for keys, certificate and database
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
}

/// Exit status of `verify` when something does not hold.
const UNSOUND: u8 = 3;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.command {
        Command::Serve(serve) => run(serve),
        Command::Key(place) => key(place),
        Command::Verify(place) => check(place),
        Command::Renew(place) => renew(place),
    };
    result.unwrap_or_else(|error| {
        say(&format!("caro-relay: {error:#}"));
        if let Some(hint) = advice::hint(&error) {
            say(&format!("hint: {hint}"));
        }
        ExitCode::FAILURE
    })
}

fn load(place: Place, listen: Option<SocketAddr>, plain: bool, public_host: Option<String>) -> anyhow::Result<Config> {
    let overrides = Overrides { config: place.config, listen, data: place.data, plain, public_host };
    // A variable that is not Unicode is not one of ours.
    let environment =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    Ok(Config::load(overrides, environment)?)
}

fn run(serve: Serve) -> anyhow::Result<ExitCode> {
    let config = load(serve.place, serve.listen, serve.plain, serve.public_host)?;
    start_logging(&config);
    keep_memory_private();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let stop = shutdown::on_signal()?;
        let server = Server::start(&config).await?;
        tracing::info!(listen = %server.local_addr()?, plain = config.plain, "serving");
        print(&format!("caro sync init --relay {}", server.address()))?;
        server.run(stop).await;
        tracing::info!("ended");
        Ok(ExitCode::SUCCESS)
    })
}

fn key(place: Place) -> anyhow::Result<ExitCode> {
    let config = load(place, None, false, None)?;
    print(&Keys::load(&config.data)?.address_key())?;
    Ok(ExitCode::SUCCESS)
}

fn check(place: Place) -> anyhow::Result<ExitCode> {
    let config = load(place, None, false, None)?;
    let path = database(&config.data);
    anyhow::ensure!(path.exists(), "there is no database in {}", config.data.display());
    let report = verify::verify(&path)?;
    for fault in &report.faults {
        say(&format!("caro-relay: {fault}"));
    }
    print(&format!(
        "{}: {} accounts, {} entries, {} of them purged",
        if report.is_sound() { "sound" } else { "damaged" },
        report.accounts,
        report.entries,
        report.purged
    ))?;
    Ok(if report.is_sound() { ExitCode::SUCCESS } else { ExitCode::from(UNSOUND) })
}

fn renew(place: Place) -> anyhow::Result<ExitCode> {
    let config = load(place, None, false, None)?;
    let folder = Folder::open(&config.data)?;
    anyhow::ensure!(folder.database().exists(), "there is no database in {}", config.data.display());
    SqliteLog::open(&folder.database(), fresh_generation()?)?.renew(fresh_generation()?)?;
    print("renewed: devices will offer again what this database lacks")?;
    Ok(ExitCode::SUCCESS)
}

/// Keys are in memory: no core dump, and no look from a debugger of the same user.
fn keep_memory_private() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "the memory could not be kept out of core dumps");
    }
}

/// Only this program's own messages: what a library says at a verbose level is not ours to vouch for.
fn start_logging(config: &Config) {
    use tracing::level_filters::LevelFilter;
    use tracing_subscriber::{Layer, filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};
    let level = match config.log {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let ours = Targets::new().with_target("caro_relay", level);
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(false);
    let layer = match config.log_format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    tracing_subscriber::registry().with(layer.with_filter(ours)).init();
    std::panic::set_hook(Box::new(|panic| {
        // Its text may hold anything; its place does not.
        let place = panic.location().map(|at| format!("{}:{}", at.file(), at.line())).unwrap_or_default();
        tracing::error!(place, "a thread panicked");
    }));
}

fn print(line: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush()).context("standard output")
}

fn say(line: &str) {
    // Without standard error there is nobody to tell.
    drop(writeln!(io::stderr(), "{line}"));
}
