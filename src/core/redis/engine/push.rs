//! Push as all nodes know it: what this node has changed is kept in Redis, and what others have changed is told to its server.

use crate::codec::resp::Reply;
use crate::core::redis::engine::push_state::{Asked, Heard, Reading, Unkept};
use crate::core::redis::engine::{Engine, Order, Output, Purpose};
use crate::core::redis::links::Command;
use crate::core::redis::people;
use crate::core::redis::pushed::{self, CHANNEL, Kept, Kind, Name, Page, Version};
use crate::core::store::{PushNews, PushRequest};
use crate::limits::{
    ASK_AGAIN_MS, CHANNEL_LATE_MS, COMPARE_MS, MAX_PUSH_UNKEPT, PUSH_KEPT_AT_ONCE,
};

impl Engine {
    pub(super) fn on_push(&mut self, request: PushRequest) {
        let (name, text, is_back) = match request {
            PushRequest::Begin => return self.begin_push(),
            PushRequest::Keep { number, text } => (pushed::number_name(number), Some(text), false),
            PushRequest::PutBack { number, text } => {
                (pushed::number_name(number), Some(text), true)
            }
            PushRequest::Forget { number } => (pushed::number_name(number), None, false),
            PushRequest::Told { room, key, text } => (pushed::alarm_name(&room, &key), text, false),
        };
        let push = &mut self.pushed;
        let is_full = push.unkept.len() >= MAX_PUSH_UNKEPT && name.0 == Kind::Told;
        if is_full && !push.unkept.contains_key(&name) {
            return;
        }
        push.serial += 1;
        let serial = push.serial;
        let unkept = Unkept {
            text,
            is_back,
            serial,
        };
        push.unkept.insert(name, unkept);
        self.keep_push();
    }

    fn begin_push(&mut self) {
        if !std::mem::replace(&mut self.pushed.is_on, true) {
            let (slot, channel) = (people::slot(), CHANNEL.into());
            self.orders.push_back(Order::Subscribe { slot, channel });
        }
    }

    /// From here on nothing is missed on the channel.
    pub(super) fn on_push_heard(&mut self) {
        self.pushed.is_heard = true;
        self.look_at_push();
        self.keep_push();
    }

    fn look_at_push(&mut self) {
        match self.pushed.known.is_some() && !self.pushed.has_gap {
            true => self.compare_push(),
            false => self.read_push(),
        }
    }

    pub(super) fn on_push_silence(&mut self) {
        let push = &mut self.pushed;
        push.is_heard = false;
        push.compare_ms = None;
        push.reading = None;
        self.tell_push_away(true);
    }

    /// When something is due.
    pub(super) fn next_push_ms(&self) -> Option<u64> {
        let due_ms = [self.pushed.compare_ms, self.pushed.again_ms];
        due_ms.into_iter().flatten().min()
    }

    /// Does what is due.
    pub(super) fn look_after_push(&mut self) {
        let is_due = |at: Option<u64>| at.is_some_and(|at| at <= self.now_ms);
        let (compares, sends_again) =
            (is_due(self.pushed.compare_ms), is_due(self.pushed.again_ms));
        if compares {
            self.pushed.compare_ms = None;
            if self.pushed.is_heard {
                self.look_at_push();
            }
        }
        if sends_again {
            self.pushed.again_ms = None;
            self.keep_push();
        }
    }

    fn ask_push(&mut self, asked: Asked, command: Command) {
        self.send(people::slot(), Purpose::Push(asked), command);
    }

    fn compare_push(&mut self) {
        self.pushed.compare_ms = Some(self.now_ms + COMPARE_MS);
        let known = self.pushed.known.as_ref().map_or(0, |it| it.number);
        self.ask_push(Asked::Compare { known }, pushed::compare());
    }

    /// Reads all that is kept.
    fn read_push(&mut self) {
        let push = &mut self.pushed;
        push.readings += 1;
        push.has_gap = true;
        push.missed = None;
        push.compare_ms = None;
        let reading = push.readings;
        push.reading = Some(Reading {
            number: reading,
            kind: Kind::Subscription,
            from: None,
            heard: Heard::default(),
        });
        self.push_news(PushNews::Begun);
        let command = pushed::page(Kind::Subscription, "0");
        self.ask_push(Asked::Page { reading }, command);
    }

    /// Sends what is to be kept, some of it at a time.
    fn keep_push(&mut self) {
        let push = &self.pushed;
        if !push.is_heard || push.again_ms.is_some() {
            return;
        }
        let place = PUSH_KEPT_AT_ONCE.saturating_sub(push.sent.len());
        let names = push.unkept.keys().filter(|it| !push.sent.contains(*it));
        let names: Vec<Name> = names.take(place).cloned().collect();
        for name in names {
            let fresh = self.fresh_epoch();
            let Some(it) = self.pushed.unkept.get(&name) else {
                continue;
            };
            let serial = it.serial;
            let content = (it.text.as_deref(), it.is_back);
            let command = pushed::keep(&name, content, fresh, self.is_sharded);
            self.pushed.sent.insert(name.clone());
            self.ask_push(Asked::Keep { name, serial }, command);
        }
    }

    pub(super) fn on_push_reply(&mut self, asked: Asked, reply: &Reply) {
        match &asked {
            Asked::Keep { name, serial } => match pushed::kept(reply) {
                Some(kept) => self.on_push_kept(name, *serial, kept),
                None => {
                    self.complain("keep something of push", reply);
                    self.on_push_failed(asked);
                }
            },
            Asked::Page { reading } => {
                let is_awaited = |it: &Reading| it.number == *reading;
                if !self.pushed.reading.as_ref().is_some_and(is_awaited) {
                    return;
                }
                match pushed::read(reply) {
                    Some(page) => self.on_push_page(page),
                    None => {
                        self.complain("give what is kept of push", reply);
                        self.on_push_failed(asked);
                    }
                }
            }
            Asked::Compare { known } => match pushed::compared(reply) {
                Some(there) => self.on_push_compared(there, *known),
                None => self.complain("say the version of push", reply),
            },
        }
    }

    /// Something was not answered: it is asked again.
    pub(super) fn on_push_failed(&mut self, asked: Asked) {
        let again_ms = self.now_ms + ASK_AGAIN_MS;
        match asked {
            Asked::Keep { name, .. } => {
                self.pushed.sent.remove(&name);
                self.pushed.again_ms = Some(again_ms);
                self.tell_push_away(true);
            }
            Asked::Page { reading } => {
                if self
                    .pushed
                    .reading
                    .take_if(|it| it.number == reading)
                    .is_some()
                {
                    self.pushed.compare_ms = Some(again_ms);
                }
            }
            Asked::Compare { .. } => self.pushed.compare_ms = Some(again_ms),
        }
    }

    fn on_push_kept(&mut self, name: &Name, serial: u64, kept: Kept) {
        self.pushed.sent.remove(name);
        if self.pushed.is_heard && !self.pushed.has_gap {
            self.tell_push_away(false);
        }
        let is_last = |it: &Unkept| it.serial == serial;
        if self.pushed.unkept.get(name).is_some_and(is_last) {
            self.pushed.unkept.remove(name);
            if kept == Kept::Full {
                log::warn!("there is no place in Redis for one more push subscription");
            }
            if kept != Kept::Yes
                && let Ok(number) = name.1.parse()
            {
                self.push_news(PushNews::Forgotten { number });
            }
            if self.pushed.unkept.is_empty() {
                self.push_news(PushNews::Written);
            }
        }
        self.keep_push();
    }

    /// `asked_at`: what was known when it was asked for.
    fn on_push_compared(&mut self, there: Version, asked_at: u64) {
        let push = &mut self.pushed;
        let Some(known) = push.known.as_ref().filter(|_| !push.has_gap) else {
            return;
        };
        // Less is there than was.
        let is_lost = known.epoch != there.epoch || there.number < asked_at;
        if !is_lost && known.number >= there.number {
            push.missed = None;
            self.tell_push_away(false);
        } else if !is_lost && push.missed.is_none() {
            // It may be on its way.
            push.missed = Some(there);
            push.compare_ms = Some(self.now_ms + CHANNEL_LATE_MS);
        } else if !is_lost
            && push
                .missed
                .take_if(|it| known.number >= it.number)
                .is_some()
        {
            // What was missed has come, and more is on its way.
            push.compare_ms = Some(self.now_ms + CHANNEL_LATE_MS);
        } else {
            self.read_push();
        }
    }

    fn on_push_page(&mut self, page: Page) {
        let Some(reading) = &mut self.pushed.reading else {
            return;
        };
        let kind = reading.kind;
        let from = reading.from.get_or_insert_with(|| page.version.clone());
        if from.epoch != page.version.epoch {
            // It was lost meanwhile.
            return self.read_push();
        }
        let is_last = page.is_last();
        for (name, content) in page.entries {
            let name = (kind, name);
            if !self.is_push_newer(&name, &page.version) {
                self.tell_push(&name, &content);
            }
        }
        let Some(reading) = &mut self.pushed.reading else {
            return;
        };
        let (kind, after) = match (kind, is_last) {
            (kind, false) => (kind, &*page.after),
            (Kind::Subscription, true) => (Kind::Told, "0"),
            (Kind::Told, true) => return self.end_reading_push(),
        };
        reading.kind = kind;
        let reading = reading.number;
        self.ask_push(Asked::Page { reading }, pushed::page(kind, after));
    }

    /// Whether something newer is known than what was read at a version.
    fn is_push_newer(&self, name: &Name, read_at: &Version) -> bool {
        let unkept = self.pushed.unkept.get(name);
        let reading = self.pushed.reading.as_ref();
        unkept.is_some_and(|it| !it.is_back)
            || reading.is_some_and(|it| it.heard.is_backer(name, read_at))
    }

    fn end_reading_push(&mut self) {
        let push = &mut self.pushed;
        let Some(Reading { from, heard, .. }) = push.reading.take() else {
            return;
        };
        let Some(known) = heard.end(from.unwrap_or_default()) else {
            return self.read_push();
        };
        let before = push.known.as_ref();
        let is_other = before.is_none_or(|it| it.epoch != known.epoch || it.number > known.number);
        push.known = Some(known);
        (push.has_gap, push.is_away) = (false, false);
        push.compare_ms = Some(self.now_ms + COMPARE_MS);
        self.push_news(PushNews::Known { is_other });
    }

    /// Something is another now.
    pub(super) fn on_push_said(
        &mut self,
        (version, kind): (Version, &str),
        name_bytes: usize,
        bytes: &[u8],
    ) {
        let Some(kind) = Kind::parse(kind) else {
            return;
        };
        let both = str::from_utf8(bytes).ok();
        let Some((name, content)) = both.and_then(|it| it.split_at_checked(name_bytes)) else {
            return;
        };
        let name: Name = (kind, name.into());
        let push = &mut self.pushed;
        if let Some(reading) = &mut push.reading {
            reading.heard.add(version, name.clone());
            return self.tell_push_unless_unkept(&name, content);
        }
        let Some(known) = push.known.as_mut().filter(|_| !push.has_gap) else {
            return;
        };
        let is_same = known.epoch == version.epoch;
        if is_same && version.number == known.number + 1 {
            known.number = version.number;
            self.tell_push_unless_unkept(&name, content);
        } else if !is_same || version.number > known.number {
            self.read_push();
        }
    }

    /// What this node has to say of it comes later, and holds then.
    fn tell_push_unless_unkept(&mut self, name: &Name, content: &str) {
        let unkept = self.pushed.unkept.get(name);
        if name.0 == Kind::Told || unkept.is_none_or(|it| it.is_back) {
            self.tell_push(name, content);
        }
    }

    fn tell_push(&mut self, (kind, name): &Name, content: &str) {
        let news = match (kind, content) {
            (Kind::Subscription, content) => {
                let Ok(number) = name.parse() else {
                    return;
                };
                match content {
                    "" => PushNews::Forgotten { number },
                    text => PushNews::Kept {
                        number,
                        text: text.into(),
                    },
                }
            }
            (Kind::Told, text) => {
                let Some((room, key)) = name.split_once(' ') else {
                    return;
                };
                PushNews::Told {
                    room: room.into(),
                    key: key.into(),
                    text: text.into(),
                }
            }
        };
        self.push_news(news);
    }

    /// Whether nothing can be kept for now: the server is told when that changes.
    fn tell_push_away(&mut self, is_away: bool) {
        if std::mem::replace(&mut self.pushed.is_away, is_away) != is_away {
            self.push_news(match is_away {
                true => PushNews::Away,
                false => PushNews::Back,
            });
        }
    }

    fn push_news(&mut self, news: PushNews) {
        self.outputs.push_back(Output::PushNews(news));
    }
}
