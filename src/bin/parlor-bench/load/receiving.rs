//! What comes from the server.

use std::io::{ErrorKind, Read};

use super::Load;
use super::books::Incoming;
use super::client::{Phase, Role};
use super::connecting::describe;
use crate::frames::append_frame;

const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;

impl Load {
    /// Reads a socket until it is empty, which a short read says; or until its end, if that `is_announced`: what comes
    /// with the last bytes is not announced again.
    pub(super) fn on_readable(&mut self, key: usize, is_announced: bool) {
        loop {
            let Some(client) = self.clients.get_mut(key) else {
                return;
            };
            match client.stream.read(&mut self.buffer) {
                Ok(0) => return self.ended(key),
                Ok(length) => {
                    self.received_bytes += length as u64;
                    self.take_from_buffer(key, length);
                    let client = self.clients.get(key);
                    let is_last = length < self.buffer.len()
                        && client.is_none_or(|it| it.stream.tells_by_short_reads());
                    if is_last && !is_announced {
                        return;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    // A handshake may have come to its end, which the request has waited for.
                    return self.on_writable(key);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return self.gone(key, &describe(&error)),
            }
        }
    }

    fn take_from_buffer(&mut self, key: usize, length: usize) {
        let buffer = std::mem::take(&mut self.buffer);
        if matches!(self.clients[key].phase, Phase::Handshaking { .. }) {
            if let Some(rest) = self.on_response(key, &buffer[..length]) {
                self.take_frames(key, &rest);
            }
        } else {
            self.take_frames(key, &buffer[..length]);
        }
        self.buffer = buffer;
    }

    fn take_frames(&mut self, key: usize, input: &[u8]) {
        let now_ns = self.now_ns();
        let client = &mut self.clients[key];
        let (mut answers, mut entered) = (Vec::new(), false);
        let mut incoming = Incoming {
            books: &mut self.books,
            receiver: key,
            role: client.role,
            room: client.room,
            node: client.node,
            offset: None,
            life: client.life,
            now_ns,
            control: &mut self.control,
            answers: &mut answers,
            entered: &mut entered,
        };
        let door = match (&mut self.returns, client.role) {
            (Some(returns), Role::Visitor | Role::Speaker) => &mut returns.door,
            _ => &mut self.rooms.get_mut(client.room).door,
        };
        let result = door.scan(&mut client.incoming, input, &mut incoming);
        let is_asked = !answers.is_empty();
        client.out.append(&mut answers);
        if entered {
            self.entered(key);
        }
        if is_asked || !self.control.is_empty() {
            self.on_control(key);
        }
        if let Err(error) = result {
            self.gone(key, error.0);
        }
    }

    fn on_control(&mut self, key: usize) {
        for (opcode, payload) in std::mem::take(&mut self.control) {
            let Some(client) = self.clients.get_mut(key) else {
                return;
            };
            match opcode {
                PING => append_frame(&mut client.out, PONG, &payload),
                CLOSE => {
                    append_frame(&mut client.out, CLOSE, payload.get(..2).unwrap_or_default());
                    // It may be gone already; then the answer has nobody to go to.
                    let _ = client.flush();
                    self.gone(key, &describe_close(&payload));
                }
                _ => {}
            }
        }
        if let Some(client) = self.clients.get_mut(key)
            && client.flush().is_err()
        {
            self.gone(key, "reset by the server");
        }
    }

    /// The server has ended the connection, without a word.
    fn ended(&mut self, key: usize) {
        let is_websocket = self.rooms.get(0).door.is_websocket();
        self.gone(
            key,
            match is_websocket {
                true => "closed by the server without a close frame",
                false => "closed by the server",
            },
        );
    }

    /// The connection has ended, and this is why.
    pub(super) fn gone(&mut self, key: usize, reason: &str) {
        let Some(client) = self.clients.get(key) else {
            return;
        };
        let (role, life) = (client.role, client.life);
        match (&client.phase, role) {
            (Phase::Handshaking { .. } | Phase::Entering { .. }, _) => {
                return self.connect_failed(key, reason.to_owned());
            }
            (Phase::Closing, Role::Visitor) => self.visitors.left += 1,
            // It was told to leave.
            (Phase::Closing, Role::Reader) => {}
            (_, Role::Visitor | Role::Speaker) if self.returns.is_some() => {
                self.return_lost(life, reason.to_owned());
            }
            (_, Role::Visitor | Role::Speaker) => self.visitors.dropped += 1,
            (_, Role::Staller) => self.stallers_cut_off += 1,
            (_, Role::Reader) => self.books.reader_gone(key, client.room, reason.to_owned()),
        }
        self.clients.remove(key);
    }
}

fn describe_close(payload: &[u8]) -> String {
    match payload {
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            format!(
                "closed by the server with {code} {}",
                String::from_utf8_lossy(reason)
            )
            .trim_end()
            .to_owned()
        }
        _ => "closed by the server".to_owned(),
    }
}
