//! Length-prefixed frames for a byte stream: u32 big-endian, then that many bytes. The length is compared with the
//! limit before anything is allocated for it.

use std::io::{self, Read, Write};

/// Why no frame could be read.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The stream ended between frames.
    #[error("the other side closed the connection")]
    Closed,
    /// The length is above the limit.
    #[error("frame of {size} bytes, the limit is {limit}")]
    TooLarge {
        /// What the prefix said.
        size: usize,
        /// What it may say.
        limit: usize,
    },
    /// Reading or writing failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The four bytes before a frame of `len` bytes.
///
/// # Errors
/// [`FrameError::TooLarge`] above `limit`.
pub fn prefix(len: usize, limit: usize) -> Result<[u8; 4], FrameError> {
    match u32::try_from(len) {
        Ok(value) if len <= limit => Ok(value.to_be_bytes()),
        _ => Err(FrameError::TooLarge { size: len, limit }),
    }
}

/// The length that a prefix announces.
///
/// # Errors
/// [`FrameError::TooLarge`] above `limit`.
pub fn announced(prefix: [u8; 4], limit: usize) -> Result<usize, FrameError> {
    let size = u32::from_be_bytes(prefix) as usize;
    if size > limit { Err(FrameError::TooLarge { size, limit }) } else { Ok(size) }
}

/// Writes one frame.
///
/// # Errors
/// When it is too large or writing fails.
pub fn write(stream: &mut impl Write, bytes: &[u8], limit: usize) -> Result<(), FrameError> {
    let mut frame = Vec::with_capacity(bytes.len() + 4);
    frame.extend_from_slice(&prefix(bytes.len(), limit)?);
    frame.extend_from_slice(bytes);
    stream.write_all(&frame)?;
    Ok(stream.flush()?)
}

/// Reads one frame.
///
/// # Errors
/// [`FrameError::Closed`] at a clean end, otherwise what went wrong.
pub fn read(stream: &mut impl Read, limit: usize) -> Result<Vec<u8>, FrameError> {
    let mut head = [0; 4];
    match stream.read_exact(&mut head) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(FrameError::Closed),
        Err(error) => return Err(error.into()),
    }
    let size = announced(head, limit)?;
    let mut bytes = Vec::new();
    stream.take(size as u64).read_to_end(&mut bytes)?;
    if bytes.len() != size {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trap_38_a_lying_length_is_refused_before_it_is_believed() {
        let mut stream = &[0xff, 0xff, 0xff, 0xff, 1][..];
        assert!(matches!(read(&mut stream, 16), Err(FrameError::TooLarge { .. })));
    }

    #[test]
    fn a_frame_there_and_back_and_cut_at_every_length() {
        let mut bytes = Vec::new();
        write(&mut bytes, b"hello", 16).unwrap();
        assert_eq!(read(&mut &bytes[..], 16).unwrap(), b"hello");
        assert!(matches!(read(&mut &bytes[..0], 16), Err(FrameError::Closed)));
        for len in 1..bytes.len() {
            assert!(read(&mut &bytes[..len], 16).is_err(), "cut at {len}");
        }
        assert!(matches!(write(&mut Vec::new(), &[0; 17], 16), Err(FrameError::TooLarge { .. })));
    }
}
