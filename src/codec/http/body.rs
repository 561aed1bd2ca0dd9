//! A request's body out of bytes: counted or in chunks (RFC 9112 sections 6 and 7).

use serde::{Deserialize, Serialize};

use super::request::BodyLength;
use super::response::{Problem, Status};

/// Bytes of chunk extensions and trailers that a body may carry; hardly anybody sends any.
const MAX_EXTRAS: usize = 4 << 10;

/// Digits of a chunk's size: enough for any size, too few to go on for ever.
const MAX_SIZE_DIGITS: u32 = 16;

/// Gathers a body from its parts, and holds no more than has arrived of it, and was not taken.
#[derive(Debug, Serialize, Deserialize)]
pub struct Decoder {
    #[serde(with = "serde_bytes")]
    body: Vec<u8>,
    /// Bytes of the body that may still come.
    allowance: usize,
    state: State,
    extras: usize,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    /// The rest of a body whose length was given.
    Counted {
        missing: usize,
    },
    /// The next digit of a chunk's size, or what follows it.
    Size {
        size: usize,
        digits: u32,
    },
    /// Blanks behind a chunk's size, which only an extension may follow.
    Blank {
        size: usize,
    },
    Extension {
        size: usize,
    },
    /// The LF that ends the line of a chunk's size.
    SizeEnd {
        size: usize,
    },
    /// The rest of a chunk.
    Data {
        missing: usize,
    },
    /// The CR behind a chunk, and its LF.
    DataReturn,
    DataEnd,
    /// A trailer, or the empty line that ends the body.
    TrailerStart,
    Trailer,
    TrailerEnd,
    /// The LF of the empty line.
    End,
    Whole,
}

impl Decoder {
    /// A decoder for a body of at most `max_length` bytes.
    ///
    /// # Errors
    /// 413 for a body that is declared to be longer.
    pub fn new(length: BodyLength, max_length: usize) -> Result<Self, Problem> {
        let state = match length {
            BodyLength::Counted(0) => State::Whole,
            BodyLength::Counted(length) => match usize::try_from(length) {
                Ok(missing) if missing <= max_length => State::Counted { missing },
                _ => return Err(TOO_LARGE),
            },
            BodyLength::Chunked => State::Size { size: 0, digits: 0 },
        };
        Ok(Self {
            body: Vec::new(),
            allowance: max_length,
            state,
            extras: 0,
        })
    }

    /// Takes what has arrived. Says how much of it belongs to the body once that is whole; `None` when all does, and
    /// more is to come.
    ///
    /// # Errors
    /// The answer to send, after which the connection is to be closed: where the next request begins is not known.
    pub fn decode(&mut self, input: &[u8]) -> Result<Option<usize>, Problem> {
        let mut taken = 0;
        while self.state != State::Whole {
            let rest = &input[taken..];
            let Some(&byte) = rest.first() else {
                return Ok(None);
            };
            taken += match self.state {
                State::Counted { missing } => {
                    let count = self.take(missing, rest);
                    self.state = match missing - count {
                        0 => State::Whole,
                        missing => State::Counted { missing },
                    };
                    count
                }
                State::Data { missing } => {
                    let count = self.take(missing, rest);
                    self.state = match missing - count {
                        0 => State::DataReturn,
                        missing => State::Data { missing },
                    };
                    count
                }
                state => {
                    self.state = self.after(state, byte)?;
                    1
                }
            };
        }
        Ok(Some(taken))
    }

    /// How much is still to come, if that is known.
    pub fn missing(&self) -> Option<usize> {
        match self.state {
            State::Counted { missing } => Some(missing),
            State::Whole => Some(0),
            _ => None,
        }
    }

    /// The body, once it is whole, or the rest of it.
    pub fn into_body(self) -> Vec<u8> {
        self.body
    }

    /// Takes what has arrived since the last call, so that a long body is never here as a whole.
    pub fn take_arrived(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.body)
    }

    /// Bytes of memory that the body holds so far.
    pub fn held_bytes(&self) -> usize {
        self.body.capacity()
    }

    fn take(&mut self, missing: usize, input: &[u8]) -> usize {
        let count = missing.min(input.len());
        self.body.extend_from_slice(&input[..count]);
        self.allowance -= count;
        count
    }

    /// What comes after a byte of what stands around the chunks. A bare CR or LF is refused: where others see the end of
    /// a line in it and we do not, requests are smuggled.
    fn after(&mut self, state: State, byte: u8) -> Result<State, Problem> {
        Ok(match (state, byte) {
            (State::Size { size, digits }, _)
                if byte.is_ascii_hexdigit() && digits < MAX_SIZE_DIGITS =>
            {
                State::Size {
                    size: self.add_digit(size, byte)?,
                    digits: digits + 1,
                }
            }
            (State::Size { digits: 0, .. }, _) => return Err(MALFORMED),
            (State::Size { size, .. } | State::Extension { size }, b'\r') => {
                State::SizeEnd { size }
            }
            (State::Size { size, .. } | State::Blank { size }, b' ' | b'\t') => {
                self.pass_over(State::Blank { size })?
            }
            (State::Size { size, .. } | State::Blank { size }, b';') => {
                self.pass_over(State::Extension { size })?
            }
            (State::Extension { .. }, _) if is_text(byte) => self.pass_over(state)?,
            (State::SizeEnd { size: 0 }, b'\n') => State::TrailerStart,
            (State::SizeEnd { size }, b'\n') => State::Data { missing: size },
            (State::DataReturn, b'\r') => State::DataEnd,
            (State::DataEnd, b'\n') => State::Size { size: 0, digits: 0 },
            (State::TrailerStart, b'\r') => State::End,
            (State::TrailerStart | State::Trailer, _) if is_text(byte) => {
                self.pass_over(State::Trailer)?
            }
            (State::Trailer, b'\r') => State::TrailerEnd,
            (State::TrailerEnd, b'\n') => State::TrailerStart,
            (State::End, b'\n') => State::Whole,
            _ => return Err(MALFORMED),
        })
    }

    /// A chunk that would not fit any more is refused while its size is read.
    fn add_digit(&self, size: usize, digit: u8) -> Result<usize, Problem> {
        let digit = char::from(digit).to_digit(16).ok_or(MALFORMED)?;
        size.checked_mul(16)
            .and_then(|size| size.checked_add(digit as usize))
            .filter(|&size| size <= self.allowance)
            .ok_or(TOO_LARGE)
    }

    fn pass_over(&mut self, next: State) -> Result<State, Problem> {
        self.extras += 1;
        if self.extras > MAX_EXTRAS {
            return Err(Problem::new(
                Status::BAD_REQUEST,
                "the chunk extensions and trailers are too long",
            ));
        }
        Ok(next)
    }
}

const TOO_LARGE: Problem = Problem::new(
    Status::CONTENT_TOO_LARGE,
    "the body is longer than a message may be; see --max-message",
);

const MALFORMED: Problem = Problem::new(Status::BAD_REQUEST, "the chunked body is malformed");

/// What may stand in a line: no control characters but the tab.
fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

#[cfg(test)]
mod tests;
