//! Where one frame of a stream ends and the next begins, whatever pieces the bytes come in: the head of an HTTP request or
//! answer is frame 0, and each WebSocket frame after it is one; where TLS is spoken, each TLS record is one, from 0.
//!
//! Nothing is decrypted or understood beyond lengths, and every byte that goes in comes out.

/// Some bytes of one frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Which frame of the stream they belong to.
    pub frame: u64,
    /// Where in the content of the frame the first of them is; none in a frame's own head.
    pub content_at: Option<u64>,
    /// Whether the frame ends with them.
    pub ends: bool,
    /// The bytes.
    pub bytes: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Unknown,
    HttpHead,
    WebSocket,
    Tls,
}

/// Follows one way of one connection.
pub struct Framer {
    form: Form,
    frame: u64,
    /// What has come of the head of a frame: up to the last four bytes of an HTTP head.
    head: Vec<u8>,
    /// Content of the present frame that has come, and that is still to come.
    content: (u64, u64),
}

/// The first byte of a TLS handshake record.
const TLS_HANDSHAKE: u8 = 0x16;

impl Framer {
    /// At the beginning of a stream.
    pub fn new() -> Self {
        Self { form: Form::Unknown, frame: 0, head: Vec::new(), content: (0, 0) }
    }

    /// The next bytes, cut where frames end.
    pub fn split(&mut self, bytes: &[u8]) -> Vec<Segment> {
        let (mut rest, mut segments) = (bytes, Vec::new());
        while let Some(first) = rest.first() {
            if self.form == Form::Unknown {
                self.form = if *first == TLS_HANDSHAKE { Form::Tls } else { Form::HttpHead };
            }
            let (taken, content_at, ends) = self.take(rest);
            let (bytes, after) = rest.split_at(taken);
            segments.push(Segment { frame: self.frame, content_at, ends, bytes: bytes.to_vec() });
            rest = after;
            if ends {
                self.frame += 1;
                self.content = (0, 0);
                self.head.clear();
                if self.form == Form::HttpHead {
                    self.form = Form::WebSocket;
                }
            }
        }
        segments
    }

    /// How many of these bytes belong together, where they are in the content, and whether the frame ends with them.
    fn take(&mut self, bytes: &[u8]) -> (usize, Option<u64>, bool) {
        if self.form == Form::HttpHead {
            return self.take_http_head(bytes);
        }
        let (come, left) = self.content;
        if left > 0 {
            let taken = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            self.content = (come + taken as u64, left - taken as u64);
            return (taken, Some(come), self.content.1 == 0);
        }
        let mut taken = 0;
        loop {
            if let Some(length) = self.content_length() {
                self.content = (0, length);
                return (taken, None, length == 0);
            }
            let Some(next) = bytes.get(taken) else { return (taken, None, false) };
            self.head.push(*next);
            taken += 1;
        }
    }

    fn take_http_head(&mut self, bytes: &[u8]) -> (usize, Option<u64>, bool) {
        let begins = self.content.0;
        for (at, byte) in bytes.iter().enumerate() {
            self.head.push(*byte);
            self.content.0 += 1;
            if self.head.ends_with(b"\r\n\r\n") {
                return (at + 1, Some(begins), true);
            }
            if self.head.len() > 4 {
                self.head.remove(0);
            }
        }
        (bytes.len(), Some(begins), false)
    }

    /// The length of a frame's content, once its head is whole.
    fn content_length(&self) -> Option<u64> {
        let head = &self.head;
        if self.form == Form::Tls {
            return (head.len() == 5).then(|| u64::from(u16::from_be_bytes([head[3], head[4]])));
        }
        let second = *head.get(1)?;
        let mask = if second & 0x80 == 0 { 0 } else { 4 };
        let wide = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        if head.len() < 2 + wide + mask {
            return None;
        }
        let wide = head[2..2 + wide].iter().fold(0, |length, byte| length << 8 | u64::from(*byte));
        Some(if second & 0x7f < 126 { u64::from(second & 0x7f) } else { wide })
    }
}

impl Default for Framer {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> Vec<u8> {
        let mut bytes = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec();
        bytes.extend([0x82, 0x83, 1, 2, 3, 4, 9, 9, 9]);
        bytes.extend([0x89, 0x00]);
        bytes.extend([0x82, 126, 1, 44]);
        bytes.extend([7; 300]);
        bytes
    }

    #[test]
    fn frames_end_where_they_do_whatever_pieces_they_come_in() {
        let stream = stream();
        for size in [1, 2, 3, 7, 50, 1000] {
            let mut framer = Framer::new();
            let segments: Vec<Segment> = stream.chunks(size).flat_map(|chunk| framer.split(chunk)).collect();
            let joined: Vec<u8> = segments.iter().flat_map(|segment| segment.bytes.clone()).collect();
            assert!(joined == stream, "in pieces of {size}");
            let ended: Vec<u64> = segments.iter().filter(|segment| segment.ends).map(|segment| segment.frame).collect();
            assert_eq!(ended, [0, 1, 2, 3], "in pieces of {size}");
            let of = |frame| segments.iter().filter(move |it| it.frame == frame && it.content_at.is_some());
            assert_eq!(of(1).map(|segment| segment.bytes.len()).sum::<usize>(), 3);
            assert_eq!(of(3).map(|segment| segment.bytes.len()).sum::<usize>(), 300);
            assert!(of(3).next().is_some_and(|segment| segment.content_at == Some(0)));
        }
    }

    #[test]
    fn a_record_of_tls_is_a_frame() {
        let mut framer = Framer::new();
        let segments = framer.split(&[0x16, 3, 1, 0, 2, 5, 5, 0x17, 3, 3, 0, 1, 6]);
        let ends: Vec<(u64, bool)> = segments.iter().map(|segment| (segment.frame, segment.ends)).collect();
        assert_eq!(ends, [(0, false), (0, true), (1, false), (1, true)]);
    }
}
