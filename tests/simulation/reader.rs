//! What a client reads: HTTP responses and then frames, taken apart without the server's codecs.

use std::collections::VecDeque;

use flate2::{Decompress, FlushDecompress};

/// Something the server has said, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Response {
        status: u16,
        body: Vec<u8>,
        closes: bool,
    },
    Message {
        is_text: bool,
        payload: Vec<u8>,
    },
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close {
        code: Option<u16>,
        reason: String,
    },
}

impl Seen {
    /// For people to read: a text as it is.
    pub(crate) fn to_text(&self) -> String {
        match self {
            Self::Message { payload, .. } => String::from_utf8_lossy(payload).into_owned(),
            other => format!("{other:?}"),
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Reader {
    bytes: Vec<u8>,
    /// Where the next event begins in them.
    from: usize,
    /// For each request sent, whether its response comes without a body (HEAD).
    bodiless: VecDeque<bool>,
    is_websocket: bool,
    /// The window that compressed messages need, in bits; `None` if there are to be none (RFC 7692 section 7.1).
    window_bits: Option<u8>,
    pub(crate) is_closed: bool,
}

impl Reader {
    pub(crate) fn expect_response(&mut self, is_head: bool) {
        self.bodiless.push_back(is_head);
    }

    /// A response has not come yet.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.bodiless.is_empty()
    }

    /// Messages may be compressed, in both directions.
    pub(crate) fn is_deflated(&self) -> bool {
        self.window_bits.is_some()
    }

    /// Nothing unfinished is left.
    pub(crate) fn is_at_boundary(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Seen>, String> {
        self.bytes.extend_from_slice(bytes);
        let mut seen = Vec::new();
        loop {
            let next = if self.is_websocket {
                self.next_frame()?
            } else {
                self.next_response()?
            };
            let Some((event, length)) = next else {
                self.bytes.drain(..std::mem::take(&mut self.from));
                return Ok(seen);
            };
            if self.is_closed {
                return Err(format!("{event:?} came after the close frame"));
            }
            self.is_closed = matches!(event, Seen::Close { .. });
            seen.push(event);
            self.from += length;
        }
    }

    fn next_response(&mut self) -> Result<Option<(Seen, usize)>, String> {
        let bytes = &self.bytes[self.from..];
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
            let start = &bytes[..bytes.len().min(9)];
            if !b"HTTP/1.1 ".starts_with(start) {
                return Err(format!(
                    "this is not HTTP: {:?}",
                    String::from_utf8_lossy(bytes)
                ));
            }
            return Ok(None);
        };
        let head = str::from_utf8(&bytes[..end]).map_err(|_| "a head that is not text")?;
        let status = head.get(9..12).and_then(|digits| digits.parse().ok());
        let status: u16 = status.ok_or_else(|| format!("no status in {head:?}"))?;
        let field = |name: &str| {
            head.split("\r\n")
                .filter_map(|line| line.split_once(": "))
                .find(|(found, _)| found.eq_ignore_ascii_case(name))
                .map(|(_, value)| value)
        };
        // What is refused unread, or came too late, is not known to be a HEAD.
        let is_head =
            self.bodiless.front().copied().unwrap_or(false) && status != 400 && status != 408;
        let length = if is_head || matches!(status, 100 | 101 | 204 | 304) {
            0
        } else {
            let length = field("content-length").and_then(|value| value.parse().ok());
            length.ok_or_else(|| format!("no length in {head:?}"))?
        };
        let body = end + 4..end + 4 + length;
        if bytes.len() < body.end {
            return Ok(None);
        }
        let closes = field("connection").is_some_and(|value| value == "close");
        let event = Seen::Response {
            status,
            body: bytes[body.clone()].to_vec(),
            closes,
        };
        if status != 100 {
            self.bodiless.pop_front();
        }
        self.is_websocket = status == 101;
        self.window_bits = field("sec-websocket-extensions").map(window_bits_of);
        Ok(Some((event, body.end)))
    }

    /// RFC 6455 section 5.2, and what this server never does: fragments.
    fn next_frame(&self) -> Result<Option<(Seen, usize)>, String> {
        let bytes = &self.bytes[self.from..];
        let [first, second, rest @ ..] = bytes else {
            return Ok(None);
        };
        let (length, start) = match second {
            0..=125 => (u64::from(*second), 2),
            126 if rest.len() < 2 => return Ok(None),
            126 => (u64::from(u16::from_be_bytes([rest[0], rest[1]])), 4),
            127 if rest.len() < 8 => return Ok(None),
            127 => (
                rest[..8]
                    .iter()
                    .fold(0, |all, byte| all << 8 | u64::from(*byte)),
                10,
            ),
            _ => return Err("a frame is masked".to_owned()),
        };
        if (start == 4 && length < 126) || (start == 10 && length < 1 << 16) || length > 1 << 24 {
            return Err(format!(
                "a frame of {length} bytes with a header of {start}"
            ));
        }
        let end = start + length as usize;
        let Some(payload) = bytes.get(start..end) else {
            return Ok(None);
        };
        let payload = payload.to_vec();
        let event = match first {
            0x81 | 0x82 => Seen::Message {
                is_text: *first == 0x81,
                payload,
            },
            0xc1 | 0xc2 => Seen::Message {
                is_text: *first == 0xc1,
                payload: inflate(
                    &payload,
                    self.window_bits.ok_or("compression was not agreed on")?,
                )?,
            },
            0x88 => close_of(&payload)?,
            0x89 => Seen::Ping(payload),
            0x8a => Seen::Pong(payload),
            _ => return Err(format!("a frame begins with {first:#x}")),
        };
        Ok(Some((event, end)))
    }
}

/// What the response says of the server's window; nothing of it means the largest.
fn window_bits_of(extensions: &str) -> u8 {
    let said = extensions.split_once("server_max_window_bits=");
    said.and_then(|(_, bits)| bits.parse().ok()).unwrap_or(15)
}

/// RFC 7692 section 7.2.2, with no window from the messages before.
fn inflate(payload: &[u8], window_bits: u8) -> Result<Vec<u8>, String> {
    // DEFLATE makes nothing smaller than that.
    let mut out = Vec::with_capacity((1100 * payload.len()).min(1 << 20));
    Decompress::new_with_window_bits(false, window_bits)
        .decompress_vec(
            &[payload, &[0, 0, 0xff, 0xff]].concat(),
            &mut out,
            FlushDecompress::Sync,
        )
        .map_err(|error| format!("a message that cannot be inflated: {error}"))?;
    if out.len() <= payload.len() || out.len() == out.capacity() {
        return Err(format!(
            "{} bytes were compressed to {}",
            out.len(),
            payload.len()
        ));
    }
    Ok(out)
}

fn close_of(payload: &[u8]) -> Result<Seen, String> {
    let (code, reason) = match payload {
        [] => (None, &[][..]),
        [high, low, reason @ ..] => (Some(u16::from_be_bytes([*high, *low])), reason),
        [_] => return Err("a close frame of one byte".to_owned()),
    };
    let reason = String::from_utf8(reason.to_vec()).map_err(|_| "a reason that is not text")?;
    Ok(Seen::Close { code, reason })
}
