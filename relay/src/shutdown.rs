//! The signals that end a relay, and the one that has it read its configuration again. The first one ends it in order; a
//! second one leaves the rest to the system, whose databases survive that too.

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
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

/// A receiver that gets something each time the process is to read its configuration again. While one waits, another says
/// nothing new.
///
/// # Errors
/// When the signal cannot be listened to.
pub fn on_hangup() -> std::io::Result<mpsc::Receiver<()>> {
    let mut hangup = signal(SignalKind::hangup())?;
    let (said, hangups) = mpsc::channel(1);
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            if matches!(said.try_send(()), Err(mpsc::error::TrySendError::Closed(()))) {
                return;
            }
        }
    });
    Ok(hangups)
}

/// Exit status after a second signal, as a shell shows one for SIGTERM.
const SECOND_SIGNAL: i32 = 128 + 15;

async fn next(terminate: &mut tokio::signal::unix::Signal, interrupt: &mut tokio::signal::unix::Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
