//! Something that can only spray datagrams at the rooms, some of which no room can take.

use std::net::{Ipv4Addr, SocketAddr};

use parlor::codec::error_code::ErrorCode;
use parlor::core::DatagramResult;

use super::log::Draft;
use super::plan::{KEYS, room_name};
use super::shadow::Shadow;
use super::world::{Guest, Here};
use crate::model::Checked;
use crate::random::Random;

/// A datagram on its way to the server.
pub(crate) struct Datagram {
    pub(crate) from: SocketAddr,
    pub(crate) bytes: Vec<u8>,
    /// The message that it is, or what it is to be dropped for.
    pub(crate) message: Result<usize, DatagramResult>,
}

pub(crate) struct Sprayer {
    from: SocketAddr,
    talk: usize,
    random: Random,
}

impl Sprayer {
    pub(crate) fn new(place: usize, mut random: Random) -> Self {
        // Some share an address, and so their allowance.
        let host = Ipv4Addr::new(192, 0, 2, place as u8 % 4);
        Self {
            from: SocketAddr::from((host, place as u16)),
            talk: random.pick(&[100, 400, 900]),
            random,
        }
    }

    fn spray(&mut self, shadow: &mut Shadow) {
        let datagram = if self.random.chance(850) {
            self.message(shadow)
        } else {
            self.fault(shadow)
        };
        // Datagrams are lost on their way, and overtake one another.
        if self.random.chance(900) {
            let place = self.random.below(shadow.datagrams.len() + 1);
            shadow.datagrams.insert(place, datagram);
        }
    }

    fn message(&mut self, shadow: &mut Shadow) -> Datagram {
        let room = self.random.below(shadow.plan.rooms);
        let index = shadow.log.drafts.len();
        let words = self
            .random
            .pick(&["21.5", " two  spaces ", "two\nlines", "茶"]);
        let text = format!("{index}|{}", words.repeat(self.random.below(20)));
        // One end of line is not part of it.
        let end = match text.ends_with('\n') {
            true => "\n",
            false => self.random.pick(&["", "\n", "\r\n"]),
        };
        let key = self
            .random
            .chance(400)
            .then(|| self.random.pick(&KEYS).to_owned());
        let slash = key.as_ref().map_or(String::new(), |key| format!("/{key}"));
        let datagram = format!("{}{slash} {text}{end}", room_name(room));
        shadow.compose(Draft {
            room,
            data: Some(text.into()),
            binary: None,
            retain: key.is_some(),
            key,
            ephemeral: false,
            dedup: false,
            sent_ms: shadow.now,
            answer: None,
            offsets: Default::default(),
        });
        Datagram {
            from: self.from,
            bytes: datagram.into_bytes(),
            message: Ok(index),
        }
    }

    /// Nothing that could be said.
    fn fault(&mut self, shadow: &Shadow) -> Datagram {
        let longest = shadow.plan.limits.max_message;
        let long = format!("room-0 {}", "x".repeat(longest + 1)).into_bytes();
        let faults = [
            (b"".to_vec(), DatagramResult::NoText),
            (b"room-0 \n".to_vec(), DatagramResult::NoText),
            (b"room-0 \xff".to_vec(), DatagramResult::NotUtf8),
            (
                b"room,0 x".to_vec(),
                DatagramResult::Refused(ErrorCode::BadRoom),
            ),
            (
                b"/key x".to_vec(),
                DatagramResult::Refused(ErrorCode::BadRoom),
            ),
            (b"room-0/ x".to_vec(), DatagramResult::BadKey),
            (b"room-0/key?age=60 x".to_vec(), DatagramResult::BadKey),
            (long, DatagramResult::TooLong),
        ];
        let (bytes, verdict) = faults[self.random.below(faults.len())].clone();
        Datagram {
            from: self.from,
            bytes,
            message: Err(verdict),
        }
    }
}

impl Guest for Sprayer {
    fn act(&mut self, shadow: &mut Shadow) {
        if self.random.chance(self.talk) {
            self.spray(shadow);
        }
    }

    fn settle(&mut self, _: &mut Shadow) -> bool {
        true
    }

    fn read(&mut self, _: &mut Shadow) -> Checked {
        Ok(())
    }

    fn check_at_rest(&mut self, _: &mut Shadow) -> Checked {
        Ok(())
    }

    fn here(&self) -> Vec<Here> {
        Vec::new()
    }

    fn life(&self) -> Option<usize> {
        None
    }
}
