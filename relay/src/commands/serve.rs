//! `caro-relay serve`.

use std::{io, net::SocketAddr, process::ExitCode};

use caro_relay::{
    config::{Config, LogFormat, LogLevel, Origin},
    reload::Loader,
    serve::{Server, Sockets},
    shutdown,
};
use clap::Args;

use super::{Outcome, Place, Serving, print};

#[derive(Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    serving: Serving,
}

impl Serve {
    pub(crate) fn run(self) -> Outcome {
        let loaded = self.place.load_with(self.serving.clone())?;
        let listen_is_set = loaded.origin("listen") != Origin::Default;
        let config = loaded.config;
        start_logging(&config);
        keep_memory_private();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(async {
            let stop = shutdown::on_signal()?;
            let hangups = shutdown::on_hangup()?;
            let sockets = Sockets::from_environment()?;
            let handed = sockets.devices.is_some();
            let server = Server::start_on(&config, sockets).await?;
            let listen = server.local_addr()?;
            if handed && listen_is_set && !is_meant(config.listen, listen) {
                let (set, handed) = (config.listen, listen);
                tracing::warn!(%set, %handed, "listen is passed over for the socket that was handed over");
            }
            tracing::info!(%listen, plain = config.plain, handed, health = ?server.health_addr(), "serving");
            print(&format!("caro sync init --relay {}", server.address()))?;
            let loader = Loader::new(move || Ok(self.place.load_with(self.serving.clone())?.config));
            server.run_reloading(stop, hangups, loader).await;
            tracing::info!("ended");
            Ok(ExitCode::SUCCESS)
        })
    }
}

/// Whether a socket listens where it was to be. Port 0 is any.
fn is_meant(set: SocketAddr, handed: SocketAddr) -> bool {
    let port = set.port() == 0 || set.port() == handed.port();
    port && set.ip().to_canonical() == handed.ip().to_canonical()
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
