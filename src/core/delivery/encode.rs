//! A message in the formats that members read: encoded once for each format.

use std::fmt::Write as _;
use std::mem;

use data_encoding::BASE64;

use crate::codec::json;
use crate::codec::json::command::Id;
use crate::codec::json::event::{self, Base64, Data, Epoch, Event, Person};
use crate::codec::json::file::FileFacts;
use crate::codec::line;
use crate::codec::sse;
use crate::codec::ws::deflate::{Deflater, Effort, Readers};
use crate::codec::ws::frame;
use crate::core::budget::Budget;
use crate::core::budget::cost;
use crate::core::chat::Arrival;
use crate::core::chat::Author;
use crate::core::chat::Content;
use crate::core::chat::Context;
use crate::core::chat::Format;
use crate::core::chat::Message;
use crate::core::chat::Name;
use crate::core::chat::Position;
use crate::core::chat::PresenceChanges;
use crate::core::chat::Reading;
use crate::core::chat::Series;
use crate::core::delivery::feed;
use crate::limits::MAX_ANSWER;
use crate::settings::Compression;
use tungstenite::protocol::frame::coding::{Data as Opcode, OpCode};

/// A message as events have it.
pub(in crate::core) fn message_event<'a>(
    room: &'a str,
    message: &Message<'a>,
) -> event::MessageEvent<'a> {
    event::MessageEvent {
        room,
        offset: message.offset,
        at: message.at_ms,
        from: person(message.author),
        data: data(message),
        binary: (message.content == Content::Binary).then_some(Base64(message.body)),
        key: message.key,
        expect: message.expect,
        ephemeral: message.offset.is_none(),
    }
}

/// The newest of these messages whose JSON takes no more than so many bytes, and at least one. They are ordered oldest
/// first.
pub(in crate::core) fn newest_within<'m, 'a>(
    messages: &'m [Message<'a>],
    room: &str,
    most: usize,
) -> &'m [Message<'a>] {
    // Most are so short that their texts need not be looked at.
    let bound = |message| json_bytes(message, room, |text| MOST_ESCAPED * text.len());
    if messages.iter().map(bound).sum::<usize>() <= most {
        return messages;
    }
    let mut bytes = 0;
    let fitting = messages.iter().rev().take_while(|message| {
        let is_first = bytes == 0;
        bytes += json_bytes(message, room, json::escaped_bytes);
        is_first || bytes <= most
    });
    &messages[messages.len() - fitting.count()..]
}

/// Bytes of a message as JSON, or a few more; `escaped`: of a text.
fn json_bytes(message: &Message<'_>, room: &str, escaped: fn(&str) -> usize) -> usize {
    let body = match data(message) {
        Some(Data::Text(text)) => escaped(text),
        Some(Data::Json(json)) => json.len(),
        None => BASE64.encode_len(message.body.len()),
    };
    let name = match &message.author.name {
        Name::Chosen(name) => escaped(name),
        Name::Guest(_) => GUEST_NAME_BYTES,
    };
    let key = message.key.map_or(0, escaped);
    MESSAGE_FIELDS_BYTES + room.len() + name + key + body
}

/// Bytes of a message beside its texts: the names of its fields, and its numbers at their longest.
const MESSAGE_FIELDS_BYTES: usize = 176;

/// Bytes of the longest name of a guest.
const GUEST_NAME_BYTES: usize = 16;
/// Bytes that one byte of a text becomes at most: `\\u0000`.
const MOST_ESCAPED: usize = 6;

/// A person as events have them.
pub(in crate::core) fn person(author: &Author) -> Person<'_> {
    Person {
        id: &author.id,
        name: &author.name,
    }
}

fn data<'a>(message: &Message<'a>) -> Option<Data<'a>> {
    let text = || str::from_utf8(message.body).expect("text and JSON were checked to be UTF-8");
    match message.content {
        Content::Text => Some(Data::Text(text())),
        Content::Json => Some(Data::Json(text())),
        Content::Binary => None,
    }
}

/// Encodes one message, or one event, in each format that asks for it. What two formats share is made once.
#[derive(Debug)]
pub(in crate::core) struct Encoder {
    /// The event as JSON; empty before it is asked for.
    json: Vec<u8>,
    deflater: Option<Box<Deflater>>,
    /// Which payloads are compressed; `None` for none at all.
    compression: Option<Compression>,
    /// The server's own address, in front of the paths that lines name.
    address: Box<str>,
    budget: Budget,
}

impl Encoder {
    pub(in crate::core) fn new(compression: Option<Compression>, budget: Budget) -> Self {
        Self {
            json: Vec::new(),
            deflater: None,
            compression,
            address: "".into(),
            budget,
        }
    }

    /// Which payloads are compressed from now on.
    pub(in crate::core) fn set_compression(&mut self, compression: Option<Compression>) {
        self.compression = compression;
    }

    /// The server's own address, as others reach it.
    pub(in crate::core) fn set_address(&mut self, address: &str) {
        self.address = address.into();
    }

    /// The server's own address.
    pub(in crate::core) fn address(&self) -> &str {
        &self.address
    }

    /// What follows is another message; the buffer of the last one is kept.
    pub(in crate::core) fn begin(&mut self) {
        self.json.clear();
    }

    /// JSON of so many events, in so many bytes, was made for a snapshot.
    pub(in crate::core) fn charge_json(&self, events: usize, bytes: usize) {
        let bytes = cost::of_bytes(bytes, cost::JSON_BYTE);
        self.budget.spend(cost::MESSAGE * events as u64 + bytes);
    }

    /// A message in the format of an audience.
    pub(in crate::core) fn message(
        &mut self,
        context: &Context<'_>,
        message: &Message<'_>,
        out: &mut Vec<u8>,
    ) {
        let bytes = cost::of_bytes(message.body.len(), cost::BYTE);
        self.budget.spend(cost::MESSAGE + bytes);
        match context.reading.format {
            Format::Plain | Format::PlainDeflated => {
                let opcode = match message.content {
                    Content::Text | Content::Json => Opcode::Text,
                    Content::Binary => Opcode::Binary,
                };
                self.frame(context.reading, context.readers, opcode, message.body, out);
            }
            Format::Json | Format::JsonDeflated => {
                self.write_message(context, message);
                self.json_frame(context, out);
            }
            Format::Lines => line(message, &self.address, out),
            Format::Events => {
                self.write_message(context, message);
                let json = str::from_utf8(&self.json).expect("JSON is UTF-8");
                server_sent(json, context.epoch, message, out);
            }
            Format::Feed => {
                self.write_message(context, message);
                let json = str::from_utf8(&self.json).expect("JSON is UTF-8");
                feed::begin_piece(message.offset, message.key, out);
                let event = sse::SseEvent {
                    id: None,
                    event: None,
                    data: json,
                };
                event.encode(out);
            }
        }
    }

    /// An event for members at the JSON door.
    pub(in crate::core) fn event(
        &mut self,
        context: &Context<'_>,
        event: &Event<'_>,
        out: &mut Vec<u8>,
    ) {
        if self.json.is_empty() {
            event::write(event, &mut self.json);
            let bytes = cost::of_bytes(self.json.len(), cost::JSON_BYTE);
            self.budget.spend(cost::MESSAGE + bytes);
        }
        self.json_frame(context, out);
    }

    fn write_message(&mut self, context: &Context<'_>, message: &Message<'_>) {
        if self.json.is_empty() {
            message_event(context.room, message).write_event(&mut self.json);
            let bytes = cost::of_bytes(self.json.len(), cost::JSON_BYTE);
            self.budget.spend(bytes);
        }
    }

    fn json_frame(&mut self, context: &Context<'_>, out: &mut Vec<u8>) {
        let json = mem::take(&mut self.json);
        self.frame(context.reading, context.readers, Opcode::Text, &json, out);
        self.json = json;
    }

    /// The frame of a JSON text for one connection.
    pub(in crate::core) fn text_frame(&mut self, reading: Reading, json: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(json.len() + frame::MAX_SERVER_HEADER);
        self.frame(reading, Readers::One, Opcode::Text, json, &mut out);
        out
    }

    /// A piece of a message, compressed once for all connections that have agreed to it.
    pub(in crate::core) fn deflate_piece(&mut self, piece: &[u8], is_narrow: bool) -> Vec<u8> {
        let bytes = cost::of_bytes(piece.len(), cost::DEFLATE_BYTE);
        self.budget.spend(cost::DEFLATE + bytes);
        let mut out = Vec::new();
        let deflater = self.deflater.get_or_insert_default();
        deflater.deflate_piece(piece, is_narrow, Effort::Best, &mut out);
        out.shrink_to_fit();
        out
    }

    /// Series as the items of a list: as many as fit into an answer.
    pub(in crate::core) fn series(&mut self, all: &[Series<'_>]) -> Vec<u8> {
        let mut out = Vec::new();
        for (index, Series { key, points }) in all.iter().enumerate() {
            let before = out.len();
            if index > 0 {
                out.push(b',');
            }
            out.extend_from_slice(b"{\"key\":");
            event::write(key, &mut out);
            out.extend_from_slice(b",\"points\":[");
            for (index, point) in points.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                event::write(&(point.at_ms, point.value), &mut out);
            }
            out.extend_from_slice(b"]}");
            if out.len() > MAX_ANSWER {
                out.truncate(before);
                break;
            }
        }
        self.budget
            .spend(cost::of_bytes(out.len(), cost::JSON_BYTE));
        out.shrink_to_fit();
        out
    }

    /// A WebSocket frame. It is compressed if its readers have agreed to that, if it pays, and if that makes it
    /// shorter.
    fn frame(
        &mut self,
        reading: Reading,
        readers: Readers,
        opcode: Opcode,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) {
        if let Some(effort) = self.effort(reading, readers, payload.len()) {
            let bytes = cost::of_bytes(payload.len(), cost::DEFLATE_BYTE);
            self.budget.spend(cost::DEFLATE + bytes);
            let deflater = self.deflater.get_or_insert_default();
            if let Some(small) = deflater.deflate(payload, reading.is_narrow, effort) {
                return frame::encode_compressed(OpCode::Data(opcode), small, out);
            }
        }
        frame::encode(OpCode::Data(opcode), payload, out);
    }

    /// How hard to compress a payload for those who read it, if at all.
    fn effort(&self, reading: Reading, readers: Readers, bytes: usize) -> Option<Effort> {
        if !reading.format.is_deflated() {
            return None;
        }
        match self.compression? {
            Compression::WherePays => Effort::worthwhile(bytes, readers),
            Compression::From(least) => (bytes >= least).then_some(Effort::Best),
        }
    }
}

/// A message as a line: its author, and its text, or the file that it tells of, at this server.
pub(in crate::core) fn line(message: &Message<'_>, server: &str, out: &mut Vec<u8>) {
    let mut text = format!("{}: ", message.author.name);
    let file = match data(message) {
        Some(Data::Json(json)) => FileFacts::parse(json),
        _ => None,
    };
    match file {
        Some(file) => {
            line::push_clean(&file.to_line(server), &mut text);
            text.push('\n');
        }
        None => push_content(message, &mut text),
    }
    out.extend_from_slice(text.as_bytes());
}

/// A direct message as a line.
pub(in crate::core) fn direct_line(message: &Message<'_>, to: &Author) -> Vec<u8> {
    let mut text = format!("{} -> {}: ", message.author.name, to.name);
    push_content(message, &mut text);
    text.into_bytes()
}

fn push_content(message: &Message<'_>, out: &mut String) {
    match data(message) {
        Some(Data::Text(text)) => line::push_clean(text, out),
        Some(Data::Json(json)) => line::push_clean(json, out),
        None => BASE64.encode_append(message.body, out),
    }
    out.push('\n');
}

/// Joins and leaves as a line.
pub(in crate::core) fn news_line(news: &PresenceChanges, out: &mut Vec<u8>) {
    let mut line = "*".to_owned();
    for (people, did) in [(&news.joined, "is here"), (&news.left, "has left")] {
        for who in people {
            // Writing to a String does not fail.
            let _ = write!(line, " {} {did},", who.name);
        }
    }
    let _ = writeln!(line, " {} here", news.count);
    out.extend_from_slice(line.as_bytes());
}

/// A message as a Server-Sent Event.
fn server_sent(json: &str, epoch: u64, message: &Message<'_>, out: &mut Vec<u8>) {
    let id = message
        .offset
        .map(|offset| format!("{}-{offset}", Epoch(epoch)));
    let event = sse::SseEvent {
        id: id.as_deref(),
        event: None,
        data: json,
    };
    event.encode(out);
}

/// The state of a key as a Server-Sent Event. It is older than what follows, so only the last one has an id: a reader
/// that has it has all of them.
pub(in crate::core) fn server_sent_state(
    room: &str,
    message: &Message<'_>,
    id: Option<&str>,
    out: &mut Vec<u8>,
) {
    let mut json = Vec::new();
    message_event(room, message).write_event(&mut json);
    let event = sse::SseEvent {
        id,
        event: None,
        data: str::from_utf8(&json).expect("JSON is UTF-8"),
    };
    event.encode(out);
}

/// The first event of a stream: the position of the room.
pub(in crate::core) fn opened(arrival: &Arrival<'_>, id: Option<&str>, out: &mut Vec<u8>) {
    let opened = Event::Opened {
        room: arrival.room.as_str(),
        epoch: Epoch(arrival.position.epoch),
        offset: arrival.position.offset,
        recovered: arrival.recovered,
        count: arrival.count,
    };
    named_event("joined", id, &opened, out);
}

/// The position before the messages of a join: a reader that is cut off among them resumes from there.
pub(in crate::core) fn id_before(arrival: &Arrival<'_>) -> String {
    let Position { epoch, offset } = arrival.position;
    let first = arrival.messages.first().and_then(|message| message.offset);
    let before = first.map_or(offset, |first| first - 1);
    format!("{}-{before}", Epoch(epoch))
}

/// A Server-Sent Event of another kind than a message.
pub(in crate::core) fn named_event(
    name: &str,
    id: Option<&str>,
    event: &Event<'_>,
    out: &mut Vec<u8>,
) {
    let json = event_json(event);
    let event = sse::SseEvent {
        id,
        event: Some(name),
        data: &json,
    };
    event.encode(out);
}

/// The beginning of the answer to `join`.
pub(in crate::core) fn open_joined(arrival: &Arrival<'_>, id: Id<'_>, out: &mut Vec<u8>) {
    let joined = Event::Joined {
        id,
        room: arrival.room.as_str(),
        epoch: Epoch(arrival.position.epoch),
        offset: arrival.position.offset,
        recovered: arrival.recovered,
    };
    event::open(&joined, out);
}

/// People as the items of a list.
pub(in crate::core) fn people(people: impl Iterator<Item = Author>) -> Vec<u8> {
    let mut out = Vec::new();
    for author in people {
        if !out.is_empty() {
            out.push(b',');
        }
        event::write(&person(&author), &mut out);
    }
    out.shrink_to_fit();
    out
}

/// A direct message as JSON.
pub(in crate::core) fn direct(message: &Message<'_>, to: &Author) -> Vec<u8> {
    let direct = Event::Direct {
        from: person(message.author),
        to: person(to),
        at: message.at_ms,
    };
    let mut json = Vec::new();
    event::open(&direct, &mut json);
    data(message)
        .unwrap_or(Data::Text(""))
        .write_field(&mut json);
    json.push(b'}');
    json
}

/// An event as JSON.
pub(in crate::core) fn event_json(event: &Event<'_>) -> String {
    let mut json = Vec::new();
    event::write(event, &mut json);
    String::from_utf8(json).expect("JSON is UTF-8")
}
