//! Finds the stamps in what a server sends, looking at frame headers and stamps only.
//!
//! A server may send a message as one frame, in fragments (RFC 6455 section 5.4), or join several messages into
//! one with line feeds, as the classic Go example does; all messages of a run are of one size, so that the
//! boundaries within a joined one are known. The rest of a message is skipped, not read.

use crate::stamp::STAMP_BYTES;

/// Longest header of a server's frame: two bytes and a 64-bit length. Servers do not mask.
const MAX_HEADER: usize = 10;
pub(crate) const MAX_CONTROL_PAYLOAD: u64 = 125;

const CONTINUATION: u8 = 0x0;
pub(crate) const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;

/// What the scanner finds.
pub(crate) trait Sink {
    /// A message of the right size; whether it is ours, the stamp must tell.
    fn message(&mut self, stamp: &[u8; STAMP_BYTES]);
    /// A message of another size.
    fn foreign(&mut self);
    /// The offset of the message that is told of next.
    fn offset(&mut self, offset: u64);
    /// What a server says that is no message.
    fn event(&mut self, event: Event<'_>);
    /// A control frame: close, ping or pong.
    fn control(&mut self, opcode: u8, payload: &[u8]);
}

/// What a server says that is no message.
#[derive(Debug)]
pub(crate) enum Event<'a> {
    /// It wants these bytes.
    Asks(Vec<u8>),
    /// The connection is in its room.
    Entered,
    /// The answer to `join` at the JSON door, to be read by those who want to know more.
    Joined(&'a [u8]),
    /// It will not do what it was asked to: why, for people.
    Refused(String),
}

/// Why a connection's bytes are none that a client can accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProtocolError(pub(crate) &'static str);

/// What is the same for every connection of a run: the size of the messages and the header they come with.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    size: usize,
    /// The header of a text frame that holds one message, the case that must be fast.
    header: Vec<u8>,
    /// Its first bytes in one word and the mask for them, to compare them without a call.
    word: u64,
    mask: u64,
}

impl Shape {
    pub(crate) fn new(size: usize) -> Shape {
        let mut header = vec![0x80 | TEXT];
        match size {
            0..=125 => header.push(size as u8),
            126..=0xffff => {
                header.push(126);
                header.extend_from_slice(&(size as u16).to_be_bytes());
            }
            _ => {
                header.push(127);
                header.extend_from_slice(&(size as u64).to_be_bytes());
            }
        }
        let mut first = [0; 8];
        let length = header.len().min(first.len());
        first[..length].copy_from_slice(&header[..length]);
        Shape {
            size,
            header,
            word: u64::from_le_bytes(first),
            mask: u64::MAX >> (64 - 8 * length),
        }
    }

    /// Whether one message in one text frame begins here; there are enough bytes for all of it.
    #[inline]
    fn begins(&self, input: &[u8]) -> bool {
        let first = input
            .first_chunk()
            .map_or(0, |first| u64::from_le_bytes(*first));
        first & self.mask == self.word
            && (self.header.len() <= 8 || input.starts_with(&self.header))
    }
}

/// One connection's place in the byte stream.
#[derive(Debug, Default)]
pub(crate) struct Scanner {
    /// The header of the current frame, as far as it has come.
    header: [u8; MAX_HEADER],
    header_len: u8,
    /// Opcode of the current frame; its FIN bit.
    opcode: u8,
    fin: bool,
    in_payload: bool,
    /// A message has begun whose final frame has not ended.
    in_message: bool,
    /// The message is not of the run's shape; what is left of it is skipped.
    foreign: bool,
    /// Payload bytes of the current frame still to come.
    left: u64,
    /// Position within the current one of the joined messages.
    at: usize,
    stamp: [u8; STAMP_BYTES],
    control: Vec<u8>,
}

impl Scanner {
    /// Takes the next bytes of the stream, cut anywhere.
    pub(crate) fn scan(
        &mut self,
        shape: &Shape,
        mut input: &[u8],
        sink: &mut impl Sink,
    ) -> Result<(), ProtocolError> {
        let whole = shape.header.len() + shape.size;
        while !input.is_empty() {
            if self.header_len == 0 && !self.in_payload && !self.in_message {
                while input.len() >= whole && shape.begins(input) {
                    let stamp = input[shape.header.len()..]
                        .first_chunk()
                        .expect("a message is as long as its stamp");
                    sink.message(stamp);
                    input = &input[whole..];
                }
            }
            input = if self.in_payload {
                self.take_payload(shape, input, sink)
            } else {
                self.take_header(input)?
            };
            if self.in_payload && self.left == 0 {
                self.end_frame(shape, sink);
            }
        }
        Ok(())
    }

    fn take_header<'a>(&mut self, input: &'a [u8]) -> Result<&'a [u8], ProtocolError> {
        let mut rest = input;
        while let Some((&byte, after)) = rest.split_first() {
            self.header[usize::from(self.header_len)] = byte;
            self.header_len += 1;
            rest = after;
            if self.header_len >= 2 && usize::from(self.header_len) == header_length(self.header[1])
            {
                self.header_len = 0;
                self.begin_frame()?;
                break;
            }
        }
        Ok(rest)
    }

    fn begin_frame(&mut self) -> Result<(), ProtocolError> {
        let [first, second, ..] = self.header;
        if first & 0x70 != 0 {
            return Err(ProtocolError("reserved bit set"));
        }
        if second & 0x80 != 0 {
            return Err(ProtocolError("masked frame from the server"));
        }
        self.fin = first & 0x80 != 0;
        self.opcode = first & 0x0f;
        self.left = match second & 0x7f {
            126 => u64::from(u16::from_be_bytes([self.header[2], self.header[3]])),
            127 => self.header[2..10]
                .iter()
                .fold(0, |length, &byte| length << 8 | u64::from(byte)),
            length => u64::from(length),
        };
        match self.opcode {
            CONTINUATION if self.in_message => {}
            TEXT | BINARY if !self.in_message => {
                self.in_message = true;
                self.foreign = false;
                self.at = 0;
            }
            0x8..=0xa if self.fin && self.left <= MAX_CONTROL_PAYLOAD => self.control.clear(),
            _ => return Err(ProtocolError("unexpected opcode or bad control frame")),
        }
        self.in_payload = true;
        Ok(())
    }

    fn take_payload<'a>(
        &mut self,
        shape: &Shape,
        input: &'a [u8],
        sink: &mut impl Sink,
    ) -> &'a [u8] {
        let length = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(input.len());
        let (mut payload, rest) = input.split_at(length);
        self.left -= length as u64;
        if self.opcode >= 0x8 {
            self.control.extend_from_slice(payload);
            return rest;
        }
        while !payload.is_empty() && !self.foreign {
            payload = self.take_message(shape, payload, sink);
        }
        rest
    }

    /// Takes bytes of one message, or the line feed that says that another follows in the same frame.
    fn take_message<'a>(
        &mut self,
        shape: &Shape,
        payload: &'a [u8],
        sink: &mut impl Sink,
    ) -> &'a [u8] {
        if self.at == shape.size {
            if payload[0] == b'\n' {
                sink.message(&self.stamp);
                self.at = 0;
            } else {
                self.foreign = true;
            }
            return &payload[1..];
        }
        let length = payload.len().min(shape.size - self.at);
        if self.at < STAMP_BYTES {
            let stamped = length.min(STAMP_BYTES - self.at);
            self.stamp[self.at..self.at + stamped].copy_from_slice(&payload[..stamped]);
        }
        self.at += length;
        &payload[length..]
    }

    fn end_frame(&mut self, shape: &Shape, sink: &mut impl Sink) {
        self.in_payload = false;
        if self.opcode >= 0x8 {
            sink.control(self.opcode, &self.control);
        } else if self.fin {
            self.in_message = false;
            if self.at == shape.size && !self.foreign {
                sink.message(&self.stamp);
            } else {
                sink.foreign();
            }
        }
    }
}

/// Bytes of a header with this second byte.
pub(crate) fn header_length(second: u8) -> usize {
    match second & 0x7f {
        126 => 4,
        127 => 10,
        _ => 2,
    }
}

#[cfg(test)]
#[path = "scan_tests.rs"]
pub(crate) mod tests;
