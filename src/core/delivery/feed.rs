//! Messages for streams of several rooms: encoded once for each room, and put together for each reader, who wants some of
//! them, each with an id of its own.
//!
//! A piece begins with a comment that says its offset and its key; no reader gets it. What stands behind it is the event.

use std::borrow::Cow;
use std::cell::OnceCell;

use crate::codec::json::event;
use crate::codec::sse;
use crate::core::chat::RoomId;
use crate::core::net::feed::Feed;

/// What a reader gets of some pieces.
#[derive(Debug, Default)]
pub(in crate::core) struct Selected {
    pub(in crate::core) bytes: Vec<u8>,
    /// How many messages these are.
    pub(in crate::core) count: u64,
    /// The offset of the last message, and whether it is one that the reader wants.
    pub(in crate::core) last: Option<(u64, bool)>,
}

/// Begins a piece; without an offset it is an event that everyone gets.
pub(in crate::core) fn begin_piece(offset: Option<u64>, key: Option<&str>, out: &mut Vec<u8>) {
    out.push(b':');
    if let Some(offset) = offset {
        out.extend_from_slice(offset.to_string().as_bytes());
    }
    if let Some(key) = key {
        out.push(b' ');
        // As JSON it has no line end.
        event::write(&key, out);
    }
    out.push(b'\n');
}

/// What the reader of a stream gets of pieces of a room that it is in.
pub(in crate::core) fn select(feed: &Feed, room: RoomId, mut pieces: &[u8]) -> Selected {
    // For nobody who wants none of them.
    let ids = OnceCell::new();
    let mut selected = Selected::default();
    while let Some(length) = sse::first_length(pieces) {
        let (piece, rest) = pieces.split_at(length);
        pieces = rest;
        let Some(end) = piece.iter().position(|&byte| byte == b'\n') else {
            continue;
        };
        let (head, event) = (&piece[1..end], &piece[end + 1..]);
        let head = str::from_utf8(head).unwrap_or_default();
        let (offset, key) = match head.split_once(' ') {
            Some((offset, key)) => (offset, Some(key)),
            None => (head, None),
        };
        let Ok(offset) = offset.parse() else {
            selected.bytes.extend_from_slice(event);
            continue;
        };
        let is_wanted = feed.wants_all() || feed.wants(key.and_then(key_of).as_deref());
        selected.last = Some((offset, is_wanted));
        if is_wanted {
            selected.count += 1;
            let ids = ids.get_or_init(|| feed.ids_in(room));
            sse::encode_id(&ids.id(offset), &mut selected.bytes);
            selected.bytes.extend_from_slice(event);
        }
    }
    selected
}

fn key_of(json: &str) -> Option<Cow<'_, str>> {
    // Few keys have a character that JSON escapes.
    let plain = serde_json::from_str(json).map(Cow::Borrowed);
    plain
        .or_else(|_| serde_json::from_str(json).map(Cow::Owned))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::key_patterns::KeyPatterns;
    use crate::core::chat::Position;

    fn pieces() -> Vec<u8> {
        let mut out = Vec::new();
        for (offset, key) in [
            (Some(1), Some("boiler.temp")),
            (Some(2), None),
            (None, None),
            (Some(3), Some("a \n\n\"b\"")),
        ] {
            begin_piece(offset, key, &mut out);
            let event = sse::SseEvent {
                id: None,
                event: offset.is_none().then_some("paused"),
                data: "x",
            };
            event.encode(&mut out);
        }
        out
    }

    fn selected(keys: &[&str]) -> (String, u64, Option<(u64, bool)>) {
        let keys = KeyPatterns::new(keys.iter().copied()).unwrap();
        let mut feed = Feed::new(keys, None, None);
        let position = Position {
            epoch: 1,
            offset: 0,
        };
        feed.enter(RoomId::default(), position);
        let selected = select(&feed, RoomId::default(), &pieces());
        let text = String::from_utf8(selected.bytes).unwrap();
        (text, selected.count, selected.last)
    }

    #[test]
    fn a_reader_gets_what_it_wants() {
        let paused = "event: paused\ndata: x\n\n";
        let event = |offset: u64| format!("id: 0000000000000001-{offset}\ndata: x\n\n");
        let all = format!("{}{}{paused}{}", event(1), event(2), event(3));
        assert_eq!(selected(&[]), (all, 3, Some((3, true))));
        let some = format!("{}{paused}", event(1));
        assert_eq!(selected(&["boiler.*"]), (some, 1, Some((3, false))));
        assert_eq!(selected(&["a *\"b\""]).1, 1);
    }
}
