//! Messages out of frames: fragmentation, limits and UTF-8, checked as the bytes arrive (RFC 6455 sections 5.4, 5.6).

use std::mem;
use std::str;

use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use serde::{Deserialize, Serialize};

use super::close::{self, CloseReason};
use super::frame::{self, Header};

/// What a message carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// UTF-8 text.
    Text,
    /// Any bytes.
    Binary,
}

impl Kind {
    /// The opcode of an unfragmented message of this kind.
    pub fn opcode(self) -> OpCode {
        match self {
            Self::Text => OpCode::Data(Data::Text),
            Self::Binary => OpCode::Data(Data::Binary),
        }
    }
}

/// What a client sent, whole and checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// A message; a text is valid UTF-8.
    Message(Kind, &'a [u8]),
    /// A message whose payload is to be inflated (RFC 7692 section 6.2), and then checked.
    Compressed(Kind, &'a [u8]),
    /// A ping, to be answered with the same payload.
    Ping(&'a [u8]),
    /// A pong, asked for or not.
    Pong,
    /// The peer's close frame and its code, if it has one; nothing that follows counts.
    Close(Option<u16>),
}

/// Turns a client's bytes into events.
///
/// Holds memory only in the middle of a frame or a message, and then no more than has arrived: an idle connection's
/// decoder is one empty pointer.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Decoder {
    unfinished: Option<Box<Unfinished>>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Unfinished {
    frame: Option<Frame>,
    control: Vec<u8>,
    message: Option<PartialMessage>,
    /// The event handed out last borrowed `control`; it is to be emptied before the next.
    control_taken: bool,
    /// The event handed out last borrowed `message`; it is to be dropped before the next.
    message_taken: bool,
    /// A close frame has come, be it a bad one.
    is_closed: bool,
}

/// A frame whose header was read and whose payload has not all arrived.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Frame {
    header: Header,
    /// Payload bytes that have arrived.
    arrived: u64,
}

/// A message of which a part has arrived.
#[derive(Debug, Serialize, Deserialize)]
struct PartialMessage {
    kind: Kind,
    compressed: bool,
    #[serde(with = "serde_bytes")]
    payload: Vec<u8>,
    /// The text up to here is valid UTF-8; at most three bytes follow, the start of a character.
    valid_up_to: usize,
}

impl Decoder {
    /// Takes the next event off the front of `input`; `None` when more bytes are needed. What is left in `input` then is
    /// an unfinished header of at most 13 bytes, to be presented again with what follows it. Payload is unmasked in place.
    ///
    /// A message may be `max_message` bytes long, whatever the number of its fragments. It may be compressed if
    /// `deflate` was agreed on.
    ///
    /// # Errors
    /// The reason to close the connection with; the decoder is of no use after that but to `pass_over` what follows.
    pub fn decode<'e, 'i: 'e>(
        &'e mut self,
        input: &mut &'i mut [u8],
        max_message: usize,
        deflate: bool,
    ) -> Result<Option<Incoming<'e>>, CloseReason> {
        self.release_taken();
        loop {
            let mut current = match self.frame_in_progress() {
                Some(current) => current,
                None => match Header::parse(input)? {
                    Some((header, size)) => {
                        self.check_sequence(&header)?;
                        check_compression(&header, deflate)?;
                        self.check_length(&header, max_message)?;
                        take_front(input, size);
                        Frame { header, arrived: 0 }
                    }
                    None => return Ok(None),
                },
            };
            let first_part = current.arrived == 0;
            let payload = current.take_payload(input);
            let whole = current.arrived == current.header.length;
            self.set_frame_in_progress((!whole).then_some(current));
            match current.header.opcode {
                OpCode::Control(kind) if whole && first_part => {
                    let event = control_event(kind, payload);
                    if event.is_err() {
                        self.unfinished().is_closed = true;
                    }
                    return event.map(Some);
                }
                OpCode::Control(kind) => {
                    self.unfinished().control.extend_from_slice(payload);
                    if whole {
                        return self.finish_control(kind).map(Some);
                    }
                }
                OpCode::Data(_)
                    if whole
                        && first_part
                        && current.header.fin
                        && self.message_in_progress().is_none() =>
                {
                    let kind = kind_of(current.header.opcode);
                    if current.header.compressed {
                        return Ok(Some(Incoming::Compressed(kind, payload)));
                    }
                    if kind == Kind::Text {
                        str::from_utf8(payload).map_err(|_| CloseReason::InvalidUtf8)?;
                    }
                    return Ok(Some(Incoming::Message(kind, payload)));
                }
                OpCode::Data(_) => {
                    let header = &current.header;
                    let message = self
                        .unfinished()
                        .message
                        .get_or_insert_with(|| PartialMessage::new(header));
                    message.append(payload)?;
                    if whole && current.header.fin {
                        return self.finish_message().map(Some);
                    }
                }
            }
            if !whole {
                return Ok(None);
            }
        }
    }

    /// Whether the peer's close frame has been seen, be it a bad one.
    pub fn is_closed(&self) -> bool {
        self.unfinished.as_ref().is_some_and(|it| it.is_closed)
    }

    /// Passes over what comes after an error, frame by frame, whatever rules the frames break. Says whether the peer's
    /// close frame has begun; nothing that follows counts. What is left in `input` otherwise is an unfinished header.
    pub fn pass_over(&mut self, input: &mut &mut [u8]) -> bool {
        let unfinished = self.unfinished();
        unfinished.message = None;
        unfinished.control = Vec::new();
        while !unfinished.is_closed {
            let mut current = match unfinished.frame {
                Some(current) => current,
                None => match frame::skim(input) {
                    Some(skimmed) => {
                        take_front(input, skimmed.size);
                        unfinished.is_closed = skimmed.is_close;
                        Frame::to_skip(skimmed.length)
                    }
                    None => return false,
                },
            };
            current.take_payload(input);
            let whole = current.arrived == current.header.length;
            unfinished.frame = (!whole).then_some(current);
            if !whole {
                return unfinished.is_closed;
            }
        }
        true
    }

    /// Bytes of memory that unfinished frames and messages hold.
    pub fn held_bytes(&self) -> usize {
        self.unfinished.as_ref().map_or(0, |unfinished| {
            let message = unfinished
                .message
                .as_ref()
                .map_or(0, |message| message.payload.capacity());
            size_of::<Unfinished>() + unfinished.control.capacity() + message
        })
    }

    /// Drops what the last event borrowed, and the whole box when nothing unfinished is left in it.
    fn release_taken(&mut self) {
        let Some(unfinished) = &mut self.unfinished else {
            return;
        };
        if mem::take(&mut unfinished.control_taken) {
            unfinished.control.clear();
        }
        if mem::take(&mut unfinished.message_taken) {
            unfinished.message = None;
        }
        if unfinished.frame.is_none() && unfinished.message.is_none() {
            self.unfinished = None;
        }
    }

    fn unfinished(&mut self) -> &mut Unfinished {
        self.unfinished.get_or_insert_default()
    }

    fn frame_in_progress(&self) -> Option<Frame> {
        self.unfinished.as_ref()?.frame
    }

    fn message_in_progress(&self) -> Option<&PartialMessage> {
        self.unfinished.as_ref()?.message.as_ref()
    }

    fn set_frame_in_progress(&mut self, frame: Option<Frame>) {
        if frame.is_some() || self.unfinished.is_some() {
            self.unfinished().frame = frame;
        }
    }

    /// A message begins with text or binary and goes on with continuations; control frames may stand between.
    fn check_sequence(&self, header: &Header) -> Result<(), CloseReason> {
        match (header.opcode, self.message_in_progress()) {
            (OpCode::Data(Data::Continue), None) => Err(CloseReason::StrayContinuation),
            (OpCode::Data(Data::Text | Data::Binary), Some(_)) => Err(CloseReason::NestedMessage),
            _ => Ok(()),
        }
    }

    fn check_length(&self, header: &Header, max_message: usize) -> Result<(), CloseReason> {
        if matches!(header.opcode, OpCode::Control(_)) {
            return Ok(());
        }
        let arrived = self
            .message_in_progress()
            .map_or(0, |message| message.payload.len());
        let is_compressed =
            header.compressed || self.message_in_progress().is_some_and(|it| it.compressed);
        let most = if is_compressed {
            // What cannot be made smaller becomes a little larger: five bytes for each block.
            max_message + max_message / 1024 + 64
        } else {
            max_message
        };
        if header.length > most.saturating_sub(arrived) as u64 {
            return Err(CloseReason::TooBig);
        }
        Ok(())
    }

    fn finish_control(&mut self, kind: Control) -> Result<Incoming<'_>, CloseReason> {
        let unfinished = self.unfinished();
        unfinished.control_taken = true;
        unfinished.is_closed = kind == Control::Close;
        control_event(kind, &unfinished.control)
    }

    fn finish_message(&mut self) -> Result<Incoming<'_>, CloseReason> {
        let unfinished = self.unfinished();
        unfinished.message_taken = true;
        let message = unfinished
            .message
            .as_ref()
            .expect("a finished message was begun");
        if message.compressed {
            return Ok(Incoming::Compressed(message.kind, &message.payload));
        }
        if message.kind == Kind::Text && message.valid_up_to != message.payload.len() {
            return Err(CloseReason::InvalidUtf8);
        }
        Ok(Incoming::Message(message.kind, &message.payload))
    }
}

impl Frame {
    /// A frame of which nothing but its length counts.
    fn to_skip(length: u64) -> Self {
        let header = Header {
            fin: true,
            compressed: false,
            opcode: OpCode::Data(Data::Binary),
            mask: [0; 4],
            length,
        };
        Self { header, arrived: 0 }
    }

    /// Takes what has arrived of the payload off the front of `input` and unmasks it.
    fn take_payload<'i>(&mut self, input: &mut &'i mut [u8]) -> &'i mut [u8] {
        let missing = self.header.length - self.arrived;
        let length =
            usize::try_from(missing).map_or(input.len(), |missing| missing.min(input.len()));
        let payload = take_front(input, length);
        frame::apply_mask(payload, self.header.mask, self.arrived);
        self.arrived += length as u64;
        payload
    }
}

impl PartialMessage {
    /// The message that begins with this frame.
    fn new(header: &Header) -> Self {
        Self {
            kind: kind_of(header.opcode),
            compressed: header.compressed,
            payload: Vec::new(),
            valid_up_to: 0,
        }
    }

    fn append(&mut self, payload: &[u8]) -> Result<(), CloseReason> {
        self.payload.extend_from_slice(payload);
        if self.kind == Kind::Binary || self.compressed {
            return Ok(());
        }
        match str::from_utf8(&self.payload[self.valid_up_to..]) {
            Ok(text) => self.valid_up_to += text.len(),
            // No error length: the text ends within a character that may still be completed.
            Err(error) if error.error_len().is_none() => self.valid_up_to += error.valid_up_to(),
            Err(_) => return Err(CloseReason::InvalidUtf8),
        }
        Ok(())
    }
}

/// The first frame of a message says that it is compressed, and no other (RFC 7692 section 6.1).
fn check_compression(header: &Header, deflate: bool) -> Result<(), CloseReason> {
    let may_be = deflate && matches!(header.opcode, OpCode::Data(Data::Text | Data::Binary));
    if header.compressed && !may_be {
        return Err(CloseReason::ReservedBit);
    }
    Ok(())
}

/// Splits `length` bytes off the front of `input`.
fn take_front<'i>(input: &mut &'i mut [u8], length: usize) -> &'i mut [u8] {
    let (front, rest) = mem::take(input).split_at_mut(length);
    *input = rest;
    front
}

fn kind_of(opcode: OpCode) -> Kind {
    if opcode == OpCode::Data(Data::Text) {
        Kind::Text
    } else {
        Kind::Binary
    }
}

fn control_event(kind: Control, payload: &[u8]) -> Result<Incoming<'_>, CloseReason> {
    match kind {
        Control::Ping => Ok(Incoming::Ping(payload)),
        Control::Close => close::parse(payload).map(Incoming::Close),
        Control::Pong | Control::Reserved(_) => Ok(Incoming::Pong),
    }
}

#[cfg(test)]
mod tests;
