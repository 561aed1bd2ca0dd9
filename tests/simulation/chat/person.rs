//! Someone at the JSON door, over all the connections that they have.

mod answers;
mod commands;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::follower::{Asked, Follower};
use super::line::{Loss, Network};
use super::plan::room_name;
use super::presence::Presence;
use super::shadow::Shadow;
use super::world::{Guest, Here};
use crate::model::Checked;
use crate::random::Random;
use crate::reader::{Reader, Seen};
use crate::units;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Is in every room but a fleeting one from the first to the last, and sees all.
    Witness,
    Speaker,
    Listener,
}

/// A command that waits for its answer.
#[derive(Clone, Debug)]
enum Command {
    Resume,
    Rename {
        name: usize,
        id: String,
    },
    Join {
        room: usize,
        asked: Asked,
    },
    Leave {
        room: usize,
    },
    Publish {
        draft: usize,
    },
    Direct {
        direct: usize,
    },
    History {
        room: usize,
        before: Option<u64>,
        limit: usize,
    },
    Members {
        room: usize,
        is_quiet: bool,
    },
    Rooms,
    Ping,
}

struct Seat {
    follower: Follower,
    presence: Presence,
    is_wanted: bool,
}

pub(crate) struct Person {
    place: usize,
    role: Role,
    random: Random,
    network: Option<Network>,
    talk: usize,
    /// Sends on without waiting for answers.
    is_eager: bool,
    /// Whoever has this place is this person, too.
    twin_of: Option<usize>,
    seats: Vec<Seat>,
    id: Option<String>,
    /// Sent with an id of their own, and not answered: to be sent again after a loss.
    unconfirmed: BTreeSet<usize>,
    next_command: u64,
    /// Loses the connection when so many bytes have been read.
    cut: Option<usize>,
    read_count: usize,
    life: Option<usize>,
    reader: Reader,
    pending: BTreeMap<u64, Command>,
    /// The room of the path, which is joined by itself.
    entered: Option<(usize, Asked)>,
    is_welcome: bool,
    /// On this connection they are who they were.
    is_resumed: bool,
    is_leaving: bool,
    not_before_ms: u64,
    directs_seen: BTreeSet<usize>,
    asks_members: bool,
}

impl Person {
    pub(crate) fn new(place: usize, role: Role, shadow: &Shadow, mut random: Random) -> Self {
        let plan = &shadow.plan;
        let seat = |room| Seat {
            follower: Follower::new(room),
            presence: Presence::default(),
            is_wanted: plan.has_witness(room),
        };
        let mut seats: Vec<Seat> = (0..plan.rooms).map(seat).collect();
        if role != Role::Witness {
            for seat in &mut seats {
                seat.is_wanted = random.chance(700);
            }
        }
        Self {
            place,
            role,
            network: (role == Role::Witness).then(Network::good),
            talk: random.pick(&[50, 200, 500]),
            is_eager: random.chance(500),
            twin_of: (place > 1 && random.chance(200)).then(|| random.between(1, place - 1)),
            random,
            seats,
            id: None,
            unconfirmed: BTreeSet::new(),
            next_command: 1,
            cut: None,
            read_count: 0,
            life: None,
            reader: Reader::default(),
            pending: BTreeMap::new(),
            entered: None,
            is_welcome: false,
            is_resumed: false,
            is_leaving: false,
            not_before_ms: 0,
            directs_seen: BTreeSet::new(),
            asks_members: false,
        }
    }

    /// One whose connection is lost once, when so many bytes have been read, and who is alone with themselves.
    pub(crate) fn cut_off(mut self, cut: Option<usize>) -> Self {
        self.network = Some(Network::good());
        self.twin_of = None;
        self.cut = cut;
        self.seats.iter_mut().for_each(|seat| seat.is_wanted = true);
        self
    }

    fn connect(&mut self, shadow: &mut Shadow) {
        let network = self
            .network
            .unwrap_or_else(|| Network::new(&mut self.random));
        let life = shadow.lines.connect(network, self.random.next());
        self.life = Some(life);
        self.reader = Reader::default();
        self.reader.expect_response(false);
        let is_new = |seat: &Seat| seat.is_wanted && seat.follower.position.is_none();
        let new_room = self.seats.iter().position(is_new);
        self.entered = new_room
            .filter(|_| self.random.chance(300) && !shadow.lines.hurries)
            .map(|room| {
                let asked = Asked {
                    since: None,
                    last: 0,
                    sent_ms: shadow.now,
                };
                (room, asked)
            });
        let path = match &self.entered {
            Some((room, _)) => format!("/ws/{}", room_name(*room)),
            None => "/ws".to_owned(),
        };
        let upgrade = units::perhaps_deflated(units::json_upgrade(&path), &mut self.random);
        shadow.lines.all[life].send(&upgrade);
    }

    /// Gives the connection up, at any point.
    fn lose(&mut self, loss: Loss, shadow: &mut Shadow) {
        let Some(life) = self.life else { return };
        shadow.note(|| format!("place {}, life {life}: {loss:?}", self.place));
        let from_ms = shadow.ended_from_ms();
        shadow.names.on_gone(life, from_ms, shadow.now);
        shadow.departed.extend(self.id.clone());
        shadow.lines.all[life].lose(loss);
        self.is_leaving = true;
        if loss != Loss::HalfClose {
            self.go_out();
        }
    }

    fn go_out(&mut self) {
        self.life = None;
        self.pending.clear();
        self.entered = None;
        self.directs_seen.clear();
        (self.is_welcome, self.is_resumed, self.is_leaving) = (false, false, false);
        for seat in &mut self.seats {
            seat.follower.go_out();
        }
    }

    fn react(&mut self, seen: Seen, shadow: &mut Shadow) -> Checked {
        let Some(life) = self.life else {
            return Ok(());
        };
        match seen {
            // A clock that jumps leaves no time for a request.
            Seen::Response { status: 408, .. } if shadow.plan.jumps => Ok(()),
            Seen::Response { status: 101, .. } | Seen::Pong(_) => Ok(()),
            Seen::Response { status, .. } if shadow.is_ending && status == 503 => Ok(()),
            Seen::Response { status, .. } => Err(format!("refused with {status}")),
            Seen::Message { is_text, payload } => {
                let event: Value = serde_json::from_slice(&payload)
                    .ok()
                    .filter(|_| is_text)
                    .ok_or_else(|| format!("no JSON: {:?}", String::from_utf8_lossy(&payload)))?;
                self.on_event(&event, shadow)
                    .map_err(|error| format!("{error}\n  after {event}"))
            }
            Seen::Ping(payload) => {
                let pong = units::frame(true, 10, &payload, &mut self.random);
                shadow.lines.all[life].send(&pong);
                Ok(())
            }
            Seen::Close { .. } => {
                self.lose(Loss::HalfClose, shadow);
                Ok(())
            }
        }
    }
}

impl Guest for Person {
    fn act(&mut self, shadow: &mut Shadow) {
        let loss = if self.network.is_none() {
            shadow.plan.loss
        } else {
            0
        };
        match self.life {
            None if self.random.chance(150) => self.connect(shadow),
            Some(_) if self.is_leaving => {}
            Some(_) if self.random.chance(loss) => {
                let loss = self
                    .random
                    .pick(&[Loss::Reset, Loss::Abort, Loss::HalfClose]);
                self.lose(loss, shadow);
            }
            Some(_) => {
                self.keep_up(shadow);
                if self.role == Role::Speaker && self.random.chance(self.talk) {
                    self.speak(shadow);
                }
            }
            None => {}
        }
    }

    fn settle(&mut self, shadow: &mut Shadow) -> bool {
        match self.life {
            None => self.connect(shadow),
            Some(_) if !self.is_leaving => self.keep_up(shadow),
            Some(_) => {}
        }
        let mut seats = self.seats.iter();
        self.is_resumed
            && !self.is_leaving
            && self.pending.is_empty()
            && self.unconfirmed.is_empty()
            && seats.all(|seat| seat.follower.is_in || !seat.is_wanted)
    }

    fn read(&mut self, shadow: &mut Shadow) -> Checked {
        let Some(life) = self.life else {
            return Ok(());
        };
        let most = self.cut.map_or(usize::MAX, |cut| cut - self.read_count);
        let bytes = shadow.lines.all[life].take(most);
        self.read_count += bytes.len();
        for seen in self.reader.feed(&bytes)? {
            shadow.note(|| format!("place {}, life {life}, sees {}", self.place, seen.to_text()));
            self.react(seen, shadow)?;
        }
        if self.cut == Some(self.read_count) {
            self.cut = None;
            self.lose(Loss::Reset, shadow);
        } else if shadow.lines.all[life].is_at_end() {
            self.lose(Loss::HalfClose, shadow);
            self.go_out();
            shadow.is_witnessed &= self.role != Role::Witness || shadow.is_ending;
        }
        Ok(())
    }

    fn check_at_rest(&mut self, shadow: &mut Shadow) -> Checked {
        for seat in &mut self.seats {
            if seat.follower.is_in {
                seat.follower.check_at_rest(shadow)?;
            }
        }
        Ok(())
    }

    fn ask_members(&mut self) {
        self.asks_members = self.role == Role::Witness;
    }

    fn here(&self) -> Vec<Here> {
        let is_in = |(_, seat): &(usize, &Seat)| seat.follower.is_in;
        let seats = self.seats.iter().enumerate().filter(is_in);
        let here = seats.map(|(room, seat)| Here {
            room,
            id: self.id.clone(),
            presence: Some(seat.presence.clone()),
        });
        here.collect()
    }

    fn life(&self) -> Option<usize> {
        self.life
    }

    fn read_count(&self) -> usize {
        self.read_count
    }
}
