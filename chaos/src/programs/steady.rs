//! A connection that no signal ends. Where a read has a time, the system breaks it off for any signal, also for the one that
//! says that a child has ended, which other scenes of the same process bring about all the time.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::TcpStream,
    ops::{Deref, DerefMut},
};

/// A connection whose reads and writes are begun again after a signal.
pub struct Steady(TcpStream);

impl Steady {
    /// Over this one.
    pub fn over(tcp: TcpStream) -> Self {
        Self(tcp)
    }
}

impl Deref for Steady {
    type Target = TcpStream;

    fn deref(&self) -> &TcpStream {
        &self.0
    }
}

impl DerefMut for Steady {
    fn deref_mut(&mut self) -> &mut TcpStream {
        &mut self.0
    }
}

impl Read for Steady {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        again(|| self.0.read(buffer))
    }
}

impl Write for Steady {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        again(|| self.0.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        again(|| self.0.flush())
    }
}

fn again<T>(mut what: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match what() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_signal_broke_off_is_begun_again_and_other_errors_are_not() {
        let mut left = 3;
        let outcome = again(|| {
            left -= 1;
            if left > 0 { Err(io::Error::from(ErrorKind::Interrupted)) } else { Ok(7) }
        });
        assert_eq!((outcome.expect("in the end"), left), (7, 0));
        let refused: io::Result<()> = again(|| Err(io::Error::from(ErrorKind::WouldBlock)));
        assert_eq!(refused.expect_err("it waited long enough").kind(), ErrorKind::WouldBlock);
    }
}
