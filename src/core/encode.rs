//! A message in the formats that members read: made once for each, whoever many they are.

use super::chat::{Arrival, Author, Content, Format, Message};
use crate::codec::json::command::Id;
use crate::codec::json::event::{self, Base64, Data, Epoch, Event, Person};
use crate::codec::sse;
use crate::codec::ws::frame;
use tungstenite::protocol::frame::coding::{Data as Opcode, OpCode};

/// The WebSocket frame of the plain door: the message as it was sent.
pub(super) fn plain(message: &Message<'_>, out: &mut Vec<u8>) {
    let opcode = match message.content {
        Content::Text | Content::Json => Opcode::Text,
        Content::Binary => Opcode::Binary,
    };
    frame::encode(OpCode::Data(opcode), message.body, out);
}

/// A message as events have it.
pub(super) fn message_event<'a>(room: &'a str, message: &Message<'a>) -> event::Message<'a> {
    event::Message {
        room,
        offset: message.offset,
        at: message.at_ms,
        from: person(message.author),
        data: data(message),
        binary: (message.content == Content::Binary).then_some(Base64(message.body)),
        key: message.key,
        ephemeral: message.offset.is_none(),
    }
}

/// A person as events have them.
pub(super) fn person(author: &Author) -> Person<'_> {
    Person {
        id: &author.id,
        name: &author.name,
    }
}

fn data<'a>(message: &Message<'a>) -> Option<Data<'a>> {
    let text = || str::from_utf8(message.body).expect("text and JSON were checked to be UTF-8");
    match message.content {
        Content::Text => Some(Data::Text(text())),
        Content::Json => Some(Data::Json(event::raw(text()))),
        Content::Binary => None,
    }
}

/// The JSON of a message's event, made when it is asked for first.
#[derive(Debug, Default)]
pub(super) struct Json(Vec<u8>);

impl Json {
    /// Forgets the last one, and keeps its buffer.
    pub(super) fn reset(&mut self) {
        self.0.clear();
    }

    pub(super) fn of(&mut self, room: &str, message: &Message<'_>) -> &str {
        if self.0.is_empty() {
            event::write(&Event::Message(message_event(room, message)), &mut self.0);
        }
        str::from_utf8(&self.0).expect("JSON is UTF-8")
    }
}

/// The WebSocket frame of a JSON text.
pub(super) fn text_frame(json: &[u8], out: &mut Vec<u8>) {
    frame::encode(OpCode::Data(Opcode::Text), json, out);
}

/// The Server-Sent Event of a message.
pub(super) fn server_sent(json: &str, epoch: u64, message: &Message<'_>, out: &mut Vec<u8>) {
    let id = message
        .offset
        .map(|offset| format!("{}-{offset}", Epoch(epoch)));
    let event = sse::Event {
        id: id.as_deref(),
        event: None,
        data: json,
    };
    event.encode(out);
}

/// A message for one connection, in the format that it reads.
pub(super) fn message(
    format: Format,
    room: &str,
    epoch: u64,
    message: &Message<'_>,
    out: &mut Vec<u8>,
) {
    let mut json = Json::default();
    match format {
        Format::Plain => plain(message, out),
        Format::Json => text_frame(json.of(room, message).as_bytes(), out),
        Format::Events => server_sent(json.of(room, message), epoch, message, out),
    }
}

/// The state of a key as a Server-Sent Event: older than what comes next, so it does not move the reader's position.
pub(super) fn server_sent_state(room: &str, message: &Message<'_>, out: &mut Vec<u8>) {
    let mut json = Json::default();
    let event = sse::Event {
        id: None,
        event: None,
        data: json.of(room, message),
    };
    event.encode(out);
}

/// Which messages were lost to someone; a plain door has no words for it.
pub(super) fn gap(format: Format, room: &str, from: u64, to: u64, out: &mut Vec<u8>) {
    let event = Event::Gap { room, from, to };
    match format {
        _ if from > to => {}
        Format::Plain => {}
        Format::Json => out.extend_from_slice(&event_frame(&event)),
        Format::Events => named_event("gap", None, &event, out),
    }
}

/// A Server-Sent Event of another kind than a message.
pub(super) fn named_event(name: &str, id: Option<&str>, event: &Event<'_>, out: &mut Vec<u8>) {
    let mut json = Vec::new();
    event::write(event, &mut json);
    let event = sse::Event {
        id,
        event: Some(name),
        data: str::from_utf8(&json).expect("JSON is UTF-8"),
    };
    event.encode(out);
}

/// What someone is told who has come into a room by the JSON door.
pub(super) fn joined<'a>(arrival: &'a Arrival<'a>, id: Id<'a>) -> Event<'a> {
    let room = arrival.room.as_str();
    let events = |messages: &'a [Message<'a>]| {
        let events = messages.iter().map(|message| message_event(room, message));
        events.collect()
    };
    Event::Joined {
        id,
        room,
        epoch: Epoch(arrival.position.epoch),
        offset: arrival.position.offset,
        recovered: arrival.recovered,
        messages: events(&arrival.messages),
        retained: events(&arrival.retained),
        members: arrival.members.iter().map(person).collect(),
        count: arrival.count,
    }
}

/// What one person says to another.
pub(super) fn direct<'a>(message: &Message<'a>, to: &'a Author) -> Event<'a> {
    let from = person(message.author);
    Event::Direct {
        from,
        to: person(to),
        at: message.at_ms,
        data: data(message).unwrap_or(Data::Text("")),
    }
}

/// An event in a frame of its own.
pub(super) fn event_frame(event: &Event<'_>) -> Vec<u8> {
    let mut json = Vec::new();
    event::write(event, &mut json);
    let mut frame = Vec::with_capacity(json.len() + frame::MAX_SERVER_HEADER);
    text_frame(&json, &mut frame);
    frame
}
