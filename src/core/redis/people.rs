//! The commands by which people are kept in Redis, what is said of them between nodes, and what replies say.
//!
//! Who is in a room is kept with the room. Who people are, and whose a name is, has one slot: a name is compared with all
//! others. What is said to one node goes over a channel of its own.

use serde::{Deserialize, Serialize};

use crate::codec::resp::Reply;
use crate::core::redis::command::publish_word;
use crate::core::redis::links::Command;
use crate::core::redis::partition::{Partition, Slot};
use crate::core::redis::scripts;
use crate::core::store::{
    Addressee, DirectMessage, DirectOutcome, Here, KnownPresence, PublicPerson, SharedPerson,
};
use crate::limits::NODE_TTL_MS;

type Bytes = Box<[u8]>;

/// What the keys of people begin with, and the channels of nodes.
const NAME: &str = "parlor:{people}:name:";
const WHO: &str = "parlor:{people}:who:";
const HOLDERS: &str = "parlor:{people}:at:";
const CHANNEL: &str = "parlor:{people}:node:";

/// The channel that all nodes hear.
pub(super) const ALL_NODES: &str = "parlor:{people}:nodes";

/// What one node says to another.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Word {
    /// Somebody whom it holds is another now.
    Kept(Box<SharedPerson>),
    /// A message to somebody whom it holds. `answer_to`: the node that waits for the outcome, and its ticket.
    Direct {
        answer_to: Option<(Box<str>, u64)>,
        to: Addressee,
        message: Box<DirectMessage>,
    },
    /// A message that somebody whom it holds has sent.
    ShowSender {
        to: PublicPerson,
        message: Box<DirectMessage>,
    },
    /// What has become of a message of its own.
    Outcome { ticket: u64, outcome: DirectOutcome },
    /// The connections of the holders of tokens for a name are to be closed. `by`: the node that says so.
    Close { by: Box<str>, name: Box<str> },
    /// A ban was kept; without its text: it is no more.
    Ban {
        id: Box<str>,
        text: Option<Box<str>>,
    },
}

pub(super) fn slot() -> Slot {
    Slot::of("people")
}

/// The channel of a node.
pub(super) fn channel_of(node: &str) -> Box<str> {
    format!("{CHANNEL}{node}").into()
}

fn text(text: &(impl ToString + ?Sized)) -> Bytes {
    text.to_string().into_bytes().into()
}

fn key(prefix: &str, rest: &(impl ToString + ?Sized)) -> Bytes {
    format!("{prefix}{}", rest.to_string()).into_bytes().into()
}

fn packed(value: &impl Serialize) -> Vec<u8> {
    rmp_serde::to_vec_named(value).expect("what is said can always be written to memory")
}

/// What is said on the channel of a node.
pub(super) fn said(word: &Word) -> Bytes {
    [b"n\n".to_vec(), packed(word)].concat().into()
}

/// Reads it; `None` for what a later version says.
pub(super) fn word(bytes: &[u8]) -> Option<Word> {
    rmp_serde::from_slice(bytes).ok()
}

/// What is said on the channel of a partition of who is in a room.
fn said_here(node: &str, here: &Here) -> Bytes {
    let head = format!("p {node} {}\n", here.room);
    [head.into_bytes(), packed(here)].concat().into()
}

/// Reads it.
pub(super) fn here(bytes: &[u8]) -> Option<Here> {
    rmp_serde::from_slice(bytes).ok()
}

/// As which node, and with which kind of channels, Redis is asked.
pub(super) struct As<'a> {
    pub(super) node: &'a str,
    pub(super) is_sharded: bool,
}

impl As<'_> {
    fn word(&self) -> Bytes {
        text(publish_word(self.is_sharded))
    }

    pub(super) fn tell(&self, here: &Here) -> Command {
        let partition = Partition::of(&here.room);
        let mut args = vec![
            self.word(),
            text(&*partition.channel()),
            text(self.node),
            said_here(self.node, here),
            text(&here.sequence),
            text(&here.after),
            text(&here.unlisted),
            text(&NODE_TTL_MS),
            text(&here.present.len()),
        ];
        for PublicPerson { id, name } in &here.present {
            args.extend([text(id), text(&**name)]);
        }
        args.extend(here.gone.iter().map(text));
        Command::script(&scripts::TELL, self.here_keys(&here.room), args)
    }

    pub(super) fn compare(&self, known: &KnownPresence) -> Command {
        let mut args = vec![
            here_prefix(&known.room),
            text(&NODE_TTL_MS),
            text(self.node),
            text(&known.own),
        ];
        for (node, sequence) in &known.others {
            args.extend([text(&**node), text(sequence)]);
        }
        Command::script(&scripts::COMPARE_HERE, self.here_keys(&known.room), args)
    }

    pub(super) fn look(&self, room: &str) -> Command {
        let keys = vec![Partition::of(room).key("nodes", room)];
        let args = vec![here_prefix(room), text(self.node)];
        Command::script(&scripts::LOOK, keys, args)
    }

    fn here_keys(&self, room: &str) -> Vec<Bytes> {
        let partition = Partition::of(room);
        let own = format!("{room}:{}", self.node);
        vec![partition.key("nodes", room), partition.key("here", &own)]
    }

    pub(super) fn keep(&self, shared: &SharedPerson) -> Command {
        let id = shared.person.public_id;
        let mut args = vec![
            self.word(),
            text(CHANNEL),
            text(NAME),
            text(&id),
            text(self.node),
            text(&NODE_TTL_MS),
            packed(shared).into(),
            text(&*shared.person.name),
            said(&Word::Kept(Box::new(shared.clone()))),
        ];
        args.extend(shared.keys.iter().map(|it| text(&**it)));
        Command::script(&scripts::KEEP, vec![key(WHO, &id), key(HOLDERS, &id)], args)
    }

    pub(super) fn renew(&self, people: &[PublicPerson]) -> Command {
        let mut args = vec![
            text(WHO),
            text(HOLDERS),
            text(NAME),
            text(self.node),
            text(&NODE_TTL_MS),
        ];
        for PublicPerson { id, name } in people {
            args.extend([text(id), text(&**name)]);
        }
        let first = people.first().map_or(0, |person| person.id);
        Command::script(&scripts::RENEW, vec![key(HOLDERS, &first)], args)
    }

    pub(super) fn drop(&self, person: u64) -> Command {
        let args = vec![text(NAME), text(&person), text(self.node)];
        let keys = vec![key(WHO, &person), key(HOLDERS, &person)];
        Command::script(&scripts::DROP, keys, args)
    }

    /// Says something to the other nodes that hold somebody.
    pub(super) fn send(&self, to: &Addressee, word: &Word) -> Command {
        let (keys, person) = match to {
            Addressee::Called(keys) => {
                let keys = keys.iter().map(|it| key(NAME, &**it));
                (keys.collect(), String::new())
            }
            Addressee::Person(id) => (vec![key(HOLDERS, id)], id.to_string()),
        };
        let args = vec![
            self.word(),
            text(CHANNEL),
            text(HOLDERS),
            text(self.node),
            said(word),
            text(&person),
        ];
        Command::script(&scripts::SEND, keys, args)
    }

    /// Says something on a channel.
    pub(super) fn say(&self, channel: &str, word: &Word) -> Command {
        Command::Plain(vec![self.word(), text(channel), said(word)])
    }
}

/// What the keys begin with by which nodes have told who is in a room.
pub(super) fn here_prefix(room: &str) -> Bytes {
    let key = Partition::of(room).key("here", room);
    [&*key, b":"].concat().into()
}

pub(super) fn claim(person: u64, keys: &[Box<str>]) -> Command {
    let keys = keys.iter().map(|it| key(NAME, &**it)).collect();
    let args = vec![text(&person), text(&NODE_TTL_MS), text(WHO)];
    Command::script(&scripts::CLAIM, keys, args)
}

pub(super) fn release(person: u64, keys: &[Box<str>]) -> Command {
    let keys = keys.iter().map(|it| key(NAME, &**it)).collect();
    Command::script(&scripts::RELEASE, keys, vec![text(&person)])
}

/// Asks whether a name is somebody's.
pub(super) fn whose(keys: &[Box<str>]) -> Command {
    let keys = keys.iter().map(|it| key(NAME, &**it));
    Command::Plain([text("EXISTS")].into_iter().chain(keys).collect())
}

/// Reads the reply to `whose`.
pub(super) fn is_somebodys(reply: &Reply) -> Option<bool> {
    Some(reply.number()? > 0)
}

pub(super) fn find(person: u64) -> Command {
    Command::Plain(vec![text("HGET"), key(WHO, &person), text("p")])
}

/// Whose a name is.
pub(super) enum Claimed {
    Yes,
    No(Option<Box<SharedPerson>>),
}

/// Reads the reply to `claim`.
pub(super) fn claimed(reply: &Reply) -> Option<Claimed> {
    match reply.array()? {
        [word] if word.bytes()? == b"claimed" => Some(Claimed::Yes),
        [_, record] => Some(Claimed::No(shared(record.bytes()?))),
        _ => None,
    }
}

/// Reads the reply to `find`: `None` inside if nobody knows them; an error if it is another reply.
pub(super) fn found(reply: &Reply) -> Result<Option<Box<SharedPerson>>, ()> {
    match reply {
        Reply::Nil => Ok(None),
        Reply::Bulk(bytes) => Ok(shared(bytes)),
        _ => Err(()),
    }
}

/// What `renew` has found.
#[derive(Default)]
pub(super) struct Renewed {
    pub(super) unknown: Vec<u64>,
    pub(super) kept: Vec<SharedPerson>,
    /// Who has lost their name, and what it is compared by.
    pub(super) lost: Vec<(u64, Box<str>)>,
}

pub(super) fn renewed(reply: &Reply) -> Option<Renewed> {
    let [unknown, kept, lost] = reply.array()? else {
        return None;
    };
    let lost = lost.array()?.iter().filter_map(|it| {
        let [person, key] = it.array()? else {
            return None;
        };
        Some((person.number()?, key.text()?.into()))
    });
    Some(Renewed {
        unknown: unknown.array()?.iter().filter_map(Reply::number).collect(),
        kept: kept
            .array()?
            .iter()
            .filter_map(|it| shared(it.bytes()?).map(|it| *it))
            .collect(),
        lost: lost.collect(),
    })
}

/// Reads the reply to `keep`: what is another's.
pub(super) fn lost(reply: &Reply) -> Option<Vec<Box<str>>> {
    let keys = reply.array()?.iter();
    keys.map(|key| Some(key.text()?.into())).collect()
}

/// What a node has not heard of a room.
pub(super) struct Compared {
    /// What it has told is not there.
    pub(super) is_lost: bool,
    pub(super) news: Vec<(Box<str>, Here)>,
}

/// Reads the reply to `compare_here`. `known`: what it was asked with.
pub(super) fn compared(reply: &Reply, known: &KnownPresence) -> Option<Compared> {
    let (word, others) = reply.array()?.split_first()?;
    let news = others.iter().map(|other| {
        let (node, mut here) = told(other, &known.room)?;
        if here.sequence == 0 {
            // Nothing is there any more: that comes after what was heard last.
            here.sequence = sequence_of(known, &node);
        }
        Some((node, here))
    });
    Some(Compared {
        is_lost: word.bytes()? != b"same",
        news: news.collect::<Option<_>>()?,
    })
}

/// Reads the reply to `look`.
pub(super) fn looked_up(reply: &Reply, room: &str) -> Option<Vec<(Box<str>, Here)>> {
    let nodes = reply.array()?.iter();
    nodes.map(|node| told(node, room)).collect()
}

/// A node, and what it has told of a room, of which nothing may be left.
fn told(reply: &Reply, room: &str) -> Option<(Box<str>, Here)> {
    let [node, fields] = reply.array()? else {
        return None;
    };
    let mut here = Here {
        room: room.into(),
        sequence: 0,
        after: 0,
        unlisted: 0,
        present: Vec::new(),
        gone: Vec::new(),
    };
    for pair in fields.array()?.chunks_exact(2) {
        match pair[0].text()? {
            "s" => here.sequence = pair[1].number()?,
            "u" => here.unlisted = usize::try_from(pair[1].number()?).ok()?,
            id => here.present.push(PublicPerson {
                id: id.parse().ok()?,
                name: pair[1].text()?.into(),
            }),
        }
    }
    Some((node.text()?.into(), here))
}

fn sequence_of(known: &KnownPresence, node: &str) -> u64 {
    let heard = known.others.iter().find(|(other, _)| **other == *node);
    heard.map_or(0, |(_, sequence)| *sequence)
}

fn shared(bytes: &[u8]) -> Option<Box<SharedPerson>> {
    rmp_serde::from_slice(bytes).ok().map(Box::new)
}
