//! Snapshots of a room, for members who join, come back or have fallen behind: encoded once and shared by all who get
//! the same.
//!
//! A snapshot is made of parts: the state of all keys, their series of numbers, the listed members, and runs of
//! messages. A part is kept with what it was made of, and compared with that before it is used again, so that none is
//! stale. A message never changes, so a run is identified by its offsets: when one of a thousand keys has a new value,
//! all runs but two stay the same.

mod parts;

use std::rc::Rc;

use crate::codec::key_patterns::KeyPatterns;
use crate::codec::ws::deflate;
use crate::core::chat::{Chart, Chat, Context, Message, PastSeries, RoomId, Window};
use crate::core::delivery::encode::{self, Encoder};
use crate::core::delivery::rope::{Rope, Shared};
use crate::core::net::frames::{Frames, Meter};
use crate::core::now::Now;
use crate::limits::{DEFLATED_AT_ONCE, LONG_PART, MAX_LISTED, RUN_BYTES, RUN_MESSAGES};
pub(in crate::core) use parts::{Form, MessageSource};
use parts::{Identity, Key, PartKind, Parts};

/// The parts that are in use.
#[derive(Debug)]
pub(in crate::core) struct Snapshots {
    parts: Parts,
    meter: Meter,
    now_ms: u64,
    /// Bytes that may still be compressed for the current answer.
    deflate_left: usize,
}

/// A room, and the format of the reader.
#[derive(Clone, Copy)]
pub(in crate::core) struct RoomView<'a> {
    pub(in crate::core) room: RoomId,
    pub(in crate::core) context: Context<'a>,
}

impl Snapshots {
    /// `max_bytes`: the memory of all parts.
    pub(in crate::core) fn new(max_bytes: usize, meter: Meter) -> Self {
        Self {
            parts: Parts::new(max_bytes),
            meter,
            now_ms: 0,
            deflate_left: 0,
        }
    }

    /// Begins the answer to another reader.
    pub(in crate::core) fn begin(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
        self.deflate_left = DEFLATED_AT_ONCE;
    }

    /// Adds messages, in the order of their offsets.
    pub(in crate::core) fn messages(
        &mut self,
        view: RoomView<'_>,
        (of, messages): (MessageSource, &[Message<'_>]),
        form: Form,
        encoder: &mut Encoder,
        rope: &mut Rope,
    ) {
        for (index, run) in runs(messages).enumerate() {
            if index > 0 && form == Form::Json {
                rope.own().push(b',');
            }
            rope.share(self.run(view, (of, run), form, encoder));
        }
    }

    /// The same of messages between which others are left out. Which ones the name of a part does not say: each is a part of
    /// its own.
    pub(in crate::core) fn scattered(
        &mut self,
        view: RoomView<'_>,
        (of, messages): (MessageSource, &[Message<'_>]),
        form: Form,
        encoder: &mut Encoder,
        rope: &mut Rope,
    ) {
        for (index, message) in messages.chunks(1).enumerate() {
            if index > 0 && form == Form::Json {
                rope.own().push(b',');
            }
            rope.share(self.run(view, (of, message), form, encoder));
        }
    }

    /// Adds the state of all keys, in the order of their offsets. Events leave out the last one, which the caller adds
    /// with an id.
    pub(in crate::core) fn state(
        &mut self,
        view: RoomView<'_>,
        chat: &Chat,
        form: Form,
        encoder: &mut Encoder,
        rope: &mut Rope,
    ) {
        let key = Key {
            room: view.room,
            what: PartKind::State,
        };
        let identity = Identity::Version(chat.state_version(view.room));
        if let Some(whole) = self.find(view, key, &identity, form) {
            return rope.share(whole);
        }
        let mut retained = chat.retained(view.room);
        if form == Form::StateEvents {
            retained.pop();
        }
        let runs =
            runs(&retained).map(|run| self.run(view, (MessageSource::State, run), form, encoder));
        let runs: Vec<Shared> = runs.collect();
        let bytes = Frames::answer(joined(&runs, form), form.kind(), &self.meter);
        self.parts
            .keep(key, identity.clone(), form, &bytes, self.now_ms);
        let deflated = form.deflated(view.context.reading).map(|form| {
            let deflated = Frames::answer(joined_deflated(&runs), form.kind(), &self.meter);
            // The rest is compressed for the next reader.
            if runs.iter().all(|run| run.deflated.is_some()) {
                self.parts.keep(key, identity, form, &deflated, self.now_ms);
            }
            deflated
        });
        rope.share(Shared { bytes, deflated });
    }

    /// Adds the series of each key, as the items of a list in JSON; `past`: what a store has told of them, up to an offset. They are at most a second old. Returns how many
    /// messages were scanned for them.
    pub(in crate::core) fn series(
        &mut self,
        view: RoomView<'_>,
        chat: &Chat,
        (window, past, now): (Window, (u64, &[PastSeries]), Now),
        encoder: &mut Encoder,
        rope: &mut Rope,
    ) -> usize {
        let key = Key {
            room: view.room,
            what: PartKind::Series(window),
        };
        let now_ms = self.now_ms;
        let identity = Identity::Moment(chat.offset(view.room), now_ms / 1000);
        let mut looked_at = 0;
        let shared = self.part(view, key, identity, Form::Json, encoder, |_, encoder| {
            let chart = Chart {
                window,
                keys: KeyPatterns::default(),
            };
            let (series, messages) = chat.series(view.room, &chart, past, now);
            looked_at = messages;
            encoder.series(&series)
        });
        rope.share(shared);
        looked_at
    }

    /// Adds the listed members, as the items of a list in JSON.
    pub(in crate::core) fn members(
        &mut self,
        view: RoomView<'_>,
        chat: &Chat,
        encoder: &mut Encoder,
        rope: &mut Rope,
    ) {
        let key = Key {
            room: view.room,
            what: PartKind::Members,
        };
        let (people, changes) = chat.roster(view.room, MAX_LISTED);
        let identity = Identity::People(people.into(), changes);
        let make = |_: &Identity, encoder: &mut Encoder| {
            let people = chat.listed_of(view.room, MAX_LISTED);
            let count = people.len();
            let json = encode::people(people.into_iter());
            encoder.charge_json(count, json.len());
            json
        };
        rope.share(self.part(view, key, identity, Form::Json, encoder, make));
    }

    /// Drops parts that have not been used for long enough.
    pub(in crate::core) fn run_deadlines(&mut self, now_ms: u64) {
        self.parts.run_deadlines(now_ms);
    }

    /// When that is due next, in the milliseconds of `Now::ms`.
    pub(in crate::core) fn next_deadline_ms(&self) -> Option<u64> {
        self.parts.next_deadline_ms()
    }

    /// Frees all parts.
    pub(in crate::core) fn release(&mut self) {
        self.parts.clear();
    }

    /// All frames that are held here, for the check of the meter.
    pub(in crate::core) fn frames(&self) -> impl Iterator<Item = &Rc<Frames>> {
        self.parts.frames()
    }

    pub(in crate::core) fn check(&self) -> Result<(), String> {
        self.parts.check()
    }

    fn run(
        &mut self,
        view: RoomView<'_>,
        (of, run): (MessageSource, &[Message<'_>]),
        form: Form,
        encoder: &mut Encoder,
    ) -> Shared {
        let offsets = run.iter().map(|message| message.offset.unwrap_or_default());
        let offsets: Box<[u64]> = offsets.collect();
        let first = offsets.first().copied().unwrap_or_default();
        let last = offsets.last().copied().unwrap_or_default();
        let key = Key {
            room: view.room,
            what: PartKind::Run(of, first, last, run.len()),
        };
        let identity = Identity::Offsets(offsets);
        self.part(view, key, identity, form, encoder, |_, encoder| {
            encode_run(&view.context, run, form, encoder)
        })
    }

    /// The part, as it was made before or made now.
    fn part(
        &mut self,
        view: RoomView<'_>,
        key: Key,
        identity: Identity,
        form: Form,
        encoder: &mut Encoder,
        make: impl FnOnce(&Identity, &mut Encoder) -> Vec<u8>,
    ) -> Shared {
        let found = self.parts.find(key, &identity, form);
        let is_wanted_again = found.is_some();
        let bytes = found.unwrap_or_else(|| {
            let bytes = Frames::answer(make(&identity, encoder), form.kind(), &self.meter);
            self.parts
                .keep(key, identity.clone(), form, &bytes, self.now_ms);
            bytes
        });
        let length = bytes.bytes().len();
        let deflated = form.deflated(view.context.reading).and_then(|form| {
            let found = self.parts.find(key, &identity, form);
            if found.is_some() {
                return found;
            }
            // Compressing what only one reader gets costs more than it saves, unless it is long.
            if length > self.deflate_left || !(is_wanted_again || length >= LONG_PART) {
                return None;
            }
            self.deflate_left -= length;
            let deflated = encoder.deflate_piece(bytes.bytes(), view.context.reading.is_narrow);
            let deflated = Frames::answer(deflated, form.kind(), &self.meter);
            self.parts.keep(key, identity, form, &deflated, self.now_ms);
            Some(deflated)
        });
        Shared { bytes, deflated }
    }

    /// A part that was made before, in all forms that its reader needs.
    fn find(
        &mut self,
        view: RoomView<'_>,
        key: Key,
        identity: &Identity,
        form: Form,
    ) -> Option<Shared> {
        let bytes = self.parts.find(key, identity, form)?;
        let deflated = match form.deflated(view.context.reading) {
            Some(form) => Some(self.parts.find(key, identity, form)?),
            None => None,
        };
        Some(Shared { bytes, deflated })
    }
}

/// Cuts messages into runs, at the same offsets for every reader.
fn runs<'a, 'm>(mut messages: &'a [Message<'m>]) -> impl Iterator<Item = &'a [Message<'m>]> {
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let is_last = |message: &Message<'_>| {
            bytes += message.body.len();
            let is_at_cut = message
                .offset
                .is_some_and(|it| it.is_multiple_of(RUN_MESSAGES));
            is_at_cut || bytes >= RUN_BYTES
        };
        let length = messages.iter().position(is_last).map(|at| at + 1);
        let (run, rest) = messages.split_at(length.unwrap_or(messages.len()));
        messages = rest;
        (!run.is_empty()).then_some(run)
    })
}

fn encode_run(
    context: &Context<'_>,
    run: &[Message<'_>],
    form: Form,
    encoder: &mut Encoder,
) -> Vec<u8> {
    let mut out = Vec::new();
    for (index, message) in run.iter().enumerate() {
        match form {
            Form::Json | Form::Deflated | Form::DeflatedNarrow => {
                if index > 0 {
                    out.push(b',');
                }
                encode::message_event(context.room, message).write(&mut out);
            }
            Form::StateEvents => {
                encode::server_sent_state(context.room, message, None, &mut out);
            }
            Form::Events
            | Form::Feed
            | Form::Plain
            | Form::PlainDeflated
            | Form::PlainDeflatedNarrow
            | Form::Lines => {
                encoder.begin();
                encoder.message(context, message, &mut out);
            }
        }
    }
    if matches!(
        form,
        Form::Json | Form::Deflated | Form::DeflatedNarrow | Form::StateEvents
    ) {
        encoder.charge_json(run.len(), out.len());
    }
    out.shrink_to_fit();
    out
}

fn joined(runs: &[Shared], form: Form) -> Vec<u8> {
    let runs: Vec<&[u8]> = runs.iter().map(|run| run.bytes.bytes()).collect();
    match form {
        Form::Json => runs.join(&b","[..]),
        _ => runs.concat(),
    }
}

fn joined_deflated(runs: &[Shared]) -> Vec<u8> {
    let mut out = Vec::new();
    for (index, run) in runs.iter().enumerate() {
        if index > 0 {
            deflate::store_piece(b",", &mut out);
        }
        match &run.deflated {
            Some(deflated) => out.extend_from_slice(deflated.bytes()),
            None => deflate::store_piece(run.bytes.bytes(), &mut out),
        }
    }
    out.shrink_to_fit();
    out
}
