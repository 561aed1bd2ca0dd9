//! What someone at the JSON door is told.

use serde_json::Value;

use super::{Command, Person};
use crate::chat::follower::list;
use crate::chat::names::NAMES;
use crate::chat::presence::people;
use crate::chat::shadow::Shadow;
use crate::model::Checked;

impl Person {
    pub(super) fn on_event(&mut self, event: &Value, shadow: &mut Shadow) -> Checked {
        let kind = event["type"].as_str().ok_or("an event without a type")?;
        if let Some(id) = event.get("id") {
            let command = id.as_u64().and_then(|id| self.pending.remove(&id));
            let command = command.ok_or("an answer to nothing")?;
            return match kind {
                "error" => self.on_error(event, command, shadow),
                _ => self.on_answer(kind, event, command, shadow),
            };
        }
        match kind {
            "welcome" => self.on_welcome(event, shadow),
            "joined" => match self.entered.take() {
                Some((room, asked)) => self.on_joined(room, &asked, event, shadow),
                None => {
                    let room = self.room_of(event)?;
                    self.seats[room].presence.on_joined(event)?;
                    self.seats[room].follower.on_caught_up(event, shadow)
                }
            },
            "message" if event.get("ephemeral").is_some() => self.on_ephemeral(event, shadow),
            "message" => {
                let room = self.room_of(event)?;
                self.seats[room].follower.on_message(event, shadow)
            }
            "gap" => {
                let room = self.room_of(event)?;
                self.seats[room].follower.on_gap(event, shadow)
            }
            "presence" => self.on_presence(event, shadow),
            "direct" => self.on_direct(event, shadow),
            "ping" => {
                self.send_pong(shadow);
                Ok(())
            }
            // The answer to a ping counts like other commands.
            "error" if event["code"] == "rate_limited" => Ok(()),
            "bye" => Ok(()),
            _ => Err("an event that is none".to_owned()),
        }
    }

    /// The first one of a connection: a guest, who may want to be who they were.
    fn on_welcome(&mut self, event: &Value, shadow: &mut Shadow) -> Checked {
        if std::mem::replace(&mut self.is_welcome, true) {
            return Err("welcome twice".to_owned());
        }
        let wants_more = self
            .pending
            .values()
            .any(|it| matches!(it, Command::Resume));
        if !wants_more && self.token(shadow).is_none() {
            self.become_one(event, shadow)?;
        }
        Ok(())
    }

    /// From now on they are the one of this welcome.
    fn become_one(&mut self, event: &Value, shadow: &mut Shadow) -> Checked {
        let (id, token) = (event["you"]["id"].as_str(), event["resume"].as_str());
        let (id, token) = id.zip(token).ok_or("a welcome for nobody")?;
        if let Some(before) = self.id.replace(id.to_owned()).filter(|before| before != id) {
            shadow.departed.insert(before);
        }
        shadow.tokens[self.place] = Some(token.to_owned());
        shadow.owners.insert(token.to_owned(), id.to_owned());
        if let Some(life) = self.life.filter(|_| !self.is_leaving) {
            shadow.names.on_here(id, life);
        }
        self.is_resumed = true;
        Ok(())
    }

    fn on_answer(
        &mut self,
        kind: &str,
        event: &Value,
        command: Command,
        shadow: &mut Shadow,
    ) -> Checked {
        match (command, kind) {
            (Command::Resume, "welcome") => {
                if let (Some(id), None) = (&self.id, self.twin_of)
                    && event["you"]["id"] != **id
                {
                    return Err(format!("{id} has become someone else"));
                }
                self.become_one(event, shadow)
            }
            (Command::Rename { name, id }, "welcome") => {
                if event["you"]["name"] != NAMES[name].0 || event["you"]["id"] != *id {
                    return Err(format!("{id} asked for {:?}", NAMES[name]));
                }
                shadow.names.on_answered(&id, name, true, shadow.now)
            }
            (Command::Join { room, asked }, "joined") => {
                self.on_joined(room, &asked, event, shadow)
            }
            (Command::Leave { room }, "ok") => {
                let follower = &mut self.seats[room].follower;
                if !follower.is_in {
                    return Err(format!("room {room} was left twice"));
                }
                follower.end_gap(shadow);
                follower.go_out();
                shadow.departed.extend(self.id.clone());
                Ok(())
            }
            (Command::Publish { draft }, "ok") => {
                self.unconfirmed.remove(&draft);
                let is_one =
                    shadow.is_witnessed && shadow.plan.has_witness(shadow.log.drafts[draft].room);
                let offset = event.get("offset").and_then(Value::as_u64);
                shadow.log.on_answer(draft, offset, is_one, shadow.now)
            }
            (Command::Direct { direct }, "ok") => self
                .directs_seen
                .contains(&direct)
                .then_some(())
                .ok_or_else(|| format!("the sender has not seen direct {direct}")),
            (
                Command::History {
                    room,
                    before,
                    limit,
                },
                "history",
            ) => self.on_history(room, before, limit, event, shadow),
            (Command::Members { room, is_quiet }, "members") => {
                let members = people(list(event, "members")?)?;
                let seat = &self.seats[room];
                let is_sure = !shadow.plan.conflates(room) || !shadow.plan.has_tight_queues;
                if is_quiet && seat.follower.is_in && is_sure && members != seat.presence.people {
                    return Err(format!(
                        "{members:?} are here, known are {:?}",
                        seat.presence
                    ));
                }
                Ok(())
            }
            (Command::Rooms, "rooms") | (Command::Ping, "pong") => Ok(()),
            (command, _) => Err(format!("this answers {command:?}")),
        }
    }

    fn on_error(&mut self, event: &Value, command: Command, shadow: &mut Shadow) -> Checked {
        let code = event["code"].as_str().unwrap_or_default();
        match (command, code) {
            (command, "rate_limited") if shadow.plan.limits.rate > 0 => {
                self.not_before_ms =
                    shadow.now + event["retry_ms"].as_u64().ok_or("no retry_ms")?;
                if let Command::Rename { id, .. } = command {
                    shadow.names.on_refused(&id);
                }
                Ok(())
            }
            (Command::Rename { name, id }, "name_taken") => {
                shadow.names.on_answered(&id, name, false, shadow.now)
            }
            (Command::Resume, "bad_resume") => self.on_bad_resume(shadow),
            (Command::Leave { room }, "not_joined") if !self.seats[room].follower.is_in => Ok(()),
            (Command::Direct { .. }, "no_such_user" | "busy") => Ok(()),
            (Command::Publish { draft }, "too_many_keys") if !shadow.plan.remembers_exactly => {
                self.unconfirmed.remove(&draft);
                Ok(())
            }
            (command, _) => Err(format!("this answers {command:?}")),
        }
    }

    /// They have been away for too long: someone new, who starts with nothing to send again.
    fn on_bad_resume(&mut self, shadow: &mut Shadow) -> Checked {
        self.twin_of = None;
        shadow.tokens[self.place] = None;
        self.id = None;
        self.unconfirmed.clear();
        self.log_in_as_guest(shadow);
        Ok(())
    }

    fn on_joined(
        &mut self,
        room: usize,
        asked: &super::Asked,
        event: &Value,
        shadow: &mut Shadow,
    ) -> Checked {
        let seat = &mut self.seats[room];
        seat.follower.on_joined(event, asked, shadow)?;
        seat.presence.on_joined(event)
    }

    fn on_ephemeral(&mut self, event: &Value, shadow: &mut Shadow) -> Checked {
        let room = self.room_of(event)?;
        let follower = &mut self.seats[room].follower;
        if !follower.is_in || event.get("offset").is_some() {
            return Err("an ephemeral message with a place".to_owned());
        }
        follower.end_gap(shadow);
        let mut event = event.clone();
        event.as_object_mut().map(|fields| fields.remove("type"));
        shadow.log.check_content(room, &event).map(drop)
    }

    fn on_presence(&mut self, event: &Value, shadow: &mut Shadow) -> Checked {
        let room = self.room_of(event)?;
        let seat = &mut self.seats[room];
        if !seat.follower.is_in {
            return Err("presence in a room that one is not in".to_owned());
        }
        seat.follower.end_gap(shadow);
        let result = seat.presence.on_event(event, &shadow.departed);
        // Who misses messages may miss who came and went.
        if shadow.plan.conflates(room) {
            Ok(())
        } else {
            result
        }
    }

    fn on_direct(&mut self, event: &Value, shadow: &mut Shadow) -> Checked {
        let direct = event["data"]["d"]
            .as_u64()
            .ok_or("a direct message nobody sent")? as usize;
        let asked = shadow
            .directs
            .get(direct)
            .ok_or("a direct message nobody sent")?;
        let fold = |name: &str| {
            NAMES
                .iter()
                .find(|(it, _)| *it == name)
                .map(|(_, fold)| *fold)
        };
        let to = event["to"]["name"].as_str().and_then(fold);
        if to.is_none() || to != fold(asked) {
            return Err(format!("it was sent to {asked}"));
        }
        let is_theirs = [&event["to"]["id"], &event["from"]["id"]]
            .iter()
            .any(|id| Some(id.as_str()) == Some(self.id.as_deref()));
        if !is_theirs {
            return Err(format!("told to {:?}", self.id));
        }
        self.directs_seen
            .insert(direct)
            .then_some(())
            .ok_or_else(|| "a direct message twice".to_owned())
    }

    fn on_history(
        &mut self,
        room: usize,
        before: Option<u64>,
        limit: usize,
        event: &Value,
        shadow: &mut Shadow,
    ) -> Checked {
        let epoch = event["epoch"].as_str().ok_or("no epoch")?;
        let messages = list(event, "messages")?;
        let mut offsets = Vec::new();
        for message in messages {
            offsets.push(shadow.see(room, epoch, message)?);
        }
        let (Some(&first), Some(&last)) = (offsets.first(), offsets.last()) else {
            return Ok(());
        };
        let limits = &shadow.plan.limits;
        // What nobody has seen yet may have taken the place of the oldest.
        let is_whole = shadow.plan.remembers_exactly
            && limits.history_time.ms().is_none()
            && shadow.log.count_drafts(room) < limits.history;
        // Of one key some may be forgotten, and none of another.
        let is_run = offsets.len() <= limit
            && offsets.is_sorted_by(|one, other| one < other)
            && (!is_whole || offsets.iter().copied().eq(first..=last));
        let is_right = before.is_none_or(|before| last < before)
            && (!is_whole || event["more"] == (first > 1))
            && (!is_whole || event["more"] == false || offsets.len() == limit);
        (is_run && is_right)
            .then_some(())
            .ok_or_else(|| format!("{offsets:?}, asked for {limit} before {before:?}"))
    }

    fn room_of(&self, event: &Value) -> Checked<usize> {
        let name = event["room"].as_str().ok_or("no room")?;
        let room = name
            .strip_prefix("room-")
            .and_then(|room| room.parse().ok());
        room.filter(|room| *room < self.seats.len())
            .ok_or_else(|| format!("the room {name}"))
    }
}
