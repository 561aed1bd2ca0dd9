//! Judges what clients were told by several nodes, knowing nothing else.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Where a message is: its room, the epoch of that, and its offset.
type Log = (String, String);

/// How far a reader is in a room: its epoch, and the last offset that it knows of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct At {
    pub(crate) epoch: String,
    pub(crate) offset: u64,
}

/// What a reader was told of one room.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    pub(crate) at: At,
    pub(crate) is_paused: bool,
}

/// All that was told to anybody.
#[derive(Debug, Default)]
pub(crate) struct Judge {
    order: BTreeMap<Log, BTreeMap<u64, u64>>,
    /// Where each message was seen, by its number.
    places: BTreeMap<u64, BTreeSet<(Log, u64)>>,
    /// The room and offset of each message that was acknowledged.
    acknowledged: BTreeMap<u64, (String, u64)>,
    /// Redis has lost something.
    pub(crate) may_lose: bool,
    /// It has gone back to what it had: a node that knew no more than that goes on in the same epoch, and offsets are given
    /// again.
    pub(crate) may_fork: bool,
    /// Messages that somebody was told.
    pub(crate) told: u64,
    pub(crate) gaps: u64,
    pub(crate) recovered: u64,
    pub(crate) paused: u64,
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn number(value: &Value) -> u64 {
    value.as_u64().expect("a number")
}

impl Judge {
    /// A message is at a place.
    fn place(&mut self, room: &str, epoch: &str, message: &Value) -> u64 {
        let (offset, what) = (number(&message["offset"]), number(&message["data"]));
        let log = (room.to_owned(), epoch.to_owned());
        let there = self.order.entry(log.clone()).or_default();
        let before = *there.entry(offset).or_insert(what);
        assert!(
            self.may_fork || before == what,
            "two messages, {before} and {what}, at {offset} of {log:?}, one of which is {message}"
        );
        self.places.entry(what).or_default().insert((log, offset));
        self.told += 1;
        offset
    }

    /// Somebody is told that they are in a room, who was at `since` and has said so.
    pub(crate) fn on_joined(&mut self, since: Option<&At>, joined: &Value) -> Reader {
        let (room, epoch) = (text(&joined["room"]), text(&joined["epoch"]));
        let offset = number(&joined["offset"]);
        let is_recovered = joined["recovered"] == true;
        let messages = joined["messages"].as_array().into_iter().flatten();
        let offsets: Vec<u64> = messages
            .map(|message| self.place(&room, &epoch, message))
            .collect();
        assert!(
            offsets.is_sorted_by(|one, next| one + 1 == *next),
            "a hole in {joined}"
        );
        for state in joined["retained"].as_array().into_iter().flatten() {
            self.place(&room, &epoch, state);
        }
        if let Some(last) = offsets.last() {
            assert_eq!(*last, offset, "it does not end where it says: {joined}");
        }
        if is_recovered {
            self.recovered += 1;
            let since = since.expect("who has said where they were");
            assert_eq!(since.epoch, epoch, "recovered from another epoch: {joined}");
            let missed = offsets.len() as u64;
            assert_eq!(
                since.offset + missed,
                offset,
                "{since:?} is not recovered by {joined}"
            );
        }
        // A room is not paused, unless it is said so again.
        Reader {
            at: At { epoch, offset },
            is_paused: false,
        }
    }

    /// Somebody who is in a room is told something of it.
    pub(crate) fn on_told(&mut self, reader: &mut Reader, event: &Value) {
        let room = text(&event["room"]);
        match event["type"].as_str() {
            Some("message") if event["ephemeral"] == true => {}
            Some("message") => {
                let offset = self.place(&room, &reader.at.epoch, event);
                assert_eq!(offset, reader.at.offset + 1, "after {reader:?}: {event}");
                reader.at.offset = offset;
            }
            Some("gap") => {
                self.gaps += 1;
                let (from, to) = (number(&event["from"]), number(&event["to"]));
                assert_eq!(from, reader.at.offset + 1, "after {reader:?}: {event}");
                assert!(to >= from, "{event}");
                reader.at.offset = to;
            }
            Some("paused") => {
                self.paused += 1;
                reader.is_paused = true;
            }
            Some("resumed") => reader.is_paused = false,
            _ => {}
        }
    }

    /// A message was acknowledged.
    pub(crate) fn on_ok(&mut self, what: u64, room: &str, offset: u64) {
        let first = self
            .acknowledged
            .entry(what)
            .or_insert((room.to_owned(), offset));
        assert!(
            self.may_lose || first.1 == offset,
            "{what} was acknowledged at {first:?}, and then at {offset}"
        );
    }

    /// All is quiet, and all that is in the rooms was read.
    pub(crate) fn check_end(&self) {
        for (what, (room, offset)) in &self.acknowledged {
            let places = self.places.get(what).into_iter().flatten();
            let is_there = places
                .into_iter()
                .any(|(log, at)| log.0 == *room && at == offset);
            assert!(
                is_there || self.may_lose,
                "{what} was acknowledged at {offset} of {room}, and nobody was told: {:?}",
                self.places.get(what)
            );
        }
        for (what, places) in &self.places {
            let logs: BTreeSet<&Log> = places.iter().map(|(log, _)| log).collect();
            assert!(
                self.may_fork || logs.len() == places.len(),
                "{what} was published twice: {places:?}"
            );
            assert!(
                logs.len() == 1 || self.may_lose,
                "{what} is in two rooms: {places:?}"
            );
        }
        let mut epochs: BTreeMap<&str, u32> = BTreeMap::new();
        for (room, _) in self.order.keys() {
            *epochs.entry(room).or_default() += 1;
        }
        let anew = epochs.iter().find(|(_, count)| **count > 1);
        assert!(
            self.may_lose || anew.is_none(),
            "a room began anew: {anew:?}"
        );
    }
}
