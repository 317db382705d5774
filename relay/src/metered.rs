//! A stream that gives only so many bytes until its other side is known. The cap is on what is read from below, before
//! anything is parsed or allocated by a length that a stranger sent.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How much may still be read.
#[derive(Clone, Debug)]
pub struct Budget(Arc<AtomicUsize>);

impl Budget {
    /// So many bytes.
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(bytes)))
    }

    /// So many bytes from now on.
    pub fn renew(&self, bytes: usize) {
        self.0.store(bytes, Ordering::Relaxed);
    }

    /// No end from now on.
    pub fn lift(&self) {
        self.renew(usize::MAX);
    }
}

/// A stream under a budget.
#[derive(Debug)]
pub struct Metered<S> {
    stream: S,
    budget: Budget,
}

impl<S> Metered<S> {
    /// Puts a stream under a budget.
    pub fn new(stream: S, budget: Budget) -> Self {
        Self { stream, budget }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let left = self.budget.0.load(Ordering::Relaxed);
        if left == usize::MAX {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        if left == 0 {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "more than a stranger may send")));
        }
        let room = left.min(buffer.remaining());
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(room));
        let result = Pin::new(&mut self.stream).poll_read(context, &mut part);
        let read = part.filled().len();
        buffer.advance(read);
        // Whoever lifted the budget in the meantime wins.
        let _ = self.budget.0.compare_exchange(left, left - read, Ordering::Relaxed, Ordering::Relaxed);
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn trap_38_a_stranger_is_read_only_so_far() {
        let (mut writer, reader) = tokio::io::duplex(64);
        writer.write_all(&[1; 20]).await.unwrap();
        let budget = Budget::new(8);
        let mut metered = Metered::new(reader, budget.clone());
        let mut bytes = [0; 8];
        metered.read_exact(&mut bytes).await.unwrap();
        assert_eq!(metered.read_u8().await.unwrap_err().kind(), io::ErrorKind::InvalidData);
        budget.renew(2);
        assert_eq!(metered.read_u16().await.unwrap(), 0x0101);
        assert!(metered.read_u8().await.is_err());
        budget.lift();
        let mut rest = [0; 10];
        metered.read_exact(&mut rest).await.unwrap();
    }
}
