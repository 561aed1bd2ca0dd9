//! Whole frames out of a stream of bytes, from a server that sends each message in one; and a client's frames.

use crate::scan::{MAX_CONTROL_PAYLOAD, ProtocolError, Sink, TEXT, header_length};

/// Bytes of the frame that begins here, once its beginning says so.
pub(crate) type LengthOf = fn(&[u8]) -> Result<Option<usize>, ProtocolError>;

/// One connection's place in the byte stream: the beginning of a frame whose end has not come.
#[derive(Debug, Default)]
pub(crate) struct FrameReader {
    partial: Vec<u8>,
}

impl FrameReader {
    /// Takes the next bytes of the stream, cut anywhere, and hands on each frame that has come to its end.
    pub(crate) fn read(
        &mut self,
        mut input: &[u8],
        length_of: LengthOf,
        mut take: impl FnMut(&[u8]),
    ) -> Result<(), ProtocolError> {
        while !self.partial.is_empty() && !input.is_empty() {
            let missing = length_of(&self.partial)?
                .map_or(1, |length| length.saturating_sub(self.partial.len()));
            let (head, rest) = input.split_at(missing.min(input.len()));
            self.partial.extend_from_slice(head);
            input = rest;
            if length_of(&self.partial)? == Some(self.partial.len()) {
                take(&self.partial);
                self.partial.clear();
            }
        }
        while let Some(length) = length_of(input)?
            && length <= input.len()
        {
            let (frame, rest) = input.split_at(length);
            take(frame);
            input = rest;
        }
        self.partial.extend_from_slice(input);
        Ok(())
    }
}

/// Bytes of the WebSocket frame that begins here, once its header has come. `is_known` says of a frame's first two bytes
/// whether this door's server sends such.
pub(crate) fn frame_length(
    input: &[u8],
    is_known: fn(u8, u8) -> bool,
) -> Result<Option<usize>, ProtocolError> {
    let [first, second, ..] = *input else {
        return Ok(None);
    };
    if second & 0x80 != 0 {
        return Err(ProtocolError("masked frame from the server"));
    }
    if !is_known(first, second) {
        return Err(ProtocolError("a frame that this door does not send"));
    }
    let header = header_length(second);
    let Some(extended) = input.get(2..header) else {
        return Ok(None);
    };
    let payload = match extended {
        [] => usize::from(second),
        extended => extended
            .iter()
            .fold(0, |length, &byte| length << 8 | usize::from(byte)),
    };
    Ok(Some(header.saturating_add(payload)))
}

/// The same where each text message is in one frame and nothing else comes but control frames.
pub(crate) fn text_length(input: &[u8]) -> Result<Option<usize>, ProtocolError> {
    frame_length(input, |first, second| {
        first == 0x80 | TEXT || is_control(first, second)
    })
}

/// Whether these two bytes begin a control frame (RFC 6455 section 5.5).
pub(crate) fn is_control(first: u8, second: u8) -> bool {
    (0x88..=0x8a).contains(&first) && u64::from(second) <= MAX_CONTROL_PAYLOAD
}

/// A client's text message in one frame.
pub(crate) fn text_frame(payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(payload.len() + 14);
    append_frame(&mut frame, TEXT, payload);
    frame
}

/// Appends a client's frame: masked, as RFC 6455 section 5.3 demands, with a mask of its own each time.
pub(crate) fn append_frame(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    out.push(0x80 | opcode);
    match payload.len() {
        length @ 0..=125 => out.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    let mask = fastrand::u32(..).to_ne_bytes();
    out.extend_from_slice(&mask);
    let begin = out.len();
    out.extend_from_slice(payload);
    for chunk in out[begin..].chunks_mut(4) {
        for (byte, mask) in chunk.iter_mut().zip(mask) {
            *byte ^= mask;
        }
    }
}

/// A WebSocket frame: its payload, if it is text; what else there is goes to the sink.
pub(crate) fn control_or_text<'a>(frame: &'a [u8], sink: &mut impl Sink) -> Option<&'a [u8]> {
    let payload = &frame[header_length(frame[1])..];
    if frame[0] == 0x80 | TEXT {
        return Some(payload);
    }
    sink.control(frame[0] & 0x0f, payload);
    None
}
