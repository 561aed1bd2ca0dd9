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
    /// By node: how those come in who come and go, to the first room.
    visit: Vec<Option<RequestTemplate>>,
}

/// What is the same for all connections of a room.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) door: Door,
    /// By node: how to come in; `None` where the server speaks first.
    requests: Vec<Option<RequestTemplate>>,
    /// The next message that is said there.
    pub(super) draft: Draft,
}

impl Rooms {
    /// The rooms that the options ask for: the one of the URLs, a URL for each node, or those that are named after it.
    pub(super) fn new(options: &Options, uris: &[Uri]) -> Result<Rooms, String> {
        let by_node = uris
            .iter()
            .map(|uri| match options.rooms {
                Some(count) => numbered(uri, count, options),
                None => Ok(vec![uri.clone()]),
            })
            .collect::<Result<Vec<_>, _>>()?;
        let each = (0..options.rooms())
            .map(|room| Room::new(options, by_node.iter().map(|rooms| &rooms[room])))
            .collect::<Result<Vec<_>, _>>()?;
        let visit = by_node
            .iter()
            .map(|rooms| visit(options, &rooms[0]))
            .collect::<Result<Vec<_>, _>>()?;
        let first = &each[0];
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

    /// The node of the nth connection: those of a room are spread over all, and each room begins with another.
    pub(super) fn node_of_connection(&self, nth: usize) -> usize {
        (nth % self.crowd.receivers as usize + self.of_connection(nth)) % self.visit.len()
    }

    pub(super) fn get(&self, room: usize) -> &Room {
        &self.each[room]
    }

    pub(super) fn get_mut(&mut self, room: usize) -> &mut Room {
        &mut self.each[room]
    }

    pub(super) fn visit(&self, node: usize) -> Option<&RequestTemplate> {
        self.visit[node].as_ref()
    }

    /// What each request asks for besides a WebSocket.
    pub(super) fn asked(&self) -> Asked {
        let request = self.each[0].request(0);
        request.map(RequestTemplate::asked).unwrap_or_default()
    }
}

impl Room {
    /// The room with these URLs, one for each node.
    fn new<'a>(
        options: &Options,
        mut uris: impl Iterator<Item = &'a Uri> + Clone,
    ) -> Result<Room, String> {
        let requests = uris.clone();
        let door = Door::new(options, uris.next().ok_or("no URL to connect to")?)?;
        Ok(Room {
            requests: requests
                .map(|uri| door.request(uri))
                .collect::<Result<Vec<_>, _>>()?,
            draft: door.draft(options.size),
            door,
        })
    }

    pub(super) fn request(&self, node: usize) -> Option<&RequestTemplate> {
        self.requests[node].as_ref()
    }
}

/// How those come in who come and go.
fn visit(options: &Options, uri: &Uri) -> Result<Option<RequestTemplate>, String> {
    let door = Door::new(options, uri)?;
    // Who comes back says so by a command, and must not be put into the room before.
    let uri = door.json().map_or(uri, |json| &json.lobby);
    door.request(uri)
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
