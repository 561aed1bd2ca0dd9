//! A client at the JSON door.

use std::net::TcpStream;

use serde_json::{Value, json};

use super::{Client, Server};

/// What the client asks for in the handshake.
const SUBPROTOCOL: &str = "parlor.v1.json";

/// A client that speaks `parlor.v1.json`.
pub(crate) struct JsonClient {
    client: Client,
    /// What `welcome` said last.
    pub(crate) welcome: Value,
}

impl JsonClient {
    /// Comes in and is welcomed.
    pub(crate) fn new(server: &Server, path: &str) -> Self {
        Self::over(server.tcp(), path)
    }

    /// The same over a connection that is there already.
    pub(crate) fn over(stream: TcpStream, path: &str) -> Self {
        let mut client = Self::stranger(stream, path);
        client.welcome = client.expect("welcome");
        client
    }

    /// Comes in where the welcome waits for a token.
    pub(crate) fn stranger(stream: TcpStream, path: &str) -> Self {
        Self {
            client: Client::with_subprotocol(stream, path, SUBPROTOCOL)
                .unwrap_or_else(|error| panic!("{path}: {error}")),
            welcome: Value::Null,
        }
    }

    /// Comes in and joins a room; gives what `joined` said.
    pub(crate) fn in_room(server: &Server, room: &str) -> (Self, Value) {
        let mut client = Self::new(server, "/ws");
        let joined = client.ask(json!({"type": "join", "room": room}));
        (client, joined)
    }

    /// The plain client beneath.
    pub(crate) fn socket(&mut self) -> &mut Client {
        &mut self.client
    }

    pub(crate) fn send(&mut self, command: &Value) {
        self.client.send(command.to_string());
    }

    /// The next event but pings and presence.
    pub(crate) fn next(&mut self) -> Value {
        loop {
            let event = self.next_of_any_kind();
            if event["type"] != "ping" && event["type"] != "presence" {
                return event;
            }
        }
    }

    /// The next event, whatever it is.
    pub(crate) fn next_of_any_kind(&mut self) -> Value {
        let message = self.client.next();
        let text = message.to_text().expect("events are text");
        serde_json::from_str(text).expect("events are JSON")
    }

    /// The next event but pings and presence, which is of this kind.
    pub(crate) fn expect(&mut self, kind: &str) -> Value {
        let event = self.next();
        assert_eq!(event["type"], kind, "{event}");
        event
    }

    /// The next event of this kind; others are skipped.
    pub(crate) fn wait_for(&mut self, kind: &str) -> Value {
        loop {
            let event = self.next_of_any_kind();
            if event["type"] == kind {
                return event;
            }
        }
    }

    /// Sends a command and gives its answer; what comes between is skipped.
    pub(crate) fn ask(&mut self, mut command: Value) -> Value {
        command["id"] = json!("ask");
        self.send(&command);
        loop {
            let event = self.next();
            if event["id"] == "ask" {
                return event;
            }
        }
    }

    /// Says something in a room, and gives its offset.
    pub(crate) fn say(&mut self, room: &str, data: impl Into<Value>) -> u64 {
        let data: Value = data.into();
        let ok = self.ask(json!({"type": "publish", "room": room, "data": data}));
        assert_eq!(ok["type"], "ok", "{ok}");
        ok["offset"].as_u64().expect("a message has an offset")
    }
}
