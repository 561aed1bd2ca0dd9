//! One client: what it sends, and how the network and it treat what comes.

use std::collections::VecDeque;

use crate::habits::{Habits, Leaving, Reading, Role};
use crate::model::{Checked, Model};
use crate::random::Random;
use crate::reader::{Reader, Seen};
use crate::socket::Shared;
use crate::units::{self, Meaning};

#[derive(Debug)]
pub(crate) struct Unit {
    pub(crate) first: u64,
    pub(crate) end: u64,
    pub(crate) meaning: Meaning,
}

#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) life: usize,
    pub(crate) index: Option<usize>,
    pub(crate) link: Shared,
    pub(crate) habits: Habits,
    pub(crate) units: VecDeque<Unit>,
    pub(crate) reader: Reader,
    /// All that it has read.
    pub(crate) transcript: Vec<u8>,
    /// What it has read since the world last looked.
    pub(crate) seen: Vec<Seen>,
    random: Random,
    outgoing: VecDeque<u8>,
    produced: u64,
    asked: bool,
    is_open: bool,
    said_goodbye: bool,
    wants_end: bool,
    /// Sends, reads and answers nothing any more.
    pub(crate) is_lost: bool,
}

impl Client {
    pub(crate) fn new(life: usize, link: Shared, habits: Habits, random: Random) -> Self {
        Self {
            life,
            index: None,
            link,
            habits,
            units: VecDeque::new(),
            reader: Reader::default(),
            transcript: Vec::new(),
            seen: Vec::new(),
            random,
            outgoing: VecDeque::new(),
            produced: 0,
            asked: false,
            is_open: false,
            said_goodbye: false,
            wants_end: false,
            is_lost: false,
        }
    }

    /// One step: something new to say, perhaps, and what the network makes of it.
    pub(crate) fn act(&mut self, model: &mut Model, step: usize) {
        if self.is_lost {
            return;
        }
        if !self.said_goodbye && step >= self.habits.leave_at {
            self.leave(self.habits.leaving, model);
        }
        if !self.said_goodbye {
            self.speak(model);
        }
        self.transmit();
    }

    /// Ends in a way of its own.
    pub(crate) fn leave(&mut self, leaving: Leaving, model: &mut Model) {
        if self.is_lost || self.said_goodbye {
            return;
        }
        let can_speak = self.habits.role == Role::Member && self.asked;
        match leaving {
            Leaving::Close | Leaving::LastWords | Leaving::Violation if !can_speak => {
                self.wants_end = true;
            }
            Leaving::Close => self.say_close(),
            Leaving::LastWords => {
                self.say_message(model);
                self.say_close();
            }
            Leaving::Violation => {
                let (bytes, meaning) =
                    units::violation(model.plan.limits.max_message, &mut self.random);
                self.say(&bytes, Some(meaning));
            }
            Leaving::EndOfInput => self.wants_end = true,
            Leaving::Abort => {
                self.link.borrow_mut().close();
                self.is_lost = true;
            }
            Leaving::Reset => self.leave_by_reset(),
            Leaving::Silence => self.is_lost = true,
        }
        self.said_goodbye = true;
    }

    pub(crate) fn leave_by_reset(&mut self) {
        self.link.borrow_mut().reset();
        self.is_lost = true;
    }

    fn speak(&mut self, model: &mut Model) {
        match self.habits.role {
            Role::Loris if !self.asked => {
                self.asked = true;
                let head = units::upgrade(self.habits.room);
                let length = self.random.between(1, head.len() - 1);
                self.say(&head[..length], None);
            }
            Role::Stranger if !self.asked => {
                self.asked = true;
                let (bytes, meaning) = units::garbage(&mut self.random);
                self.reader.expect_response(false);
                self.say(&bytes, Some(meaning));
            }
            Role::Visitor => self.visit(model),
            Role::Member if self.habits.visits > 0 => self.visit(model),
            Role::Member => self.talk(model),
            Role::Loris | Role::Stranger => {}
        }
    }

    fn visit(&mut self, model: &Model) {
        // Where the server may be full, what a request is answered with depends on when it is looked at.
        let may_pipeline =
            self.habits.role == Role::Visitor && model.plan.limits.max_connections == 10_000;
        let waits = !self.reader.is_waiting();
        if !(waits || may_pipeline && self.habits.eager) || !self.random.chance(200) {
            return;
        }
        if self.habits.role == Role::Member {
            self.habits.visits -= 1;
        }
        let (bytes, meaning, is_head) = units::request(&mut self.random);
        if let Meaning::Request { closes: true, .. } = meaning {
            self.said_goodbye = true;
        }
        self.reader.expect_response(is_head);
        self.say(&bytes, Some(meaning));
    }

    fn talk(&mut self, model: &mut Model) {
        if !self.asked {
            if self.reader.is_waiting() {
                return;
            }
            self.asked = true;
            self.reader.expect_response(false);
            self.say(
                &units::upgrade(self.habits.room),
                Some(Meaning::Upgrade {
                    room: self.habits.room,
                }),
            );
        }
        if !self.is_open && !self.habits.eager {
            return;
        }
        if self.random.chance(self.habits.talk) {
            for _ in 0..self.random.between(1, self.habits.burst) {
                self.say_message(model);
            }
        }
        if self.random.chance(self.habits.ping) {
            for _ in 0..self.random.between(1, self.habits.burst) {
                let length = self.random.between(1, 125);
                let mut payload = self.random.next().to_le_bytes().repeat(16);
                payload.truncate(length.max(8));
                let bytes = units::frame(true, 9, &payload, &mut self.random);
                self.say(&bytes, Some(Meaning::Ping(payload)));
            }
        }
    }

    fn say_message(&mut self, model: &mut Model) {
        let longest = model.longest_filler();
        let length = match self.random.below(10) {
            0 => longest,
            1 => self.random.below(longest),
            _ => self.random.below(longest.min(60)),
        };
        let is_text = self.random.chance(700);
        let filler = if is_text {
            let text = "茶é-".bytes().cycle().take(length / 6 * 6);
            text.chain(std::iter::repeat_n(b'.', length % 6)).collect()
        } else {
            (0..length).map(|_| self.random.next() as u8).collect()
        };
        let message = model.compose(self.life, self.habits.room, is_text, filler);
        let fragments = if self.random.chance(200) {
            self.random.between(2, 5)
        } else {
            1
        };
        let payload = &model.messages[message].payload;
        for (bytes, meaning) in
            units::message(message, is_text, payload, fragments, &mut self.random)
        {
            self.say(&bytes, meaning);
        }
    }

    fn say_close(&mut self) {
        let code = self
            .random
            .pick(&[None, Some(1000_u16), Some(1001), Some(4000)]);
        let payload = code.map_or(Vec::new(), |code| code.to_be_bytes().to_vec());
        let bytes = units::frame(true, 8, &payload, &mut self.random);
        self.say(&bytes, Some(Meaning::Close(code)));
        self.said_goodbye = true;
    }

    fn say(&mut self, bytes: &[u8], meaning: Option<Meaning>) {
        let first = self.produced;
        self.produced += bytes.len() as u64;
        self.outgoing.extend(bytes);
        if let Some(meaning) = meaning {
            self.units.push_back(Unit {
                first,
                end: self.produced,
                meaning,
            });
        }
    }

    pub(crate) fn transmit(&mut self) {
        let mut link = self.link.borrow_mut();
        if link.dropped {
            self.outgoing.clear();
            return;
        }
        let fits = (256_usize << 10).saturating_sub(link.to_server.len());
        let count = self.outgoing.len().min(self.habits.pace).min(fits);
        if count > 0 {
            link.arrive(self.outgoing.drain(..count));
        }
        if self.wants_end && self.outgoing.is_empty() && !link.client_ended {
            link.end();
        }
    }

    /// Reads as it does.
    pub(crate) fn read(&mut self, model: &mut Model, now: u64) -> Checked {
        let most = match self.habits.reading {
            _ if self.is_lost => return Ok(()),
            Reading::Prompt => usize::MAX,
            Reading::Slow(most) if self.random.chance(400) => most,
            Reading::Slow(_) | Reading::Stalled => return Ok(()),
        };
        let bytes = self.link.borrow_mut().take(most);
        self.transcript.extend_from_slice(&bytes);
        for seen in self.reader.feed(&bytes)? {
            self.react(&seen);
            self.seen.push(seen);
            model.on_seen(self.life, &self.seen[self.seen.len() - 1], now)?;
        }
        if self.is_at_end() {
            self.said_goodbye = true;
            self.wants_end = true;
        }
        Ok(())
    }

    fn react(&mut self, seen: &Seen) {
        match seen {
            Seen::Response { status: 101, .. } => self.is_open = true,
            Seen::Response { closes: true, .. } => self.said_goodbye = true,
            Seen::Ping(_) if self.habits.answers_pings && !self.said_goodbye => {
                let bytes = units::frame(true, 10, &[], &mut self.random);
                self.say(&bytes, Some(Meaning::Pong));
            }
            Seen::Close { .. } if self.habits.polite && !self.said_goodbye => self.say_close(),
            Seen::Close { .. } => self.said_goodbye = true,
            _ => {}
        }
    }

    /// From now on the network is a good one, and unless it is stalled it reads all that comes.
    pub(crate) fn hurry(&mut self) {
        // Not so much at once that a room would fall behind.
        self.habits.pace = self.habits.pace.clamp(8 << 10, 64 << 10);
        if self.habits.reading != Reading::Stalled {
            self.habits.reading = Reading::Prompt;
            self.link.borrow_mut().widen();
        }
    }

    /// The server has ended its side, and all that it wrote has been read.
    pub(crate) fn is_at_end(&self) -> bool {
        let link = self.link.borrow();
        (link.server_ended || link.dropped) && link.to_client.is_empty()
    }

    /// It has something on its way to the server.
    pub(crate) fn is_sending(&self) -> bool {
        !self.is_lost && !self.outgoing.is_empty() && !self.link.borrow().dropped
    }
}
