//! The lines of an export that a connection hands over: the one that is on its way, and what became of those before it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::codec::json::import::{ImportEnd, ImportReport};
use crate::core::chat::{RoomId, RoomName};
use crate::limits::EXPORTED_FIELDS;

/// Bytes of memory of a room that an import has begun, about: its name, and its place among the others.
const ROOM_BYTES: usize = 128;

/// Bytes that JSON takes for a byte of a text at most: a control character is written as `\u0000`.
const MOST_ESCAPED: usize = 6;

/// Bytes that a line may have where a message may have `max_message`.
pub(in crate::core) fn longest_line(max_message: usize) -> usize {
    MOST_ESCAPED * max_message + EXPORTED_FIELDS
}

/// How far an import has come.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(in crate::core) struct ImportSession {
    /// The line that is gathered, or waits to be done, without its end.
    line: Vec<u8>,
    /// It is whole.
    is_whole: bool,
    /// No more lines follow it.
    is_last: bool,
    /// Lines that were done before it.
    lines: u64,
    /// The rooms that this import has begun.
    begun: BTreeMap<RoomName, BegunRoom>,
    /// The room of the last line. While that is congested, the connection is not read.
    pub(in crate::core) publishes_to: Option<RoomId>,
    /// Messages that are published, and rooms that have one.
    messages: u64,
    rooms: usize,
    end: Option<ImportEnd>,
    /// When the next report is due, in the milliseconds of `Now::ms`.
    pub(in crate::core) next_report_ms: u64,
}

/// A room that an import has begun.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(in crate::core) struct BegunRoom {
    /// Which of the rooms that had its name.
    pub(in crate::core) epoch: u64,
    /// The offset of its last line, before others have come in between.
    pub(in crate::core) last: u64,
    /// One of its messages is published.
    has_message: bool,
}

/// What became of input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::core) enum Gathered {
    /// A line is whole.
    Line,
    /// All input is taken, and there is no whole line.
    Nothing,
    /// The line is longer than it may be.
    TooLong,
}

impl ImportSession {
    /// Takes what belongs to the next line off the front of the input, unless a line waits. It may be `most` bytes long.
    pub(in crate::core) fn gather(&mut self, input: &mut &mut [u8], most: usize) -> Gathered {
        if !self.is_whole {
            let end = input.iter().position(|byte| *byte == b'\n');
            let length = end.unwrap_or(input.len());
            if self.line.len() + length > most {
                return Gathered::TooLong;
            }
            let (line, rest) = std::mem::take(input).split_at_mut(length);
            self.line.extend_from_slice(line);
            *input = match end {
                Some(_) => &mut rest[1..],
                None => rest,
            };
            self.is_whole = end.is_some();
        }
        match self.is_whole {
            true => Gathered::Line,
            false => Gathered::Nothing,
        }
    }

    /// No more input follows: what has no end of a line is one, too.
    pub(in crate::core) fn end_input(&mut self) {
        self.is_last = true;
        self.is_whole |= !self.line.is_empty();
    }

    /// The line that is to be done now, out of here until it is done or put back.
    pub(in crate::core) fn take_line(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.line)
    }

    /// The line is to be done later.
    pub(in crate::core) fn put_back(&mut self, line: Vec<u8>) {
        self.line = line;
    }

    /// The line is done, and its buffer is there for the next, unless it is long.
    pub(in crate::core) fn finish_line(&mut self, mut buffer: Vec<u8>, most_kept: usize) {
        self.lines += 1;
        self.is_whole = false;
        if buffer.capacity() <= most_kept {
            buffer.clear();
            self.line = buffer;
        }
    }

    /// The number of the line that is done now, counted from 1.
    pub(in crate::core) fn number(&self) -> u64 {
        self.lines + 1
    }

    /// The room of this name, if this import has begun it.
    pub(in crate::core) fn begun(&self, room: &RoomName) -> Option<BegunRoom> {
        self.begun.get(room).copied()
    }

    /// How many rooms it has begun.
    pub(in crate::core) fn begun_count(&self) -> usize {
        self.begun.len()
    }

    /// A line of a room is submitted, which had this offset.
    pub(in crate::core) fn on_submitted(&mut self, room: &RoomName, epoch: u64, offset: u64) {
        let begun = self.begun.entry(room.clone()).or_insert(BegunRoom {
            epoch,
            last: offset,
            has_message: false,
        });
        begun.last = offset;
    }

    /// A message of a room is published.
    pub(in crate::core) fn on_published(&mut self, room: &RoomName) {
        self.messages += 1;
        if let Some(begun) = self.begun.get_mut(room)
            && !std::mem::replace(&mut begun.has_message, true)
        {
            self.rooms += 1;
        }
    }

    /// It ends with what is submitted already, for the first reason that is given.
    pub(in crate::core) fn fail(&mut self, line: Option<u64>, error: String) {
        self.end.get_or_insert(ImportEnd::Failed { line, error });
    }

    /// Nothing more is read.
    pub(in crate::core) fn has_failed(&self) -> bool {
        self.end.is_some()
    }

    /// All lines are submitted, or no more are.
    pub(in crate::core) fn is_over(&self) -> bool {
        self.has_failed() || self.is_last && !self.is_whole
    }

    /// How far it has come; once it is over, how it has ended.
    pub(in crate::core) fn report(&self) -> ImportReport {
        let done = self.is_over().then_some(ImportEnd::Done);
        ImportReport {
            messages: self.messages,
            rooms: self.rooms,
            end: self.end.clone().or(done),
        }
    }

    /// Bytes of memory that it may hold.
    pub(in crate::core) fn most_bytes(&self, max_message: usize) -> usize {
        // A vector that grows doubles.
        2 * longest_line(max_message) + self.begun.len() * ROOM_BYTES
    }

    /// Bytes of memory that it holds.
    pub(in crate::core) fn held_bytes(&self) -> usize {
        self.line.capacity() + self.begun.len() * ROOM_BYTES
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The lines of input that comes in pieces.
    fn lines(pieces: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut session = ImportSession::default();
        let mut lines = Vec::new();
        for piece in pieces {
            let mut piece = piece.clone();
            let mut rest = &mut piece[..];
            while session.gather(&mut rest, usize::MAX) == Gathered::Line {
                let line = session.take_line();
                lines.push(line.clone());
                session.finish_line(line, 4);
            }
            assert!(rest.is_empty());
        }
        session.end_input();
        if !session.is_over() {
            lines.push(session.take_line());
        }
        lines
    }

    proptest! {
        #[test]
        fn lines_are_the_same_however_they_come(text in "[a\n]{0,30}", at in 0..30_usize) {
            let bytes = text.as_bytes();
            let (one, other) = bytes.split_at(at.min(bytes.len()));
            let mut expected: Vec<Vec<u8>> = text.split('\n').map(Vec::from).collect();
            // Nothing follows the end of the last line.
            expected.pop_if(|last| last.is_empty());
            prop_assert_eq!(lines(&[one.into(), other.into()]), expected);
        }
    }

    #[test]
    fn a_line_that_waits_stays_and_one_that_is_too_long_is_not_taken() {
        let mut session = ImportSession::default();
        let mut input = *b"one\ntwo\nthree";
        let mut rest = &mut input[..];
        assert_eq!(session.gather(&mut rest, 3), Gathered::Line);
        let line = session.take_line();
        session.put_back(line);
        assert_eq!(session.gather(&mut rest, 3), Gathered::Line);
        assert_eq!(session.take_line(), b"one");
        session.finish_line(Vec::new(), 0);
        assert_eq!(session.gather(&mut rest, 3), Gathered::Line);
        session.finish_line(Vec::new(), 0);
        session.take_line();
        assert_eq!(session.gather(&mut rest, 3), Gathered::TooLong);
        assert_eq!(session.number(), 3);
    }

    #[test]
    fn what_was_done_is_told_with_the_first_reason_to_end() {
        let mut session = ImportSession::default();
        let [tea, mate] = ["tea", "mate"].map(|name| RoomName::parse(name).unwrap());
        for (room, offset) in [(&tea, 1), (&tea, 2), (&mate, 1)] {
            session.on_submitted(room, 5, offset);
        }
        assert_eq!(
            (session.begun(&tea).unwrap().last, session.begun_count()),
            (2, 2)
        );
        session.on_published(&tea);
        session.on_published(&tea);
        assert_eq!((session.report().messages, session.report().rooms), (2, 1));
        assert_eq!(session.report().end, None);
        session.fail(Some(4), "bad".to_owned());
        session.fail(Some(5), "worse".to_owned());
        session.on_published(&mate);
        let report = session.report();
        assert_eq!((report.messages, report.rooms), (3, 2));
        let error = "bad".to_owned();
        let line = Some(4);
        assert_eq!(report.end, Some(ImportEnd::Failed { line, error }));
    }
}
