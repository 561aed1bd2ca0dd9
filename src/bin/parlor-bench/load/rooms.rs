//! The rooms of a run, one or many alike, and who sends in each.

use tungstenite::http::Uri;

use super::Load;
use super::client::Role;
use crate::door::{Door, Draft, numbered};
use crate::handshake::{Asked, RequestTemplate};
use crate::ledger::Crowd;
use crate::options::Options;

/// All rooms. A connection's room is known by its number.
#[derive(Debug)]
pub(super) struct Rooms {
    each: Vec<Room>,
    crowd: Crowd,
    /// How those come in who come and go: to the first room.
    visit: Option<RequestTemplate>,
}

/// What is the same for all connections of a room.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) door: Door,
    /// How to come in; `None` where the server speaks first.
    pub(super) request: Option<RequestTemplate>,
    /// The next message that is said there.
    pub(super) draft: Draft,
}

impl Rooms {
    /// The rooms that the options ask for: the one of the URL, or those that are named after it.
    pub(super) fn new(options: &Options, uri: &Uri) -> Result<Rooms, String> {
        let uris = match options.rooms {
            Some(count) => numbered(uri, count, options)?,
            None => vec![uri.clone()],
        };
        let each = uris
            .iter()
            .map(|uri| Room::new(options, uri))
            .collect::<Result<Vec<_>, _>>()?;
        let first = &each[0];
        // Who comes back says so by a command, and must not be put into the room before.
        let visit = match first.door.json() {
            Some(json) => first.door.request(&json.lobby)?,
            None => first.request.clone(),
        };
        let crowd = Crowd {
            rooms: each.len(),
            senders: options.senders,
            receivers: (options.readers() / each.len()) as u32,
            echoes: first.door.echoes(),
        };
        Ok(Rooms { each, crowd, visit })
    }

    pub(super) fn crowd(&self) -> Crowd {
        self.crowd
    }

    /// The room of the nth connection: those of a room are opened one after the other.
    pub(super) fn of_connection(&self, nth: usize) -> usize {
        (nth / self.crowd.receivers as usize).min(self.each.len() - 1)
    }

    pub(super) fn get(&self, room: usize) -> &Room {
        &self.each[room]
    }

    pub(super) fn get_mut(&mut self, room: usize) -> &mut Room {
        &mut self.each[room]
    }

    pub(super) fn visit(&self) -> Option<&RequestTemplate> {
        self.visit.as_ref()
    }

    /// What each request asks for besides a WebSocket.
    pub(super) fn asked(&self) -> Asked {
        let request = self.each[0].request.as_ref();
        request.map(RequestTemplate::asked).unwrap_or_default()
    }
}

impl Room {
    fn new(options: &Options, uri: &Uri) -> Result<Room, String> {
        let door = Door::new(options, uri)?;
        Ok(Room {
            request: door.request(uri)?,
            draft: door.draft(options.size),
            door,
        })
    }
}

impl Load {
    /// All are connected: the first ones of each room send.
    pub(super) fn seat_senders(&mut self) {
        let crowd = self.rooms.crowd();
        let readers: Vec<(usize, u64)> = self
            .clients
            .iter()
            .filter(|(_, client)| client.role == Role::Reader)
            .map(|(key, client)| (key, client.id))
            .collect();
        for members in readers.chunks(crowd.receivers as usize) {
            for (number, own) in members.iter().take(crowd.senders).enumerate() {
                let witness = match crowd.echoes {
                    true => own,
                    false => &members[(number + 1) % members.len()],
                };
                let sender = self.sender_keys.len() as u16;
                self.books.ledger.seat(sender, witness.0);
                if !crowd.echoes {
                    self.books.checker.exempt(own.0, number as u16);
                }
                self.sender_keys.push(*own);
                // Without it, small messages would wait for the answer to earlier ones.
                let _ = self.clients[own.0].stream.socket().set_nodelay(true);
            }
            let probers = if crowd.echoes { 1 } else { 2 };
            self.probers.extend(members.iter().take(probers));
        }
    }
}
