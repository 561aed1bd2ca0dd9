//! A broadcast server with a known fault in each of its rooms, to see that the generator finds it.

use std::collections::HashMap;
use std::io::Write;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use socket2::SockRef;
use tungstenite::Message;
use tungstenite::handshake::server::{ErrorResponse, Request, Response};

/// What the server does to the tenth message on its way to the last one that came.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Lose,
    Double,
    /// Holds it back until after the next.
    Swap,
    /// Closes that connection instead.
    Close,
    /// Ends that connection with the bytes of the message, in one segment.
    Vanish,
    /// No fault: that one gets the tenth and the next joined into one message by a line feed.
    Join,
    /// Nobody gets anything.
    Mute,
    /// It goes to the last one of another room, too.
    Stray,
    /// All rooms are one.
    NoRooms,
    /// It, and what its sender sends next, comes after the next message of another sender.
    Cross,
}

/// By their paths.
type Rooms = Mutex<HashMap<String, Room>>;

const TENTH: usize = 10;

struct Room {
    fault: Fault,
    members: Vec<TcpStream>,
    /// Messages of the load so far; probes, which may come more than once, do not count.
    messages: usize,
    held: Option<Vec<u8>>,
    /// Of [`Fault::Cross`], all of one sender.
    crossing: Vec<Vec<u8>>,
}

/// Starts the server; it ends with the test process.
pub(crate) fn serve(fault: Fault) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/ws", listener.local_addr().unwrap());
    let rooms = Arc::new(Rooms::default());
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let rooms = Arc::clone(&rooms);
            thread::spawn(move || join(&stream, &rooms, fault));
        }
    });
    url
}

#[expect(
    clippy::result_large_err,
    reason = "tungstenite's callback is like this"
)]
fn join(stream: &TcpStream, rooms: &Rooms, fault: Fault) {
    let mut path = String::new();
    let on_request = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        if fault != Fault::NoRooms {
            request.uri().path().clone_into(&mut path);
        }
        Ok(response)
    };
    let Ok(mut socket) = tungstenite::accept_hdr(stream, on_request) else {
        return;
    };
    let new_room = || Room {
        fault,
        members: Vec::new(),
        messages: 0,
        held: None,
        crossing: Vec::new(),
    };
    let member = stream.try_clone().unwrap();
    let mut all = rooms.lock().unwrap();
    let room = all.entry(path.clone()).or_insert_with(new_room);
    room.members.push(member);
    drop(all);
    while let Ok(message) = socket.read() {
        if let Message::Text(text) = message {
            let mut all = rooms.lock().unwrap();
            let room = all.get_mut(&path).unwrap();
            room.relay(text.as_bytes());
            if room.messages == TENTH && fault == Fault::Stray {
                let other = all.iter_mut().find(|(name, _)| **name != path);
                let stray = other.and_then(|(_, room)| room.members.last_mut());
                send(stray.unwrap(), text.as_bytes());
            }
        }
    }
}

impl Room {
    fn relay(&mut self, message: &[u8]) {
        if self.fault == Fault::Mute {
            return;
        }
        // The second field of the stamp begins with the sender, whose number in a probe is the highest: `oo`.
        if !message[8..].starts_with(b"oo") {
            self.messages += 1;
        }
        let Some((last, others)) = self.members.split_last_mut() else {
            return;
        };
        for other in others {
            send(other, message);
        }
        if self.fault == Fault::Cross && (self.messages == TENTH || !self.crossing.is_empty()) {
            return cross(&mut self.crossing, last, message);
        }
        match (self.messages, self.fault) {
            (TENTH, Fault::Lose) => {}
            (TENTH, Fault::Double) => [message, message]
                .iter()
                .for_each(|message| send(last, message)),
            (TENTH, Fault::Swap | Fault::Join) => self.held = Some(message.to_vec()),
            (TENTH, Fault::Close) => {
                let payload = [&1008_u16.to_be_bytes()[..], b"too slow"].concat();
                last.write_all(&frame(0x88, &payload)).unwrap();
            }
            (TENTH, Fault::Vanish) => {
                SockRef::from(&*last).set_tcp_cork(true).unwrap();
                send(last, message);
                last.shutdown(Shutdown::Write).unwrap();
            }
            _ => match (self.held.take(), self.fault) {
                (Some(held), Fault::Join) => send(last, &[&held, message].join(&b'\n')),
                (Some(held), _) => [message, &held]
                    .iter()
                    .for_each(|message| send(last, message)),
                (None, _) => send(last, message),
            },
        }
    }
}

/// Keeps messages of one sender until another's has been sent.
fn cross(kept: &mut Vec<Vec<u8>>, last: &mut TcpStream, message: &[u8]) {
    let sender = |message: &[u8]| message[8..11].to_vec();
    let is_same = kept.first().is_none_or(|it| sender(it) == sender(message));
    if is_same {
        return kept.push(message.to_vec());
    }
    send(last, message);
    kept.drain(..).for_each(|message| send(last, &message));
}

/// One that has gone does not concern the others.
fn send(member: &mut TcpStream, message: &[u8]) {
    let _ = member.write_all(&frame(0x81, message));
}

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = match payload.len() {
        length @ 0..=125 => vec![length as u8],
        length => [&[126][..], &(length as u16).to_be_bytes()].concat(),
    };
    [&[first], &length[..], payload].concat()
}
