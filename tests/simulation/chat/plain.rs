//! A member at the plain door, among people at the others.

use super::line::{Loss, Network};
use super::log::Draft;
use super::shadow::Shadow;
use super::world::{Guest, Here};
use crate::model::Checked;
use crate::random::Random;
use crate::reader::{Reader, Seen};
use crate::units;

pub(crate) struct Plain {
    room: usize,
    random: Random,
    talk: usize,
    life: Option<usize>,
    reader: Reader,
    is_open: bool,
    is_leaving: bool,
    transcript: Vec<(bool, Vec<u8>)>,
}

impl Plain {
    pub(crate) fn new(room: usize, mut random: Random) -> Self {
        Self {
            room,
            talk: random.pick(&[0, 100, 400]),
            random,
            life: None,
            reader: Reader::default(),
            is_open: false,
            is_leaving: false,
            transcript: Vec::new(),
        }
    }

    fn connect(&mut self, shadow: &mut Shadow) {
        let network = Network::new(&mut self.random);
        let life = shadow.lines.connect(network, self.random.next());
        self.life = Some(life);
        self.reader = Reader::default();
        self.reader.expect_response(false);
        (self.is_open, self.is_leaving) = (false, false);
        let upgrade = units::perhaps_deflated(units::upgrade(self.room), &mut self.random);
        shadow.lines.all[life].send(&upgrade);
    }

    fn speak(&mut self, shadow: &mut Shadow) {
        let Some(life) = self.life else { return };
        let index = shadow.log.drafts.len();
        let text = format!("{index}|{}", "茶".repeat(self.random.below(60)));
        let is_text = self.random.chance(700);
        let binary = data_encoding::BASE64.encode(text.as_bytes());
        let opcode = if is_text { 1 } else { 2 };
        let is_deflated = self.reader.is_deflated() && self.random.chance(500);
        let frame = units::message_frame(is_deflated, opcode, text.as_bytes(), &mut self.random);
        shadow.compose(Draft {
            room: self.room,
            data: is_text.then(|| text.into()),
            binary: (!is_text).then_some(binary),
            key: None,
            retain: false,
            ephemeral: false,
            dedup: false,
            sent_ms: shadow.now,
            answer: None,
            offsets: Default::default(),
        });
        shadow.lines.all[life].send(&frame);
    }

    fn go_out(&mut self, shadow: &mut Shadow) {
        self.life = None;
        self.is_open = false;
        let transcript = std::mem::take(&mut self.transcript);
        shadow.transcripts.push((self.room, transcript));
    }
}

impl Guest for Plain {
    fn act(&mut self, shadow: &mut Shadow) {
        match self.life {
            None if self.random.chance(100) => self.connect(shadow),
            Some(life) if !self.is_leaving => {
                if self.random.chance(shadow.plan.loss) {
                    let loss = self
                        .random
                        .pick(&[Loss::Reset, Loss::Abort, Loss::HalfClose]);
                    shadow.lines.all[life].lose(loss);
                    self.is_leaving = loss == Loss::HalfClose;
                    if !self.is_leaving {
                        self.go_out(shadow);
                    }
                } else if self.is_open && self.random.chance(self.talk) {
                    self.speak(shadow);
                }
            }
            _ => {}
        }
    }

    fn settle(&mut self, _: &mut Shadow) -> bool {
        !self.is_leaving && (self.life.is_none() || self.is_open)
    }

    fn read(&mut self, shadow: &mut Shadow) -> Checked {
        let Some(life) = self.life else {
            return Ok(());
        };
        let bytes = shadow.lines.all[life].take(usize::MAX);
        for seen in self.reader.feed(&bytes)? {
            match seen {
                Seen::Response { status, .. } => self.is_open = status == 101,
                Seen::Message { is_text, payload } => self.transcript.push((is_text, payload)),
                Seen::Ping(_) => {
                    let pong = units::frame(true, 10, b"", &mut self.random);
                    shadow.lines.all[life].send(&pong);
                }
                Seen::Close { .. } => {
                    shadow.lines.all[life].lose(Loss::HalfClose);
                    self.is_leaving = true;
                }
                Seen::Pong(_) => {}
            }
        }
        if shadow.lines.all[life].is_at_end() {
            shadow.lines.all[life].lose(Loss::HalfClose);
            self.go_out(shadow);
            self.is_leaving = false;
        }
        Ok(())
    }

    fn check_at_rest(&mut self, shadow: &mut Shadow) -> Checked {
        if self.is_open {
            shadow
                .transcripts
                .push((self.room, self.transcript.clone()));
        }
        Ok(())
    }

    fn here(&self) -> Vec<Here> {
        let here = Here {
            room: self.room,
            id: None,
            presence: None,
        };
        if self.is_open { vec![here] } else { Vec::new() }
    }

    fn life(&self) -> Option<usize> {
        self.life
    }
}
