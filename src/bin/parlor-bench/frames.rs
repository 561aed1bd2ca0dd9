//! Whole frames out of a stream of bytes, from a server that sends each message in one.

use crate::scan::{ProtocolError, header_length};

/// One connection's place in the byte stream: the beginning of a frame whose end has not come.
#[derive(Debug, Default)]
pub(crate) struct FrameReader {
    partial: Vec<u8>,
}

impl FrameReader {
    /// Takes the next bytes of the stream, cut anywhere, and hands on each frame that has come to its end. `is_known`
    /// says of a frame's first two bytes whether this door's server sends such.
    pub(crate) fn read(
        &mut self,
        mut input: &[u8],
        is_known: fn(u8, u8) -> bool,
        mut take: impl FnMut(&[u8]),
    ) -> Result<(), ProtocolError> {
        while !self.partial.is_empty() && !input.is_empty() {
            let missing = frame_length(&self.partial, is_known)?
                .map_or(1, |length| length.saturating_sub(self.partial.len()));
            let (head, rest) = input.split_at(missing.min(input.len()));
            self.partial.extend_from_slice(head);
            input = rest;
            if frame_length(&self.partial, is_known)? == Some(self.partial.len()) {
                take(&self.partial);
                self.partial.clear();
            }
        }
        while let Some(length) = frame_length(input, is_known)?
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

/// Bytes of the frame that begins here, once its header has come.
fn frame_length(
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
