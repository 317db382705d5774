//! The signals that end a relay. The first one ends it in order; a second one leaves the rest to the system, whose
//! databases survive that too.

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// A receiver that changes when the process is asked to end.
///
/// # Errors
/// When the signals cannot be listened to.
pub fn on_signal() -> std::io::Result<watch::Receiver<bool>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        next(&mut terminate, &mut interrupt).await;
        tracing::info!("asked to end");
        // Nobody listens any more when the relay has ended by itself.
        stop.send_replace(true);
        next(&mut terminate, &mut interrupt).await;
        std::process::exit(SECOND_SIGNAL);
    });
    Ok(stopped)
}

/// Exit status after a second signal, as a shell shows one for SIGTERM.
const SECOND_SIGNAL: i32 = 128 + 15;

async fn next(terminate: &mut tokio::signal::unix::Signal, interrupt: &mut tokio::signal::unix::Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
