//! The commands by which rooms are kept in Redis, and what their replies say.

use crate::codec::resp::Reply;
use crate::core::redis::entry::{self, Place};
use crate::core::redis::links::Command;
use crate::core::redis::partition::Partition;
use crate::core::redis::room::Position;
use crate::core::redis::scripts;
use crate::core::store::{Append, Condition, Content, Contents, Record, Stored};
use crate::limits::{DEDUP_MS, EMPTY_ROOM_MS, READ_AT_ONCE};
use crate::settings::{Limits, RoomLimits};

type Bytes = Box<[u8]>;

/// A message that was read from a room's log.
pub(super) struct Read {
    pub(super) place: Place,
    pub(super) bytes: Vec<u8>,
}

/// What a room begins with.
pub(super) struct Loaded {
    pub(super) contents: Contents,
    /// Which node has sent each message, and the ticket there.
    pub(super) origins: Vec<Box<str>>,
}

fn text(text: &(impl ToString + ?Sized)) -> Bytes {
    text.to_string().into_bytes().into()
}

fn hex(epoch: u64) -> Bytes {
    text(&format_args!("{epoch:x}"))
}

/// How a message is said on a channel.
pub(super) fn publish_word(is_sharded: bool) -> &'static str {
    match is_sharded {
        true => "SPUBLISH",
        false => "PUBLISH",
    }
}

/// What a script is told of the place where a room is.
pub(super) struct Where<'a> {
    pub(super) partition: Partition,
    pub(super) room: &'a str,
    pub(super) is_sharded: bool,
}

impl Where<'_> {
    fn keys(&self) -> Vec<Bytes> {
        let kinds = ["room", "log", "state"];
        kinds.map(|kind| self.key(kind)).into()
    }

    fn key(&self, kind: &str) -> Bytes {
        self.partition.key(kind, self.room)
    }

    fn channel_args(&self) -> Vec<Bytes> {
        let channel = self.partition.channel();
        vec![
            text(&publish_word(self.is_sharded)),
            text(&channel),
            text(&self.room),
        ]
    }

    /// Publishes a message. `known`: where the room is as far as this node knows; `fresh`: the epoch that begins if it is not.
    pub(super) fn publish(
        &self,
        append: &Append,
        origin: &str,
        (known, fresh): (Position, u64),
        limits: &Limits,
    ) -> Command {
        let record = &append.record;
        let mut keys = self.keys();
        let sent = record.sent.as_ref();
        keys.push(match sent {
            Some(sent) => {
                let name = format!("{}:{}:{}", self.room, sent.sender, sent.id);
                self.partition.key("sent", &name)
            }
            None => self.key("room"),
        });
        let RoomLimits {
            history,
            history_bytes,
            history_time,
            ..
        } = limits.of_room(self.room);
        let is_imported = append.not_before > 0;
        let mut args = self.channel_args();
        args.extend([
            text(&origin),
            hex(known.epoch),
            text(&known.offset),
            hex(fresh),
            text(&append.not_before),
            text(&if is_imported { append.at_ms } else { 0 }),
            text(&history),
            text(&history_bytes),
            text(&most_ms(history_time.ms())),
            text(&most_ms(limits.retain_time.ms())),
            text(&sent.map_or(0, |_| DEDUP_MS)),
        ]);
        let is_removed = record.content == Content::Json && record.body == b"null";
        let change = match record.retain {
            false => "",
            true if is_removed => "delete",
            true => "set",
        };
        args.push(text(&change));
        args.push(text(&record.key.as_deref().unwrap_or_default()));
        args.push(entry::encode(record, &record.body, append.file.as_deref()).into());
        let state = append.state.as_deref().unwrap_or(&record.body);
        args.push(match change {
            "set" => entry::encode(record, state, None).into(),
            _ => Bytes::default(),
        });
        args.push(match append.condition {
            None => Bytes::default(),
            Some(Condition::New) => text(&"new"),
            Some(Condition::Offset { offset, epoch }) => {
                text(&format_args!("{:x} {offset}", epoch.unwrap_or(known.epoch)))
            }
        });
        Command::script(&scripts::PUBLISH, keys, args)
    }

    /// Reads what the room begins with.
    pub(super) fn load(&self, known: Option<Position>, fresh: u64, limits: &Limits) -> Command {
        let known = known.unwrap_or(Position {
            epoch: 0,
            offset: 0,
        });
        let args = vec![
            hex(known.epoch),
            text(&known.offset),
            hex(fresh),
            text(&EMPTY_ROOM_MS),
            text(&limits.of_room(self.room).history.max(1)),
        ];
        Command::script(&scripts::LOAD, self.keys(), args)
    }

    /// Asks where the room is.
    pub(super) fn compare(&self) -> Command {
        let words = [
            text(&"HMGET"),
            self.key("room"),
            text(&"epoch"),
            text(&"offset"),
        ];
        Command::Plain(words.into())
    }

    /// Reads the messages after an offset.
    pub(super) fn fill(&self, after: u64) -> Command {
        let args = vec![text(&after), text(&READ_AT_ONCE)];
        let keys = vec![self.key("room"), self.key("log")];
        Command::script(&scripts::FILL, keys, args)
    }

    /// Reads the newest messages between two offsets, and one more.
    pub(super) fn read(&self, (after, before): (u64, u64), limit: usize) -> Command {
        Command::Plain(vec![
            text(&"XREVRANGE"),
            self.key("log"),
            text(&format_args!("({before}-0")),
            text(&format_args!("({after}-0")),
            text(&"COUNT"),
            text(&(limit + 1)),
        ])
    }

    pub(super) fn forget(&self, epoch: u64) -> Command {
        let mut args = self.channel_args();
        args.push(hex(epoch));
        let mut keys = self.keys();
        keys.extend(self.partition.list_keys());
        Command::script(&scripts::FORGET_ROOM, keys, args)
    }

    pub(super) fn keep_state(&self, state: &Stored) -> Command {
        let key = state.record.key.as_deref().unwrap_or_default();
        let args = vec![
            text(&key),
            text(&state.offset),
            entry::encode_state(state).into(),
        ];
        Command::script(&scripts::KEEP_STATE, vec![self.key("state")], args)
    }

    pub(super) fn signal(&self, bytes: Vec<u8>) -> Command {
        let word = text(&publish_word(self.is_sharded));
        Command::Plain(vec![word, text(&self.partition.channel()), bytes.into()])
    }
}

/// What Redis takes for a time: what has no end lasts a century.
fn most_ms(ms: Option<u64>) -> u64 {
    ms.unwrap_or(u64::MAX).clamp(1, 3_155_760_000_000)
}

/// What came of a publish.
pub(super) enum Published {
    At(Position),
    Again(u64),
    /// It is not, because this is the state of its key.
    Conflict(Option<Box<Stored>>),
}

/// Reads the reply to `publish`.
pub(super) fn published(reply: &Reply) -> Option<Published> {
    let [word, epoch, offset] = reply.array()? else {
        return None;
    };
    if word.bytes()? == b"conflict" {
        let current = offset.bytes().filter(|it| !it.is_empty());
        let current = current.and_then(entry::decode_state);
        return Some(Published::Conflict(current.map(Box::new)));
    }
    let position = position(epoch, offset)?;
    match word.bytes()? {
        b"ok" => Some(Published::At(position)),
        b"again" => Some(Published::Again(position.offset)),
        _ => None,
    }
}

/// Reads the reply to `load`.
pub(super) fn loaded(reply: &Reply) -> Option<Loaded> {
    let [epoch, offset, newest, state, time] = reply.array()? else {
        return None;
    };
    let Position { epoch, offset } = position(epoch, offset)?;
    let (mut messages, mut origins) = (Vec::new(), Vec::new());
    for read in reads(newest, epoch)?.into_iter().rev() {
        // What is no message is missing, as one that a disk has damaged.
        if let Some((record, _)) = entry::decode(&read.bytes) {
            messages.push(stored(&read.place, record));
            origins.push(read.place.origin);
        }
    }
    let pairs = state.array()?.chunks_exact(2);
    let mut state: Vec<Stored> = pairs
        .filter_map(|pair| entry::decode_state(pair[1].bytes()?))
        .collect();
    state.sort_by_key(|it| it.offset);
    let contents = Contents {
        epoch,
        offset,
        messages,
        state,
        sent: Vec::new(),
        read_ms: time_ms(time),
    };
    Some(Loaded { contents, origins })
}

/// Reads the reply to `compare`: `None` if there is no such room; an error if it is another reply.
pub(super) fn compared(reply: &Reply) -> Result<Option<Position>, ()> {
    match reply.array() {
        Some([Reply::Nil, _]) => Ok(None),
        Some([epoch, offset]) => position(epoch, offset).map(Some).ok_or(()),
        _ => Err(()),
    }
}

/// Reads the reply to `fill`: nothing inside if the room has another epoch than this one.
pub(super) fn filled(reply: &Reply, epoch: u64) -> Option<Option<Vec<Read>>> {
    let [there, found] = reply.array()? else {
        return None;
    };
    let is_same = there.text().and_then(|it| u64::from_str_radix(it, 16).ok()) == Some(epoch);
    Some(if is_same {
        Some(reads(found, epoch)?)
    } else {
        None
    })
}

/// Reads the messages of a part of a log, in the order in which they came.
pub(super) fn reads(reply: &Reply, epoch: u64) -> Option<Vec<Read>> {
    reply.array()?.iter().map(|it| read(it, epoch)).collect()
}

pub(super) fn stored(place: &Place, record: Record) -> Stored {
    Stored {
        offset: place.offset,
        at_ms: place.at_ms,
        record,
    }
}

fn read(reply: &Reply, epoch: u64) -> Option<Read> {
    let [id, fields] = reply.array()? else {
        return None;
    };
    let offset = id.text()?.strip_suffix("-0")?;
    let mut place = Place {
        epoch,
        before: 0,
        offset: offset.parse().ok()?,
        at_ms: 0,
        origin: Box::default(),
    };
    let mut message = Vec::new();
    for pair in fields.array()?.chunks_exact(2) {
        let value = pair[1].bytes()?;
        match pair[0].bytes()? {
            b"m" => message = value.to_vec(),
            b"t" => place.at_ms = number(value)?,
            b"b" => place.before = number(value)?,
            b"n" => place.origin = str::from_utf8(value).ok()?.into(),
            _ => {}
        }
    }
    Some(Read {
        place,
        bytes: message,
    })
}

fn position(epoch: &Reply, offset: &Reply) -> Option<Position> {
    let epoch = epoch.text()?;
    Some(Position {
        epoch: u64::from_str_radix(epoch, 16).ok()?,
        offset: offset.number()?,
    })
}

/// What `TIME` says.
fn time_ms(reply: &Reply) -> Option<u64> {
    let [seconds, micros] = reply.array()? else {
        return None;
    };
    Some(seconds.number()? * 1_000 + micros.number()? / 1_000)
}

fn number(bytes: &[u8]) -> Option<u64> {
    str::from_utf8(bytes).ok()?.parse().ok()
}
