//! The text protocol of NATS, over TCP: lines, and a message behind the line that says its size. The server speaks first.

use super::address::Address;
use super::envelope::Envelope;
use crate::scan::{Event, ProtocolError, Sink};

/// The only subscription of each connection.
const SUBSCRIPTION: &str = "1";
const MESSAGE: &[u8] = b"MSG ";
const LINE_END: &[u8] = b"\r\n";
/// The server's longest line tells of itself, and of the other servers of its cluster.
const MAX_LINE: usize = 64 * 1024;

/// A subject of such a server.
#[derive(Debug)]
pub(crate) struct Nats {
    subject: String,
    envelope: Envelope,
}

impl Nats {
    pub(crate) fn new(room: &Address, size: usize) -> Result<Nats, String> {
        let subject = room.name.clone();
        let is_token = |token: &str| {
            !token.is_empty()
                && token
                    .bytes()
                    .all(|byte| byte.is_ascii_graphic() && !b"*>".contains(&byte))
        };
        if !subject.split('.').all(is_token) {
            return Err(format!(
                "{subject:?} is no subject of NATS: words of visible characters but * and >, with points between them"
            ));
        }
        let before = format!("MSG {subject} {SUBSCRIPTION} {size}\r\n");
        Ok(Nats {
            envelope: Envelope::new(before, size, LINE_END),
            subject,
        })
    }

    pub(crate) fn publish(&self, body: &str) -> Vec<u8> {
        format!("PUB {} {}\r\n{body}\r\n", self.subject, body.len()).into_bytes()
    }

    /// The answer to the server's greeting. It answers the ping when the subscription is there.
    fn subscribe(&self) -> Vec<u8> {
        format!(
            "CONNECT {{\"verbose\":false,\"pedantic\":false,\"echo\":true,\"name\":\"parlor-bench\",\"lang\":\"rust\",\"version\":\"1\"}}\r\n\
             SUB {} {SUBSCRIPTION}\r\nPING\r\n",
            self.subject
        )
        .into_bytes()
    }

    pub(crate) fn take(&self, frame: &[u8], sink: &mut impl Sink) {
        if let Some(stamp) = self.envelope.stamp(frame) {
            return sink.message(stamp);
        }
        let line = frame.strip_suffix(LINE_END).unwrap_or(frame);
        match line.split(|byte| *byte == b' ').next() {
            Some(b"MSG") => sink.foreign(),
            Some(b"INFO") => sink.event(Event::Asks(self.subscribe())),
            Some(b"PING") => sink.event(Event::Asks(b"PONG\r\n".to_vec())),
            Some(b"PONG") => sink.event(Event::Entered),
            Some(b"-ERR") => {
                let why = String::from_utf8_lossy(&line[4..]).trim().to_owned();
                sink.event(Event::Refused(why));
            }
            _ => {}
        }
    }
}

/// Bytes of the line that begins here, and of the message behind it, if it tells of one.
pub(crate) fn length_of(input: &[u8]) -> Result<Option<usize>, ProtocolError> {
    let Some(end) = input.windows(2).position(|pair| pair == LINE_END) else {
        return match input.len() > MAX_LINE {
            true => Err(ProtocolError("a line that does not end")),
            false => Ok(None),
        };
    };
    let (line, length) = (&input[..end], end + LINE_END.len());
    if !line.starts_with(MESSAGE) {
        return Ok(Some(length));
    }
    let size = line.rsplit(|byte| *byte == b' ').next();
    size.and_then(|size| str::from_utf8(size).ok()?.parse::<u32>().ok())
        .map(|size| Some(length + size as usize + LINE_END.len()))
        .ok_or(ProtocolError("a message without its size"))
}

#[cfg(test)]
mod tests {
    use tungstenite::http::Uri;

    use super::*;
    use crate::frames::FrameReader;
    use crate::scan::tests::Found;

    fn door(url: &'static str) -> Result<Nats, String> {
        Nats::new(&Address::of(&Uri::from_static(url)).unwrap(), 24)
    }

    #[test]
    fn any_split_finds_the_same() {
        let door = door("nats://localhost:1/tea.green").unwrap();
        let stream = b"INFO {\"version\":\"2.9.10\"}\r\nPONG\r\nMSG tea.green 1 24\r\nabcdefghijklmnopqrstuvwx\r\n\
            PING\r\nMSG tea.green 1 3\r\n\r\n!\r\n+OK\r\nMSG tea.green 1 24\r\nbcdefghijklmnopqrstuvwxy\r\n\
            -ERR 'Unknown Protocol Operation'\r\n";
        let connect = String::from_utf8(door.subscribe()).unwrap();
        for length in 1..=stream.len() {
            let (mut reader, mut found) = (FrameReader::default(), Found::default());
            for piece in stream.chunks(length) {
                reader
                    .read(piece, length_of, |frame| door.take(frame, &mut found))
                    .unwrap();
            }
            assert_eq!(
                found.messages,
                [
                    &b"abcdefghijklmnopqrstuvwx"[..],
                    b"bcdefghijklmnopqrstuvwxy"
                ]
            );
            assert_eq!(found.foreign, 1, "in pieces of {length}");
            let asked = [
                format!("asks {connect}"),
                "entered".into(),
                "asks PONG\r\n".into(),
            ];
            assert_eq!(found.events[..3], asked);
            assert_eq!(found.events[3..], ["refused 'Unknown Protocol Operation'"]);
        }
        assert!(connect.ends_with("\r\nSUB tea.green 1\r\nPING\r\n"));
        assert_eq!(door.publish("hello"), b"PUB tea.green 5\r\nhello\r\n");
    }

    #[test]
    fn what_is_no_subject_and_what_is_no_line() {
        for bad in ["a%20b", "a..b", "a.*", "%3E", "a%0D%0APUB"] {
            let uri: Uri = format!("nats://localhost:1/{bad}").parse().unwrap();
            let refused = Nats::new(&Address::of(&uri).unwrap(), 24).unwrap_err();
            assert!(refused.contains("no subject"), "{bad}: {refused}");
        }
        assert!(length_of(b"MSG a 1 x\r\n").is_err());
        assert!(length_of(&vec![b'x'; MAX_LINE + 2]).is_err());
    }
}
