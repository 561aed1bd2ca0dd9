//! A server of the JSON door whose recovery has a known fault, to see that the generator finds it.

use std::collections::HashMap;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tungstenite::http::HeaderValue;
use tungstenite::protocol::Role;
use tungstenite::{Message, WebSocket};

/// What is wrong with what those get who come back, or with the offsets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recovery {
    /// One message less.
    Miss,
    /// The last one again that they had.
    Double,
    /// It is all there, but said not to be.
    Deny,
    /// No fault: the room has ended meanwhile, and another begun.
    Forget,
    /// The third one who comes back gets no answer.
    Silence,
    /// The third one who comes back is cut off.
    CutOff,
    /// Nobody gets an answer, be it the first time.
    Mute,
    /// Everybody waits while the third one comes back.
    Hold,
    /// The one who came first is told that each message has the offset of the next one.
    Shift,
}

/// How long everybody waits for one who comes back.
pub(crate) const HELD: Duration = Duration::from_millis(200);
const THIRD: usize = 3;

type Rooms = Mutex<HashMap<String, Room>>;

struct Room {
    name: String,
    fault: Recovery,
    /// How many have come back.
    returns: usize,
    members: Vec<WebSocket<TcpStream>>,
    /// The event of each message; offsets begin with 1.
    messages: Vec<Value>,
}

/// Starts the server; it ends with the test process.
pub(crate) fn serve_recovery(fault: Recovery) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/ws/bench", listener.local_addr().unwrap());
    let rooms = Arc::new(Rooms::default());
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let rooms = Arc::clone(&rooms);
            thread::spawn(move || serve_one(&stream, &rooms, fault));
        }
    });
    url
}

#[expect(
    clippy::result_large_err,
    reason = "tungstenite's callback is like this"
)]
fn serve_one(stream: &TcpStream, rooms: &Rooms, fault: Recovery) {
    let mut path = String::new();
    let on_request =
        |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
            request.uri().path().clone_into(&mut path);
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
    if let Some(name) = path.strip_prefix("/ws/") {
        let mut rooms = rooms.lock().unwrap();
        Room::named(&mut rooms, name, fault).members.push(writer());
    }
    while let Ok(message) = socket.read() {
        let Ok(command) = serde_json::from_slice::<Value>(&message.into_data()) else {
            continue;
        };
        let mut rooms = rooms.lock().unwrap();
        let room = Room::named(&mut rooms, command["room"].as_str().unwrap(), fault);
        match command["type"].as_str() {
            Some("publish") => room.publish(&command["data"]),
            Some("join") => room.join(writer(), command["since"]["offset"].as_u64()),
            _ => {}
        }
    }
}

impl Room {
    fn named<'a>(
        rooms: &'a mut HashMap<String, Room>,
        name: &str,
        fault: Recovery,
    ) -> &'a mut Room {
        rooms.entry(name.to_owned()).or_insert_with(|| Room {
            name: name.to_owned(),
            fault,
            returns: 0,
            members: Vec::new(),
            // One that nobody has seen: whoever comes for the first time begins after it.
            messages: vec![json!({"offset": 1, "data": "before"})],
        })
    }

    fn publish(&mut self, data: &Value) {
        let (offset, data) = (self.messages.len() + 1, data.as_str().unwrap());
        // In the order of the fields that the protocol gives.
        let text = |offset: usize| {
            format!(
                r#"{{"type":"message","room":"{}","offset":{offset},"at":1,"from":{{"id":"1","name":"a"}},"data":"{data}"}}"#,
                self.name
            )
        };
        let mut shift = usize::from(self.fault == Recovery::Shift);
        self.messages.push(json!({"offset": offset, "data": data}));
        self.members.retain_mut(|member| {
            let text = text(offset + std::mem::take(&mut shift));
            member.send(Message::text(text)).is_ok()
        });
    }

    fn join(&mut self, mut member: WebSocket<TcpStream>, since: Option<u64>) {
        self.returns += usize::from(since.is_some());
        match self.fault {
            Recovery::Mute => return,
            Recovery::Silence if self.returns == THIRD => return,
            Recovery::CutOff if self.returns == THIRD => {
                let _ = member.close(None);
                return;
            }
            Recovery::Hold if self.returns == THIRD => thread::sleep(HELD),
            _ => {}
        }
        let from = since.unwrap_or(self.messages.len() as u64) as usize;
        let from = match self.fault {
            Recovery::Miss if since.is_some() => (from + 1).min(self.messages.len()),
            Recovery::Double => from.saturating_sub(since.map_or(0, |_| 1)),
            _ => from,
        };
        let messages = Value::from(&self.messages[from..]);
        let (offset, epoch) = (
            self.messages.len(),
            match self.fault {
                Recovery::Forget if since.is_some() => "f",
                _ => "e",
            },
        );
        let recovered = !matches!(self.fault, Recovery::Deny | Recovery::Forget);
        let joined = format!(
            r#"{{"type":"joined","epoch":"{epoch}","offset":{offset},"recovered":{recovered},"messages":{messages}}}"#
        );
        if member.send(Message::text(joined)).is_ok() {
            self.members.push(member);
        }
    }
}
