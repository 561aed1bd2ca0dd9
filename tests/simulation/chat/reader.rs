//! Takes a stream of Server-Sent Events apart, as a browser does.

/// What has come, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StreamSeen {
    /// The response's status.
    Status(u16),
    Event {
        id: Option<String>,
        name: Option<String>,
        data: String,
    },
    /// A comment, or nothing but `retry:`.
    Nothing,
}

#[derive(Debug, Default)]
pub(crate) struct StreamReader {
    bytes: Vec<u8>,
    has_head: bool,
}

impl StreamReader {
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<Vec<StreamSeen>, String> {
        self.bytes.extend_from_slice(bytes);
        let mut seen = Vec::new();
        loop {
            let end: &[u8] = if self.has_head { b"\n\n" } else { b"\r\n\r\n" };
            let found = self.bytes.windows(end.len()).position(|it| it == end);
            let Some(length) = found else {
                return Ok(seen);
            };
            let piece: Vec<u8> = self
                .bytes
                .drain(..length + end.len())
                .take(length)
                .collect();
            let piece = String::from_utf8(piece).map_err(|_| "a stream that is not text")?;
            if self.has_head {
                seen.push(event(&piece)?);
                continue;
            }
            self.has_head = true;
            let status = piece.get(9..12).and_then(|digits| digits.parse().ok());
            seen.push(StreamSeen::Status(status.ok_or("no status")?));
        }
    }
}

fn event(text: &str) -> Result<StreamSeen, String> {
    let (mut id, mut name, mut data) = (None, None, Vec::new());
    for line in text.lines() {
        match line.split_once(": ") {
            Some(("id", value)) => id = Some(value.to_owned()),
            Some(("event", value)) => name = Some(value.to_owned()),
            Some(("data", value)) => data.push(value),
            Some(("retry", _)) => {}
            _ if line.starts_with(':') => {}
            _ => return Err(format!("a stream has the line {line:?}")),
        }
    }
    if data.is_empty() {
        return Ok(StreamSeen::Nothing);
    }
    let data = data.join("\n");
    Ok(StreamSeen::Event { id, name, data })
}
