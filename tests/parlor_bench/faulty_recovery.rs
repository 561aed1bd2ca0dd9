//! A server of the JSON door whose recovery has a known fault, to see that the generator finds it.

use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};
use tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tungstenite::http::HeaderValue;
use tungstenite::protocol::Role;
use tungstenite::{Message, WebSocket};

/// What is wrong with what those get who come back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recovery {
    /// One message less.
    Miss,
    /// The last one again that they had.
    Double,
    /// It is all there, but said not to be.
    Deny,
}

struct Room {
    fault: Recovery,
    members: Vec<WebSocket<TcpStream>>,
    /// The event of each message; offsets begin with 1.
    messages: Vec<Value>,
}

/// Starts the server; it ends with the test process.
pub(crate) fn serve_recovery(fault: Recovery) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/ws/bench", listener.local_addr().unwrap());
    let room = Arc::new(Mutex::new(Room {
        fault,
        members: Vec::new(),
        messages: Vec::new(),
    }));
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let room = Arc::clone(&room);
            thread::spawn(move || serve_one(&stream, &room));
        }
    });
    url
}

#[expect(
    clippy::result_large_err,
    reason = "tungstenite's callback is like this"
)]
fn serve_one(stream: &TcpStream, room: &Mutex<Room>) {
    let mut is_in_lobby = false;
    let on_request =
        |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
            is_in_lobby = request.uri().path() == "/ws";
            let protocol = HeaderValue::from_static("parlor.v1.json");
            response
                .headers_mut()
                .insert("sec-websocket-protocol", protocol);
            Ok(response)
        };
    let Ok(mut socket) = tungstenite::accept_hdr(stream, on_request) else {
        return;
    };
    let writer = || WebSocket::from_raw_socket(stream.try_clone().unwrap(), Role::Server, None);
    if !is_in_lobby {
        room.lock().unwrap().members.push(writer());
    }
    while let Ok(message) = socket.read() {
        let Ok(command) = serde_json::from_slice::<Value>(&message.into_data()) else {
            continue;
        };
        let mut room = room.lock().unwrap();
        match command["type"].as_str() {
            Some("publish") => room.publish(&command["data"]),
            Some("join") => room.join(writer(), command["since"]["offset"].as_u64()),
            _ => {}
        }
    }
}

impl Room {
    fn publish(&mut self, data: &Value) {
        let (offset, data) = (self.messages.len() + 1, data.as_str().unwrap());
        // In the order of the fields that the protocol gives.
        let text = format!(
            r#"{{"type":"message","room":"bench","offset":{offset},"at":1,"from":{{"id":"1","name":"a"}},"data":"{data}"}}"#
        );
        self.messages.push(json!({"offset": offset, "data": data}));
        self.members
            .retain_mut(|member| member.send(Message::text(text.clone())).is_ok());
    }

    fn join(&mut self, mut member: WebSocket<TcpStream>, since: Option<u64>) {
        let from = since.unwrap_or(self.messages.len() as u64) as usize;
        let from = match self.fault {
            Recovery::Miss if since.is_some() => (from + 1).min(self.messages.len()),
            Recovery::Double => from.saturating_sub(since.map_or(0, |_| 1)),
            _ => from,
        };
        let messages = Value::from(&self.messages[from..]);
        let (offset, recovered) = (self.messages.len(), self.fault != Recovery::Deny);
        let joined = format!(
            r#"{{"type":"joined","epoch":"e","offset":{offset},"recovered":{recovered},"messages":{messages}}}"#
        );
        if member.send(Message::text(joined)).is_ok() {
            self.members.push(member);
        }
    }
}
