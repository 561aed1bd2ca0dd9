//! Pusher Channels, protocol 7, as Sockudo and others serve it. Members of a private channel send client events, which go
//! to all others in it and not back to their sender.

use aws_lc_rs::hmac;
use data_encoding::HEXLOWER;
use serde::Deserialize;
use serde_json::json;

use super::address::Address;
use super::envelope::Envelope;
use crate::frames::{control_or_text, text_frame};
use crate::scan::{Event, Sink};

const MESSAGE: &[u8] = br#"{"event":"client-message","#;

/// A private channel, and an app that may let its members in.
#[derive(Debug)]
pub(crate) struct Pusher {
    key: String,
    secret: hmac::Key,
    channel: String,
    envelope: Envelope,
}

/// An event of the protocol itself.
#[derive(Deserialize)]
struct Told {
    event: String,
    /// Text that holds JSON, or JSON itself.
    data: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Established {
    socket_id: String,
}

impl Pusher {
    pub(crate) fn new(room: &Address, (key, secret): (String, String), size: usize) -> Pusher {
        let channel = format!("private-{}", room.name);
        let before = format!(
            r#"{{"event":"client-message","channel":{},"data":""#,
            json!(channel)
        );
        Pusher {
            key,
            secret: hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()),
            channel,
            envelope: Envelope::new(before, size, br#""}"#),
        }
    }

    /// What the handshake asks for.
    pub(crate) fn path(&self) -> String {
        format!("/app/{}?protocol=7&client=parlor-bench&version=1", self.key)
    }

    pub(crate) fn publish(&self, body: &str) -> Vec<u8> {
        let event = json!({"event": "client-message", "channel": self.channel, "data": body});
        event.to_string().into_bytes()
    }

    pub(crate) fn take(&self, frame: &[u8], sink: &mut impl Sink) {
        let Some(event) = control_or_text(frame, sink) else {
            return;
        };
        if let Some(stamp) = self.envelope.stamp(event) {
            sink.message(stamp);
        } else if event.starts_with(MESSAGE) {
            sink.foreign();
        } else if let Some(event) = self.read(event) {
            sink.event(event);
        }
    }

    fn read(&self, event: &[u8]) -> Option<Event<'static>> {
        let Told { event, data } = serde_json::from_slice(event).ok()?;
        match event.as_str() {
            "pusher:connection_established" => {
                let Established { socket_id } = serde_json::from_str(data?.as_str()?).ok()?;
                Some(Event::Asks(text_frame(&self.subscribe(&socket_id))))
            }
            "pusher_internal:subscription_succeeded" => Some(Event::Entered),
            "pusher:ping" => Some(Event::Asks(text_frame(br#"{"event":"pusher:pong"}"#))),
            "pusher:error" | "pusher:subscription_error" => {
                Some(Event::Refused(data.unwrap_or_default().to_string()))
            }
            _ => None,
        }
    }

    /// A private channel wants a signature that the app's secret makes for this connection and this channel.
    fn subscribe(&self, socket_id: &str) -> Vec<u8> {
        let signed = format!("{socket_id}:{}", self.channel);
        let signature = hmac::sign(&self.secret, signed.as_bytes());
        let auth = format!("{}:{}", self.key, HEXLOWER.encode(signature.as_ref()));
        let data = json!({"channel": self.channel, "auth": auth});
        let command = json!({"event": "pusher:subscribe", "data": data});
        command.to_string().into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use tungstenite::http::Uri;

    use super::*;
    use crate::scan::tests::{Found, frame};

    fn door(url: &'static str) -> Pusher {
        let credentials = ("278d425bdf160c739803".into(), "7ad3773142a6692b25b8".into());
        let room = Address::of(&Uri::from_static(url)).unwrap();
        Pusher::new(&room, credentials, 24)
    }

    /// The example of Pusher's documentation of signatures.
    #[test]
    fn a_subscription_is_signed() {
        let command = door("ws://localhost:1/foobar").subscribe("1234.1234");
        let command: serde_json::Value = serde_json::from_slice(&command).unwrap();
        assert_eq!(
            command["data"]["auth"],
            "278d425bdf160c739803:58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4"
        );
    }

    #[test]
    fn events_are_told_apart() {
        let door = door("ws://localhost:1/tea");
        let body = "abcdefghijklmnopqrstuvwx";
        let message = |body: &str| {
            format!(r#"{{"event":"client-message","channel":"private-tea","data":"{body}"}}"#)
        };
        let mut found = Found::default();
        for event in [
            r#"{"event":"pusher:connection_established","data":"{\"socket_id\":\"1.2\",\"activity_timeout\":120}"}"#,
            r#"{"event":"pusher_internal:subscription_succeeded","channel":"private-tea","data":"{}"}"#,
            r#"{"event":"pusher:ping"}"#,
            &message(body),
            &message("short"),
            r#"{"event":"pusher:pong"}"#,
            r#"{"event":"pusher:error","data":{"code":4301,"message":"no"}}"#,
        ] {
            door.take(&frame_of(event), &mut found);
        }
        assert_eq!((found.messages.len(), found.foreign), (1, 1));
        let [asked, others @ ..] = &found.events[..] else {
            panic!("no events");
        };
        assert!(asked.starts_with(r#"asks {"data":{"auth":"278d425bdf160c739803:"#));
        assert_eq!(
            others,
            [
                "entered",
                r#"asks {"event":"pusher:pong"}"#,
                r#"refused {"code":4301,"message":"no"}"#
            ]
        );
        let sent: serde_json::Value = serde_json::from_slice(&door.publish(body)).unwrap();
        assert_eq!(
            sent,
            serde_json::from_str::<serde_json::Value>(&message(body)).unwrap()
        );
    }

    fn frame_of(event: &str) -> Vec<u8> {
        frame(0x81, event.as_bytes())
    }
}
