//! What has to be asked about rooms, and the answers.

use std::rc::Rc;

use crate::codec::resp::Reply;
use crate::core::redis::command::{self, Loaded};
use crate::core::redis::engine::{Engine, Output, Purpose};
use crate::core::redis::entry;
use crate::core::redis::room::{Follower, Position, Step, own_among};
use crate::core::store::{Answer, News, Ticket};
use crate::limits::{ASK_AGAIN_MS, COMPARE_MS, READ_AT_ONCE};

impl Engine {
    /// The server wants a room, and is told from then on what is published there.
    pub(super) fn load(&mut self, ticket: Ticket, room: Box<str>, is_up: bool) {
        let is_new = !self.rooms.contains_key(&room);
        let follower = self.rooms.entry(room.clone()).or_insert_with(Follower::new);
        follower.loads += 1;
        let before = follower.loading.replace(ticket);
        // The server may have had it, and forgotten it.
        let position = follower.position();
        let untold = follower.restart();
        self.settle_untold(&untold, position);
        if let Some(before) = before {
            self.refuse(before);
        }
        if is_new {
            self.enter_partition(&room);
        }
        if self.is_heard(&room) {
            self.to_ask.insert(room);
        } else if !is_up {
            self.refuse_load(&room);
        }
    }

    pub(super) fn refuse_load(&mut self, room: &str) {
        let follower = self.rooms.get_mut(room);
        if let Some(ticket) = follower.and_then(|it| it.loading.take()) {
            self.refuse(ticket);
        }
    }

    /// Asks what has to be asked about a room, if its channel is heard.
    pub(super) fn ask(&mut self, room: &str) {
        if !self.is_heard(room) {
            return;
        }
        let Some(step) = self.rooms.get(room).and_then(Follower::next_step) else {
            return self.publish_parked(room);
        };
        let fresh = self.fresh_epoch();
        let limits = Rc::clone(&self.limits);
        let purpose = match step {
            Step::Load { .. } => Purpose::Load(room.into()),
            Step::Compare => Purpose::Compare(room.into()),
            Step::Fill { .. } => Purpose::Fill(room.into()),
        };
        let token = self.send_of(room, purpose, |at| match step {
            Step::Load { known } => at.load(known, fresh, &limits),
            Step::Compare => at.compare(),
            Step::Fill { after } => at.fill(after),
        });
        if let Some(follower) = self.rooms.get_mut(room) {
            follower.on_asked(token);
        }
    }

    pub(super) fn on_reply(&mut self, token: u64, reply: &Reply) {
        match self.sent.remove(&token) {
            Some(Purpose::Append(ticket)) => self.on_published(ticket, reply),
            Some(Purpose::Load(room)) => self.on_loaded(&room, token, reply),
            Some(Purpose::Compare(room)) => self.on_compared(&room, token, reply),
            Some(Purpose::Fill(room)) => self.on_filled(&room, token, reply),
            Some(Purpose::Page { ticket, limit }) => self.on_page(ticket, limit, reply),
            Some(Purpose::People(question)) => self.on_people_reply(question, reply),
            Some(Purpose::Push(asked)) => self.on_push_reply(asked, reply),
            Some(Purpose::Files(asked)) => self.on_files_reply(asked, reply),
            Some(Purpose::Nothing(what)) if reply.is_error() => self.complain(what, reply),
            Some(Purpose::Nothing(_)) | None => {}
        }
    }

    /// Something was not answered.
    pub(super) fn on_failed(&mut self, token: u64) {
        match self.sent.remove(&token) {
            Some(Purpose::Append(ticket)) => self.on_publish_failed(ticket),
            Some(Purpose::Page { ticket, .. }) => self.refuse(ticket),
            Some(Purpose::Load(room)) => {
                self.refuse_load(&room);
                self.ask_again(&room, token);
            }
            Some(Purpose::Compare(room) | Purpose::Fill(room)) => self.ask_again(&room, token),
            Some(Purpose::People(question)) => self.on_people_failed(&question),
            Some(Purpose::Push(asked)) => self.on_push_failed(asked),
            Some(Purpose::Files(asked)) => self.on_files_failed(asked),
            Some(Purpose::Nothing(_)) | None => {}
        }
    }

    fn ask_again(&mut self, room: &str, token: u64) {
        if let Some(follower) = self.rooms.get_mut(room) {
            follower.take_asked(token);
            self.look_in(room, ASK_AGAIN_MS);
        }
    }

    /// The follower of a room, if this is the answer that it waits for.
    fn asker(&mut self, room: &str, token: u64) -> Option<&mut Follower> {
        let follower = self.rooms.get_mut(room)?;
        follower.take_asked(token).then_some(follower)
    }

    fn on_loaded(&mut self, room: &str, token: u64, reply: &Reply) {
        let Some(loaded) = command::loaded(reply) else {
            self.complain("give a room", reply);
            self.refuse_load(room);
            return self.ask_again(room, token);
        };
        let Some(follower) = self.asker(room, token) else {
            return;
        };
        let Loaded { contents, origins } = loaded;
        let before = follower.position();
        let loaded = Position {
            epoch: contents.epoch,
            offset: contents.offset,
        };
        let untold = follower.on_loaded(loaded);
        let loading = follower.loading.take();
        let own = contents.messages.iter().zip(origins);
        let own = own.filter_map(|(message, origin)| {
            let place = Position {
                epoch: contents.epoch,
                offset: message.offset,
            };
            Some((self.own_ticket(&origin)?, place))
        });
        let mut published = self.appends.published(room);
        published.extend(own);
        published.extend(before.iter().flat_map(|it| own_among(&untold, it.epoch)));
        let contents = Box::new(contents);
        if let Some(ticket) = loading {
            let contents = Some(contents);
            let answer = Answer::Loaded { ticket, contents };
            self.outputs.push_back(Output::Answer(answer));
        } else if before.is_some() {
            log::warn!(
                "the room {room} is loaded anew: messages were missed, or are lost in Redis"
            );
            let room = room.into();
            let news = News::Reloaded { room, contents };
            self.outputs.push_back(Output::News(news));
        }
        self.settle(published, loaded);
        self.go_on(room);
    }

    fn on_compared(&mut self, room: &str, token: u64, reply: &Reply) {
        let Ok(there) = command::compared(reply) else {
            self.complain("say where a room is", reply);
            return self.ask_again(room, token);
        };
        if let Some(follower) = self.asker(room, token) {
            follower.on_compared(there);
            self.go_on(room);
        }
    }

    fn on_filled(&mut self, room: &str, token: u64, reply: &Reply) {
        let position = self.rooms.get(room).and_then(Follower::position);
        let Some(filled) = position.and_then(|it| command::filled(reply, it.epoch)) else {
            self.complain("give messages", reply);
            return self.ask_again(room, token);
        };
        let Some(follower) = self.asker(room, token) else {
            return;
        };
        let Some(reads) = filled else {
            follower.on_compared(None);
            return self.go_on(room);
        };
        let is_end = reads.len() < READ_AT_ONCE;
        for read in reads {
            self.on_read(room, &read.place, &read.bytes);
        }
        if let Some(follower) = self.rooms.get_mut(room) {
            follower.on_read_end(is_end);
            self.go_on(room);
        }
    }

    /// Something is known of a room: what is to be asked next is asked, and in a while whether that is still so.
    fn go_on(&mut self, room: &str) {
        self.to_ask.insert(room.into());
        self.look_in(room, COMPARE_MS);
        self.on_told(room);
    }

    /// Somebody wants to know all that was published in a room until now: the log is asked whether anything was missed.
    pub(super) fn sync(&mut self, ticket: Ticket, room: &str) {
        let is_heard = self.is_heard(room);
        match self.rooms.get_mut(room).filter(|_| is_heard) {
            Some(follower) => {
                follower.suspect();
                follower.syncs.push(ticket);
                self.to_ask.insert(room.into());
            }
            None => self.refuse(ticket),
        }
    }

    /// If the server is told all of a room, who has waited for that goes on; and if Redis was away, members are told that it is
    /// there again.
    pub(super) fn on_told(&mut self, room: &str) {
        let follower = self.rooms.get_mut(room);
        let Some(follower) = follower.filter(|it| it.is_live() && !it.has_untold()) else {
            return;
        };
        let is_back = std::mem::take(&mut follower.is_paused);
        for ticket in std::mem::take(&mut follower.syncs) {
            let answer = Answer::Page {
                ticket,
                messages: Vec::new(),
                damaged: Vec::new(),
                more: false,
            };
            self.last.push_back(Output::Answer(answer));
        }
        if is_back {
            let room = room.into();
            self.last.push_back(Output::News(News::Resumed { room }));
        }
    }

    fn on_page(&mut self, ticket: Ticket, limit: usize, reply: &Reply) {
        // The epoch is not asked for: the server knows it.
        let Some(mut reads) = command::reads(reply, 0) else {
            self.complain("give messages", reply);
            return self.refuse(ticket);
        };
        let more = reads.len() > limit;
        reads.truncate(limit);
        let messages = reads.into_iter().rev().filter_map(|read| {
            let (record, _) = entry::decode(&read.bytes)?;
            Some(command::stored(&read.place, record))
        });
        let answer = Answer::Page {
            ticket,
            messages: messages.collect(),
            damaged: Vec::new(),
            more,
        };
        self.outputs.push_back(Output::Answer(answer));
    }
}
