//! Socket.IO over its WebSocket transport: Engine.IO 4 and the protocol 5 within it. A text frame is a packet whose first
//! digits are its kind. A server that puts each connection into the room that `room` in the query names, and relays
//! `message` to all there, is in tests/peers/socketio.

use super::address::Address;
use super::envelope::Envelope;
use crate::frames::{control_or_text, text_frame};
use crate::scan::{Event, Sink};

/// Engine.IO: the session is open.
const OPEN: &[u8] = b"0";
const PING: &[u8] = b"2";
const PONG: &[u8] = b"3";
/// Socket.IO, for the main namespace: asks for it, and says that one is in.
const CONNECT: &[u8] = b"40";
const CONNECT_ERROR: &[u8] = b"44";
const MESSAGE: &[u8] = br#"42["message","#;

/// A room of such a server.
#[derive(Debug)]
pub(crate) struct SocketIo {
    room: String,
    envelope: Envelope,
}

impl SocketIo {
    pub(crate) fn new(room: &Address, size: usize) -> SocketIo {
        SocketIo {
            room: room.encoded.clone(),
            envelope: Envelope::new(r#"42["message",""#.into(), size, br#""]"#),
        }
    }

    /// What the handshake asks for.
    pub(crate) fn path(&self) -> String {
        format!("/socket.io/?EIO=4&transport=websocket&room={}", self.room)
    }

    pub(crate) fn publish(&self, body: &str) -> Vec<u8> {
        format!(r#"42["message","{body}"]"#).into_bytes()
    }

    pub(crate) fn take(&self, frame: &[u8], sink: &mut impl Sink) {
        let Some(packet) = control_or_text(frame, sink) else {
            return;
        };
        if let Some(stamp) = self.envelope.stamp(packet) {
            sink.message(stamp);
        } else if packet.starts_with(MESSAGE) {
            sink.foreign();
        } else if packet == PING {
            sink.event(Event::Asks(text_frame(PONG)));
        } else if packet.starts_with(OPEN) {
            sink.event(Event::Asks(text_frame(CONNECT)));
        } else if packet.starts_with(CONNECT) {
            sink.event(Event::Entered);
        } else if let Some(why) = packet.strip_prefix(CONNECT_ERROR) {
            sink.event(Event::Refused(String::from_utf8_lossy(why).into_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use tungstenite::http::Uri;

    use super::*;
    use crate::scan::tests::{Found, frame};

    #[test]
    fn packets_are_told_apart() {
        let uri = Uri::from_static("ws://localhost:1/t%20a");
        let door = SocketIo::new(&Address::of(&uri).unwrap(), 24);
        assert!(door.path().ends_with("&room=t%20a"));
        let body = "abcdefghijklmnopqrstuvwx";
        let mut found = Found::default();
        for packet in [
            r#"0{"sid":"a","pingInterval":25000}"#,
            r#"40{"sid":"b"}"#,
            "2",
            &format!(r#"42["message","{body}"]"#),
            &format!(r#"42["message","{body}y"]"#),
            r#"42["other","a"]"#,
            r#"44{"message":"no"}"#,
        ] {
            door.take(&frame(0x81, packet.as_bytes()), &mut found);
        }
        door.take(&frame(0x89, b"hm"), &mut found);
        assert_eq!(found.messages, [body.as_bytes()]);
        assert_eq!((found.foreign, found.control.len()), (1, 1));
        assert_eq!(
            found.events,
            [
                "asks 40",
                "entered",
                "asks 3",
                r#"refused {"message":"no"}"#
            ]
        );
        assert_eq!(
            door.publish(body),
            format!(r#"42["message","{body}"]"#).into_bytes()
        );
    }
}
