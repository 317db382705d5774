//! A stream that can be told to take one byte a second, in the direction of the device.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};

/// The pause before each byte.
const PAUSE: Duration = Duration::from_secs(1);

/// Slows a stream down, from a moment on.
#[derive(Clone, Default)]
pub(super) struct Brake(Arc<AtomicBool>);

impl Brake {
    pub(super) fn pull(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    fn is_pulled(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// The stream.
pub(super) struct Braked {
    stream: TcpStream,
    brake: Brake,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Braked {
    pub(super) fn new(stream: TcpStream, brake: Brake) -> Self {
        Self { stream, brake, pause: None }
    }
}

impl AsyncRead for Braked {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Braked {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if !self.brake.is_pulled() {
            return Pin::new(&mut self.stream).poll_write(context, bytes);
        }
        let pause = self.pause.get_or_insert_with(|| Box::pin(sleep(PAUSE)));
        ready!(pause.as_mut().poll(context));
        self.pause = None;
        let one = &bytes[..bytes.len().min(1)];
        Pin::new(&mut self.stream).poll_write(context, one)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
