//! The bodies of requests to webhooks, in JSON.

use std::time::{Duration, UNIX_EPOCH};

use serde::Serialize;

use super::here::Here;
use super::lane::{Gathered, Serial};

use crate::codec::json::ban::BanRecord;
use crate::codec::json::event::{self, Person};
use crate::core::chat::{Author, Name, PublicId, RoomName};
use crate::limits::{MAX_HOOK_BODY, MAX_PAGE};

/// An event in JSON.
pub(super) type Event<'a> = &'a [u8];

/// The last millisecond that RFC 3339 can write.
const LAST_MS: u64 = 253_402_300_799_999;

/// The fields of `data` before those that are lists.
#[derive(Serialize)]
struct Head<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<&'a str>,
    node: &'a str,
    stream: u64,
    number: u64,
}

#[derive(Serialize)]
struct State<'a> {
    count: usize,
    people: Vec<Person<'a>>,
}

fn state_of(here: &Here) -> State<'_> {
    State {
        count: here.count,
        people: here.listed.iter().map(shown).collect(),
    }
}

fn shown(who: &Author) -> Person<'_> {
    Person {
        id: &who.id,
        name: &who.name,
    }
}

/// Who is in a room now.
pub(super) fn state(here: &Here) -> Vec<u8> {
    let mut out = Vec::new();
    event::write(&state_of(here), &mut out);
    out
}

/// An event that has a name and nothing else.
pub(super) fn event(name: &str) -> Vec<u8> {
    format!(r#"{{"type":"{name}"}}"#).into_bytes()
}

/// Somebody has come, or gone.
pub(super) fn person(name: &str, (id, shown): (&PublicId, &Name)) -> Vec<u8> {
    let mut out = format!(r#"{{"type":"{name}","person":"#).into_bytes();
    event::write(&Person { id, name: shown }, &mut out);
    out.push(b'}');
    out
}

/// Somebody is banned.
pub(super) fn banned(ban: &BanRecord) -> Vec<u8> {
    let mut out = br#"{"type":"banned","ban":"#.to_vec();
    event::write(ban, &mut out);
    out.push(b'}');
    out
}

/// So many are there now, of whom more have come or gone than are named.
pub(super) fn count(count: usize) -> Vec<u8> {
    format!(r#"{{"type":"count","count":{count}}}"#).into_bytes()
}

fn begin(kind: &str, at_ms: u64, head: &Head<'_>) -> Vec<u8> {
    let at = UNIX_EPOCH + Duration::from_millis(at_ms.min(LAST_MS));
    let at = humantime::format_rfc3339_millis(at);
    let mut out = format!(r#"{{"type":"{kind}","timestamp":"{at}","data":"#).into_bytes();
    event::open(head, &mut out);
    out
}

/// What has happened in a room, and who is there then.
pub(super) fn of_room(
    (node, room, serial): (&str, &RoomName, Serial),
    gathered: &Gathered,
    state: Option<&[u8]>,
    at_ms: u64,
) -> Vec<u8> {
    let head = Head {
        room: Some(room.as_str()),
        node,
        stream: serial.stream,
        number: serial.number,
    };
    let mut out = begin("room", at_ms, &head);
    out.extend_from_slice(b",\"events\":[");
    if gathered.lost > 0 {
        let gap = format!(r#"{{"type":"gap","lost":{}}}"#, gathered.lost);
        out.extend_from_slice(gap.as_bytes());
        if gathered.events > 0 {
            out.push(b',');
        }
    }
    out.extend_from_slice(&gathered.json);
    out.push(b']');
    if let Some(state) = state {
        out.extend_from_slice(b",\"state\":");
        out.extend_from_slice(state);
    }
    out.extend_from_slice(b"}}");
    out
}

/// How all rooms are: those for which there is no place are left out, which is told.
pub(super) fn snapshot(
    node: &str,
    serial: Serial,
    rooms: &[(RoomName, Here)],
    at_ms: u64,
) -> Vec<u8> {
    #[derive(Serialize)]
    struct Room<'a> {
        room: &'a str,
        #[serde(flatten)]
        state: State<'a>,
    }
    let head = Head {
        room: None,
        node,
        stream: serial.stream,
        number: serial.number,
    };
    let mut out = begin("snapshot", at_ms, &head);
    out.extend_from_slice(b",\"rooms\":[");
    let (begin, mut more) = (out.len(), false);
    for (index, (name, here)) in rooms.iter().enumerate() {
        let before = out.len();
        if before > begin {
            out.push(b',');
        }
        let room = Room {
            room: name.as_str(),
            state: state_of(here),
        };
        event::write(&room, &mut out);
        if out.len() > MAX_HOOK_BODY || index >= MAX_PAGE {
            out.truncate(before);
            more = true;
            break;
        }
    }
    out.extend_from_slice(format!("],\"more\":{more}}}}}").as_bytes());
    out
}
