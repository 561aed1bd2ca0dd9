//! What other services POST with `?as=`: each payload becomes messages, and the answer names each of them.

use std::fmt::Write as _;

use serde_json::json;

use crate::codec::http::request::Request;
use crate::codec::http::response::{Problem, Status};
use crate::codec::incoming::{self, Change, Incoming, Source};
use crate::codec::json::command::{Data, Publish};
use crate::codec::json::event::Epoch;
use crate::core::budget::cost;
use crate::core::chat::{PublishError, RoomName};
use crate::core::id::ConnectionId;
use crate::core::net::pending::{Payload, Post, Reply};
use crate::core::net::phase::Phase;
use crate::core::now::Now;
use crate::core::server::Server;
use crate::core::server::error::CommandError;
use crate::core::server::publish::Submitted;
use crate::core::server::publisher::{Publisher, sender_of_post};
use crate::core::server::waiting::ReplyTo;
use crate::core::stream::Stream;

/// What the query of such a request may say: the payload says the rest.
const FIELDS: [&str; 3] = ["as", "name", "token"];

/// The messages of a payload, until all of them are published or refused.
#[derive(Debug)]
pub(in crate::core::server) struct Gathering {
    reply: Reply,
    room: RoomName,
    parts: Vec<Part>,
    /// So many are not answered.
    open: usize,
}

#[derive(Debug)]
struct Part {
    key: Option<String>,
    outcome: Outcome,
}

#[derive(Debug)]
enum Outcome {
    Open,
    At(u64),
    /// The alarm is known to be so, from this message.
    Unchanged(u64),
    Refused(CommandError),
}

/// What a request says of its payload, if it names a source.
pub(in crate::core::server) fn payload_of(
    request: &Request<'_>,
) -> Result<Option<Payload>, Problem> {
    let Some(name) = request.query_value("as") else {
        return Ok(None);
    };
    request.check_query(&FIELDS)?;
    let source = Source::parse(&name);
    let source = source.map_err(|why| Problem::detailed(Status::BAD_REQUEST, why.0))?;
    let event = request.value("x-github-event");
    Ok(Some(Payload {
        source,
        event: event.map(Into::into),
    }))
}

impl<S: Stream> Server<S> {
    /// A payload is whole.
    pub(in crate::core::server) fn on_payload(
        &mut self,
        post: &Post,
        payload: &Payload,
        body: &[u8],
        reply: Reply,
        now: Now,
    ) -> Result<(), Problem> {
        self.chat
            .may_post(&post.owner, now)
            .map_err(CommandError::from)?;
        self.budget
            .spend(cost::of_bytes(body.len(), cost::JSON_BYTE));
        let messages = incoming::read(payload.source, payload.event.as_deref(), body);
        let messages = messages.map_err(|why| Problem::detailed(Status::BAD_REQUEST, why.0))?;
        // One was counted already.
        let more = messages.len().saturating_sub(1);
        self.chat.charge_posts(&post.owner, more, now);
        let mut gathering = Gathering {
            reply,
            room: post.room.clone(),
            parts: Vec::new(),
            open: 0,
        };
        for message in messages {
            let (key, outcome) = self.publish_incoming(post, message, &mut gathering, now);
            gathering.parts.push(Part { key, outcome });
        }
        let id = gathering.reply.id;
        if gathering.open == 0 {
            self.respond_gathered(&gathering, now);
        } else {
            self.enter(id, Phase::AwaitingStore, u64::MAX);
            self.gatherings.insert(id, gathering);
        }
        Ok(())
    }

    /// Publishes one message of a payload, unless it says what is known.
    fn publish_incoming(
        &mut self,
        post: &Post,
        message: Incoming,
        gathering: &mut Gathering,
        now: Now,
    ) -> (Option<String>, Outcome) {
        let (key, data) = match message {
            Incoming::Text(text) => (None, Data::Text(text.into())),
            Incoming::Alarm(alarm) => {
                let json = alarm.to_json();
                let is_reminder = matches!(
                    alarm.change,
                    Change::Raised {
                        is_reminder: true,
                        ..
                    }
                );
                let known = self.chat.find(&post.room).and_then(|room| {
                    self.chat
                        .known_alarm(room, &alarm.key, json.as_bytes(), is_reminder)
                });
                if let Some(offset) = known {
                    return (Some(alarm.key), Outcome::Unchanged(offset));
                }
                (Some(alarm.key), Data::Json(json))
            }
        };
        let publish = Publish {
            room: post.room.as_str().into(),
            data,
            retain: key.is_some(),
            key: key.as_deref().map(Into::into),
            ephemeral: false,
            dedup: post.dedup.as_deref().map(Into::into),
            condition: None,
            freshness: Default::default(),
        };
        let sender = sender_of_post(post);
        let publisher = Publisher {
            author: &post.author,
            sender: &sender,
            owner: &post.owner,
        };
        let outcome = match self.publish(&post.room, &publish, publisher, now) {
            Ok((_, Submitted::Published(offset))) => Outcome::At(offset.unwrap_or(0)),
            Ok((_, Submitted::Waiting(ticket))) => {
                let (id, place) = (gathering.reply.id, gathering.parts.len());
                self.waiting
                    .tell(ticket, ReplyTo::Part { id, place }, now.ms);
                gathering.open += 1;
                Outcome::Open
            }
            Err(failure) => Outcome::Refused(failure),
        };
        if let Some(connection) = self.get_mut(gathering.reply.id) {
            connection.traffic.messages_in += 1;
            self.counters.traffic.messages_in += 1;
        }
        (key, outcome)
    }

    /// One of the messages of a payload is published, or is not.
    pub(in crate::core::server) fn on_gathered(
        &mut self,
        (id, place): (ConnectionId, usize),
        outcome: Result<u64, PublishError>,
        now: Now,
    ) {
        let Some(gathering) = self.gatherings.get_mut(&id) else {
            return;
        };
        gathering.parts[place].outcome = match outcome {
            Ok(offset) => Outcome::At(offset),
            Err(refusal) => Outcome::Refused(refusal.into()),
        };
        gathering.open -= 1;
        if gathering.open == 0
            && let Some(gathering) = self.gatherings.remove(&id)
        {
            self.respond_gathered(&gathering, now);
        }
    }

    /// Names each message. If one was refused, that is the answer: whoever sends it again changes nothing of the others that are
    /// alarms.
    fn respond_gathered(&mut self, gathering: &Gathering, now: Now) {
        let parts: Vec<_> = gathering.parts.iter().map(Part::to_json).collect();
        let messages = json!(parts).to_string();
        let refused = gathering.parts.iter().find_map(|part| match &part.outcome {
            Outcome::Refused(failure) => Some(failure.clone()),
            _ => None,
        });
        if let Some(failure) = refused {
            let problem = Problem {
                extension: Some(("messages", messages.into())),
                ..failure.into()
            };
            return self.respond_problem(&problem, &gathering.reply, now);
        }
        // A room's name holds nothing that JSON would have to escape.
        let mut json = format!("{{\"room\":\"{}\"", gathering.room.as_str());
        if let Some(room) = self.chat.find(&gathering.room) {
            // Writing to a String does not fail.
            let _ = write!(json, ",\"epoch\":\"{}\"", Epoch(self.chat.epoch(room)));
        }
        let _ = writeln!(json, ",\"messages\":{messages}}}");
        self.respond_json(&json, &gathering.reply, now);
    }
}

impl Part {
    fn to_json(&self) -> serde_json::Value {
        let mut json = match &self.outcome {
            Outcome::Open => json!({}),
            Outcome::At(offset) => json!({ "offset": offset }),
            Outcome::Unchanged(offset) => json!({ "offset": offset, "unchanged": true }),
            Outcome::Refused(failure) => json!({ "code": failure.code, "detail": failure.message }),
        };
        if let Some(key) = &self.key {
            json["key"] = key.as_str().into();
        }
        json
    }
}
