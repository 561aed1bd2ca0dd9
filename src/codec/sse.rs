//! Server-Sent Events, the server's side (WHATWG HTML section 9.2).

/// An event. Neither `id` nor `event` may hold a line end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SseEvent<'a> {
    /// What the client sends back as `Last-Event-ID` when it comes again; `None` leaves it at the last one.
    pub id: Option<&'a str>,
    /// The event's type; `None` for `message`.
    pub event: Option<&'a str>,
    /// The event's data. Each of its line ends, CR LF, CR or LF, arrives as LF.
    pub data: &'a str,
}

impl SseEvent<'_> {
    /// Appends the event to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        if let Some(id) = self.id {
            line("id: ", id, out);
        }
        if let Some(event) = self.event {
            line("event: ", event, out);
        }
        for text in lines(self.data) {
            line("data: ", text, out);
        }
        out.push(b'\n');
    }
}

/// Appends the id of the event that follows.
pub fn encode_id(id: &str, out: &mut Vec<u8>) {
    line("id: ", id, out);
}

/// Appends how long a client is to wait before it comes again. An event is to follow: some clients take the empty line
/// that ends one for an event, though there are no data.
pub fn encode_retry(ms: u64, out: &mut Vec<u8>) {
    line("retry: ", &ms.to_string(), out);
}

/// A comment, which clients ignore: something to send when there is nothing to say. No empty line follows it, as none
/// follows a `retry:`.
pub const COMMENT: &[u8] = b":\n";

/// Length of the first event among encoded ones, its empty line included; `None` when it is not whole.
pub fn first_length(events: &[u8]) -> Option<usize> {
    let end = events.windows(2).position(|window| window == b"\n\n")?;
    Some(end + 2)
}

fn line(field: &str, value: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(field.as_bytes());
    out.extend_from_slice(value.as_bytes());
    out.push(b'\n');
}

/// The lines of a text, at least one. What is behind its last line end is a line too, were it empty.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(end) = text.find(['\r', '\n']) else {
            return rest.take();
        };
        let length = if text[end..].starts_with("\r\n") {
            2
        } else {
            1
        };
        rest = Some(&text[end + length..]);
        Some(&text[..end])
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A client as the standard has it (section 9.2.6), of a stream that is whole.
    #[derive(Debug, Default, PartialEq)]
    struct Client {
        /// Last event ID, type and data of each.
        events: Vec<(String, String, String)>,
        retry_ms: Option<u64>,
        last_id: String,
    }

    fn receive(stream: &[u8]) -> Client {
        let text = str::from_utf8(stream).unwrap();
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        let mut client = Client::default();
        let (mut kind, mut data) = (String::new(), String::new());
        // Behind the last line end begins a line that never ends: it is dropped.
        let mut lines: Vec<&str> = text.split('\n').collect();
        lines.pop();
        for line in lines {
            if line.is_empty() {
                let (kind, data) = (std::mem::take(&mut kind), std::mem::take(&mut data));
                if let Some(data) = data.strip_suffix('\n') {
                    client
                        .events
                        .push((client.last_id.clone(), kind, data.to_owned()));
                }
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => kind = value.to_owned(),
                "data" => data += &format!("{value}\n"),
                "id" if !value.contains('\0') => client.last_id = value.to_owned(),
                "retry" => client.retry_ms = value.parse().ok().or(client.retry_ms),
                _ => {}
            }
        }
        client
    }

    fn encoded(event: SseEvent<'_>) -> String {
        let mut out = Vec::new();
        event.encode(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_event_is_lines() {
        let event = SseEvent {
            id: Some("7f-12"),
            event: Some("joined"),
            data: "a\nb\r\nc\rd\n",
        };
        assert_eq!(
            encoded(event),
            "id: 7f-12\nevent: joined\ndata: a\ndata: b\ndata: c\ndata: d\ndata: \n\n"
        );
        let empty = SseEvent {
            id: None,
            event: None,
            data: "",
        };
        assert_eq!(encoded(empty), "data: \n\n");
    }

    #[test]
    fn comments_and_retry() {
        let mut out = Vec::new();
        encode_retry(2000, &mut out);
        let event = SseEvent {
            id: None,
            event: None,
            data: "a",
        };
        event.encode(&mut out);
        out.extend_from_slice(COMMENT);
        event.encode(&mut out);
        assert_eq!(out, b"retry: 2000\ndata: a\n\n:\ndata: a\n\n");
        let client = receive(&out);
        assert_eq!((client.events.len(), client.retry_ms), (2, Some(2000)));
    }

    #[test]
    fn where_the_first_event_ends() {
        assert_eq!(first_length(b"data: a\ndata: b\n\ndata: c\n\n"), Some(17));
        assert_eq!(first_length(b"data: a\n"), None);
        assert_eq!(first_length(b""), None);
    }

    proptest! {
        #[test]
        fn what_is_sent_is_received(
            events in prop::collection::vec(
                (prop::option::of("[a-z0-9-]{1,9}"), prop::option::of("[a-z]{1,9}"), "[ -~\r\n\u{e9}:]{0,20}"),
                0..6,
            ),
        ) {
            let mut out = Vec::new();
            let mut lengths = Vec::new();
            let mut expected = Vec::new();
            let mut last_id = String::new();
            for (id, event, data) in &events {
                let before = out.len();
                let (id, event) = (id.as_deref(), event.as_deref());
                SseEvent { id, event, data }.encode(&mut out);
                lengths.push(out.len() - before);
                last_id = id.map_or(last_id, str::to_owned);
                let data = data.replace("\r\n", "\n").replace('\r', "\n");
                expected.push((last_id.clone(), event.unwrap_or_default().to_owned(), data));
            }
            prop_assert_eq!(receive(&out).events, expected);
            let mut rest = &out[..];
            for length in lengths {
                prop_assert_eq!(first_length(rest), Some(length));
                rest = &rest[length..];
            }
            prop_assert!(rest.is_empty());
        }
    }
}
