//! Someone with `nc`, at the port for lines of text.

use super::line::{Loss, Network};
use super::log::Draft;
use super::plan::room_name;
use super::shadow::{Shadow, Sheet};
use super::world::{Guest, Here};
use crate::model::Checked;
use crate::random::Random;

pub(crate) struct Typist {
    room: usize,
    random: Random,
    talk: usize,
    life: Option<usize>,
    /// The line that has not come to its end.
    unfinished: Vec<u8>,
    /// In the room, and no longer in the lobby.
    is_in: bool,
    is_leaving: bool,
    lines: Vec<String>,
    /// What it has sent in this life.
    drafts: Vec<usize>,
}

impl Typist {
    pub(crate) fn new(room: usize, mut random: Random) -> Self {
        Self {
            room,
            talk: random.pick(&[0, 100, 400]),
            random,
            life: None,
            unfinished: Vec::new(),
            is_in: false,
            is_leaving: false,
            lines: Vec::new(),
            drafts: Vec::new(),
        }
    }

    fn connect(&mut self, shadow: &mut Shadow) {
        let network = Network::new(&mut self.random);
        let life = shadow.lines.connect_as_text(network, self.random.next());
        self.life = Some(life);
        let join = format!("/join {}\r\n", room_name(self.room));
        shadow.lines.all[life].send(join.as_bytes());
    }

    /// Says something, with an end of line of either kind, or asks for something.
    fn speak(&mut self, life: usize, shadow: &mut Shadow) {
        let line = match self.random.below(20) {
            0 => "/who".to_owned(),
            1 => "/help".to_owned(),
            2 => "/dance".to_owned(),
            3 => String::new(),
            4 => {
                self.is_leaving = true;
                "/quit".to_owned()
            }
            _ => self.compose(shadow),
        };
        let end = self.random.pick(&["\n", "\r\n"]);
        shadow.lines.all[life].send(format!("{line}{end}").as_bytes());
    }

    /// What is said goes without the characters that a terminal obeys.
    fn compose(&mut self, shadow: &mut Shadow) -> String {
        let index = shadow.log.drafts.len();
        self.drafts.push(index);
        let filler = "茶".repeat(self.random.below(60));
        shadow.compose(Draft {
            room: self.room,
            data: Some(format!("{index}|{filler}[2J").into()),
            binary: None,
            key: None,
            retain: false,
            ephemeral: false,
            dedup: false,
            sent_ms: shadow.now,
            answer: None,
            offsets: Default::default(),
        });
        format!("{index}|{filler}\x1b[2J")
    }

    fn on_line(&mut self, line: String) -> Checked {
        let room = room_name(self.room);
        match line.split_once(' ') {
            Some(("*", told)) if told.starts_with("you are ") => {
                self.is_in |= told.contains(&format!(" in {room}, "));
            }
            // What else the server says, and what it does not take.
            Some(("*" | "!", _)) => {}
            _ if self.is_in => self.lines.push(line),
            _ => return Err(format!("in the lobby it is said: {line}")),
        }
        Ok(())
    }

    /// Hands in what was read. `is_whole`: there is no more.
    fn hand_in(&mut self, is_whole: bool, lines: Vec<String>, shadow: &mut Shadow) {
        shadow.sheets.push(Sheet {
            room: self.room,
            lines,
            is_whole,
        });
    }

    fn go_out(&mut self, shadow: &mut Shadow) {
        let lines = std::mem::take(&mut self.lines);
        self.hand_in(false, lines, shadow);
        self.unfinished.clear();
        self.drafts.clear();
        self.life = None;
        (self.is_in, self.is_leaving) = (false, false);
    }
}

impl Guest for Typist {
    fn act(&mut self, shadow: &mut Shadow) {
        match self.life {
            None if self.random.chance(100) => self.connect(shadow),
            Some(life) if !self.is_leaving => {
                if self.random.chance(shadow.plan.loss) {
                    let loss = self
                        .random
                        .pick(&[Loss::Reset, Loss::Abort, Loss::HalfClose]);
                    shadow.lines.all[life].lose(loss);
                    self.is_leaving = true;
                    if loss != Loss::HalfClose {
                        shadow.log.torn.append(&mut self.drafts);
                        self.go_out(shadow);
                    }
                } else if self.is_in && self.random.chance(self.talk) {
                    self.speak(life, shadow);
                }
            }
            _ => {}
        }
    }

    fn settle(&mut self, _: &mut Shadow) -> bool {
        !self.is_leaving && (self.life.is_none() || self.is_in)
    }

    fn read(&mut self, shadow: &mut Shadow) -> Checked {
        let Some(life) = self.life else {
            return Ok(());
        };
        let bytes = shadow.lines.all[life].take(usize::MAX);
        self.unfinished.extend_from_slice(&bytes);
        while let Some(end) = self.unfinished.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.unfinished.drain(..=end).take(end).collect();
            let line = String::from_utf8(line).map_err(|_| "a line that is not UTF-8")?;
            shadow.note(|| format!("life {life} sees {line}"));
            if line.contains(char::is_control) {
                return Err(format!("a terminal would obey {line:?}"));
            }
            self.on_line(line)?;
        }
        if shadow.lines.all[life].is_at_end() {
            shadow.lines.all[life].lose(Loss::HalfClose);
            self.go_out(shadow);
        }
        Ok(())
    }

    fn check_at_rest(&mut self, shadow: &mut Shadow) -> Checked {
        if self.is_in {
            self.hand_in(true, self.lines.clone(), shadow);
        }
        Ok(())
    }

    fn here(&self) -> Vec<Here> {
        let here = Here {
            room: self.room,
            id: None,
            presence: None,
        };
        if self.is_in { vec![here] } else { Vec::new() }
    }

    fn life(&self) -> Option<usize> {
        self.life
    }
}
