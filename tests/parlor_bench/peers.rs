//! Servers of rooms that speak as NATS, Socket.IO and Pusher Channels do, as far as the generator does.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use aws_lc_rs::hmac;
use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tungstenite::protocol::Role;
use tungstenite::{Message, WebSocket};

const KEY: &str = "app-key";
const SECRET: &str = "app-secret";

/// Which protocol a server speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Nats,
    SocketIo,
    Pusher,
    /// The same, but what one says goes back to them, too.
    EchoingPusher,
}

/// Those in each room, by the numbers of their connections.
type Rooms<T> = Mutex<HashMap<String, Vec<(usize, T)>>>;

/// Starts the server; it ends with the test process. The URL of a room there.
pub(crate) fn serve_peer(protocol: Protocol) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (lines, sockets) = (Arc::new(Rooms::default()), Arc::new(Rooms::default()));
    thread::spawn(move || {
        for (number, stream) in listener.incoming().map_while(Result::ok).enumerate() {
            let (lines, sockets) = (Arc::clone(&lines), Arc::clone(&sockets));
            thread::spawn(move || match protocol {
                Protocol::Nats => serve_nats(&stream, number, &lines),
                Protocol::SocketIo => serve_socketio(&stream, number, &sockets),
                Protocol::Pusher | Protocol::EchoingPusher => {
                    serve_pusher(&stream, number, &sockets, protocol);
                }
            });
        }
    });
    match protocol {
        Protocol::Nats => format!("nats://{address}/bench"),
        Protocol::SocketIo => format!("ws://{address}/bench"),
        Protocol::Pusher | Protocol::EchoingPusher => {
            format!("ws://{KEY}:{SECRET}@{address}/bench")
        }
    }
}

fn serve_nats(stream: &TcpStream, number: usize, rooms: &Rooms<TcpStream>) {
    let mut writer = stream;
    // One that goes meanwhile does not concern the others, here and below.
    let _ = writer.write_all(b"INFO {\"server_id\":\"test\",\"max_payload\":1048576}\r\n");
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|length| length > 0) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["PING"] => {
                let _ = writer.write_all(b"PONG\r\nPING\r\n");
            }
            ["SUB", subject, "1"] => {
                let member = stream.try_clone().unwrap();
                let mut rooms = rooms.lock().unwrap();
                rooms
                    .entry(subject.into())
                    .or_default()
                    .push((number, member));
            }
            ["PUB", subject, size] => {
                let mut body = vec![0; size.parse::<usize>().unwrap() + 2];
                reader.read_exact(&mut body).unwrap();
                let message = [format!("MSG {subject} 1 {size}\r\n").as_bytes(), &body].concat();
                for (_, member) in rooms.lock().unwrap().get_mut(subject).unwrap() {
                    let _ = member.write_all(&message);
                }
            }
            _ => {}
        }
        line.clear();
    }
    leave(rooms, number);
}

fn leave<T>(rooms: &Rooms<T>, number: usize) {
    let mut rooms = rooms.lock().unwrap();
    for members in rooms.values_mut() {
        members.retain(|(other, _)| *other != number);
    }
}

/// The WebSocket, another one to write to it, and what the request asked for.
#[expect(
    clippy::result_large_err,
    reason = "tungstenite's callback is like this"
)]
fn accept(stream: &TcpStream) -> Option<(WebSocket<&TcpStream>, WebSocket<TcpStream>, String)> {
    let mut target = String::new();
    let on_request = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        target = request.uri().to_string();
        Ok(response)
    };
    let socket = tungstenite::accept_hdr(stream, on_request).ok()?;
    let writer = WebSocket::from_raw_socket(stream.try_clone().unwrap(), Role::Server, None);
    Some((socket, writer, target))
}

fn serve_socketio(stream: &TcpStream, number: usize, rooms: &Rooms<WebSocket<TcpStream>>) {
    let Some((mut socket, mut writer, target)) = accept(stream) else {
        return;
    };
    let room = target
        .strip_prefix("/socket.io/?EIO=4&transport=websocket&room=")
        .unwrap();
    let _ = writer.send(Message::text(r#"0{"sid":"a","pingInterval":25000}"#));
    let mut writer = Some(writer);
    while let Ok(Message::Text(packet)) = socket.read() {
        let mut rooms = rooms.lock().unwrap();
        let members = rooms.entry(room.to_owned()).or_default();
        match packet.as_str() {
            "40" => {
                let mut writer = writer.take().unwrap();
                let _ = writer.send(Message::text(r#"40{"sid":"b"}"#));
                let _ = writer.send(Message::text("2"));
                members.push((number, writer));
            }
            "3" => {}
            message => {
                assert!(message.starts_with(r#"42["message",""#), "{message}");
                for (_, member) in members {
                    let _ = member.send(Message::text(message));
                }
            }
        }
    }
    leave(rooms, number);
}

fn serve_pusher(
    stream: &TcpStream,
    number: usize,
    rooms: &Rooms<WebSocket<TcpStream>>,
    protocol: Protocol,
) {
    let Some((mut socket, mut writer, target)) = accept(stream) else {
        return;
    };
    assert!(target.starts_with("/app/app-key?protocol=7"), "{target}");
    let id = json!({"socket_id": format!("7.{number}")}).to_string();
    let established = json!({"event": "pusher:connection_established", "data": id});
    let _ = writer.send(Message::text(established.to_string()));
    let mut writer = Some(writer);
    while let Ok(Message::Text(text)) = socket.read() {
        let event: Value = serde_json::from_str(&text).unwrap();
        let mut rooms = rooms.lock().unwrap();
        match event["event"].as_str().unwrap() {
            "pusher:subscribe" => {
                let channel = event["data"]["channel"].as_str().unwrap();
                let mut writer = writer.take().unwrap();
                let answer = match event["data"]["auth"] == auth(number, channel) {
                    true => {
                        json!({"event": "pusher_internal:subscription_succeeded", "channel": channel})
                    }
                    false => json!({"event": "pusher:error", "data": {"message": "bad signature"}}),
                };
                let _ = writer.send(Message::text(answer.to_string()));
                let members = rooms.entry(channel.to_owned()).or_default();
                members.push((number, writer));
            }
            "client-message" => {
                let channel = event["channel"].as_str().unwrap();
                // In the order of the fields that servers give.
                let message = format!(
                    r#"{{"event":"client-message","channel":"{channel}","data":{}}}"#,
                    event["data"]
                );
                for (other, member) in rooms.get_mut(channel).unwrap() {
                    if *other != number || protocol == Protocol::EchoingPusher {
                        let _ = member.send(Message::text(message.clone()));
                    }
                }
            }
            _ => {}
        }
    }
    leave(rooms, number);
}

fn auth(number: usize, channel: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let signature = hmac::sign(&key, format!("7.{number}:{channel}").as_bytes());
    format!("{KEY}:{}", HEXLOWER.encode(signature.as_ref()))
}
