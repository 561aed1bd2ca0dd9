//! What is asked of a log that several servers share about people, and what it tells them unasked: who is in which room at
//! which node, whose a name is, and what is said to one person.
//!
//! People are known by the number of their public id, which no two nodes give. A node holds those who are connected to it,
//! or were a moment ago. The log frees the names of somebody whom no node holds.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::core::chat::Content;
use crate::core::store::ticket::Ticket;

/// Somebody with a name or a secret by which they come back.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Their number among those of the server.
    pub number: u64,
    /// Their id as others know it, without its first letter.
    pub public_id: u64,
    /// Their name.
    pub name: Box<str>,
    /// The SHA-256 of the secret by which they come back.
    pub secret_hash: [u8; 32],
    /// When they were here last, in milliseconds since 1970.
    pub seen_ms: u64,
}

/// Somebody as others know them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicPerson {
    /// Their id, without its first letter.
    pub id: u64,
    /// Their name.
    pub name: Box<str>,
}

/// Somebody as a log keeps them that several servers share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedPerson {
    /// Who they are.
    pub person: Person,
    /// What their name is compared by: nobody else has one of these.
    pub keys: Vec<Box<str>>,
}

/// Who is in a room at one node, or what has changed there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Here {
    /// The name of the room.
    pub room: Box<str>,
    /// It grows with each that this node tells.
    pub sequence: u64,
    /// That of the one before it of this room, which this changes; 0: this is the whole.
    pub after: u64,
    /// So many are here besides those who are listed.
    pub unlisted: usize,
    /// Those who have come or have another name; of the whole, all who are listed: no more than `limits::MAX_LISTED`.
    pub present: Vec<PublicPerson>,
    /// The ids of those who have gone.
    pub gone: Vec<u64>,
}

/// What a node knows of who is in a room, to be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownPresence {
    /// The name of the room.
    pub room: Box<str>,
    /// The sequence that it has told last; 0 if it has told nothing.
    pub own: u64,
    /// That which it has heard last of each other node.
    pub others: Vec<(Box<str>, u64)>,
}

/// A direct message on its way to another node.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectMessage {
    /// Who has sent it.
    pub from: PublicPerson,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// What the body is.
    pub content: Content,
    /// What it says, in the bytes that it came in.
    #[serde(with = "serde_bytes")]
    pub body: Box<[u8]>,
}

/// For whom a direct message is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Addressee {
    /// For whoever has a name that is compared by one of these.
    Called(Vec<Box<str>>),
    /// For somebody who is known.
    Person(u64),
}

/// What has become of a direct message at one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DirectOutcome {
    /// A connection of the addressee, who is this, has taken it.
    Delivered(PublicPerson),
    /// The addressee is not there.
    NoSuchUser,
    /// No connection of the addressee takes it now.
    Busy,
}

/// Which rooms are asked for, of all that are in use at any node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WantedRooms {
    /// Those whose names begin with this.
    Head {
        /// The beginning.
        head: Box<str>,
        /// Only those after this one in the order of names.
        after: Option<Box<str>>,
    },
    /// The one of this name.
    Name(Box<str>),
}

/// Some of the rooms that are in use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoomsInUse {
    /// The next ones in the order of their names.
    pub rooms: Vec<Box<str>>,
    /// There may be more after this one. It need not be in use itself. `None`: those are all.
    pub upto: Option<Box<str>>,
}

/// What is asked.
#[derive(Clone, Debug)]
pub enum PeopleRequest {
    /// To tell the other nodes who is in a room here, and to keep it for as long as this node lasts.
    Tell(Here),
    /// To keep for longer what this node has told of these rooms, and to compare what it knows. What is not renewed for
    /// `limits::NODE_TTL_MS` is forgotten: a node that had nobody left there may have said so in vain. Whatever it has not heard is told to it as
    /// `Presence`, and what the log does not have of it is asked for by `TellWhole`. Rooms of different partitions.
    Compare(Vec<KnownPresence>),
    /// Who is in a room at all other nodes. Answered by `Present`.
    Look {
        /// To be named in the answer.
        ticket: Ticket,
        /// The name of the room.
        room: Box<str>,
    },
    /// These rooms are in use at this node. They are listed until `limits::NODE_TTL_MS` have passed. Those that were not have
    /// begun: who wants to know is told by `Begun`.
    List(Vec<Box<str>>),
    /// The next rooms that are in use at any node. Answered by `Rooms`.
    Rooms {
        /// To be named in the answer.
        ticket: Ticket,
        /// Which.
        wanted: WantedRooms,
    },
    /// To tell by `Begun` of all rooms that begin at any node from now on: those before may be told. Answered by `Hearing`.
    HearBeginnings {
        /// To be named in the answer.
        ticket: Ticket,
        /// The numbers of the last beginnings that were told, if a server before this one was told of them.
        after: Vec<u64>,
    },
    /// That is not wanted any more.
    IgnoreBeginnings,
    /// The next rooms of one partition that are in use at any node. Answered by `Rooms`, after `Begun` of all that have begun
    /// before; if `HearBeginnings` is answered.
    RoomsOf {
        /// To be named in the answer.
        ticket: Ticket,
        /// Less than `limits::PARTITIONS`.
        partition: u16,
        /// Which.
        wanted: WantedRooms,
    },
    /// How many people are in rooms at all nodes. Answered by `Counts`.
    Count {
        /// To be named in the answer.
        ticket: Ticket,
        /// The names of the rooms.
        rooms: Vec<Box<str>>,
    },
    /// Whether a name is somebody's, or looks like somebody's. Answered by `Free` or `Taken`.
    Whose {
        /// To be named in the answer.
        ticket: Ticket,
        /// What the name is compared by.
        keys: Vec<Box<str>>,
    },
    /// To keep a name for somebody, if none of these keys is another's. Answered by `Claimed` or `Taken`.
    Claim {
        /// To be named in the answer.
        ticket: Ticket,
        /// Whose it is to be.
        person: u64,
        /// What the name is compared by.
        keys: Vec<Box<str>>,
    },
    /// To free names that somebody has claimed, and has not taken. Another's are left alone.
    Release {
        /// Who has claimed them.
        person: u64,
        /// What they are compared by.
        keys: Vec<Box<str>>,
    },
    /// To keep who somebody is whom this node holds, in place of what is kept of them, and their name; that which was kept of
    /// them before is free, if it is another. Other nodes that hold them are told. If a key is another's by now, this node is told so by `NameLost`.
    Keep(Box<SharedPerson>),
    /// This node holds these people, who have these names: to keep them for longer. It is told whom the log does not
    /// have, who has another name, and whose name is another's.
    Renew(Vec<PublicPerson>),
    /// This node holds somebody no longer. Who is held by none is forgotten, and their name is free.
    Drop {
        /// Whom.
        person: u64,
    },
    /// Who somebody is. Answered by `Found`.
    Find {
        /// To be named in the answer.
        ticket: Ticket,
        /// Whom.
        person: u64,
    },
    /// To take a message to all other nodes that hold the addressee. With a ticket it is answered by
    /// `SentTo`, and by one `DirectOutcome` of each of them.
    Direct {
        /// To be named in the answers; `None` if nobody waits for them.
        ticket: Option<Ticket>,
        /// For whom it is.
        to: Addressee,
        /// The message.
        message: Box<DirectMessage>,
    },
    /// To show a message that was delivered to its sender, at all other nodes that hold them.
    ShowSender {
        /// Who has got it.
        to: PublicPerson,
        /// The message.
        message: Box<DirectMessage>,
    },
    /// What has become of a message that another node has sent.
    Outcome {
        /// That node.
        node: Box<str>,
        /// That of its request.
        ticket: Ticket,
        /// What has become of it here.
        outcome: DirectOutcome,
    },
    /// To close all connections of the holders of tokens for this name, at all other nodes.
    Close {
        /// The name.
        name: Box<str>,
    },
}

/// What is answered.
#[derive(Clone, Debug)]
pub enum PeopleAnswer {
    /// What each other node has told of who is in a room there: the whole.
    Present(Vec<(Box<str>, Here)>),
    /// Rooms that are in use.
    Rooms(RoomsInUse),
    /// Rooms that begin are told from now on. The numbers of the last before that, of each partition.
    Hearing(Vec<u64>),
    /// How many people are in each room, in any order.
    Counts(Vec<(Box<str>, usize)>),
    /// The name is nobody's.
    Free,
    /// The name is theirs.
    Claimed,
    /// It is another's, or looks like another's: this one's, as far as that is known.
    Taken(Option<Box<SharedPerson>>),
    /// Who somebody is; `None`: nobody knows them any more.
    Found(Option<Box<SharedPerson>>),
    /// A direct message has gone to so many nodes.
    SentTo(usize),
    /// What has become of it at one of them.
    Outcome(DirectOutcome),
    /// The log cannot be asked now.
    Unavailable,
}

/// What is told unasked.
#[derive(Clone, Debug)]
pub enum PeopleNews {
    /// Who is in a room at another node.
    Presence {
        /// That node.
        node: Box<str>,
        /// Who is there.
        here: Here,
    },
    /// The whole of a room is to be told again.
    TellWhole {
        /// The name of the room.
        room: Box<str>,
    },
    /// A room has begun at some node: it was not in use before.
    Begun {
        /// That of the room.
        partition: u16,
        /// That of the beginning, which grows with each in the partition.
        number: u64,
        /// The name of the room.
        room: Box<str>,
        /// What was published there before has offsets up to this one.
        offset: u64,
    },
    /// Rooms may have begun that are not told by `Begun`: they are among those that are in use.
    BeginningsMissed,
    /// Another node has ended, with all that it has told of rooms.
    NodeGone {
        /// That node.
        node: Box<str>,
    },
    /// Another node has kept somebody whom this one holds, too.
    Kept(Box<SharedPerson>),
    /// The log does not have these people: they are to be kept again.
    Unknown(Vec<u64>),
    /// The name of somebody whom this node holds is another's, because the log had lost it.
    NameLost {
        /// Who has lost it.
        person: u64,
        /// What it is compared by.
        keys: Vec<Box<str>>,
    },
    /// A message to somebody whom this node holds.
    Direct {
        /// Where it was sent, and the ticket there, if somebody waits for the outcome.
        answer_to: Option<(Box<str>, Ticket)>,
        /// For whom it is.
        to: Addressee,
        /// The message.
        message: Box<DirectMessage>,
    },
    /// A message that somebody whom this node holds has sent elsewhere.
    ShowSender {
        /// Who has got it.
        to: PublicPerson,
        /// The message.
        message: Box<DirectMessage>,
    },
    /// All connections of the holders of tokens for this name are to be closed.
    Close {
        /// The name.
        name: Box<str>,
    },
    /// A ban was kept at any node, or was lifted or has ended.
    Ban {
        /// What it is found by.
        id: Box<str>,
        /// What it is, in JSON; `None` if it is no more.
        text: Option<Box<str>>,
    },
    /// These are all bans, in JSON.
    Bans(Vec<Box<str>>),
    /// The log has lost all bans: they are to be kept again.
    BansLost,
}

impl DirectMessage {
    /// Bytes of memory that it takes, about.
    pub(in crate::core) fn held_bytes(&self) -> usize {
        size_of::<Self>() + self.body.len() + self.from.name.len()
    }
}

/// Without the message: what is said never gets into the log.
impl fmt::Debug for DirectMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut message = f.debug_struct("DirectMessage");
        message.field("bytes", &self.body.len());
        message.finish_non_exhaustive()
    }
}

/// Without the secret.
impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut person = f.debug_struct("Person");
        person.field("number", &self.number);
        person.finish_non_exhaustive()
    }
}

/// Without the name.
impl fmt::Debug for PublicPerson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut person = f.debug_struct("PublicPerson");
        person.field("id", &format_args!("{:x}", self.id));
        person.finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_direct_message_does_not_get_into_the_log() {
        let news = PeopleNews::Direct {
            answer_to: None,
            to: Addressee::Person(8),
            message: Box::new(DirectMessage {
                from: PublicPerson {
                    id: 7,
                    name: "ana".into(),
                },
                at_ms: 0,
                content: Content::Text,
                body: b"a secret".as_slice().into(),
            }),
        };
        let logged = format!("{news:?}");
        assert!(logged.contains("bytes: 8"), "{logged}");
        assert!(
            !logged.contains("115, 101, 99") && !logged.contains("ana"),
            "{logged}"
        );
    }
}
