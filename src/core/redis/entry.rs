//! A message as Redis keeps it, and what is said on the channel of a partition.
//!
//! What is said there begins with one letter for its kind, then fields divided by spaces up to the end of a line, and then a
//! message, in MessagePack with the names of its fields: a later version may add some.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::codec::freshness::Freshness;
use crate::core::chat::Content;
use crate::core::file::KeptFile;
use crate::core::store::{Record, Sent, Stored};

/// A message without its place.
#[derive(Serialize, Deserialize)]
struct Entry<'a> {
    author: u64,
    name: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<Cow<'a, str>>,
    content: Content,
    #[serde(borrow, with = "serde_bytes")]
    body: Cow<'a, [u8]>,
    #[serde(default)]
    retain: bool,
    owner: Cow<'a, str>,
    /// Whose id it is, and the id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sent: Option<(Cow<'a, str>, Cow<'a, str>)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<KeptFile>,
    #[serde(default, skip_serializing_if = "Freshness::is_none")]
    freshness: Freshness,
}

/// A message, and the file that it tells of.
pub(super) type Told = (Record, Option<Box<KeptFile>>);

/// Writes a message with this body.
pub(super) fn encode(record: &Record, body: &[u8], file: Option<&KeptFile>) -> Vec<u8> {
    let sent = record.sent.as_ref();
    let entry = Entry {
        author: record.author_id,
        name: (&*record.author_name).into(),
        key: record.key.as_deref().map(Cow::from),
        content: record.content,
        body: body.into(),
        retain: record.retain,
        owner: (&*record.owner).into(),
        sent: sent.map(|sent| ((&*sent.sender).into(), (&*sent.id).into())),
        file: file.cloned(),
        freshness: record.freshness,
    };
    rmp_serde::to_vec_named(&entry).expect("a message can always be written to memory")
}

/// Reads a message; `None` if it is none.
pub(super) fn decode(bytes: &[u8]) -> Option<Told> {
    let entry: Entry<'_> = rmp_serde::from_slice(bytes).ok()?;
    let record = Record {
        author_id: entry.author,
        author_name: entry.name.into(),
        key: entry.key.map(Into::into),
        content: entry.content,
        body: entry.body.into_owned(),
        retain: entry.retain,
        owner: entry.owner.into(),
        sent: entry.sent.map(|(sender, id)| Sent {
            sender: sender.into(),
            id: id.into(),
        }),
        freshness: entry.freshness,
    };
    let file = entry.file.map(Box::new);
    Some((record, file))
}

/// The state of a key: its offset and its time, and the message.
pub(super) fn encode_state(state: &Stored) -> Vec<u8> {
    let mut bytes = format!("{} {}\n", state.offset, state.at_ms).into_bytes();
    bytes.extend(encode(&state.record, &state.record.body, None));
    bytes
}

/// Reads the state of a key.
pub(super) fn decode_state(bytes: &[u8]) -> Option<Stored> {
    let (head, message) = split_line(bytes)?;
    let (offset, at_ms) = head.split_once(' ')?;
    let (record, _) = decode(message)?;
    Some(Stored {
        offset: offset.parse().ok()?,
        at_ms: at_ms.parse().ok()?,
        record,
    })
}

/// What is said on a channel.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said<'a> {
    /// A message was published.
    Message {
        room: &'a str,
        place: Place,
        bytes: &'a [u8],
    },
    /// One was sent that is not kept, by this node.
    Signal {
        room: &'a str,
        at_ms: u64,
        node: &'a str,
        bytes: &'a [u8],
    },
    /// Who is in a room at a node, or what has changed there.
    Here { node: &'a str, bytes: &'a [u8] },
    /// One node says something to another.
    Word { bytes: &'a [u8] },
    /// A room was forgotten.
    Forgotten { room: &'a str, epoch: u64 },
    /// Something of push is another now. `kind`: which kind it is of; the name has so many bytes of the rest.
    Push {
        epoch: &'a str,
        version: u64,
        kind: &'a str,
        name_bytes: usize,
        bytes: &'a [u8],
    },
    /// A room has begun.
    Begun(Beginning),
}

/// Where a message is in its room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) epoch: u64,
    /// The offset of the message before it.
    pub(super) before: u64,
    pub(super) offset: u64,
    pub(super) at_ms: u64,
    /// Which node has sent it, and that node's ticket: `node:ticket`.
    pub(super) origin: Box<str>,
}

/// A room has begun: it was not in use before, at any node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Beginning {
    /// The number of the one before it in its partition; 0: that is not known.
    pub(super) before: u64,
    pub(super) number: u64,
    /// What was published in the room until then.
    pub(super) offset: u64,
    pub(super) room: Box<str>,
}

/// Reads what is said on a channel; `None` for what a later version says.
pub(super) fn parse(bytes: &[u8]) -> Option<Said<'_>> {
    let (head, bytes) = split_line(bytes)?;
    let mut fields = head.split(' ');
    let kind = fields.next()?;
    let mut next = || fields.next();
    Some(match kind {
        "m" => {
            let place = Place {
                epoch: u64::from_str_radix(next()?, 16).ok()?,
                before: next()?.parse().ok()?,
                offset: next()?.parse().ok()?,
                at_ms: next()?.parse().ok()?,
                origin: next()?.into(),
            };
            Said::Message {
                place,
                room: next()?,
                bytes,
            }
        }
        "s" => Said::Signal {
            at_ms: next()?.parse().ok()?,
            node: next()?,
            room: next()?,
            bytes,
        },
        "p" => Said::Here {
            node: next()?,
            bytes,
        },
        "n" => Said::Word { bytes },
        "x" => Said::Forgotten {
            epoch: u64::from_str_radix(next()?, 16).ok()?,
            room: next()?,
        },
        "u" => Said::Push {
            epoch: next()?,
            version: next()?.parse().ok()?,
            kind: next()?,
            name_bytes: next()?.parse().ok()?,
            bytes,
        },
        "b" => Said::Begun(Beginning {
            before: next()?.parse().ok()?,
            number: next()?.parse().ok()?,
            offset: next()?.parse().ok()?,
            room: next()?.into(),
        }),
        _ => return None,
    })
}

/// Says a message that is not kept.
pub(super) fn signal(room: &str, at_ms: u64, node: &str, record: &Record) -> Vec<u8> {
    let mut bytes = format!("s {at_ms} {node} {room}\n").into_bytes();
    bytes.extend(encode(record, &record.body, None));
    bytes
}

fn split_line(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let head = str::from_utf8(&bytes[..end]).ok()?;
    Some((head, &bytes[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            author_id: 7,
            author_name: "ana".into(),
            key: Some("boiler.temp".into()),
            content: Content::Json,
            body: b"21.5".to_vec(),
            retain: true,
            owner: "127.0.0.1".into(),
            sent: Some(Sent {
                sender: "p7".into(),
                id: "one".into(),
            }),
            freshness: Freshness::new(Some(60), None),
        }
    }

    #[test]
    fn a_message_comes_back_as_it_was() {
        let bytes = encode(&record(), b"22", None);
        let (told, file) = decode(&bytes).unwrap();
        assert_eq!(
            told,
            Record {
                body: b"22".to_vec(),
                ..record()
            }
        );
        assert_eq!(file, None);
        for end in 0..bytes.len() {
            assert!(decode(&bytes[..end]).is_none(), "{end}");
        }
    }

    #[test]
    fn what_is_said_comes_back() {
        let said = parse(b"m ab 1 3 1700 n1:9 tea\nbytes").unwrap();
        let place = Place {
            epoch: 0xab,
            before: 1,
            offset: 3,
            at_ms: 1700,
            origin: "n1:9".into(),
        };
        assert_eq!(
            said,
            Said::Message {
                room: "tea",
                place,
                bytes: b"bytes"
            }
        );
        let bytes = signal("tea", 5, "n2", &record());
        assert!(matches!(
            parse(&bytes),
            Some(Said::Signal {
                room: "tea",
                at_ms: 5,
                node: "n2",
                ..
            })
        ));
        assert_eq!(
            parse(b"x ab tea\n"),
            Some(Said::Forgotten {
                room: "tea",
                epoch: 0xab
            })
        );
        for wrong in [
            "",
            "m",
            "m ab 1 3\n",
            "x zz tea\n",
            "later 1 2\n",
            "m ab 1 x 1 o tea\n",
        ] {
            assert_eq!(parse(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
