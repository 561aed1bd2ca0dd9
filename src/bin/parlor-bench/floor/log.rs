//! The floor's outgoing bytes: one log for all receivers, each of which knows how far it got.

/// What a receiver that does not read may hold back before it is cut off.
const MAX_BEHIND: u64 = 64 * 1024 * 1024;
/// Capacity kept when the log is empty.
const KEPT_CAPACITY: usize = 1024 * 1024;

/// Frames for everyone, by position in the stream of all that was ever sent.
#[derive(Debug, Default)]
pub(super) struct Log {
    bytes: Vec<u8>,
    /// Position of the first byte that is still held.
    begin: u64,
    /// Position where this tick's frames begin.
    fresh: u64,
    /// Where each message of this tick ends.
    message_ends: Vec<u64>,
}

impl Log {
    pub(super) fn end(&self) -> u64 {
        self.begin + self.bytes.len() as u64
    }

    pub(super) fn fresh(&self) -> u64 {
        self.fresh
    }

    pub(super) fn message_ends(&self) -> &[u64] {
        &self.message_ends
    }

    pub(super) fn slice(&self, from: u64, to: u64) -> &[u8] {
        &self.bytes[(from - self.begin) as usize..(to - self.begin) as usize]
    }

    /// Nothing is new and nobody is behind.
    pub(super) fn is_drained(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Turns a client's frames into a server's; the number of bytes taken, none after a close frame.
    pub(super) fn append_frames(&mut self, input: &[u8]) -> Option<usize> {
        let mut taken = 0;
        while let Some((header, length)) = parse_header(&input[taken..]) {
            let Some(payload) = input.get(taken + header..taken + header + length) else {
                break;
            };
            let first = input[taken];
            taken += header + length;
            match first & 0x0f {
                0x8 => return None,
                0x9 | 0xa => continue,
                _ => {}
            }
            let (mask, head) = (&input[taken - length - 4..taken - length], first);
            self.append(head, mask, payload);
        }
        Some(taken)
    }

    fn append(&mut self, first: u8, mask: &[u8], payload: &[u8]) {
        self.bytes.push(first);
        match payload.len() {
            length @ 0..=125 => self.bytes.push(length as u8),
            length @ 126..=0xffff => {
                self.bytes.push(126);
                self.bytes.extend_from_slice(&(length as u16).to_be_bytes());
            }
            length => {
                self.bytes.push(127);
                self.bytes.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        self.bytes.extend(
            payload
                .iter()
                .zip(mask.iter().cycle())
                .map(|(byte, mask)| byte ^ mask),
        );
        self.message_ends.push(self.end());
    }

    /// Ends the tick: drops what everyone has, who stands at `behind` or further. The position below which
    /// receivers are to be cut off, if there is one.
    pub(super) fn drain(&mut self, behind: u64) -> Option<u64> {
        self.message_ends.clear();
        self.fresh = self.end();
        if behind >= self.fresh {
            self.begin = self.fresh;
            self.bytes.clear();
            self.bytes.shrink_to(KEPT_CAPACITY);
            return None;
        }
        if self.bytes.len() as u64 > 2 * MAX_BEHIND {
            let cut = self.fresh - MAX_BEHIND;
            self.bytes.drain(..(cut - self.begin) as usize);
            self.begin = cut;
            return Some(cut);
        }
        None
    }
}

/// Length of the header and of the payload of a client's frame, once the header is complete.
fn parse_header(input: &[u8]) -> Option<(usize, usize)> {
    let length = input.get(1)? & 0x7f;
    match length {
        126 => Some((
            8,
            usize::from(u16::from_be_bytes(*input.get(2..4)?.first_chunk()?)),
        )),
        127 => Some((
            14,
            u64::from_be_bytes(*input.get(2..10)?.first_chunk()?) as usize,
        )),
        _ => Some((6, usize::from(length))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client_frame(payload: &[u8]) -> Vec<u8> {
        let mask = [1, 2, 3, 4];
        let masked = payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, mask)| byte ^ mask);
        [0x81, 0x80 | payload.len() as u8]
            .into_iter()
            .chain(mask)
            .chain(masked)
            .collect()
    }

    #[test]
    fn frames_go_in_masked_and_come_out_plain() {
        let mut log = Log::default();
        let input = [client_frame(b"one"), client_frame(b"three")].concat();
        assert_eq!(
            log.append_frames(&input[..input.len() - 1]),
            Some(client_frame(b"one").len())
        );
        assert_eq!(log.append_frames(&client_frame(b"three")), Some(11));
        assert_eq!(log.slice(0, log.end()), b"\x81\x03one\x81\x05three");
        assert_eq!(log.message_ends(), [5, 12]);
        assert_eq!(log.drain(5), None);
        assert_eq!((log.slice(5, 12), log.fresh()), (&b"\x81\x05three"[..], 12));
        assert_eq!(log.drain(12), None);
        assert!(log.is_drained());
    }

    #[test]
    fn a_close_frame_ends_it() {
        assert_eq!(
            Log::default().append_frames(&[0x88, 0x80, 0, 0, 0, 0]),
            None
        );
    }
}
