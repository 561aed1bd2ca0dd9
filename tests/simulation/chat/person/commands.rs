//! What someone at the JSON door says.

use data_encoding::BASE64;
use serde_json::{Value, json};

use super::{Command, Person, Role};
use crate::chat::follower::Asked;
use crate::chat::log::Draft;
use crate::chat::names::NAMES;
use crate::chat::plan::{KEYS, room_name};
use crate::chat::shadow::Shadow;
use crate::units;

impl Person {
    /// Does what is to be done on a new connection: to be who one was, to come back to one's rooms, and to send again
    /// what was not answered.
    pub(super) fn keep_up(&mut self, shadow: &mut Shadow) {
        if shadow.now < self.not_before_ms || !(self.is_welcome || self.is_eager) {
            return;
        }
        if self.has_to_wait(shadow) {
            return;
        }
        let is_pending =
            |this: &Self, wanted: fn(&Command) -> bool| this.pending.values().any(wanted);
        if !self.is_resumed && !is_pending(self, |it| matches!(it, Command::Resume)) {
            // Without a secret they are the guest of the first welcome.
            if let Some(token) = self.token(shadow) {
                // They come with the answer, and are gone again if it is lost on its way.
                shadow.departed.extend(shadow.owners.get(&token).cloned());
                let login = json!({"type": "login", "resume": token});
                self.send(login, Command::Resume, shadow);
            } else if self.is_welcome {
                self.log_in_as_guest(shadow);
            }
        }
        for room in 0..self.seats.len() {
            let joins = |it: &Command| matches!(it, Command::Join { room: other, .. } | Command::Leave { room: other } if *other == room);
            let enters = self
                .entered
                .as_ref()
                .is_some_and(|(other, _)| *other == room);
            let seat = &self.seats[room];
            if seat.is_wanted
                && !seat.follower.is_in
                && !enters
                && !self.has_to_wait(shadow)
                && !self.pending.values().any(joins)
            {
                self.join(room, shadow);
            }
        }
        if self.is_resumed {
            for draft in self.unconfirmed.clone() {
                let is_it = |it: &Command| matches!(it, Command::Publish { draft: other } if *other == draft);
                if !self.pending.values().any(is_it) && !self.has_to_wait(shadow) {
                    self.publish(draft, shadow);
                }
            }
        }
        if std::mem::take(&mut self.asks_members) {
            for room in 0..self.seats.len() {
                self.ask_members_of(room, true, shadow);
            }
        }
    }

    /// What is answered all at once may be too much for a short queue, again and again.
    fn has_to_wait(&self, shadow: &Shadow) -> bool {
        shadow.lines.hurries && shadow.plan.has_tight_queues && !self.pending.is_empty()
    }

    /// The secret of who they were, or are to be.
    pub(super) fn token(&self, shadow: &Shadow) -> Option<String> {
        let twin = self.twin_of.and_then(|twin| shadow.tokens[twin].clone());
        shadow.tokens[self.place].clone().or(twin)
    }

    /// A login with nothing in it changes nothing, and tells who they are.
    pub(super) fn log_in_as_guest(&mut self, shadow: &mut Shadow) {
        self.send(json!({"type": "login"}), Command::Resume, shadow);
    }

    fn join(&mut self, room: usize, shadow: &mut Shadow) {
        let follower = &self.seats[room].follower;
        let last = match self.role {
            Role::Witness => Some(300),
            _ => self.random.pick(&[None, None, Some(0), Some(4), Some(300)]),
        };
        let since = follower.position.clone();
        let since = since.filter(|_| !follower.is_in || self.random.chance(500));
        let asked = Asked {
            last: last.unwrap_or(if since.is_some() { 100 } else { 0 }),
            since: since.clone(),
            sent_ms: shadow.now,
        };
        let mut join = json!({"type": "join", "room": room_name(room)});
        if let Some((epoch, offset)) = since {
            join["since"] = json!({"epoch": epoch, "offset": offset});
        }
        if let Some(last) = last {
            join["last"] = last.into();
        }
        self.send(join, Command::Join { room, asked }, shadow);
    }

    fn ask_members_of(&mut self, room: usize, is_quiet: bool, shadow: &mut Shadow) {
        let members = json!({"type": "members", "room": room_name(room)});
        self.send(members, Command::Members { room, is_quiet }, shadow);
    }

    /// Says something new.
    pub(super) fn speak(&mut self, shadow: &mut Shadow) {
        if !self.is_resumed || shadow.now < self.not_before_ms {
            return;
        }
        let room = self.random.below(self.seats.len());
        // What comes and goes is asked for once at a time: so what is known of it is certain.
        let is_free = self.pending.is_empty() && self.entered.is_none();
        match self.random.below(100) {
            0..=4 if is_free => {
                let is_in = self.seats[room].follower.is_in;
                self.seats[room].is_wanted = false;
                if is_in || self.random.chance(100) {
                    shadow.departed.extend(self.id.clone());
                    let leave = json!({"type": "leave", "room": room_name(room)});
                    self.send(leave, Command::Leave { room }, shadow);
                }
            }
            5..=12 => self.seats[room].is_wanted = true,
            13..=15 if is_free => self.join_again(room, shadow),
            16..=19 => self.rename(shadow),
            20..=23 => self.say_directly(shadow),
            24..=27 => self.look_back(room, shadow),
            28 => self.ask_members_of(room, false, shadow),
            29 => self.send(json!({"type": "rooms"}), Command::Rooms, shadow),
            30 => self.send(json!({"type": "ping"}), Command::Ping, shadow),
            _ => {
                for _ in 0..self.random.pick(&[1, 1, 1, 2, 8]) {
                    self.say_something(room, shadow);
                }
            }
        }
    }

    fn join_again(&mut self, room: usize, shadow: &mut Shadow) {
        if self.seats[room].follower.is_in {
            self.join(room, shadow);
        }
    }

    fn rename(&mut self, shadow: &mut Shadow) {
        let Some(id) = self.id.clone() else { return };
        let name = self.random.below(NAMES.len());
        shadow.names.on_asked(&id, name);
        shadow.departed.insert(id.clone());
        let login = json!({"type": "login", "name": NAMES[name].0});
        self.send(login, Command::Rename { name, id }, shadow);
    }

    fn say_directly(&mut self, shadow: &mut Shadow) {
        let name = self.random.pick(&NAMES).0;
        let direct = shadow.directs.len();
        shadow.directs.push(name.to_owned());
        let command = json!({"type": "direct", "to": name, "data": {"d": direct}});
        self.send(command, Command::Direct { direct }, shadow);
    }

    fn look_back(&mut self, room: usize, shadow: &mut Shadow) {
        let known = self.seats[room]
            .follower
            .position
            .as_ref()
            .map_or(1, |(_, last)| *last);
        let before = self
            .random
            .chance(600)
            .then(|| 1 + self.random.below(known as usize + 1) as u64);
        let limit = self.random.between(1, 20);
        let mut history = json!({"type": "history", "room": room_name(room), "limit": limit});
        if let Some(before) = before {
            history["before"] = before.into();
        }
        self.send(
            history,
            Command::History {
                room,
                before,
                limit,
            },
            shadow,
        );
    }

    fn say_something(&mut self, room: usize, shadow: &mut Shadow) {
        let index = shadow.log.drafts.len();
        let length = self.random.pick(&[0, 5, 20, 20, 200, 700]);
        let filler = "茶é-".chars().cycle().take(self.random.below(length + 1));
        let filler: String = filler.collect();
        let (mut data, mut binary) = (None, None);
        match self.random.below(10) {
            0..=5 => data = Some(Value::String(format!("{index}|{filler}"))),
            6..=7 => data = Some(json!({"f": filler, "n": index})),
            _ => binary = Some(BASE64.encode(format!("{index}|{filler}").as_bytes())),
        }
        let key = self
            .random
            .chance(400)
            .then(|| self.random.pick(&KEYS).to_owned());
        let retain = key.is_some() && self.random.chance(600);
        let ephemeral = key.is_none() && self.random.chance(150);
        if retain && self.random.chance(200) {
            (data, binary) = (Some(Value::Null), None);
        }
        let dedup = self.random.chance(600);
        shadow.compose(Draft {
            room,
            data,
            binary,
            key,
            retain,
            ephemeral,
            dedup,
            sent_ms: shadow.now,
            answer: None,
            offsets: Default::default(),
        });
        if dedup && !ephemeral {
            self.unconfirmed.insert(index);
        }
        self.publish(index, shadow);
        if dedup && !ephemeral && self.random.chance(200) {
            // Once more, at once.
            self.publish(index, shadow);
        }
    }

    fn publish(&mut self, index: usize, shadow: &mut Shadow) {
        let draft = &shadow.log.drafts[index];
        let mut publish = json!({"type": "publish", "room": room_name(draft.room)});
        let fields = [
            ("data", draft.data.clone()),
            ("binary", draft.binary.clone().map(Value::from)),
            ("key", draft.key.clone().map(Value::from)),
            ("retain", draft.retain.then_some(Value::Bool(true))),
            ("ephemeral", draft.ephemeral.then_some(Value::Bool(true))),
            ("dedup", draft.dedup.then(|| format!("d{index}").into())),
        ];
        for (name, value) in fields {
            if let Some(value) = value {
                publish[name] = value;
            }
        }
        self.send(publish, Command::Publish { draft: index }, shadow);
    }

    pub(super) fn send(&mut self, mut json: Value, command: Command, shadow: &mut Shadow) {
        let Some(life) = self.life else { return };
        json["id"] = self.next_command.into();
        self.pending.insert(self.next_command, command);
        self.next_command += 1;
        shadow.note(|| format!("place {}, life {life}, says {json}", self.place));
        let is_deflated = self.reader.is_deflated() && self.random.chance(500);
        let text = json.to_string();
        let frame = units::message_frame(is_deflated, 1, text.as_bytes(), &mut self.random);
        shadow.lines.all[life].send(&frame);
    }

    /// The answer to a ping that scripts see.
    pub(super) fn send_pong(&mut self, shadow: &mut Shadow) {
        let Some(life) = self.life else { return };
        let frame = units::frame(true, 1, br#"{"type":"pong"}"#, &mut self.random);
        shadow.lines.all[life].send(&frame);
    }
}
